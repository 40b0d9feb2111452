{{/* What is wrong with the mounted files; ends the rendering at the first. */}}
{{- define "tiergate.requireFiles" -}}
{{- $config := include "tiergate.configText" . | fromYaml }}
{{- if hasKey $config "Error" }}
{{- fail (printf "config.litellm: it is not valid YAML (%s). Fix: correct config.yaml." $config.Error) }}
{{- end }}
{{- $models := include "tiergate.models" . | fromYaml }}
{{- $entries := $config.model_list | default list }}
{{- range $path := $config.include | default list }}
{{- if not (hasKey $models (base $path)) }}
{{- fail (printf "config.litellm: include names %s, which is not mounted. Fix: put it into config.models." $path) }}
{{- end }}
{{- if ne $path (printf "models/%s" (base $path)) }}
{{- fail (printf "config.litellm: include names %s, but files are mounted under models/. Fix: write models/%s." $path (base $path)) }}
{{- end }}
{{- $entries = concat $entries ((get $models (base $path) | fromYaml).model_list | default list) }}
{{- end }}
{{- if not $entries }}
{{- fail "config.litellm: it has no model_list. Fix: start from the packaged config.yaml." }}
{{- end }}
{{- $groups := list }}
{{- range $entries }}
{{- $groups = append $groups .model_name }}
{{- end }}
{{- $mounted := $config.model_list | default list }}
{{- range $content := $models }}
{{- $mounted = concat $mounted (($content | fromYaml).model_list | default list) }}
{{- end }}
{{- range $entry := $mounted }}
{{- range $key, $content := .litellm_params | default dict }}
{{- if include "tiergate.isSecret" (list $key $content) }}
{{- fail (printf "config.litellm: %s of a deployment in the model group %s is written out, and a ConfigMap is no place for a secret. Fix: write os.environ/NAME and put NAME into a Secret." $key $entry.model_name) }}
{{- end }}
{{- end }}
{{- end }}
{{- $general := $config.general_settings | default dict }}
{{- if and $general.master_key (not (hasPrefix "os.environ/" $general.master_key)) }}
{{- fail "config.litellm: general_settings.master_key is written out, and a ConfigMap is no place for a secret. Fix: write os.environ/LITELLM_MASTER_KEY." }}
{{- end }}
{{- $settings := $config.litellm_settings | default dict }}
{{- if not (has "tiergate.callbacks.tiergate" ($settings.callbacks | default list)) }}
{{- fail "config.litellm: litellm_settings.callbacks lacks tiergate.callbacks.tiergate, so tiergate would not run. Fix: add it." }}
{{- end }}
{{- $handlers := list }}
{{- range $settings.custom_provider_map | default list }}
{{- $handlers = append $handlers .custom_handler }}
{{- end }}
{{- if not (has "tiergate.callbacks.cache_provider" $handlers) }}
{{- fail "config.litellm: litellm_settings.custom_provider_map lacks tiergate.callbacks.cache_provider, so no stored answer could be served. Fix: add {provider: tiergate, custom_handler: tiergate.callbacks.cache_provider}." }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not (has "prometheus" ($settings.callbacks | default list))) }}
{{- fail "serviceMonitor.enabled: litellm_settings.callbacks lacks prometheus, so LiteLLM serves no /metrics. Fix: add it in config.litellm." }}
{{- end }}
{{- $policy := include "tiergate.policyText" . | fromYaml }}
{{- range $policy.tiers | default list }}
{{- if not (has .model_group $groups) }}
{{- fail (printf "config.policy: tier %s names the model group %s, which config.yaml does not have. Fix: add it to model_list, or use one of: %s." .name .model_group ($groups | uniq | sortAlpha | join ", ")) }}
{{- end }}
{{- end }}
{{- range $policy.entry_models | default (list "auto") }}
{{- if not (has . $groups) }}
{{- fail (printf "config.policy: the entry model %s is no model group of config.yaml, so a request could not go on without tiergate. Fix: add it to model_list." .) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Whether a parameter of a deployment holds a secret as text. Takes a list of key and content. */}}
{{- define "tiergate.isSecret" -}}
{{- $key := index . 0 }}
{{- $content := index . 1 }}
{{- if and (kindIs "string" $content) (regexMatch "(api_key|secret|password|credentials|session_token|aws_.*key_id)" $key) }}
{{- if not (regexMatch "(?i)^(os[.]environ/.*|none|empty|unused|no-key|)$" $content) -}}
yes
{{- end }}
{{- end }}
{{- end }}
