{{/*
What Envoy does between browsers and the service: gRPC-Web in, gRPC out. docs/browsers.md tells what for.
deploy/envoy/envoy.yaml is what comes of it for compose; a test holds the two together.
*/}}
{{- define "penchant.envoy" -}}
{{- $web := .Values.web -}}
{{- $upstream := $web.upstream -}}
{{- $tls := .Values.access.tls.existingSecret -}}
{{- $host := printf "%s-headless" (include "penchant.fullname" .) -}}
{{- $port := 50551 -}}
{{- if not .Values.serve.service.headless }}{{ $host = include "penchant.fullname" . }}{{ $port = .Values.serve.service.port }}{{ end -}}
node: {id: web, cluster: penchant}
admin:
  # Nobody reaches it but the listener `metrics` below, and that only for two pages.
  address: {pipe: {path: /tmp/admin}}
application_log_config:
  log_format: {json_format: {timestamp: "%Y-%m-%dT%T.%eZ", level: "%l", logger: "%n", event: "%j"}}
overload_manager:
  resource_monitors:
    - name: envoy.resource_monitors.global_downstream_max_connections
      typed_config:
        "@type": type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig
        max_active_downstream_connections: {{ $web.maxConnections }}
static_resources:
  listeners:
    - name: web
      address: {socket_address: {address: 0.0.0.0, port_value: 8080}}
      per_connection_buffer_limit_bytes: 65536
      # A browser that is gone without a word, its lid shut, holds its stream for a minute and a half.
      socket_options:
        - {description: SO_KEEPALIVE, level: 1, name: 9, int_value: 1}
        - {description: TCP_KEEPIDLE, level: 6, name: 4, int_value: 60}
        - {description: TCP_KEEPINTVL, level: 6, name: 5, int_value: 10}
        - {description: TCP_KEEPCNT, level: 6, name: 6, int_value: 3}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: web
                # No caller is trusted to set Envoy's own headers, from private addresses neither.
                use_remote_address: true
                internal_address_config: {unix_sockets: false}
                request_headers_timeout: 10s
                request_timeout: 15s
                common_http_protocol_options: {idle_timeout: 300s, headers_with_underscores_action: REJECT_REQUEST}
                http2_protocol_options:
                  max_concurrent_streams: 100
                  connection_keepalive: {interval: 30s, timeout: 10s}
                http_filters:
                  - name: envoy.filters.http.cors
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors}
                  - name: envoy.filters.http.grpc_web
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.grpc_web.v3.GrpcWeb}
                  {{- with $web.filters }}{{ toYaml . | nindent 18 }}{{ end }}
                  {{- if $upstream.apiKey.existingSecret }}
                  # The service looks at x-api-key first: what a page sends instead counts for nothing.
                  - name: envoy.filters.http.credential_injector
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector
                      overwrite: true
                      credential:
                        name: envoy.http.injected_credentials.generic
                        typed_config:
                          "@type": type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic
                          header: x-api-key
                          credential: {name: api-key, sds_config: {path_config_source: {path: /etc/envoy/api-key.yaml}}}
                  {{- end }}
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                route_config:
                  name: penchant
                  virtual_hosts:
                    - name: penchant
                      domains: ["*"]
                      # Only what the service cannot have begun: an event without an id would count twice.
                      retry_policy: {retry_on: "connect-failure,refused-stream,reset-before-request", num_retries: 2}
                      typed_per_filter_config:
                        envoy.filters.http.cors:
                          "@type": type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy
                          allow_origin_string_match:
                            {{- range $web.origins }}
                            - {{ eq . "*" | ternary (dict "prefix" "http") (dict "exact" .) | toJson }}
                            {{- end }}
                          allow_methods: POST
                          allow_headers: authorization,connect-protocol-version,connect-timeout-ms,content-type,grpc-timeout,x-grpc-web,x-user-agent
                          expose_headers: grpc-message,grpc-status,grpc-status-details-bin
                          max_age: "7200"
                      routes:
                        {{- range $web.methods }}
                        - match: {path: /penchant.v1.{{ . }}}
                          {{- if hasSuffix "/WatchRecommendations" . }}
                          # For as long as the service keeps the stream (stream_max_age), however quiet it is.
                          route: {cluster: penchant, timeout: 0s, idle_timeout: 0s}
                          {{- else }}
                          route: {cluster: penchant, timeout: 15s}
                          {{- end }}
                        {{- end }}
                        # UNIMPLEMENTED; a page, which asks before it calls, learns only that it may not.
                        - match: {prefix: /}
                          direct_response: {status: 404, body: {inline_string: "not a call that pages may make"}}
          {{- if $web.tls.existingSecret }}
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                tls_params: {tls_minimum_protocol_version: TLSv1_2}
                # One connection for all of a page's calls; HTTP/1.1 allows a browser six.
                alpn_protocols: [h2, http/1.1]
                tls_certificate_sds_secret_configs:
                  - {name: tls, sds_config: {path_config_source: {path: /etc/envoy/tls.yaml}}}
          {{- end }}
    - name: metrics
      address: {socket_address: {address: 0.0.0.0, port_value: 9464}}
      ignore_global_conn_limit: true
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: metrics
                http_filters:
                  - name: envoy.filters.http.router
                    typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
                route_config:
                  name: admin
                  virtual_hosts:
                    - name: admin
                      domains: ["*"]
                      routes:
                        - match: {path: /ready}
                          route: {cluster: admin}
                        - match: {path: /metrics}
                          route: {cluster: admin, prefix_rewrite: /stats/prometheus}
  clusters:
    - name: penchant
      type: STRICT_DNS
      dns_lookup_family: V4_PREFERRED
      lb_policy: LEAST_REQUEST
      connect_timeout: 2s
      # Every open stream is a request, and 1,024 would be Envoy's own limit. The service refuses by itself, and says why.
      circuit_breakers: {thresholds: [{max_requests: 100000, max_pending_requests: 10000}]}
      typed_extension_protocol_options:
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
          "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
          # Left before a second ping: gRPC's servers end connections that have pings and no calls.
          common_http_protocol_options: {idle_timeout: 50s}
          explicit_http_config: {http2_protocol_options: {connection_keepalive: {interval: 30s, timeout: 10s}}}
      # Of the health service, which asks nobody for a key. When no pod is well all are tried: the answer comes from them.
      health_checks:
        - timeout: 3s
          interval: 5s
          no_traffic_interval: 5s
          unhealthy_threshold: 3
          healthy_threshold: 1
          grpc_health_check: {}
      {{- if $tls }}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext
          sni: {{ include "penchant.serverName" . }}
          common_tls_context:
            alpn_protocols: [h2]
            {{- if $upstream.clientCert.existingSecret }}
            tls_certificate_sds_secret_configs:
              - {name: client, sds_config: {path_config_source: {path: /etc/envoy/client.yaml}}}
            {{- end }}
            combined_validation_context:
              default_validation_context:
                match_typed_subject_alt_names:
                  - {san_type: DNS, matcher: {exact: {{ include "penchant.serverName" . }}}}
              validation_context_sds_secret_config: {name: ca, sds_config: {path_config_source: {path: /etc/envoy/ca.yaml}}}
      {{- end }}
      load_assignment:
        cluster_name: penchant
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {socket_address: {address: {{ $host }}, port_value: {{ $port }}}}}
    - name: admin
      type: STATIC
      connect_timeout: 1s
      load_assignment:
        cluster_name: admin
        endpoints:
          - lb_endpoints:
              - endpoint: {address: {pipe: {path: /tmp/admin}}}
    {{- with $web.clusters }}{{ toYaml . | nindent 4 }}{{ end }}
{{- end -}}

