{{/* The pod of the StatefulSet and of the Deployment, which has no volume for a spool. */}}
{{- define "livebridge.pod" -}}
metadata:
  labels:
    {{- include "livebridge.labels" . | nindent 4 }}
    app.kubernetes.io/component: relay
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    {{- if not (or .Values.podMonitor.enabled .Values.serviceMonitor.enabled) }}
    prometheus.io/scrape: "true"
    prometheus.io/port: "9464"
    {{- end }}
    kubectl.kubernetes.io/default-container: livebridge
    {{- if not .Values.settingsSecret }}
    livebridge/settings: {{ include "livebridge.settings" . | sha256sum | trunc 16 | quote }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- include "livebridge.podSettings" . | nindent 2 }}
  # Draining takes at most the sum of drain.*, and 2 s.
  terminationGracePeriodSeconds: {{ include "livebridge.grace" . }}
  {{- if .Values.topologySpread.enabled }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "livebridge.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- else }}
  # Two replicas on one node would share its fate.
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "livebridge.selector" . | nindent 16 }}
  {{- end }}
  containers:
    - name: livebridge
      {{- include "livebridge.container" . | nindent 6 }}
      args: ["serve"]
      ports:
        - { name: http, containerPort: 8080 }
        - { name: admin, containerPort: 9464 }
      {{- if eq .Values.ack "spool" }}
      # A start scans the last segments and makes them durable before the door opens.
      {{- end }}
      startupProbe:
        httpGet: { path: /startupz, port: admin }
        periodSeconds: 1
        timeoutSeconds: 2
        failureThreshold: 300
      livenessProbe:
        httpGet: { path: /livez, port: admin }
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      {{- if eq .Values.ack "spool" }}
      # Kafka isn't asked: a relay without Kafka takes callbacks as before.
      {{- else }}
      # Not ready while Kafka takes nothing: another replica may have a way to it.
      {{- end }}
      readinessProbe:
        httpGet: { path: /readyz, port: admin }
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 1
      volumeMounts:
        {{- if eq .Values.ack "spool" }}
        - { name: spool, mountPath: /var/lib/livebridge }
        {{- end }}
        {{- include "livebridge.mounts" . | nindent 8 }}
  volumes:
    {{- include "livebridge.volumes" . | nindent 4 }}
{{- end }}

{{/* What the relay's pod and that of the drain Job have in common. */}}
{{- define "livebridge.podSettings" -}}
# Else Kubernetes sets LIVEBRIDGE_PORT and the like, which look like settings.
enableServiceLinks: false
automountServiceAccountToken: false
securityContext:
  runAsNonRoot: true
  {{- toYaml .Values.podSecurity | nindent 2 }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "livebridge.container" -}}
image: {{ include "livebridge.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
# For the commands that somebody runs in the pod as well.
env:
  - { name: LIVEBRIDGE_CONFIG, value: /etc/livebridge/livebridge.toml }
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: ["ALL"]
{{- end }}

{{- define "livebridge.mounts" -}}
- { name: settings, mountPath: /etc/livebridge, readOnly: true }
- { name: keys, mountPath: /etc/livebridge-keys, readOnly: true }
{{- if .Values.tls.secret }}
- { name: tls, mountPath: /etc/livebridge-tls, readOnly: true }
{{- end }}
{{- range $number, $secret := include "livebridge.kafkaSecrets" . | fromJsonArray }}
- { name: kafka-{{ $number }}, mountPath: /etc/livebridge-kafka/{{ $secret }}, readOnly: true }
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "livebridge.volumes" -}}
- name: settings
  {{- if .Values.settingsSecret }}
  secret:
    secretName: {{ .Values.settingsSecret }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ include "livebridge.fullname" . }}
  {{- end }}
- name: keys
  secret:
    secretName: {{ .Values.keys.secret }}
    defaultMode: 0440
{{- with .Values.tls.secret }}
- name: tls
  secret:
    secretName: {{ . }}
    defaultMode: 0440
{{- end }}
{{- range $number, $secret := include "livebridge.kafkaSecrets" . | fromJsonArray }}
- name: kafka-{{ $number }}
  secret:
    secretName: {{ $secret }}
    defaultMode: 0440
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
