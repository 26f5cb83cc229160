{{- /* This operator's own arguments, and the permissions that its enabled sources need. */}}

{{- define "dns-sync.sources" -}}
{{- range $source := list "services" "ingresses" "records" }}
{{- if get $.Values.sources $source }}
- {{ $source }}
{{- end }}
{{- end }}
{{- end }}

{{- define "dns-sync.args" -}}
{{- if not (include "dns-sync.sources" .) }}
{{- fail "sources: every source is off, so there would be nothing to publish. Set at least one of sources.services, sources.ingresses and sources.records to true" }}
{{- end }}
{{- /* Only these sources are watched, because only for these RBAC is granted. */}}
- {{ printf "--sources=%s" (include "dns-sync.sources" . | fromYamlArray | join ",") | quote }}
{{- with .Values.watchNamespaces }}
- {{ printf "--watch-namespaces=%s" (uniq . | join ",") | quote }}
{{- end }}
{{- with .Values.concurrency }}
- {{ printf "--concurrency=%d" (int .) | quote }}
{{- end }}
{{- end }}

{{- define "dns-sync.clusterRules" -}}
- apiGroups: [dns.hearth.home.arpa]
  resources: [dnszones]
  verbs: [get, list, watch]
- apiGroups: [dns.hearth.home.arpa]
  resources: [dnszones/status]
  verbs: [get, patch, update]
{{- end }}

{{- define "dns-sync.watchedRules" -}}
{{- if .Values.sources.records }}
- apiGroups: [dns.hearth.home.arpa]
  resources: [dnsrecords]
  verbs: [get, list, watch]
- apiGroups: [dns.hearth.home.arpa]
  resources: [dnsrecords/status]
  verbs: [get, patch, update]
{{- end }}
{{- if .Values.sources.services }}
- apiGroups: [""]
  resources: [services]
  verbs: [get, list, watch]
{{- end }}
{{- if .Values.sources.ingresses }}
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [get, list, watch]
{{- end }}
{{- end }}

{{- define "dns-sync.ownRules" -}}
{{- /* resourceNames also covers a list or watch of one Secret by its name. */}}
- apiGroups: [""]
  resources: [secrets]
  {{- with .Values.credentialsSecrets }}
  resourceNames:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  verbs: [get, list, watch]
{{- end }}

{{- define "dns-sync.viewRules" -}}
- apiGroups: [dns.hearth.home.arpa]
  resources: [dnszones, dnsrecords]
  verbs: [get, list, watch]
{{- end }}

{{- /* Zones have policy and credentials for the whole cluster, so only the cluster's admin may write them. */}}
{{- define "dns-sync.editRules" -}}
- apiGroups: [dns.hearth.home.arpa]
  resources: [dnsrecords]
  verbs: [create, update, patch, delete, deletecollection]
{{- end }}
