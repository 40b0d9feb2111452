{{/* What is wrong with the stores; ends the rendering at the first. */}}
{{- define "tiergate.requireStores" -}}
{{- $facts := include "tiergate.facts" . | fromYaml }}
{{- $postgresql := .Values.stores.postgresql }}
{{- $replicas := and (not .Values.autoscaling.enabled) (gt (int .Values.replicaCount) 1) }}
{{- if eq $facts.store "edge" }}
{{- $why := "semantic_cache.store.kind edge is embedded: one process holds its folder, and others would neither open it nor see its answers. Fix: run a Qdrant server and set config.policy.semantic_cache.store to {kind: server, url: os.environ/QDRANT_URL}." }}
{{- if .Values.autoscaling.enabled }}
{{- fail (printf "autoscaling.enabled: %s" $why) }}
{{- else if $replicas }}
{{- fail (printf "replicaCount: %s" $why) }}
{{- else if gt (int .Values.workers) 1 }}
{{- fail (printf "workers: %s" $why) }}
{{- end }}
{{- if and .Values.proxy.enabled (not (regexMatch "^(\\./|/)?data/." $facts.storePath)) }}
{{- fail (printf "config.policy: semantic_cache.store.path %s is outside /data, and the rest of the file system is read-only. Fix: write ./data/cache." $facts.storePath) }}
{{- end }}
{{- end }}
{{- if eq $facts.log "sqlite" }}
{{- $why := "decision_log.url names SQLite, a file that only one process of one pod may write here. Fix: put a postgresql:// URL into the Secret stores.postgresql.existingSecret and set config.policy.decision_log.url to os.environ/TIERGATE_DECISION_LOG_URL." }}
{{- if .Values.autoscaling.enabled }}
{{- fail (printf "autoscaling.enabled: %s" $why) }}
{{- else if $replicas }}
{{- fail (printf "replicaCount: %s" $why) }}
{{- else if gt (int .Values.workers) 1 }}
{{- fail (printf "workers: %s" $why) }}
{{- end }}
{{- if and .Values.proxy.enabled (not (regexMatch "^sqlite[^:]*:///((\\./)?|/)data/." $facts.logUrl)) }}
{{- fail (printf "config.policy: decision_log.url %s is outside /data, and the rest of the file system is read-only. Fix: write sqlite:///./data/decisions.db." $facts.logUrl) }}
{{- end }}
{{- end }}
{{- if regexMatch "://[^/@]*:[^/@]*@" $facts.logUrl }}
{{- fail "config.policy: decision_log.url holds a password, and a ConfigMap is no place for a secret. Fix: write os.environ/TIERGATE_DECISION_LOG_URL and name stores.postgresql.existingSecret." }}
{{- end }}
{{- if and (eq $facts.logUrl "os.environ/TIERGATE_DECISION_LOG_URL") (not $postgresql.existingSecret) }}
{{- fail "stores.postgresql.existingSecret: the policy takes decision_log.url from TIERGATE_DECISION_LOG_URL, which nothing sets. Fix: name the Secret that holds it." }}
{{- end }}
{{- if and $facts.storeKey (not (hasPrefix "os.environ/" $facts.storeKey)) }}
{{- fail "config.policy: semantic_cache.store.api_key is written out, and a ConfigMap is no place for a secret. Fix: write os.environ/QDRANT_API_KEY and name stores.qdrant.existingSecret." }}
{{- end }}
{{- if and (eq $facts.storeUrl "os.environ/QDRANT_URL") (not .Values.stores.qdrant.url) }}
{{- fail "stores.qdrant.url: the policy takes semantic_cache.store.url from QDRANT_URL, which nothing sets. Fix: write the address of the Qdrant server." }}
{{- end }}
{{- if and (eq $facts.storeKey "os.environ/QDRANT_API_KEY") (not .Values.stores.qdrant.existingSecret) }}
{{- fail "stores.qdrant.existingSecret: the policy takes semantic_cache.store.api_key from QDRANT_API_KEY, which nothing sets. Fix: name the Secret that holds it." }}
{{- end }}
{{- if and .Values.stores.qdrant.url (ne $facts.store "server") }}
{{- fail (printf "stores.qdrant.url: the policy's cache is %s, so the server would not be used. Fix: set config.policy.semantic_cache.store to {kind: server, url: os.environ/QDRANT_URL}, or leave the address out." $facts.store) }}
{{- end }}
{{- if and .Values.stores.redis.existingSecret (not .Values.stores.redis.host) }}
{{- fail "stores.redis.existingSecret: it is of no use without stores.redis.host. Fix: write the host." }}
{{- end }}
{{- if and .Values.persistence.enabled (or .Values.autoscaling.enabled $replicas) }}
{{- fail "persistence.enabled: the volume belongs to one pod, and there are several. Fix: turn it off; with shared stores nothing in /data outlives a pod but the journal of rows that PostgreSQL has not taken yet." }}
{{- end }}
{{- if and .Values.migration.enabled (not $postgresql.existingSecret) }}
{{- fail "migration.enabled: there is no database to prepare. Fix: name stores.postgresql.existingSecret, or turn it off; SQLite's tables are made at start." }}
{{- end }}
{{- end }}