{{/* The name that the service's certificate is good for. */}}
{{- define "penchant.serverName" -}}
{{- default (include "penchant.fullname" .) .Values.web.upstream.serverName -}}
{{- end -}}

{{/* Secrets of the proxy as files: name, secret, and what Envoy reads of it. */}}
{{- define "penchant.webFiles" -}}
{{- $web := .Values.web -}}
{{- $upstream := $web.upstream -}}
{{- with $web.tls.existingSecret }}
- {name: web-tls, secret: {{ . }}}
{{- end }}
{{- with $upstream.apiKey.existingSecret }}
- {name: web-api-key, secret: {{ . }}}
{{- end }}
{{- if .Values.access.tls.existingSecret }}
{{- with $upstream.ca.existingSecret }}
- {name: web-ca, secret: {{ . }}}
{{- end }}
{{- with $upstream.clientCert.existingSecret }}
- {name: web-client, secret: {{ . }}}
{{- end }}
{{- end }}
{{- end -}}

{{/* What Envoy reads again when the files change: certificates do. A key is read at the start. */}}
{{- define "penchant.webSecrets" -}}
{{- $web := .Values.web -}}
{{- $upstream := $web.upstream -}}
{{- $type := "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret" -}}
{{- $certificates := dict -}}
{{- if $web.tls.existingSecret }}{{ $_ := set $certificates "tls" $web.tls }}{{ end -}}
{{- if and .Values.access.tls.existingSecret $upstream.clientCert.existingSecret }}{{ $_ := set $certificates "client" $upstream.clientCert }}{{ end -}}
{{- range $name, $certificate := $certificates }}
{{ $name }}.yaml: |
  resources:
    - "@type": {{ $type }}
      name: {{ $name }}
      tls_certificate:
        certificate_chain: {filename: /etc/penchant/web-{{ $name }}/{{ $certificate.certKey }}}
        private_key: {filename: /etc/penchant/web-{{ $name }}/{{ $certificate.keyKey }}}
        watched_directory: {path: /etc/penchant/web-{{ $name }}}
{{- end }}
{{- if $upstream.apiKey.existingSecret }}
api-key.yaml: |
  resources:
    - "@type": {{ $type }}
      name: api-key
      generic_secret: {secret: {filename: /etc/penchant/web-api-key/{{ $upstream.apiKey.key }}}}
{{- end }}
{{- if .Values.access.tls.existingSecret }}
ca.yaml: |
  resources:
    - "@type": {{ $type }}
      name: ca
      validation_context:
        {{- if $upstream.ca.existingSecret }}
        trusted_ca: {filename: /etc/penchant/web-ca/{{ $upstream.ca.key }}}
        watched_directory: {path: /etc/penchant/web-ca}
        {{- else }}
        trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}
        {{- end }}
{{- end }}
{{- end -}}
