import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.networknt.schema.JsonSchema;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * Prints each finished recording once, as it arrives.
 *
 * <pre>mvn -q -f examples/java/pom.xml compile exec:java -Dexec.args="127.0.0.1:9092 live.recording"</pre>
 */
public final class Recordings {
    /** Far more than lie between a message and its repetition; a real consumer keeps them with its results. */
    private static final int MOST_IDS = 100_000;

    private static final ObjectMapper JSON = new ObjectMapper();

    private final Map<String, Boolean> seen = new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<String, Boolean> eldest) {
            return size() > MOST_IDS;
        }
    };
    private final JsonSchema fits;

    private Recordings() throws IOException {
        // What the topic's values fit, as `livebridge schema recording.file` prints it.
        Path schema = Path.of("schemas/recording.file.schema.json");
        fits = JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
            .getSchema(schema.toUri(), JSON.readTree(schema.toFile()));
    }

    public static void main(String[] arguments) throws IOException {
        String brokers = arguments.length > 0 ? arguments[0] : "127.0.0.1:9092";
        String topic = arguments.length > 1 ? arguments[1] : "live.recording";
        Properties settings = new Properties();
        settings.put("bootstrap.servers", brokers);
        settings.put("group.id", "recordings-example-java");
        settings.put("auto.offset.reset", "earliest");
        // Offsets are committed when the recordings have been dealt with, not when they were fetched.
        settings.put("enable.auto.commit", "false");
        Recordings recordings = new Recordings();
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer())) {
            consumer.subscribe(List.of(topic));
            while (true) {
                for (var message : consumer.poll(Duration.ofSeconds(1))) {
                    recordings.handle(message);
                }
                consumer.commitSync();
            }
        }
    }

    private void handle(ConsumerRecord<String, byte[]> message) throws IOException {
        String id = header(message, "ce_id");
        // A message can come twice, with one and the same ce_id: at least once is what the topic promises.
        if (!"com.tencent.css.recording.file".equals(header(message, "ce_type")) || seen.put(id, true) != null) {
            return;
        }
        JsonNode recording = JSON.readTree(message.value());
        fits.validate(recording).forEach(fault -> System.err.println(id + " doesn't fit the schema: " + fault));
        // Every field may be missing or null.
        System.out.printf("%s: %d s, %d bytes, %s%n",
            text(recording, "stream_id", "(no stream)"),
            recording.path("duration").asLong(),
            recording.path("file_size").asLong(),
            text(recording, "video_url", "(no address)"));
    }

    private static String text(JsonNode recording, String field, String otherwise) {
        String text = recording.path(field).asText("");
        return text.isEmpty() || recording.path(field).isNull() ? otherwise : text;
    }

    private static String header(ConsumerRecord<?, ?> message, String name) {
        var header = message.headers().lastHeader(name);
        return header == null ? null : new String(header.value(), StandardCharsets.UTF_8);
    }
}
