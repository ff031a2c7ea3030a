// Reads topics from their beginning to their end with Kafka's own client, and prints one JSON object a record.
// A client that is not ours: what it sees is what any consumer sees. Bytes are printed in hex.
//
// Usage: Reader <bootstrap servers> <read_committed | read_uncommitted> <topic>...

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.utils.Utils;

public class Reader {
    public static void main(String[] args) {
        Map<String, Object> settings = new HashMap<>();
        settings.put("bootstrap.servers", args[0]);
        settings.put("isolation.level", args[1]);
        settings.put("enable.auto.commit", false);
        settings.put("auto.offset.reset", "earliest");
        settings.put("allow.auto.create.topics", false);
        settings.put("key.deserializer", ByteArrayDeserializer.class);
        settings.put("value.deserializer", ByteArrayDeserializer.class);
        StringBuilder out = new StringBuilder();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings)) {
            List<TopicPartition> partitions = new ArrayList<>();
            Map<String, Integer> counts = new HashMap<>();
            for (int i = 2; i < args.length; i++) {
                String topic = args[i];
                consumer.partitionsFor(topic, Duration.ofSeconds(30))
                    .forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
                counts.put(topic, (int) partitions.stream().filter(p -> p.topic().equals(topic)).count());
            }
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = consumer.endOffsets(partitions, Duration.ofSeconds(30));
            long deadline = System.nanoTime() + Duration.ofSeconds(60).toNanos();
            while (ends.entrySet().stream().anyMatch(e -> consumer.position(e.getKey()) < e.getValue())) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("the end of the topics was not reached within 60 s");
                }
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    if (record.offset() < ends.get(new TopicPartition(record.topic(), record.partition()))) {
                        print(out, record, counts.get(record.topic()));
                    }
                }
                // There may be more than fits into memory.
                System.out.writeBytes(out.toString().getBytes(StandardCharsets.UTF_8));
                out.setLength(0);
            }
        }
        System.out.flush();
    }

    /** The partition that Java's default partitioner gives to the key; -1 without a key. */
    private static int expected(byte[] key, int partitions) {
        return key == null ? -1 : Utils.toPositive(Utils.murmur2(key)) % partitions;
    }

    private static void print(StringBuilder out, ConsumerRecord<byte[], byte[]> record, int partitions) {
        out.append("{\"topic\":\"").append(record.topic())
            .append("\",\"partition\":").append(record.partition())
            .append(",\"expected_partition\":").append(expected(record.key(), partitions))
            .append(",\"offset\":").append(record.offset())
            .append(",\"timestamp\":").append(record.timestamp())
            .append(",\"key\":").append(hex(record.key()))
            .append(",\"value\":").append(hex(record.value()))
            .append(",\"headers\":[");
        String comma = "";
        for (Header header : record.headers()) {
            out.append(comma).append("[\"").append(header.key()).append("\",").append(hex(header.value())).append(']');
            comma = ",";
        }
        out.append("]}\n");
    }

    private static String hex(byte[] bytes) {
        return bytes == null ? "null" : '"' + HexFormat.of().formatHex(bytes) + '"';
    }
}
