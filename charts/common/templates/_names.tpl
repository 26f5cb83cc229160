{{- /* Names, labels and other fragments. Every template of this library takes the calling chart's root context,
or a dict with it under "root". */}}

{{- define "hearth.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* The release's name alone when it contains the chart's name: `helm install dns-sync …` gives `dns-sync`. */}}
{{- define "hearth.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := include "hearth.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hearth.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride }}
{{- end }}

{{- define "hearth.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "hearth.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "hearth.selectorLabels" -}}
app.kubernetes.io/name: {{ include "hearth.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "hearth.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "hearth.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: hearth
{{- end }}

{{- /* The metadata of one object.
root, name; optional: suffix to the name, namespaced (default true), namespace, labels, annotations. */}}
{{- define "hearth.metadata" -}}
{{- $root := .root }}
{{- $labels := mergeOverwrite (dict) (include "hearth.labels" $root | fromYaml) ($root.Values.commonLabels | default dict) (.labels | default dict) }}
{{- $annotations := mergeOverwrite (dict) ($root.Values.commonAnnotations | default dict) (.annotations | default dict) -}}
name: {{ default (include "hearth.fullname" $root) .name | quote }}
{{- if ne .namespaced false }}
namespace: {{ default (include "hearth.namespace" $root) .namespace | quote }}
{{- end }}
labels:
  {{- toYaml $labels | nindent 2 }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The chart's own registry, or that of all charts of an umbrella chart, unless the repository begins with one. */}}
{{- define "hearth.imageRegistry" -}}
{{- $global := (.Values.global | default dict).imageRegistry }}
{{- $inRepository := regexMatch "^([^/]*[.:][^/]*|localhost)/" .Values.image.repository }}
{{- .Values.image.registry | default (ternary "" $global $inRepository) }}
{{- end }}

{{- define "hearth.image" -}}
{{- $image := .Values.image }}
{{- $name := $image.repository }}
{{- with include "hearth.imageRegistry" . }}{{ $name = printf "%s/%s" . $name }}{{ end }}
{{- $tag := default .Chart.AppVersion $image.tag }}
{{- if $image.digest }}
{{- printf "%s:%s@%s" $name $tag $image.digest }}
{{- else }}
{{- printf "%s:%s" $name $tag }}
{{- end }}
{{- end }}

{{- /* A tag that each build replaces must be pulled each time. An image of `localhost` is on the node already. */}}
{{- define "hearth.imagePullPolicy" -}}
{{- $image := .Values.image }}
{{- $fixed := or $image.digest (ne $image.tag "dev") (eq (include "hearth.imageRegistry" .) "localhost") }}
{{- default (ternary "Always" "IfNotPresent" (empty $fixed)) $image.pullPolicy }}
{{- end }}

{{- define "hearth.imagePullSecrets" -}}
{{- $global := (.Values.global | default dict).imagePullSecrets | default list }}
{{- with concat $global .Values.imagePullSecrets | uniq -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
