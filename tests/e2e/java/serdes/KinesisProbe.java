import com.amazonaws.services.schemaregistry.common.Schema;
import com.amazonaws.services.schemaregistry.common.configs.GlueSchemaRegistryConfiguration;
import com.amazonaws.services.schemaregistry.deserializers.GlueSchemaRegistryDeserializer;
import com.amazonaws.services.schemaregistry.deserializers.GlueSchemaRegistryDeserializerImpl;
import com.amazonaws.services.schemaregistry.serializers.GlueSchemaRegistrySerializer;
import com.amazonaws.services.schemaregistry.serializers.GlueSchemaRegistrySerializerImpl;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.http.urlconnection.UrlConnectionHttpClient;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;

/**
 * A producer and a reader of Kinesis, as AWS's guide writes them: bytes in, bytes out, by the registry's own interfaces.
 *
 *   kinesis-put SETTINGS ENDPOINT STREAM NAME FORMAT DEFINITION (KEY PAYLOAD)…  -> ok (SHARD SEQUENCE)…
 *   kinesis-get SETTINGS ENDPOINT STREAM -> ok (SHARD SEQUENCE KEY NAME FORMAT PAYLOAD)…   a payload alone when it is no message
 */
class KinesisProbe extends Leash {
    static final Map<String, KinesisClient> clients = new HashMap<>();
    static final Map<String, GlueSchemaRegistrySerializer> serializers = new HashMap<>();
    static final Map<String, GlueSchemaRegistryDeserializer> deserializers = new HashMap<>();

    static KinesisClient client(String endpoint) {
        return clients.computeIfAbsent(endpoint, e -> KinesisClient.builder().endpointOverride(URI.create(e)).region(Region.US_EAST_1)
                .httpClient(UrlConnectionHttpClient.create()).build());
    }

    static GlueSchemaRegistryConfiguration configuration(String how) { return new GlueSchemaRegistryConfiguration(settings(how)); }

    static GlueSchemaRegistryDeserializer deserializer(String how) {
        return deserializers.computeIfAbsent(how,
                k -> new GlueSchemaRegistryDeserializerImpl(DefaultCredentialsProvider.create(), configuration(k)));
    }

    static String put(String[] a) {
        GlueSchemaRegistrySerializer serializer = serializers.computeIfAbsent(a[1],
                k -> new GlueSchemaRegistrySerializerImpl(DefaultCredentialsProvider.create(), configuration(k)));
        Schema schema = new Schema(text(a[6]), a[5], a[4]);
        List<PutRecordsRequestEntry> entries = new ArrayList<>();
        for (int i = 7; i < a.length; i += 2) {
            byte[] message = serializer.encode(a[3], schema, bytes(a[i + 1]));
            entries.add(PutRecordsRequestEntry.builder().partitionKey(text(a[i])).data(SdkBytes.fromByteArray(message)).build());
        }
        PutRecordsResponse answer = client(a[2]).putRecords(r -> r.streamName(a[3]).records(entries));
        if (answer.failedRecordCount() != 0) throw new IllegalStateException(answer.toString());
        List<String> out = new ArrayList<>();
        answer.records().forEach(r -> out.add(r.shardId() + "\t" + r.sequenceNumber()));
        return String.join("\t", out);
    }

    static String show(String how, byte[] data) {
        GlueSchemaRegistryDeserializer d = deserializer(how);
        if (!d.canDeserialize(data)) return "-\t-\t" + base64(data);
        Schema schema = d.getSchema(data);
        return schema.getSchemaName() + "\t" + schema.getDataFormat() + "\t" + base64(d.getData(data));
    }

    static String get(String[] a) {
        KinesisClient kinesis = client(a[2]);
        List<String> out = new ArrayList<>();
        for (Shard shard : kinesis.listShards(r -> r.streamName(a[3])).shards()) {
            String at = kinesis.getShardIterator(r -> r.streamName(a[3]).shardId(shard.shardId())
                    .shardIteratorType(ShardIteratorType.TRIM_HORIZON)).shardIterator();
            GetRecordsResponse page;
            do {
                String here = at;
                page = kinesis.getRecords(r -> r.shardIterator(here).limit(7));
                for (Record r : page.records())
                    out.add(shard.shardId() + "\t" + r.sequenceNumber() + "\t" + base64(r.partitionKey()) + "\t"
                            + show(a[1], r.data().asByteArray()));
                at = page.nextShardIterator();
            } while (!page.records().isEmpty());
        }
        return String.join("\t", out);
    }
}
