import com.amazonaws.services.schemaregistry.kafkastreams.GlueSchemaRegistryKafkaStreamsSerde;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.Stores;

/**
 * A Kafka Streams application whose topics, repartition topic and state store hold the registry's messages: orders that
 * are ok, by state; for each state their number, the lines in them and the last one; an order with id 0 forgets its state.
 *
 *   driver SETTINGS IN OUT TOTALS (KEY MESSAGE)…    -> ok (KEY MESSAGE)…     in TopologyTestDriver; an empty MESSAGE is null
 *   start  SETTINGS BROKERS APPLICATION IN OUT TOTALS -> ok -                on a broker
 *   stop   SETTINGS APPLICATION                       -> ok -
 */
class StreamsProbe extends Records {
    static final Map<String, KafkaStreams> running = new HashMap<>();

    static GenericRecord add(Schema schema, GenericRecord order, GenericRecord before) {
        if ((Long) order.get("id") == 0) return null;
        GenericRecord now = new GenericData.Record(schema);
        now.put("count", before == null ? 1L : (Long) before.get("count") + 1);
        now.put("lines", (before == null ? 0L : (Long) before.get("lines")) + ((List<?>) order.get("lines")).size());
        now.put("last", order);
        return now;
    }

    static Topology topology(String how, String in, String out, Schema totals) {
        StreamsBuilder b = new StreamsBuilder();
        Serde<Object> serde = new GlueSchemaRegistryKafkaStreamsSerde();
        serde.configure(settings(how), false);
        b.stream(in, Consumed.with(Serdes.String(), serde))
                .filter((k, v) -> v != null && (Boolean) ((GenericRecord) v).get("ok"))
                .selectKey((k, v) -> ((GenericRecord) v).get("state").toString())
                .groupByKey(Grouped.with("state", Serdes.String(), serde))
                .aggregate(() -> null, (k, v, sum) -> (Object) add(totals, (GenericRecord) v, (GenericRecord) sum),
                        Materialized.<String, Object>as(Stores.inMemoryKeyValueStore("totals")).withKeySerde(Serdes.String())
                                .withValueSerde(serde))
                .toStream()
                .to(out, Produced.with(Serdes.String(), serde));
        return b.build();
    }

    static Properties properties(String application, String brokers) throws Exception {
        Properties p = new Properties();
        p.put("application.id", application);
        p.put("bootstrap.servers", brokers);
        p.put("statestore.cache.max.bytes", "0");
        p.put("commit.interval.ms", "100");
        p.put("auto.offset.reset", "earliest");
        p.put("state.dir", Files.createTempDirectory(Path.of(System.getProperty("java.io.tmpdir")), "streams").toString());
        return p;
    }

    static String driver(String[] a) throws Exception {
        List<String> got = new ArrayList<>();
        try (TopologyTestDriver d = new TopologyTestDriver(topology(a[1], a[2], a[3], schema(text(a[4]))), properties("driver", "unused:1"))) {
            TestInputTopic<String, byte[]> in = d.createInputTopic(a[2], new StringSerializer(), new ByteArraySerializer());
            TestOutputTopic<String, byte[]> out = d.createOutputTopic(a[3], new StringDeserializer(), new ByteArrayDeserializer());
            for (int i = 5; i < a.length; i += 2) in.pipeInput(a[i], a[i + 1].equals("null") ? null : bytes(a[i + 1]));
            for (KeyValue<String, byte[]> kv : out.readKeyValuesToList()) got.add(kv.key + "\t" + (kv.value == null ? "null" : base64(kv.value)));
        }
        return String.join("\t", got);
    }

    static String start(String[] a) throws Exception {
        KafkaStreams s = new KafkaStreams(topology(a[1], a[4], a[5], schema(text(a[6]))), properties(a[3], a[2]));
        running.put(a[3], s);
        s.start();
        return "-";
    }

    static String stop(String[] a) {
        KafkaStreams s = running.remove(a[2]);
        KafkaStreams.State state = s.state();
        s.close();
        if (state != KafkaStreams.State.RUNNING) throw new IllegalStateException(state.toString());
        return "-";
    }
}
