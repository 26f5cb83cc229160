{{- /* This operator's own settings, and the permissions that its enabled features need. */}}

{{- define "node-class.features" -}}
{{- range $feature := list "drain" "failover" "workloads" }}
{{- if get $.Values.features $feature }}
- {{ $feature }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Only values that are set; the operator has the defaults. */}}
{{- define "node-class.env" -}}
HEARTH_FEATURES: {{ include "node-class.features" . | fromYamlArray | join "," | quote }}
{{- if not .Values.classes.install }}
HEARTH_CREATE_CLASSES: "false"
{{- end }}
{{- $timing := .Values.timing }}
{{- $learning := .Values.learning }}
{{- $settings := dict
  "HEARTH_TIME_ZONE" .Values.timeZone
  "HEARTH_GRACE" $timing.grace
  "HEARTH_BLIND_AFTER" $timing.blindAfter
  "HEARTH_SETTLE" $timing.settle
  "HEARTH_CHECKPOINT" $timing.checkpoint
  "HEARTH_REBOOT_WITHIN" $timing.rebootWithin
  "HEARTH_CLEAN_OFF_AFTER" $timing.cleanOffAfter
  "HEARTH_LEARN_COVERAGE" $learning.coverage
  "HEARTH_LEARN_CALM" $learning.calm
  "HEARTH_LEARN_DWELL" $learning.dwell }}
{{- range $name, $value := $settings }}
{{- with $value }}
{{ $name }}: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- define "node-class.clusterRules" -}}
- apiGroups: [""]
  resources: [nodes]
  verbs: [get, list, watch, patch]
- apiGroups: [nodes.hearth.home.arpa]
  resources: [nodehosts, nodeclasses]
  verbs: [get, list, watch]
- apiGroups: [nodes.hearth.home.arpa]
  resources: {{ ternary (list "nodehistories" "nodeclasses") (list "nodehistories") .Values.classes.install | toJson }}
  verbs: [get, list, watch, create]
- apiGroups: [nodes.hearth.home.arpa]
  resources: [nodehosts/status, nodeclasses/status, nodehistories/status]
  verbs: [get, patch]
{{- /* To check whether a taint would keep the network's or the storage's pods off a node. */}}
- apiGroups: [apps]
  resources: [daemonsets]
  verbs: [list, watch]
{{- if include "node-class.features" . }}
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch]
{{- end }}
{{- if .Values.features.drain }}
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
{{- end }}
{{- if .Values.features.workloads }}
- apiGroups: [""]
  resources: [persistentvolumes]
  verbs: [list, watch]
{{- end }}
{{- /* Volumes that are still attached to a node that is drained, or that is back after a failover. */}}
{{- if or .Values.features.drain .Values.features.failover }}
- apiGroups: [storage.k8s.io]
  resources: [volumeattachments]
  verbs: [list]
{{- end }}
{{- end }}

{{- /* Its own pod, to know on which node it runs. The Job before an uninstall scales the operator to 0 and waits until its
lease is released; without leader election there is no lease, and the Job must be able to check that. */}}
{{- define "node-class.ownRules" -}}
- apiGroups: [""]
  resources: [pods]
  verbs: [get]
{{- if .Values.releaseOnUninstall }}
- apiGroups: [apps]
  resources: [deployments/scale]
  resourceNames: [{{ include "hearth.fullname" . }}]
  verbs: [patch]
{{- if not .Values.leaderElection.enabled }}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get]
{{- end }}
{{- end }}
{{- end }}

{{- /* The leases of the nodes. */}}
{{- define "node-class.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch]
{{- end }}

{{- /* All of it affects the whole cluster, so only the cluster's admin may write. */}}
{{- define "node-class.viewRules" -}}
- apiGroups: [nodes.hearth.home.arpa]
  resources: [nodehosts, nodeclasses, nodehistories]
  verbs: [get, list, watch]
{{- end }}
