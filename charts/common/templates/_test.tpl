{{- /* `helm test`: a pod of the operator's image asks the operator, through its Service, whether it is ready. It does not have the
operator's labels, so that no Service, policy or budget takes it for the operator, and none of its permissions. */}}
{{- define "hearth.test" -}}
{{- if and .Values.helmTest.enabled .Values.metrics.service.enabled }}
{{- $annotations := dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded" }}
apiVersion: v1
kind: Pod
metadata:
  {{- include "hearth.metadata" (dict "root" . "name" (printf "%s-test" (include "hearth.fullname" . | trunc 58 | trimSuffix "-")) "labels" (include "hearth.testLabels" . | fromYaml) "annotations" $annotations) | nindent 2 }}
spec:
  {{- include "hearth.podBasics" (dict "root" . "token" false) | nindent 2 }}
  restartPolicy: Never
  activeDeadlineSeconds: 180
  containers:
    - name: ready
      image: {{ include "hearth.image" . | quote }}
      imagePullPolicy: {{ include "hearth.imagePullPolicy" . }}
      args:
        - ready
        - {{ printf "%s.%s.svc:%d" (include "hearth.fullname" .) (include "hearth.namespace" .) (int .Values.metrics.service.port) | quote }}
      {{- with .Values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.securityContext }}
      securityContext:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
{{- end }}

{{- define "hearth.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "hearth.name" . | trunc 58 | trimSuffix "-") | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}
