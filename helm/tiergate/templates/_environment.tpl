{{/* A variable from a Secret. Takes a list of variable, Secret and key. */}}
{{- define "tiergate.secretVariable" -}}
- name: {{ index . 0 }}
  valueFrom:
    secretKeyRef:
      name: {{ index . 1 }}
      key: {{ index . 2 }}
{{- end }}

{{- define "tiergate.databaseEnvironment" -}}
{{- with .Values.stores.postgresql }}
{{- if .existingSecret }}
{{ include "tiergate.secretVariable" (list "TIERGATE_DECISION_LOG_URL" .existingSecret .decisionLogUrlKey) }}
{{- if .litellmUrlKey }}
{{ include "tiergate.secretVariable" (list "DATABASE_URL" .existingSecret .litellmUrlKey) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tiergate.storeEnvironment" -}}
{{- with .Values.stores.qdrant }}
{{- if .url }}
- name: QDRANT_URL
  value: {{ .url | quote }}
{{- end }}
{{- if .existingSecret }}
{{ include "tiergate.secretVariable" (list "QDRANT_API_KEY" .existingSecret .apiKeyKey) }}
{{- end }}
{{- end }}
{{- include "tiergate.databaseEnvironment" . }}
{{- with .Values.stores.redis }}
{{- if .host }}
- name: REDIS_HOST
  value: {{ .host | quote }}
- name: REDIS_PORT
  value: {{ .port | quote }}
- name: REDIS_SSL
  value: {{ .ssl | quote }}
{{- end }}
{{- if .existingSecret }}
{{ include "tiergate.secretVariable" (list "REDIS_PASSWORD" .existingSecret .passwordKey) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Places for what libraries write, since the root file system is read-only. */}}
{{- define "tiergate.scratchEnvironment" -}}
- name: HOME
  value: /tmp
- name: LITELLM_UI_PATH
  value: /tmp/litellm-ui
- name: PYTHONDONTWRITEBYTECODE
  value: "1"
- name: LITELLM_LOCAL_MODEL_COST_MAP
  value: "True"
{{- end }}

{{/* A worker takes longer to import LiteLLM than the five seconds after which uvicorn kills a silent one. */}}
{{- define "tiergate.proxyEnvironment" -}}
{{ include "tiergate.secretVariable" (list "LITELLM_MASTER_KEY" .Values.secrets.existingSecret .Values.secrets.masterKeyKey) }}
- name: TIERGATE_POLICY
  value: /etc/tiergate/policy.yaml
{{ include "tiergate.scratchEnvironment" . }}
{{- if gt (int .Values.workers) 1 }}
- name: TIMEOUT_WORKER_HEALTHCHECK
  value: "120"
{{- end }}
{{- if .Values.migration.enabled }}
- name: DISABLE_SCHEMA_UPDATE
  value: "true"
{{- end }}
{{- include "tiergate.storeEnvironment" . }}
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "tiergate.environmentSecrets" -}}
- secretRef:
    name: {{ .Values.secrets.existingSecret }}
{{- range .Values.secrets.providerSecrets }}
- secretRef:
    name: {{ . }}
{{- end }}
{{- end }}
