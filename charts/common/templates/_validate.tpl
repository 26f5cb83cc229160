{{- /* Checks that a schema cannot express. The message says how to fix it. */}}
{{- define "hearth.validate" -}}
{{- $values := .Values }}
{{- $image := $values.image }}
{{- $metrics := $values.metrics }}
{{- $dashboard := $values.grafanaDashboard }}
{{- $_ := required "clusterName is required: the name of this cluster, which never changes, not even when the cluster is rebuilt. Keep it in Git, for example `clusterName: home`" $values.clusterName }}
{{- if not (or (include "hearth.imageRegistry" .) (regexMatch "^([^/]*[.:][^/]*|localhost)/" $image.repository)) }}
{{- fail (printf "image.registry is required: no image is published yet, and %s without a registry would be a stranger's image on Docker Hub. Set it to your registry, or to localhost for an image that is loaded onto the nodes" $image.repository) }}
{{- end }}
{{- with get ($values.nodeSelector | default dict) "kubernetes.io/arch" }}
{{- if and $image.architectures (not (has . $image.architectures)) }}
{{- fail (printf "nodeSelector asks for nodes with kubernetes.io/arch %s, but image.architectures is %s: the image would not start there. Change one of them" . (join ", " $image.architectures)) }}
{{- end }}
{{- end }}
{{- if and (gt (int $values.replicaCount) 1) (not $values.leaderElection.enabled) }}
{{- fail (printf "replicaCount is %d, but leaderElection.enabled is false: two replicas would undo each other's changes. Set leaderElection.enabled to true, or replicaCount to 1" (int $values.replicaCount)) }}
{{- end }}
{{- if and $values.strategy (not $values.leaderElection.enabled) (ne (get $values.strategy "type") "Recreate") }}
{{- fail "leaderElection.enabled is false, so strategy.type must be Recreate: during an update two pods would run at the same time and undo each other's changes" }}
{{- end }}
{{- if and $metrics.serviceMonitor.enabled (not $metrics.service.enabled) }}
{{- fail "metrics.serviceMonitor.enabled needs metrics.service.enabled: the monitor selects that Service. Without a Service use metrics.podMonitor" }}
{{- end }}
{{- if and $metrics.serviceMonitor.enabled $metrics.podMonitor.enabled }}
{{- fail "metrics.serviceMonitor.enabled and metrics.podMonitor.enabled are both true: every pod would be scraped twice. Set one of them to false" }}
{{- end }}
{{- if and $dashboard.overview (not $dashboard.enabled) }}
{{- fail "grafanaDashboard.overview needs grafanaDashboard.enabled" }}
{{- end }}
{{- $folders := list }}
{{- range $key := list "folder" "folderRef" "folderUID" }}
{{- if get $dashboard.grafanaOperator $key }}
{{- $folders = append $folders $key }}
{{- end }}
{{- end }}
{{- if gt (len $folders) 1 }}
{{- fail (printf "grafanaDashboard.grafanaOperator: %s are set, but a dashboard is in one folder. Set one of them" (join " and " $folders)) }}
{{- end }}
{{- end }}
