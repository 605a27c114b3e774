{{- define "penchant.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "penchant.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "penchant.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "penchant.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What finds the pods of a component again: (dict "root" $ "component" "serve"). Never changes in a release. */}}
{{- define "penchant.selector" -}}
app.kubernetes.io/name: {{ include "penchant.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "penchant.labels" -}}
{{ include "penchant.selector" . }}
app.kubernetes.io/part-of: penchant
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "penchant.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "penchant.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* (dict "root" $ "repository" "penchant-server") */}}
{{- define "penchant.image" -}}
{{- with .root.Values.image.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{ .repository }}:{{ default .root.Chart.AppVersion .root.Values.image.tag }}
{{- end -}}

{{/* The sets of consumers: stage → name and pods. */}}
{{- define "penchant.stages" -}}
{{- $consume := .Values.consume -}}
{{- $name := printf "%s-consume" (include "penchant.fullname" .) -}}
{{- if $consume.split -}}
{{- range $stage := list "users" "items" }}
{{- $own := (index $consume $stage).replicas }}
{{ $stage }}: {name: {{ $name }}-{{ $stage }}, replicas: {{ kindIs "invalid" $own | ternary $consume.replicas $own }}}
{{- end }}
{{- else -}}
all: {name: {{ $name }}, replicas: {{ $consume.replicas }}}
{{- end -}}
{{- end -}}

{{/* Ports in a text of HOST:PORT,HOST:PORT, as a JSON list. */}}
{{- define "penchant.ports" -}}
{{- $ports := list -}}
{{- range regexFindAll ":[0-9]+(,|$)" . -1 }}{{ $ports = append $ports (trimPrefix ":" . | trimSuffix "," | int) }}{{ end -}}
{{- uniq $ports | toJson -}}
{{- end -}}
