{{- define "tiergate.topologySpread" -}}
{{- $when := dict "kubernetes.io/hostname" .Values.topologySpread.hostname "topology.kubernetes.io/zone" .Values.topologySpread.zone }}
{{- if or .Values.topologySpread.hostname .Values.topologySpread.zone -}}
topologySpreadConstraints:
  {{- range $key, $unsatisfiable := $when }}
  {{- if $unsatisfiable }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $unsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "tiergate.proxySelector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
