{{/* config.yaml as it is mounted. Never rewritten: YAML 1.1 readers take 5e-07, which toYaml writes, for text. */}}
{{- define "tiergate.configText" -}}
{{- .Values.config.litellm | default (.Files.Get "files/config.yaml") }}
{{- end }}

{{/* policy.yaml as it is mounted: the packaged file, or its sections with those of the values put in their place. */}}
{{- define "tiergate.policyText" -}}
{{- if .Values.config.policy }}
{{- $policy := .Files.Get "files/policy.yaml" | fromYaml }}
{{- range $section, $content := .Values.config.policy }}
{{- $_ := set $policy $section $content }}
{{- end }}
{{- toYaml $policy }}
{{- else }}
{{- .Files.Get "files/policy.yaml" }}
{{- end }}
{{- end }}

{{/* Files under models/, by name: those of the pack, then those of the values. */}}
{{- define "tiergate.models" -}}
{{- $models := dict }}
{{- range $path, $content := .Files.Glob "files/models/*.yaml" }}
{{- $_ := set $models (base $path) (toString $content) }}
{{- end }}
{{- range $name, $content := .Values.config.models }}
{{- $_ := set $models $name $content }}
{{- end }}
{{- toYaml $models }}
{{- end }}

{{/*
What the mounted files say, so that no value can contradict them:
store (edge, server or none), storePath, log (sqlite or postgresql), logUrl, classifier (embedded, vllm or none),
shared (more than one process), pods (the fewest that run).
*/}}
{{- define "tiergate.facts" -}}
{{- $policy := include "tiergate.policyText" . | fromYaml }}
{{- $cache := $policy.semantic_cache | default dict }}
{{- $off := eq (toString $cache.enabled) "false" }}
{{- $store := ternary dict ($cache.store | default dict) $off }}
{{- $router := $policy.intent_router | default dict }}
{{- $classifier := $router.classifier | default dict }}
{{- $log := $policy.decision_log | default dict }}
{{- $logUrl := $log.url | default "sqlite:///./data/decisions.db" }}
{{- range .Values.env }}
{{- if and .value (eq $logUrl (printf "os.environ/%s" .name)) }}
{{- $logUrl = .value }}
{{- end }}
{{- end }}
{{- $scaled := .Values.autoscaling.enabled }}
store: {{ if $off }}none{{ else }}{{ $store.kind | default "edge" }}{{ end }}
storePath: {{ $store.path | default "./data/cache" | quote }}
storeUrl: {{ $store.url | default "" | quote }}
storeKey: {{ $store.api_key | default "" | quote }}
log: {{ if hasPrefix "sqlite" $logUrl }}sqlite{{ else }}postgresql{{ end }}
logUrl: {{ $logUrl | quote }}
classifier: {{ if eq (toString $router.enabled) "false" }}none{{ else }}{{ $classifier.kind | default "embedded" }}{{ end }}
classifierUrl: {{ $classifier.base_url | default "" | quote }}
classifierModel: {{ $classifier.model | default "intent" | quote }}
shared: {{ or $scaled (gt (int .Values.replicaCount) 1) (gt (int .Values.workers) 1) }}
pods: {{ if $scaled }}{{ .Values.autoscaling.minReplicas }}{{ else }}{{ .Values.replicaCount }}{{ end }}
{{- end }}

{{/* Port of a URL: the one it names, or the scheme's. Takes a list of URL and default port. */}}
{{- define "tiergate.portOf" -}}
{{- $url := urlParse (index . 0) }}
{{- regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) | default (toString (index . 1)) }}
{{- end }}

{{/* Whether config.yaml lets anyone read /metrics; LiteLLM asks for a key otherwise. */}}
{{- define "tiergate.metricsOpen" -}}
{{- $settings := (include "tiergate.configText" . | fromYaml).litellm_settings | default dict }}
{{- eq (toString $settings.require_auth_for_metrics_endpoint) "false" }}
{{- end }}
