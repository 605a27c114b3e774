package dev.penchant.examples;

import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.util.JsonFormat;
import dev.penchant.client.Event;
import dev.penchant.client.KafkaRecord;
import java.io.PrintStream;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;

import static java.nio.charset.StandardCharsets.UTF_8;

/** Sends events to Penchant's log: {@code java -cp … Producer [--bootstrap HOST:PORT] [--prefix NAME] [--json] USER…}. */
public final class Producer {
    private record Options(String bootstrap, String topic, boolean json, List<String> users) {
        static Options of(String[] arguments) {
            String bootstrap = "127.0.0.1:9092";
            String prefix = "penchant";
            boolean json = false;
            List<String> users = new ArrayList<>();
            for (int i = 0; i < arguments.length; i++) {
                switch (arguments[i]) {
                    case "--bootstrap" -> bootstrap = arguments[++i];
                    case "--prefix" -> prefix = arguments[++i];
                    case "--json" -> json = true;
                    default -> users.add(arguments[i]);
                }
            }
            return new Options(bootstrap, prefix + ".events", json, users);
        }
    }

    /** Somebody looks at a tent, now; the record has an id, so that sent twice it counts once. */
    private static Event viewOf(String userId) {
        return Event.of(userId, "view").withItemId("tent").withSurface("home").withOccurredAt(Instant.now());
    }

    /** Lays an event out for the log. */
    private static ProducerRecord<byte[], byte[]> recordOf(String topic, Event event, boolean json)
            throws InvalidProtocolBufferException {
        KafkaRecord said = KafkaRecord.of(event);
        byte[] value = said.value();
        if (json) {
            value = JsonFormat.printer().omittingInsignificantWhitespace()
                    .print(dev.penchant.v1.Event.parseFrom(value)).getBytes(UTF_8);
        }
        var record = new ProducerRecord<>(topic, said.key(), value);
        record.headers().add("content-type", (json ? "application/json" : "application/x-protobuf").getBytes(UTF_8));
        return record;
    }

    public static void main(String[] arguments)
            throws InvalidProtocolBufferException, ExecutionException, InterruptedException {
        Options options = Options.of(arguments);
        Properties settings = new Properties();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, options.bootstrap());
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        settings.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, "lz4");
        // No partitioner is set: the default one is murmur2 of the key.
        try (var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String user : options.users()) {
                sent.add(producer.send(recordOf(options.topic(), viewOf(user), options.json())));
            }
            producer.flush();
            var out = new PrintStream(System.out, true, UTF_8);
            for (int i = 0; i < sent.size(); i++) {
                RecordMetadata place = sent.get(i).get();
                out.println(place.partition() + "\t" + place.offset() + "\t" + options.users().get(i));
            }
        }
    }
}
