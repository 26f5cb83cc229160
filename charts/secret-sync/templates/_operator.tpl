{{- /* This operator's own arguments, tokens and permissions. */}}

{{- /* Where the tokens of the operator's ServiceAccount are. An audience may be a URL, so files have numbers. */}}
{{- define "secret-sync.tokens" -}}
/var/run/secrets/secret-sync
{{- end }}

{{- define "secret-sync.args" -}}
{{- with .Values.scope.namespaces }}
- {{ printf "--watch-namespaces=%s" (join "," .) | quote }}
{{- end }}
{{- range $index, $audience := .Values.tokenAudiences }}
- {{ printf "--token=%s=%s/token-%d" $audience (include "secret-sync.tokens" $) $index | quote }}
{{- end }}
{{- with .Values.allowedHosts }}
- {{ printf "--allowed-hosts=%s" (join "," .) | quote }}
{{- end }}
{{- end }}

{{- define "secret-sync.volumes" -}}
{{- with .Values.tokenAudiences }}
- name: tokens
  projected:
    sources:
      {{- range $index, $audience := . }}
      - serviceAccountToken:
          audience: {{ $audience | quote }}
          expirationSeconds: 3600
          path: token-{{ $index }}
      {{- end }}
{{- end }}
{{- end }}

{{- define "secret-sync.volumeMounts" -}}
{{- if .Values.tokenAudiences }}
- name: tokens
  mountPath: {{ include "secret-sync.tokens" . }}
  readOnly: true
{{- end }}
{{- end }}

{{- /* SecretSyncs are read everywhere, so that one outside of the scope can say so. */}}
{{- define "secret-sync.clusterRules" -}}
- apiGroups: [secrets.hearth.home.arpa]
  resources: [clustersecretsources, secretsyncs]
  verbs: [get, list, watch]
- apiGroups: [secrets.hearth.home.arpa]
  resources: [clustersecretsources/status, secretsyncs/status]
  verbs: [get, patch]
{{- end }}

{{- /* What is needed where Secrets are written. Before one is created the operator asks whether its namespace is being deleted.
Optional: namespace (absent: cluster-wide). */}}
{{- define "secret-sync.targetRules" -}}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [namespaces]
  {{- with .namespace }}
  resourceNames: [{{ . | quote }}]
  {{- end }}
  verbs: [get]
{{- end }}

{{- define "secret-sync.ownRules" -}}
{{- /* resourceNames also covers a list or watch of one Secret by its name. */}}
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.credentialsSecrets }}
  resourceNames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get, list, watch]
{{- /* Certificates to trust. */}}
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get]
{{- end }}

{{- define "secret-sync.viewRules" -}}
- apiGroups: [secrets.hearth.home.arpa]
  resources: [clustersecretsources, secretsyncs]
  verbs: [get, list, watch]
{{- end }}

{{- /* A source says who may read what, so only the cluster's admin may write it. */}}
{{- define "secret-sync.editRules" -}}
- apiGroups: [secrets.hearth.home.arpa]
  resources: [secretsyncs]
  verbs: [create, update, patch, delete, deletecollection]
{{- end }}
