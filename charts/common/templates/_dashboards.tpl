{{- /* files/dashboard.json; with grafanaDashboard.overview also the dashboard of all operators, which is in this library. The
overview has one name and one UID in whatever release it is, so that a second one is an error of Helm's, and no second dashboard
of the same UID, which Grafana would refuse. */}}
{{- define "hearth.dashboard" -}}
{{- if .Values.grafanaDashboard.enabled }}
{{- $fullname := include "hearth.fullname" . }}
{{- include "hearth.grafanaDashboard" (dict
  "root" .
  "configMap" (printf "%s-dashboard" $fullname)
  "name" $fullname
  "file" (printf "%s.json" (include "hearth.name" .))
  "json" (.Files.Get "files/dashboard.json")) }}
{{- if .Values.grafanaDashboard.overview }}
---
{{ include "hearth.grafanaDashboard" (dict
  "root" .
  "configMap" "hearth-overview"
  "name" "hearth-overview"
  "file" "hearth-overview.json"
  "json" (.Subcharts.common.Files.Get "files/overview.json")) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* A dashboard for Grafana's sidecar, or for the grafana-operator.
root; configMap, name: names of the objects; file: the key in the ConfigMap; json: the dashboard. */}}
{{- define "hearth.grafanaDashboard" -}}
{{- $dashboard := .root.Values.grafanaDashboard }}
{{- $operator := $dashboard.grafanaOperator }}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "hearth.metadata" (dict "root" .root "name" .configMap "namespace" $dashboard.namespace "labels" (ternary dict $dashboard.labels $operator.enabled) "annotations" $dashboard.annotations) | nindent 2 }}
data:
  {{ .file | quote }}: |
    {{- .json | trim | nindent 4 }}
{{- if $operator.enabled }}
---
apiVersion: grafana.integreatly.org/v1beta1
kind: GrafanaDashboard
metadata:
  {{- include "hearth.metadata" (dict "root" .root "name" .name "namespace" $dashboard.namespace "labels" $dashboard.labels "annotations" $dashboard.annotations) | nindent 2 }}
spec:
  allowCrossNamespaceImport: true
  {{- range $key := list "folder" "folderRef" "folderUID" }}
  {{- with get $operator $key }}
  {{ $key }}: {{ . | quote }}
  {{- end }}
  {{- end }}
  instanceSelector:
    {{- toYaml $operator.instanceSelector | nindent 4 }}
  configMapRef:
    name: {{ .configMap | quote }}
    key: {{ .file | quote }}
{{- end }}
{{- end }}
