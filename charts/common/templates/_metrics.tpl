{{- define "hearth.service" -}}
{{- $service := .Values.metrics.service }}
{{- if $service.enabled }}
apiVersion: v1
kind: Service
metadata:
  {{- include "hearth.metadata" (dict "root" . "labels" $service.labels "annotations" $service.annotations) | nindent 2 }}
spec:
  type: ClusterIP
  {{- with $service.ipFamilyPolicy }}
  ipFamilyPolicy: {{ . }}
  {{- end }}
  {{- with $service.ipFamilies }}
  ipFamilies:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  selector:
    {{- include "hearth.selectorLabels" . | nindent 4 }}
  ports:
    - name: metrics
      port: {{ $service.port }}
      targetPort: metrics
      protocol: TCP
{{- end }}
{{- end }}

{{- define "hearth.serviceMonitor" -}}
{{- $monitor := .Values.metrics.serviceMonitor }}
{{- if $monitor.enabled }}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  {{- include "hearth.metadata" (dict "root" . "namespace" $monitor.namespace "labels" $monitor.labels "annotations" $monitor.annotations) | nindent 2 }}
spec:
  jobLabel: app.kubernetes.io/name
  namespaceSelector:
    matchNames:
      - {{ include "hearth.namespace" . | quote }}
  selector:
    matchLabels:
      {{- include "hearth.selectorLabels" . | nindent 6 }}
  {{- range $key := list "targetLabels" "podTargetLabels" }}
  {{- with get $monitor $key }}
  {{ $key }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
  endpoints:
    - port: metrics
      path: /metrics
      {{- with include "hearth.scrape" $monitor }}
      {{- . | nindent 6 }}
      {{- end }}
{{- end }}
{{- end }}

{{- /* Scrapes the pods without a Service. */}}
{{- define "hearth.podMonitor" -}}
{{- $monitor := .Values.metrics.podMonitor }}
{{- if $monitor.enabled }}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  {{- include "hearth.metadata" (dict "root" . "namespace" $monitor.namespace "labels" $monitor.labels "annotations" $monitor.annotations) | nindent 2 }}
spec:
  jobLabel: app.kubernetes.io/name
  namespaceSelector:
    matchNames:
      - {{ include "hearth.namespace" . | quote }}
  selector:
    matchLabels:
      {{- include "hearth.selectorLabels" . | nindent 6 }}
  {{- with $monitor.podTargetLabels }}
  podTargetLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  podMetricsEndpoints:
    - port: metrics
      path: /metrics
      {{- with include "hearth.scrape" $monitor }}
      {{- . | nindent 6 }}
      {{- end }}
{{- end }}
{{- end }}

{{- /* How a monitor scrapes; what is empty is left out. */}}
{{- define "hearth.scrape" -}}
{{- $given := dict }}
{{- range $key := list "interval" "scrapeTimeout" "honorLabels" "scheme" "tlsConfig" "relabelings" "metricRelabelings" }}
{{- with get $ $key }}
{{- $_ := set $given $key . }}
{{- end }}
{{- end }}
{{- with $given }}
{{- toYaml . }}
{{- end }}
{{- end }}

{{- /* The alerts of files/alerts.yaml. promtool tests this file, so it has no Helm templates. An
override changes one alert by name; a name that does not exist is an error. Runbooks are paths in the repository there; without
a base URL an alert has no link, since one that leads nowhere is worse. */}}
{{- define "hearth.prometheusRule" -}}
{{- $rule := .Values.metrics.prometheusRule }}
{{- if $rule.enabled }}
{{- $known := list }}
{{- $groups := list }}
{{- range (.Files.Get "files/alerts.yaml" | fromYaml).groups }}
{{- $rules := list }}
{{- range .rules }}
{{- $known = append $known .alert }}
{{- $override := get $rule.overrides .alert | default dict }}
{{- if not $override.disabled }}
{{- $alert := merge (pick $override "expr" "for") . }}
{{- $runbook := ternary dict (dict "runbook_url" (printf "%s/%s" (trimSuffix "/" $rule.runbookBaseURL) .annotations.runbook_url)) (empty $rule.runbookBaseURL) }}
{{- $_ := set $alert "annotations" (mergeOverwrite (omit .annotations "runbook_url") $runbook ($override.annotations | default dict)) }}
{{- $_ := set $alert "labels" (mergeOverwrite (dict) .labels ($override.labels | default dict) (pick $override "severity")) }}
{{- $rules = append $rules $alert }}
{{- end }}
{{- end }}
{{- if $rules }}
{{- $groups = append $groups (set . "rules" $rules) }}
{{- end }}
{{- end }}
{{- range $name, $_ := $rule.overrides }}
{{- if not (has $name $known) }}
{{- fail (printf "metrics.prometheusRule.overrides: there is no alert %s; the alerts are %s" $name (join ", " ($known | uniq))) }}
{{- end }}
{{- end }}
{{- with $rule.additionalRules }}
{{- $groups = append $groups (dict "name" (printf "%s-additional" (include "hearth.fullname" $)) "rules" .) }}
{{- end }}
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  {{- include "hearth.metadata" (dict "root" . "namespace" $rule.namespace "labels" $rule.labels "annotations" $rule.annotations) | nindent 2 }}
spec:
  groups:
    {{- toYaml $groups | nindent 4 }}
{{- end }}
{{- end }}
