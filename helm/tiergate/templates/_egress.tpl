{{/* TCP ports that the proxy may reach: those of the providers, and of each store that is in use. */}}
{{- define "tiergate.egressPorts" -}}
{{- $facts := include "tiergate.facts" . | fromYaml }}
{{- $ports := list }}
{{- range .Values.networkPolicy.egressPorts }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- if eq $facts.store "server" }}
{{- $url := ternary .Values.stores.qdrant.url $facts.storeUrl (hasPrefix "os.environ/" $facts.storeUrl) }}
{{- $ports = append $ports (include "tiergate.portOf" (list $url 6333) | int) }}
{{- end }}
{{- if .Values.stores.postgresql.existingSecret }}
{{- $ports = append $ports (int .Values.stores.postgresql.port) }}
{{- end }}
{{- if .Values.stores.redis.host }}
{{- $ports = append $ports (int .Values.stores.redis.port) }}
{{- end }}
{{- if eq $facts.classifier "vllm" }}
{{- $ports = append $ports (include "tiergate.portOf" (list $facts.classifierUrl 80) | int) }}
{{- end }}
{{- $ports | uniq | toYaml }}
{{- end }}
