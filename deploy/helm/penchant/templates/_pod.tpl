{{/* Secrets as files: a list of name, secret and variables that name a key's file. Argument as in penchant.selector. */}}
{{- define "penchant.files" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $qdrant := .root.Values.qdrant -}}
{{- $access := .root.Values.access -}}
{{- $files := list
  (dict "name" "kafka-password" "secret" $kafka.password.existingSecret "keys" (dict "KAFKA__PASSWORD_FILE" $kafka.password.key))
  (dict "name" "kafka-token" "secret" $kafka.token.existingSecret "keys" (dict "KAFKA__TOKEN_FILE" $kafka.token.key))
  (dict "name" "kafka-ca" "secret" $kafka.ca.existingSecret "keys" (dict "KAFKA__CA_FILE" $kafka.ca.key))
  (dict "name" "kafka-client" "secret" $kafka.clientCert.existingSecret "keys" (dict
    "KAFKA__CERT_FILE" $kafka.clientCert.certKey "KAFKA__KEY_FILE" $kafka.clientCert.keyKey))
  (dict "name" "qdrant-key" "secret" $qdrant.apiKey.existingSecret "keys" (dict "QDRANT__API_KEY_FILE" $qdrant.apiKey.key))
  (dict "name" "qdrant-ca" "secret" $qdrant.ca.existingSecret "keys" (dict "QDRANT__CA_FILE" $qdrant.ca.key))
-}}
{{- if eq .component "serve" -}}
{{- $files = concat $files (list
  (dict "name" "access-tls" "secret" $access.tls.existingSecret "keys" (dict
    "ACCESS__CERT_FILE" $access.tls.certKey "ACCESS__KEY_FILE" $access.tls.keyKey))
  (dict "name" "access-client-ca" "secret" $access.clientCa.existingSecret "keys" (dict "ACCESS__CLIENT_CA_FILE" $access.clientCa.key))
  (dict "name" "access-api-keys" "secret" $access.apiKeys.existingSecret "keys" (dict "ACCESS__API_KEYS_FILE" $access.apiKeys.key)))
-}}
{{- end -}}
{{- range $files }}
{{- if .secret }}
- {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Settings that all processes share. */}}
{{- define "penchant.env" -}}
{{- $values := .root.Values -}}
{{- $kafka := $values.kafka -}}
{{- $qdrant := $values.qdrant -}}
{{- $env := dict
  "KAFKA__BOOTSTRAP" $kafka.bootstrap
  "KAFKA__SECURITY_PROTOCOL" $kafka.securityProtocol
  "KAFKA__SASL_MECHANISM" $kafka.saslMechanism
  "KAFKA__USERNAME" $kafka.username
  "KAFKA__TOPIC_PREFIX" $kafka.topicPrefix
  "KAFKA__GROUP" $kafka.group
  "KAFKA__PARTITIONS" $kafka.partitions
  "KAFKA__REPLICATION" $kafka.replication
  "KAFKA__RETENTION_DAYS" $kafka.retentionDays
  "KAFKA__MAX_BATCH" $kafka.maxBatch
  "KAFKA__SESSION_TIMEOUT" $kafka.sessionTimeout
  "KAFKA__START_TIMEOUT" $kafka.startTimeout
  "STORE" $qdrant.url
  "QDRANT__PREFIX" $qdrant.prefix
  "QDRANT__SHARDS" $qdrant.shards
  "QDRANT__REPLICATION" $qdrant.replication
  "QDRANT__WRITE_CONSISTENCY" $qdrant.writeConsistency
  "QDRANT__QUANTIZATION" $qdrant.quantization
  "QDRANT__ON_DISK" $qdrant.onDisk
  "ENCODER" $values.encoder.model
  "ENCODER_DEVICE" $values.encoder.device
  "ENCODER_PRECISION" $values.encoder.precision
  "ENCODER_RUNTIME" $values.encoder.runtime
  "TELEMETRY__METRICS_LISTEN" "0.0.0.0:9464"
  "TELEMETRY__LOG_FORMAT" "json"
  "TELEMETRY__LOG_LEVEL" $values.telemetry.logLevel
  "TELEMETRY__TRACES" $values.telemetry.traces.enabled
-}}
{{- if and $values.encoder.beside (hasPrefix "consume" (default "" .component)) }}
{{- $_ := set $env "ENCODERS_BESIDE" (toJson $values.encoder.beside) }}
{{- end -}}
{{- with $values.encoder.threads }}{{ $_ := set $env "ENCODER_THREADS" . }}{{ end -}}
{{- range include "penchant.files" . | fromYamlArray }}
{{- $file := . -}}
{{- range $name, $key := .keys }}{{ $_ := set $env $name (printf "/etc/penchant/%s/%s" $file.name $key) }}{{ end -}}
{{- end -}}
{{- $env = mergeOverwrite $env $values.settings (default dict .settings) -}}
{{- range $name, $value := $env }}
- name: PENCHANT_{{ $name }}
  value: {{ kindIs "float64" $value | ternary (toJson $value) (toString $value) | quote }}
{{- end }}
{{- if $values.telemetry.traces.enabled }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ required "telemetry.traces.endpoint says where traces go, for example http://otel-collector:4317" $values.telemetry.traces.endpoint | quote }}
{{- end }}
{{- end -}}

{{- define "penchant.mounts" -}}
- {name: data, mountPath: /var/lib/penchant}
- {name: tmp, mountPath: /tmp}
{{- range include "penchant.files" . | fromYamlArray }}
- {name: {{ .name }}, mountPath: /etc/penchant/{{ .name }}, readOnly: true}
{{- end }}
{{- end -}}

{{/* As penchant.selector, with "cacheSize"; without it the volume `data` is made elsewhere. */}}
{{- define "penchant.volumes" -}}
{{- with .cacheSize }}
- name: data
  emptyDir: {sizeLimit: {{ . }}}
{{- end }}
- name: tmp
  emptyDir: {sizeLimit: 256Mi}
{{- range include "penchant.files" . | fromYamlArray }}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      {{- range $name, $key := .keys }}
      - {key: {{ $key | quote }}, path: {{ $key | quote }}}
      {{- end }}
{{- end }}
{{- end -}}

{{- define "penchant.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "penchant.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where pods of a component may come together. */}}
{{- define "penchant.spread" -}}
- topologyKey: topology.kubernetes.io/zone
  maxSkew: 1
  whenUnsatisfiable: {{ .root.Values.spread.zone }}
  labelSelector:
    matchLabels: {{- include "penchant.selector" . | nindent 6 }}
- topologyKey: kubernetes.io/hostname
  maxSkew: 1
  whenUnsatisfiable: {{ .root.Values.spread.node }}
  labelSelector:
    matchLabels: {{- include "penchant.selector" . | nindent 6 }}
{{- end -}}

{{/* Attempts, five seconds apart, until a start has taken too long: a minute longer than a process itself tries. */}}
{{- define "penchant.startAttempts" -}}
{{- div (add (ceil .Values.kafka.startTimeout | int) 60) 5 -}}
{{- end -}}

{{- define "penchant.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}
