{{/* What every process reaches: names, brokers, the store, and what the operator says. */}}
{{- define "penchant.egress" -}}
{{- $policy := .Values.networkPolicy -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
- {{ with $policy.kafka }}to: {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    {{- range concat (include "penchant.ports" .Values.kafka.bootstrap | fromJsonArray) $policy.kafkaPorts | uniq }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
- {{ with $policy.qdrant }}to: {{- toYaml . | nindent 4 }}
  {{ end }}ports:
    {{- range include "penchant.ports" .Values.qdrant.url | fromJsonArray }}
    - {port: {{ int . }}, protocol: TCP}
    {{- end }}
{{- with $policy.egress }}
{{ toYaml . }}
{{- end }}
{{- end -}}
