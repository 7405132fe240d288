import com.amazonaws.services.schemaregistry.deserializers.GlueSchemaRegistryKafkaDeserializer;
import com.amazonaws.services.schemaregistry.kafkastreams.GlueSchemaRegistryKafkaStreamsSerde;
import com.amazonaws.services.schemaregistry.serializers.GlueSchemaRegistryKafkaSerializer;
import com.amazonaws.services.schemaregistry.serializers.json.JsonDataWithSchema;
import com.google.protobuf.DescriptorProtos;
import com.google.protobuf.Descriptors;
import com.google.protobuf.DynamicMessage;
import com.google.protobuf.GeneratedMessageV3;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.specific.SpecificDatumReader;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * AWS's own serdes on a leash; binary parts of a request are in base64.
 *
 *   encode  SETTINGS KIND SCHEMA PAYLOAD           -> ok MESSAGE
 *   decode  SETTINGS MESSAGE                       -> ok KIND NAME PAYLOAD
 *   produce SETTINGS BROKERS TOPIC KIND SCHEMA PAYLOAD -> ok OFFSET
 *   consume SETTINGS BROKERS TOPIC COUNT           -> ok (KIND NAME PAYLOAD)…
 *   streams SETTINGS KIND SCHEMA PAYLOAD           -> ok MESSAGE KIND NAME PAYLOAD (out and in by the Streams serde)
 *   kinesis-put, kinesis-get: KinesisProbe;  lambda: LambdaProbe;  driver, start, stop: StreamsProbe
 *   speed   SETTINGS KIND SCHEMA PAYLOAD COUNT     -> ok ENCODES_A_SECOND DECODES_A_SECOND
 *
 *   files   SETTINGS CLASS                         -> ok NAME (FILE)…   a generated message's name, its file's descriptor and those that it needs
 *   race    SETTINGS (KIND SCHEMA PAYLOAD)…        -> ok (MESSAGE)…     each by a serializer and a thread of its own, at once
 *
 * SETTINGS: "key=value,…" for the serde. KIND: generic, specific (Avro; the payload is the value's binary
 * encoding), json, protobuf (SCHEMA: descriptors of files, the last one that of the message, and the message's full name, with spaces between), message and bean (SCHEMA:
 * the name of a generated class of Protobuf; of a class that Jackson knows how to write).
 */
public class SerdeProbe extends Records {
    static final Map<String, GlueSchemaRegistryKafkaSerializer> serializers = new HashMap<>();
    static final Map<String, GlueSchemaRegistryKafkaDeserializer> deserializers = new HashMap<>();

    static Object value(String kind, String schema, byte[] payload) throws Exception {
        switch (kind) {
            case "generic":
                return record(schema(schema), payload);
            case "specific":
                return new SpecificDatumReader<User>(User.SCHEMA$).read(null, DecoderFactory.get().binaryDecoder(payload, null));
            case "json":
                return JsonDataWithSchema.builder(schema, new String(payload, StandardCharsets.UTF_8)).build();
            case "bean":
                return new ObjectMapper().readValue(payload, Class.forName(schema));
            case "message":
                return Class.forName(schema).getMethod("parseFrom", byte[].class).invoke(null, payload);
            default: {
                String[] parts = schema.split(" ");
                List<Descriptors.FileDescriptor> files = new ArrayList<>();
                for (int i = 0; i < parts.length - 1; i++)
                    files.add(Descriptors.FileDescriptor.buildFrom(DescriptorProtos.FileDescriptorProto.parseFrom(bytes(parts[i])),
                            files.toArray(new Descriptors.FileDescriptor[0])));
                return DynamicMessage.parseFrom(find(files.get(files.size() - 1).getMessageTypes(), parts[parts.length - 1]), payload);
            }
        }
    }

    static Descriptors.Descriptor find(List<Descriptors.Descriptor> types, String name) {
        for (Descriptors.Descriptor d : types) {
            if (d.getFullName().equals(name)) return d;
            Descriptors.Descriptor below = find(d.getNestedTypes(), name);
            if (below != null) return below;
        }
        return null;
    }

    static String show(Object o) throws Exception {
        if (o instanceof IndexedRecord) {
            String kind = o instanceof SpecificRecordBase ? "specific" : "generic";
            return kind + "\t" + o.getClass().getSimpleName() + "\t" + base64(payload((IndexedRecord) o));
        }
        if (o instanceof DynamicMessage) {
            DynamicMessage m = (DynamicMessage) o;
            return "protobuf\t" + m.getDescriptorForType().getFullName() + "\t" + base64(m.toByteArray());
        }
        if (o instanceof GeneratedMessageV3) return "message\t" + o.getClass().getName() + "\t" + base64(((GeneratedMessageV3) o).toByteArray());
        if (o instanceof JsonDataWithSchema)
            return "json\t" + o.getClass().getSimpleName() + "\t" + base64(((JsonDataWithSchema) o).getPayload());
        return "bean\t" + o.getClass().getName() + "\t" + base64(new ObjectMapper().writeValueAsBytes(o));
    }

    static GlueSchemaRegistryKafkaSerializer serializer(String how) {
        return serializers.computeIfAbsent(how, k -> {
            GlueSchemaRegistryKafkaSerializer s = new GlueSchemaRegistryKafkaSerializer(settings(k));
            s.configure(settings(k), false);
            return s;
        });
    }

