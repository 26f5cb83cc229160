{{- define "hearth.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "hearth.metadata" (dict "root" . "name" (include "hearth.serviceAccountName" .) "labels" .Values.serviceAccount.labels "annotations" .Values.serviceAccount.annotations) | nindent 2 }}
{{- /* The operator's pod mounts its token explicitly; other pods with this account get none by default. */}}
automountServiceAccountToken: false
{{- end }}
{{- end }}

{{- /* A role with its binding to the operator's service account, or to another of its namespace. A role without rules is left out.
root, rules (a list); optional: name, namespace (absent: cluster-wide), account. */}}
{{- define "hearth.role" -}}
{{- if .rules }}
{{- $root := .root }}
{{- $name := default (include "hearth.fullname" $root) .name }}
{{- $kind := ternary "Role" "ClusterRole" (hasKey . "namespace") }}
{{- $metadata := include "hearth.metadata" (dict "root" $root "name" $name "namespaced" (hasKey . "namespace") "namespace" .namespace) }}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}
metadata:
  {{- $metadata | nindent 2 }}
rules:
  {{- toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ $kind }}Binding
metadata:
  {{- $metadata | nindent 2 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ $kind }}
  name: {{ $name | quote }}
subjects:
  - kind: ServiceAccount
    name: {{ default (include "hearth.serviceAccountName" $root) .account | quote }}
    namespace: {{ include "hearth.namespace" $root | quote }}
{{- end }}
{{- end }}

{{- /* Everything that the operator may do, and where.
root; cluster: rules for cluster-scoped resources; watched: rules for namespaced resources, granted cluster-wide or in each of
watchNamespaces; own: rules in the operator's namespace. The lease and events are added here. */}}
{{- define "hearth.rbac" -}}
{{- $root := .root }}
{{- $values := $root.Values }}
{{- if $values.rbac.create }}
{{- $fullname := include "hearth.fullname" $root }}
{{- $events := dict "apiGroups" (list "events.k8s.io") "resources" (list "events") "verbs" (list "create" "patch") }}
{{- $watched := concat .watched $values.rbac.extraRules (list $events) }}
{{- if $values.watchNamespaces }}
{{ include "hearth.role" (dict "root" $root "rules" .cluster) }}
{{- range $values.watchNamespaces | uniq }}
---
{{ include "hearth.role" (dict "root" $root "namespace" . "name" (printf "%s-watch" $fullname) "rules" $watched) }}
{{- end }}
{{- if and .cluster (not (has "default" $values.watchNamespaces)) }}
---
{{- /* Events about cluster-scoped objects are kept in the namespace `default`. */}}
{{ include "hearth.role" (dict "root" $root "namespace" "default" "name" (printf "%s-events" $fullname) "rules" (list $events)) }}
{{- end }}
{{- else }}
{{ include "hearth.role" (dict "root" $root "rules" (concat .cluster $watched)) }}
{{- end }}
{{- $own := .own }}
{{- if $values.leaderElection.enabled }}
{{- /* A name cannot restrict `create`. The lease has the operator's name. */}}
{{- $leases := dict "apiGroups" (list "coordination.k8s.io") "resources" (list "leases") }}
{{- $own = append $own (merge (dict "verbs" (list "create")) $leases) }}
{{- $own = append $own (merge (dict "resourceNames" (list $root.Chart.Name) "verbs" (list "get" "update")) $leases) }}
{{- end }}
---
{{ include "hearth.role" (dict "root" $root "namespace" (include "hearth.namespace" $root) "rules" $own) }}
{{- end }}
{{- end }}

{{- /* Rules that are aggregated into the cluster's own roles `view` and `edit`.
root, view, edit (lists of rules). */}}
{{- define "hearth.aggregate" -}}
{{- $root := .root }}
{{- range $role := list "view" "edit" }}
{{- $rules := get $ $role }}
{{- if and $root.Values.rbac.create $rules (get $root.Values.rbac (printf "aggregateTo%s" (title $role))) }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  {{- include "hearth.metadata" (dict "root" $root "namespaced" false "name" (printf "%s-%s" (include "hearth.fullname" $root) $role) "labels" (dict (printf "rbac.authorization.k8s.io/aggregate-to-%s" $role) "true")) | nindent 2 }}
rules:
  {{- toYaml $rules | nindent 2 }}
{{- end }}
{{- end }}
{{- end }}
