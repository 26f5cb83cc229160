{{- /* This operator's own arguments, environment and permissions. */}}

{{- define "backup-scheduler.args" -}}
{{- with .Values.scope.namespaces }}
- {{ printf "--watch-namespaces=%s" (join "," .) | quote }}
{{- end }}
{{- end }}

{{- /* Movers run the operator's own image, on the nodes where it can start. */}}
{{- define "backup-scheduler.env" -}}
HEARTH_IMAGE: {{ include "hearth.image" . | quote }}
HEARTH_IMAGE_PULL_POLICY: {{ include "hearth.imagePullPolicy" . | quote }}
{{- with (include "hearth.imagePullSecrets" . | fromYaml).imagePullSecrets }}
{{- $names := list }}
{{- range . }}
{{- $names = append $names .name }}
{{- end }}
HEARTH_IMAGE_PULL_SECRETS: {{ join "," $names | quote }}
{{- end }}
{{- with .Values.image.architectures }}
HEARTH_IMAGE_ARCHITECTURES: {{ join "," . | quote }}
{{- end }}
{{- with .Values.movers.priorityClassName }}
HEARTH_MOVER_PRIORITY_CLASS: {{ . | quote }}
{{- end }}
HEARTH_MOVERS_CONCURRENCY: {{ .Values.movers.concurrency | quote }}
{{- if .Values.progress.enabled }}
HEARTH_PROGRESS_URL: {{ printf "http://%s-progress.%s.svc:%d/progress" (include "hearth.fullname" .) (include "hearth.namespace" .) (int .Values.progress.port) | quote }}
HEARTH_PROGRESS_ADDRESS: {{ printf "[::]:%d" (int .Values.progress.port) | quote }}
{{- end }}
{{- if .Values.exporter.enabled }}
HEARTH_EXPORTER_ACCOUNT: {{ printf "%s-exporter" (include "hearth.fullname" .) | quote }}
{{- end }}
{{- if .Values.restorer.enabled }}
HEARTH_RESTORER_ACCOUNT: {{ printf "%s-restorer" (include "hearth.fullname" .) | quote }}
{{- end }}
{{- end }}

{{- /* A backup of API objects reads all kinds, also those that are installed later. */}}
{{- define "backup-scheduler.exporterRules" -}}
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [get, list]
{{- end }}

{{- /* A restore writes all kinds. A role may only be made by who has its rights, or may give any. */}}
{{- define "backup-scheduler.restorerRules" -}}
- apiGroups: ["*"]
  resources: ["*"]
  verbs: [get, list, create, patch, update]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [clusterroles, roles]
  verbs: [bind, escalate]
{{- end }}

{{- /* Cluster-scoped objects: repositories; the node of a volume, and whether it is ready; storage classes for claims; the namespaces
that a schedule chooses from. */}}
{{- define "backup-scheduler.clusterRules" -}}
- apiGroups: [backup.hearth.home.arpa]
  resources: [backuprepositories]
  verbs: [get, list, watch]
- apiGroups: [backup.hearth.home.arpa]
  resources: [backuprepositories/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [persistentvolumes]
  verbs: [get]
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [list]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [list]
{{- end }}

{{- /* What is needed where runs are. A mover's Secret is written and never read back. The namespace says which pods it admits.
root; optional: namespace (absent: cluster-wide). */}}
{{- define "backup-scheduler.runRules" -}}
- apiGroups: [backup.hearth.home.arpa]
  resources: [backupschedules, backupruns, restoreruns]
  verbs: [get, list, watch]
- apiGroups: [backup.hearth.home.arpa]
  resources: [backupruns]
  verbs: [delete]
- apiGroups: [backup.hearth.home.arpa]
  resources: [backupschedules/status, backupruns/status, restoreruns/status]
  verbs: [patch]
- apiGroups: [backup.hearth.home.arpa]
  resources: [backupruns]
  verbs: [create, patch]
{{- /* A restore of several namespaces makes one in each. */}}
{{- if and .root.Values.restorer.enabled (not .namespace) }}
- apiGroups: [backup.hearth.home.arpa]
  resources: [restoreruns]
  verbs: [create]
{{- end }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [get, list, watch, create, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list{{ if .root.Values.restore.enabled }}, create{{ end }}]
- apiGroups: [""]
  resources: [namespaces]
  {{- with .namespace }}
  resourceNames: [{{ . | quote }}]
  {{- end }}
  verbs: [get]
{{- end }}

{{- define "backup-scheduler.ownRules" -}}
{{- /* resourceNames also covers a list or watch of one Secret by its name. */}}
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.credentialsSecrets }}
  resourceNames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get, list, watch]
{{- /* Checks, prunes and removals of snapshots are done here, with the key that may delete. */}}
{{- if .Values.scope.namespaces }}
- apiGroups: [batch]
  resources: [jobs]
  verbs: [list, create, delete]
- apiGroups: [""]
  resources: [secrets]
  verbs: [create, patch, delete]
- apiGroups: [""]
  resources: [pods]
  verbs: [list]
{{- end }}
{{- end }}

{{- define "backup-scheduler.viewRules" -}}
- apiGroups: [backup.hearth.home.arpa]
  resources: [backuprepositories, backupschedules, backupruns, restoreruns]
  verbs: [get, list, watch]
{{- end }}

{{- /* A repository says which namespaces may use it, so only the cluster's admin may write it. */}}
{{- define "backup-scheduler.editRules" -}}
- apiGroups: [backup.hearth.home.arpa]
  resources: [backupschedules, backupruns, restoreruns]
  verbs: [create, update, patch, delete, deletecollection]
{{- end }}
