import com.amazonaws.services.schemaregistry.flink.avro.GlueSchemaRegistryAvroDeserializationSchema;
import com.amazonaws.services.schemaregistry.flink.avro.GlueSchemaRegistryAvroSerializationSchema;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericRecord;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.core.execution.JobClient;
import org.apache.flink.formats.avro.typeutils.GenericRecordAvroTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.connectors.kafka.FlinkKafkaConsumer;
import org.apache.flink.streaming.connectors.kafka.FlinkKafkaProducer;
import org.apache.flink.util.Collector;

/**
 * Flink jobs between topics of a broker, in a local cluster of Flink's own.
 *
 *   totals SETTINGS JOB BROKERS IN OUT READER TOTALS -> ok -   orders that are ok, by state: their number, their lines, the last
 *   users  SETTINGS JOB BROKERS IN OUT               -> ok -   specific records, a year older
 *   stop   SETTINGS JOB                              -> ok STATE
 */
public class FlinkProbe extends Records {
    static final Map<String, JobClient> running = new HashMap<>();

    /** Schemas go by their text: this Avro's do not travel inside a job. */
    static class Totals extends KeyedProcessFunction<String, GenericRecord, GenericRecord> {
        private final String text;
        private transient Schema schema;
        private transient ValueState<Long> count, lines;

        Totals(String text) { this.text = text; }

        @Override public void open(Configuration c) {
            schema = schema(text);
            count = getRuntimeContext().getState(new ValueStateDescriptor<>("count", Types.LONG));
            lines = getRuntimeContext().getState(new ValueStateDescriptor<>("lines", Types.LONG));
        }

        @Override public void processElement(GenericRecord order, Context context, Collector<GenericRecord> out) throws Exception {
            count.update(count.value() == null ? 1 : count.value() + 1);
            lines.update((lines.value() == null ? 0 : lines.value()) + ((List<?>) order.get("lines")).size());
            GenericRecord now = new GenericData.Record(schema);
            now.put("count", count.value());
            now.put("lines", lines.value());
            now.put("last", order);
            out.collect(now);
        }
    }

    static Properties kafka(String brokers) {
        Properties p = new Properties();
        p.put("bootstrap.servers", brokers);
        p.put("group.id", "flink");
        return p;
    }

    static StreamExecutionEnvironment environment() {
        StreamExecutionEnvironment e = StreamExecutionEnvironment.createLocalEnvironment(2);
        e.setBufferTimeout(10);
        return e;
    }

    static <T> FlinkKafkaConsumer<T> source(String[] a, GlueSchemaRegistryAvroDeserializationSchema<T> how) {
        FlinkKafkaConsumer<T> source = new FlinkKafkaConsumer<>(a[4], how, kafka(a[3]));
        source.setStartFromEarliest();
        return source;
    }

    static String totals(String[] a) throws Exception {
        String reader = text(a[6]), totals = text(a[7]);
        StreamExecutionEnvironment e = environment();
        DataStream<GenericRecord> orders = e.addSource(source(a, GlueSchemaRegistryAvroDeserializationSchema.forGeneric(schema(reader), settings(a[1]))))
                .returns(new GenericRecordAvroTypeInfo(schema(reader)));
        orders.filter(o -> (Boolean) o.get("ok")).keyBy(o -> o.get("state").toString()).process(new Totals(totals))
                .returns(new GenericRecordAvroTypeInfo(schema(totals)))
                .addSink(new FlinkKafkaProducer<>(a[5], GlueSchemaRegistryAvroSerializationSchema.forGeneric(schema(totals), a[5], settings(a[1])), kafka(a[3])));
        running.put(a[2], e.executeAsync(a[2]));
        return "-";
    }

    static String users(String[] a) throws Exception {
        StreamExecutionEnvironment e = environment();
        e.addSource(source(a, GlueSchemaRegistryAvroDeserializationSchema.forSpecific(User.class, settings(a[1]))))
                .map(u -> {
                    if (u.getAge() != null) u.setAge(u.getAge() + 1);
                    return u;
                })
                .returns(User.class)
                .addSink(new FlinkKafkaProducer<>(a[5], GlueSchemaRegistryAvroSerializationSchema.forSpecific(User.class, a[5], settings(a[1])), kafka(a[3])));
        running.put(a[2], e.executeAsync(a[2]));
        return "-";
    }

    static String answer(String[] a) throws Exception {
        switch (a[0]) {
            case "totals":
                return totals(a);
            case "users":
                return users(a);
            case "stop": {
                JobClient job = running.remove(a[2]);
                String state = job.getJobStatus().get().toString();
                if (state.equals("RUNNING")) job.cancel().get();
                else job.getJobExecutionResult().get();
                return state;
            }
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    public static void main(String[] args) throws Exception { run(FlinkProbe::answer); }
}
