{{- /* What is this operator's own: its settings and the rights that its enabled features need. */}}

{{- define "node-class.features" -}}
{{- range $feature := list "drain" "failover" "workloads" }}
{{- if get $.Values.features $feature }}
- {{ $feature }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Only what is set: the defaults are the operator's. */}}
{{- define "node-class.env" -}}
HEARTH_FEATURES: {{ include "node-class.features" . | fromYamlArray | join "," | quote }}
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
  resources: [nodehistories]
  verbs: [get, list, watch, create]
- apiGroups: [nodes.hearth.home.arpa]
  resources: [nodehosts/status, nodeclasses/status, nodehistories/status]
  verbs: [get, patch]
{{- /* To see whether a taint would keep the network's or the storage's pods off a node. */}}
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
{{- if .Values.features.failover }}
- apiGroups: [storage.k8s.io]
  resources: [volumeattachments]
  verbs: [list]
{{- end }}
{{- end }}

{{- /* Its own pod, to know on which node it runs itself. The Job before an uninstall ends the operator and waits until its
lease is given back; without an election there is none, which it has to see, too. */}}
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

{{- /* The nodes' leases: who is alive. */}}
{{- define "node-class.leaseRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch]
{{- end }}

{{- /* All of it is about the whole cluster, so writing stays with the cluster's admin. */}}
{{- define "node-class.viewRules" -}}
- apiGroups: [nodes.hearth.home.arpa]
  resources: [nodehosts, nodeclasses, nodehistories]
  verbs: [get, list, watch]
{{- end }}
