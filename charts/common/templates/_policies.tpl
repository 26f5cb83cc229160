{{- define "hearth.podDisruptionBudget" -}}
{{- $budget := .Values.podDisruptionBudget }}
{{- if $budget.enabled }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "hearth.metadata" (dict "root" .) | nindent 2 }}
spec:
  {{- /* 0 is a valid value of both; only a missing value is left out. */}}
  {{- if not (kindIs "invalid" $budget.minAvailable) }}
  minAvailable: {{ $budget.minAvailable }}
  {{- else }}
  maxUnavailable: {{ $budget.maxUnavailable }}
  {{- end }}
  unhealthyPodEvictionPolicy: {{ $budget.unhealthyPodEvictionPolicy }}
  selector:
    matchLabels:
      {{- include "hearth.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "hearth.networkPolicy" -}}
{{- $policy := .Values.networkPolicy }}
{{- if $policy.enabled }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "hearth.metadata" (dict "root" .) | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "hearth.selectorLabels" . | nindent 6 }}
  policyTypes:
    - Ingress
    - Egress
  ingress:
    - ports:
        - port: metrics
          protocol: TCP
      {{- with $policy.ingressFrom }}
      from:
        {{- toYaml . | nindent 8 }}
    {{- if and $.Values.helmTest.enabled $.Values.metrics.service.enabled }}
    - ports:
        - port: metrics
          protocol: TCP
      from:
        - podSelector:
            matchLabels:
              {{- include "hearth.testLabels" $ | nindent 14 }}
    {{- end }}
      {{- end }}
  egress:
    - ports:
        - port: 53
          protocol: UDP
        - port: 53
          protocol: TCP
    - ports:
        {{- range $policy.egressPorts }}
        - port: {{ . }}
          protocol: TCP
        {{- end }}
    {{- with $policy.extraEgress }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- end }}
