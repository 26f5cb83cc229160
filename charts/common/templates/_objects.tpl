{{- /* The CRDs of files/crds as they were generated, with this release's labels and, with crds.keep, the annotation that
makes Helm keep them (and with them all their objects) at an uninstall. Only the metadata is rewritten,
as text: Helm's YAML functions would turn integers into floats. */}}
{{- define "hearth.crds" -}}
{{- if .Values.crds.enabled }}
{{- if not (.Files.Glob "files/crds/*.yaml") }}
{{- fail "this chart has lost its CRDs (files/crds/*.yaml), so the operator would find none; package the chart from a complete checkout, or install the CRDs yourself and set crds.enabled to false" }}
{{- end }}
{{- range $path, $bytes := .Files.Glob "files/crds/*.yaml" }}
{{- $text := $.Files.Get $path }}
{{- $own := ($text | fromYaml).metadata }}
{{- $keep := ternary (dict "helm.sh/resource-policy" "keep") dict $.Values.crds.keep }}
{{- $annotations := mergeOverwrite (dict) ($own.annotations | default dict) $.Values.crds.annotations $keep }}
{{- $metadata := include "hearth.metadata" (dict "root" $ "name" $own.name "namespaced" false "labels" $own.labels "annotations" $annotations) }}
---
{{ regexReplaceAllLiteral "(?m)^metadata:\n( +.*\n)+" (trimPrefix "---\n" $text) (printf "metadata:\n%s\n" ($metadata | indent 2)) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "hearth.extraObjects" -}}
{{- range .Values.extraObjects }}
---
{{ tpl (kindIs "string" . | ternary . (toYaml .)) $ }}
{{- end }}
{{- end }}
