{{- /* The operator's Deployment.
root; optional: args: the operator's own arguments (a list of strings), between `run` and extraArgs; env: its own
environment (a dict), volumes, volumeMounts: its own (lists), each before the user's. */}}
{{- define "hearth.deployment" -}}
{{- $root := .root }}
{{- $values := $root.Values }}
{{- include "hearth.validate" $root }}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "hearth.metadata" (dict "root" $root "labels" $values.deploymentLabels "annotations" $values.deploymentAnnotations) | nindent 2 }}
spec:
  replicas: {{ $values.replicaCount }}
  revisionHistoryLimit: {{ $values.revisionHistoryLimit }}
  {{- /* Without leader election two pods must never run at the same time. With it the new pod starts as a standby, and the old one
  releases the lease when it ends. */}}
  strategy:
    {{- if $values.strategy }}
    {{- toYaml $values.strategy | nindent 4 }}
    {{- else if $values.leaderElection.enabled }}
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
      {{- include "hearth.pod" (dict "root" $root "volumes" .volumes) | nindent 6 }}
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
      {{- with $values.initContainers }}
      initContainers:
        {{- toYaml . | nindent 8 }}
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
        {{- with $values.extraContainers }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
{{- end }}

{{- /* The pod spec of pods that work as the operator, without containers.
The root context; or root, volumes (as for the Deployment). */}}
{{- define "hearth.pod" -}}
{{- $root := .root | default . }}
{{- $values := $root.Values }}
{{- include "hearth.podBasics" (dict "root" $root "token" true) }}
{{- range $key := list "priorityClassName" "hostAliases" "dnsPolicy" "dnsConfig" }}
{{- with get $values $key }}
{{- toYaml (dict $key .) | nindent 0 }}
{{- end }}
{{- end }}
{{- with concat (.volumes | default list) ($values.extraVolumes | default list) }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What every pod of the chart has: the image can be pulled, and the pod may run on the same nodes as the operator.
root; token: whether it gets the token of the operator's service account. */}}
{{- define "hearth.podBasics" -}}
{{- $values := .root.Values }}
{{- with include "hearth.imagePullSecrets" .root }}
{{- . }}
{{ end -}}
serviceAccountName: {{ include "hearth.serviceAccountName" .root | quote }}
automountServiceAccountToken: {{ .token }}
enableServiceLinks: false
{{- if not (kindIs "invalid" $values.hostUsers) }}
hostUsers: {{ $values.hostUsers }}
{{- end }}
{{- with $values.podSecurityContext }}
securityContext:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $affinity := include "hearth.affinity" .root | fromYaml }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "runtimeClassName" "schedulerName" }}
{{- with eq $key "affinity" | ternary $affinity (get $values $key) }}
{{- toYaml (dict $key .) | nindent 0 }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The user's affinity, and the architectures of the image. Terms are alternatives, so each of them needs the requirement. */}}
{{- define "hearth.affinity" -}}
{{- $affinity := deepCopy (.Values.affinity | default dict) }}
{{- with .Values.image.architectures }}
{{- $requirement := dict "key" "kubernetes.io/arch" "operator" "In" "values" . }}
{{- $node := $affinity.nodeAffinity | default dict }}
{{- $required := $node.requiredDuringSchedulingIgnoredDuringExecution | default dict }}
{{- $terms := list }}
{{- range $required.nodeSelectorTerms | default (list dict) }}
{{- $terms = append $terms (merge (dict "matchExpressions" (append (.matchExpressions | default list) $requirement)) .) }}
{{- end }}
{{- $_ := set $required "nodeSelectorTerms" $terms }}
{{- $_ := set $node "requiredDuringSchedulingIgnoredDuringExecution" $required }}
{{- $_ := set $affinity "nodeAffinity" $node }}
{{- end }}
{{- toYaml $affinity }}
{{- end }}

{{- /* The container spec that all containers of the operator's image share, without name and arguments.
root; optional: env, volumeMounts: as for the Deployment. */}}
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
  {{- with include "hearth.userEnv" $values.env | fromYamlArray }}
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
{{- with concat (.volumeMounts | default list) ($values.extraVolumeMounts | default list) }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* The user's environment as a list: it is one already, or a map from names to values, or to objects with valueFrom. In a map
null removes a name that another file of values has. */}}
{{- define "hearth.userEnv" -}}
{{- $list := list }}
{{- if kindIs "map" . }}
{{- range $name, $value := . }}
{{- if kindIs "map" $value }}
{{- $list = append $list (merge (dict "name" $name) $value) }}
{{- else if not (kindIs "invalid" $value) }}
{{- $list = append $list (dict "name" $name "value" (kindIs "string" $value | ternary $value (toJson $value))) }}
{{- end }}
{{- end }}
{{- else }}
{{- $list = . | default list }}
{{- end }}
{{- toYaml $list }}
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