    static GlueSchemaRegistryKafkaDeserializer deserializer(String how) {
        return deserializers.computeIfAbsent(how, k -> {
            GlueSchemaRegistryKafkaDeserializer d = new GlueSchemaRegistryKafkaDeserializer(settings(k));
            d.configure(settings(k), false);
            return d;
        });
    }

    static String produce(String[] a) throws Exception {
        Properties p = new Properties();
        p.putAll(settings(a[1]));
        p.put("bootstrap.servers", a[2]);
        p.put("key.serializer", ByteArraySerializer.class.getName());
        p.put("value.serializer", GlueSchemaRegistryKafkaSerializer.class.getName());
        try (KafkaProducer<byte[], Object> producer = new KafkaProducer<>(p)) {
            return Long.toString(producer.send(new ProducerRecord<>(a[3], value(a[4], text(a[5]), bytes(a[6])))).get().offset());
        }
    }

    static String consume(String[] a) throws Exception {
        Properties p = new Properties();
        p.putAll(settings(a[1]));
        p.put("bootstrap.servers", a[2]);
        p.put("key.deserializer", ByteArrayDeserializer.class.getName());
        p.put("value.deserializer", GlueSchemaRegistryKafkaDeserializer.class.getName());
        List<String> out = new ArrayList<>();
        try (KafkaConsumer<byte[], Object> consumer = new KafkaConsumer<>(p)) {
            TopicPartition t = new TopicPartition(a[3], 0);
            consumer.assign(List.of(t));
            consumer.seekToBeginning(List.of(t));
            while (out.size() < Integer.parseInt(a[4]))
                for (ConsumerRecord<byte[], Object> r : consumer.poll(Duration.ofSeconds(1))) out.add(show(r.value()));
        }
        return String.join("\t", out);
    }

    static String streams(String[] a) throws Exception {
        try (GlueSchemaRegistryKafkaStreamsSerde serde = new GlueSchemaRegistryKafkaStreamsSerde()) {
            serde.configure(settings(a[1]), false);
            byte[] message = serde.serializer().serialize("t", value(a[2], text(a[3]), bytes(a[4])));
            return base64(message) + "\t" + show(serde.deserializer().deserialize("t", message));
        }
    }

    static void files(Descriptors.FileDescriptor file, Map<String, String> out) {
        for (Descriptors.FileDescriptor f : file.getDependencies()) files(f, out);
        out.put(file.getName(), base64(file.toProto().toByteArray()));
    }

    static String files(String type) throws Exception {
        Descriptors.Descriptor d = (Descriptors.Descriptor) Class.forName(type).getMethod("getDescriptor").invoke(null);
        Map<String, String> out = new LinkedHashMap<>();
        files(d.getFile(), out);
        return d.getFullName() + "\t" + String.join("\t", out.values());
    }

    static String race(String[] a) throws Exception {
        ExecutorService threads = Executors.newCachedThreadPool();
        CyclicBarrier all = new CyclicBarrier((a.length - 2) / 3);
        List<Future<String>> out = new ArrayList<>();
        for (int i = 2; i < a.length; i += 3) {
            Object v = value(a[i], text(a[i + 1]), bytes(a[i + 2]));
            out.add(threads.submit(() -> {
                GlueSchemaRegistryKafkaSerializer s = new GlueSchemaRegistryKafkaSerializer(settings(a[1]));
                s.configure(settings(a[1]), false);
                all.await();
                return base64(s.serialize("t", v));
            }));
        }
        List<String> messages = new ArrayList<>();
        for (Future<String> f : out) messages.add(f.get());
        threads.shutdown();
        return String.join("\t", messages);
    }

    static String speed(String[] a) throws Exception {
        Object v = value(a[2], text(a[3]), bytes(a[4]));
        int n = Integer.parseInt(a[5]);
        byte[] message = null;
        double[] best = {0, 0};
        for (int round = 0; round < 3; round++) {
            long from = System.nanoTime();
            for (int i = 0; i < n; i++) message = serializer(a[1]).serialize("t", v);
            long middle = System.nanoTime();
            for (int i = 0; i < n; i++) deserializer(a[1]).deserialize("t", message);
            best[0] = Math.max(best[0], n * 1e9 / (middle - from));
            best[1] = Math.max(best[1], n * 1e9 / (System.nanoTime() - middle));
        }
        return Math.round(best[0]) + "\t" + Math.round(best[1]);
    }

    static String answer(String[] a) throws Exception {
        switch (a[0]) {
            case "encode":
                return base64(serializer(a[1]).serialize("t", value(a[2], text(a[3]), bytes(a[4]))));
            case "decode":
                return show(deserializer(a[1]).deserialize("t", bytes(a[2])));
            case "produce":
                return produce(a);
            case "consume":
                return consume(a);
            case "streams":
                return streams(a);
            case "files":
                return files(a[2]);
            case "race":
                return race(a);
            case "speed":
                return speed(a);
            case "kinesis-put":
                return KinesisProbe.put(a);
            case "kinesis-get":
                return KinesisProbe.get(a);
            case "lambda":
                return LambdaProbe.invoke(a);
            case "driver":
                return StreamsProbe.driver(a);
            case "start":
                return StreamsProbe.start(a);
            case "stop":
                return StreamsProbe.stop(a);
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    public static void main(String[] args) throws Exception { run(SerdeProbe::answer); }
}
