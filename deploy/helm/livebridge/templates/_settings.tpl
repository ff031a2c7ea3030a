{{/* What the chart sets, and .Values.settings over it. */}}
{{- define "livebridge.settings" -}}
{{- if hasKey .Values.settings "drain" }}
{{- fail "settings.drain: set drain.delaySeconds, .requestsSeconds and .publishSeconds instead, by which the pod's grace period goes" }}
{{- end }}
{{- $tencent := dict "key_files" (list (printf "/etc/livebridge-keys/%s" .Values.keys.item)) }}
{{- $drain := dict
      "delay" (printf "%ds" (int .Values.drain.delaySeconds))
      "requests" (printf "%ds" (int .Values.drain.requestsSeconds))
      "publish" (printf "%ds" (int .Values.drain.publishSeconds)) }}
{{- $kafka := dict "bootstrap_servers" .Values.kafka.bootstrapServers }}
{{- if .Values.kafka.properties }}
{{- $_ := set $kafka "properties" .Values.kafka.properties }}
{{- end }}
{{- range $property, $from := .Values.kafka.valuesFrom }}
{{- $_ := set $kafka "property_files" (set (get $kafka "property_files" | default dict) $property (include "livebridge.kafkaFile" $from)) }}
{{- end }}
{{- range $property, $from := .Values.kafka.filesFrom }}
{{- $_ := set $kafka "properties" (set (deepCopy (get $kafka "properties" | default dict)) $property (include "livebridge.kafkaFile" $from)) }}
{{- end }}
{{- $base := dict "ack" .Values.ack "delivery" .Values.delivery "kafka" $kafka "drain" $drain "sources" (dict "tencent" $tencent) }}
{{- if eq .Values.ack "spool" }}
{{- $_ := set $base "spool" (dict "dir" "/var/lib/livebridge/spool" "max_bytes" .Values.spool.maxBytes) }}
{{- end }}
{{- with .Values.tls.secret }}
{{- $tls := dict "cert_file" "/etc/livebridge-tls/tls.crt" "key_file" "/etc/livebridge-tls/tls.key" }}
{{- with $.Values.tls.clientCaItem }}
{{- $_ := set $tls "client_ca_file" (printf "/etc/livebridge-tls/%s" .) }}
{{- end }}
{{- $_ := set $base "http" (dict "tls" $tls) }}
{{- end }}
{{- with .Values.traces.endpoint }}
{{- $_ := set $base "traces" (dict "endpoint" . "sample" (toString $.Values.traces.sample)) }}
{{- end }}
{{- include "livebridge.toml" (dict "prefix" "" "map" (mergeOverwrite $base (deepCopy .Values.settings))) }}
{{- end }}

{{/* Where an item of a Secret of Kafka's clients is. */}}
{{- define "livebridge.kafkaFile" -}}
/etc/livebridge-kafka/{{ .secret }}/{{ .item }}
{{- end }}

{{/* The Secrets of Kafka's clients, each once, as JSON. */}}
{{- define "livebridge.kafkaSecrets" -}}
{{- $secrets := list }}
{{- range $from := concat (values .Values.kafka.valuesFrom) (values .Values.kafka.filesFrom) }}
{{- $secrets = append $secrets $from.secret }}
{{- end }}
{{- $secrets | uniq | sortAlpha | toJson }}
{{- end }}

{{/* A map as TOML, one dotted key a line: sprig's toToml would make floats of all numbers. */}}
{{- define "livebridge.toml" -}}
{{- $prefix := .prefix }}
{{- range $key, $value := .map }}
{{- $name := regexMatch "^[A-Za-z0-9_-]+$" $key | ternary $key ($key | quote) }}
{{- if kindIs "map" $value }}
{{- include "livebridge.toml" (dict "prefix" (printf "%s%s." $prefix $name) "map" $value) }}
{{- else }}
{{- printf "%s%s = %s\n" $prefix $name (toJson $value) }}
{{- end }}
{{- end }}
{{- end }}
