{{- define "livebridge.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 52 | trimSuffix "-" }}
{{- end }}

{{- define "livebridge.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains (include "livebridge.name" .) .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "livebridge.name" .) | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "livebridge.selector" -}}
app.kubernetes.io/name: {{ include "livebridge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: relay
{{- end }}

{{- define "livebridge.labels" -}}
app.kubernetes.io/name: {{ include "livebridge.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{- define "livebridge.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "livebridge.port" -}}
{{- .Values.service.port | default (ternary 443 80 (ne .Values.tls.secret "")) }}
{{- end }}

{{/* The longest drain, 2 s for the producer to end, and 18 s to spare. */}}
{{- define "livebridge.grace" -}}
{{- add .Values.drain.delaySeconds .Values.drain.requestsSeconds .Values.drain.publishSeconds 2 18 }}
{{- end }}
