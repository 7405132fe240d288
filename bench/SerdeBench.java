import com.amazonaws.services.schemaregistry.deserializers.GlueSchemaRegistryKafkaDeserializer;
import com.amazonaws.services.schemaregistry.serializers.GlueSchemaRegistryKafkaSerializer;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;

/**
 * AWS's serde on the record that build/…/bench_serde has written: how many a second of the thread's processor time, the best of
 * ROUNDS once the JVM is warm. SerdeBench ENDPOINT FOLDER; keys come by the environment. Prints JSON.
 */
class SerdeBench {
    static final int ROUNDS = 12, COUNT = 200_000, HEADER = 18;
    static final ThreadMXBean threads = ManagementFactory.getThreadMXBean();

    interface Once {
        void run(int i);
    }

    static double best(Once once) {
        double best = 0;
        for (int round = 0; round < ROUNDS; round++) {
            long from = threads.getCurrentThreadCpuTime();
            for (int i = 0; i < COUNT; i++) once.run(i);
            best = Math.max(best, COUNT * 1e9 / (threads.getCurrentThreadCpuTime() - from));
        }
        return best;
    }

    public static void main(String[] a) throws Exception {
        Schema schema = new Schema.Parser().parse(Files.readString(Path.of(a[1], "schema.avsc")));
        byte[] message = Files.readAllBytes(Path.of(a[1], "message"));
        byte[] payload = Arrays.copyOfRange(message, HEADER, message.length);
        GenericRecord record = new GenericDatumReader<GenericRecord>(schema).read(null, DecoderFactory.get().binaryDecoder(payload, null));

        Map<String, Object> how = new HashMap<>(Map.of("endpoint", a[0], "region", "us-east-1", "schemaAutoRegistrationEnabled", "true",
                "dataFormat", "AVRO", "avroRecordType", "GENERIC_RECORD", "schemaName", "bench"));
        GlueSchemaRegistryKafkaSerializer serializer = new GlueSchemaRegistryKafkaSerializer();
        GlueSchemaRegistryKafkaDeserializer deserializer = new GlueSchemaRegistryKafkaDeserializer();
        serializer.configure(how, false);
        deserializer.configure(how, false);

        byte[] theirs = serializer.serialize("t", record);
        if (!Arrays.equals(payload, Arrays.copyOfRange(theirs, HEADER, theirs.length)) || !record.equals(deserializer.deserialize("t", theirs)))
            throw new IllegalStateException("the two serdes do not agree on the record");
        long[] sum = {0};
        double encodes = best(i -> {
            record.put("id", (long) i);
            sum[0] += serializer.serialize("t", record).length;
        });
        double decodes = best(i -> sum[0] += (Integer) ((GenericRecord) deserializer.deserialize("t", theirs)).get("items"));
        System.out.printf("{\"encodes\": %.0f, \"decodes\": %.0f, \"sum\": %d}%n", encodes, decodes, sum[0]);
    }
}
