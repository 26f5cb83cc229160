{{- /* The operator's Deployment.
root; optional: args: the operator's own arguments (a list of strings), between `run` and extraArgs; env: its own
environment (a dict), before the user's. */}}
{{- define "hearth.deployment" -}}
{{- $root := .root }}
{{- $values := $root.Values }}
{{- include "hearth.validate" $root }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "hearth.metadata" (dict "root" $root) | nindent 2 }}
spec:
  replicas: {{ $values.replicaCount }}
  revisionHistoryLimit: {{ $values.revisionHistoryLimit }}
  {{- /* Without leader election two pods must never run at the same time. With it the new pod starts as a standby, and the old one
  releases the lease when it ends. */}}
  strategy:
    {{- if $values.leaderElection.enabled }}
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
    {{- else }}
    type: Recreate
    {{- end }}
  selector:
    matchLabels:
      {{- include "hearth.selectorLabels" $root | nindent 6 }}
  template:
    metadata:
      labels:
        {{- mergeOverwrite (dict) ($values.commonLabels | default dict) ($values.podLabels | default dict) (include "hearth.selectorLabels" $root | fromYaml) | toYaml | nindent 8 }}
      annotations:
        kubectl.kubernetes.io/default-container: operator
        {{- with mergeOverwrite (dict) ($values.commonAnnotations | default dict) ($values.podAnnotations | default dict) }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "hearth.pod" $root | nindent 6 }}
      terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
      {{- with $values.topologySpreadConstraints }}
      topologySpreadConstraints:
        {{- range . }}
        {{- $constraint := . }}
        {{- if not (hasKey . "labelSelector") }}
        {{- $constraint = merge (dict "labelSelector" (dict "matchLabels" (include "hearth.selectorLabels" $root | fromYaml))) . }}
        {{- end }}
        - {{- toYaml $constraint | nindent 10 }}
        {{- end }}
      {{- end }}
      containers:
        - name: operator
          args:
            - run
            - {{ printf "--cluster-name=%s" $values.clusterName | quote }}
            - {{ printf "--leader-elect=%t" $values.leaderElection.enabled | quote }}
            - {{ printf "--log-level=%s" $values.logging.level | quote }}
            - {{ printf "--log-format=%s" $values.logging.format | quote }}
            {{- range concat (.args | default list) $values.extraArgs }}
            - {{ . | quote }}
            {{- end }}
          {{- include "hearth.container" . | nindent 10 }}
          ports:
            - name: metrics
              containerPort: 8080
              protocol: TCP
          {{- include "hearth.probe" (dict "kind" "startup" "path" "/livez" "probe" $values.probes.startup) | nindent 10 }}
          {{- include "hearth.probe" (dict "kind" "liveness" "path" "/livez" "probe" $values.probes.liveness) | nindent 10 }}
          {{- include "hearth.probe" (dict "kind" "readiness" "path" "/readyz" "probe" $values.probes.readiness) | nindent 10 }}
{{- end }}

{{- /* The pod spec that all pods of the operator share, without containers. */}}
{{- define "hearth.pod" -}}
{{- with include "hearth.imagePullSecrets" . }}
{{- . }}
{{ end -}}
serviceAccountName: {{ include "hearth.serviceAccountName" . | quote }}
automountServiceAccountToken: true
enableServiceLinks: false
{{- with .Values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "hostAliases" "dnsPolicy" "dnsConfig" }}
{{- with get $.Values $key }}
{{- toYaml (dict $key .) | nindent 0 }}
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The container spec that all containers of the operator's image share, without name and arguments.
root; optional: env: as for the Deployment. */}}
{{- define "hearth.container" -}}
{{- $values := .root.Values -}}
image: {{ include "hearth.image" .root | quote }}
imagePullPolicy: {{ include "hearth.imagePullPolicy" .root }}
env:
  - name: POD_NAME
    valueFrom:
      fieldRef:
        fieldPath: metadata.name
  - name: POD_NAMESPACE
    valueFrom:
      fieldRef:
        fieldPath: metadata.namespace
  {{- range $name, $value := .env }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
  {{- with $values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.securityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.extraVolumeMounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "hearth.probe" -}}
{{- if .probe.enabled -}}
{{ .kind }}Probe:
  httpGet:
    path: {{ .path }}
    port: metrics
  {{- with omit .probe "enabled" }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end }}
