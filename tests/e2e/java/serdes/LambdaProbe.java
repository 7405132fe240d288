import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.events.KafkaEvent;
import com.amazonaws.services.lambda.runtime.events.KinesisEvent;
import com.amazonaws.services.lambda.runtime.serialization.events.LambdaEventSerializers;
import java.io.ByteArrayInputStream;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Handlers of a Lambda function, called with an event's text as Lambda's own Java runtime calls them.
 *
 *   lambda SETTINGS kinesis|kafka EVENT -> ok (SOURCE POSITION KEY KIND NAME PAYLOAD)…
 */
class LambdaProbe extends Leash {
    static String show(String how, String topic, byte[] data) {
        try {
            return data == null ? "null\t-\t-" : SerdeProbe.show(SerdeProbe.deserializer(how).deserialize(topic, data));
        } catch (Exception e) {
            throw new IllegalStateException(e);
        }
    }

    static class OfKinesis implements RequestHandler<KinesisEvent, List<String>> {
        final String how;

        OfKinesis(String how) { this.how = how; }

        @Override public List<String> handleRequest(KinesisEvent event, Context context) {
            List<String> out = new ArrayList<>();
            for (KinesisEvent.KinesisEventRecord r : event.getRecords()) {
                ByteBuffer data = r.getKinesis().getData();
                byte[] bytes = new byte[data.remaining()];
                data.get(bytes);
                out.add(r.getEventSourceARN() + "\t" + r.getKinesis().getSequenceNumber() + "\t" + base64(r.getKinesis().getPartitionKey())
                        + "\t" + show(how, "t", bytes));
            }
            return out;
        }
    }

    static class OfKafka implements RequestHandler<KafkaEvent, List<String>> {
        final String how;

        OfKafka(String how) { this.how = how; }

        @Override public List<String> handleRequest(KafkaEvent event, Context context) {
            List<String> out = new ArrayList<>();
            event.getRecords().forEach((partition, records) -> {
                for (KafkaEvent.KafkaEventRecord r : records)
                    out.add(r.getTopic() + "\t" + r.getOffset() + "\t" + (r.getKey() == null ? "-" : r.getKey()) + "\t"
                            + show(how, r.getTopic(), r.getValue() == null ? null : bytes(r.getValue())));
            });
            return out;
        }
    }

    static <T> T event(Class<T> type, String json) {
        return LambdaEventSerializers.serializerFor(type, LambdaProbe.class.getClassLoader()).fromJson(new ByteArrayInputStream(bytes(json)));
    }

    static String invoke(String[] a) {
        return String.join("\t", a[2].equals("kinesis") ? new OfKinesis(a[1]).handleRequest(event(KinesisEvent.class, a[3]), null)
                                                        : new OfKafka(a[1]).handleRequest(event(KafkaEvent.class, a[3]), null));
    }
}
