import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.connect.cli.ConnectStandalone;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.runtime.isolation.LoaderSwap;
import org.apache.kafka.connect.runtime.isolation.Plugins;
import org.apache.kafka.connect.storage.Converter;

/**
 * Kafka Connect with AWS's converter, which is loaded as a plugin, apart from Connect's own classes. Values of Connect
 * are told as its JsonConverter tells them: {"schema": …, "payload": …}.
 *
 *   convert   SETTINGS PLUGINS TOPIC (VALUE)…    -> ok (MESSAGE)…    by fromConnectData
 *   unconvert SETTINGS PLUGINS TOPIC (MESSAGE)…  -> ok (VALUE)…      by toConnectData
 *   worker    SETTINGS FILE                      -> ok -             a standalone worker with the properties of FILE
 */
public class ConnectProbe extends Leash {
    static final String CONVERTER = "com.amazonaws.services.schemaregistry.kafkaconnect.AWSKafkaAvroConverter";
    static final Map<String, Converter> converters = new HashMap<>();
    static Plugins plugins;

    static Converter converter(String how, String path) throws Exception {
        if (plugins == null) plugins = new Plugins(Map.of("plugin.path", path, "plugin.discovery", "service_load"));
        if (!converters.containsKey(how)) {
            Converter c = (Converter) plugins.newPlugin(CONVERTER, null);
            try (LoaderSwap swap = plugins.withClassLoader(c.getClass().getClassLoader())) {
                c.configure(settings(how), false);
            }
            converters.put(how, c);
        }
        return converters.get(how);
    }

    static JsonConverter json() {
        JsonConverter json = new JsonConverter();
        json.configure(Map.of("schemas.enable", "true"), false);
        return json;
    }

    static String convert(String[] a, boolean out) throws Exception {
        Converter glue = converter(a[1], a[2]);
        JsonConverter json = json();
        List<String> got = new ArrayList<>();
        try (LoaderSwap swap = plugins.withClassLoader(glue.getClass().getClassLoader())) {
            for (int i = 4; i < a.length; i++) {
                SchemaAndValue v = (out ? json : glue).toConnectData(a[3], a[i].equals("null") ? null : bytes(a[i]));
                byte[] b = (out ? glue : json).fromConnectData(a[3], v.schema(), v.value());
                got.add(b == null ? "null" : base64(b));
            }
        }
        return String.join("\t", got);
    }

    static String answer(String[] a) throws Exception {
        switch (a[0]) {
            case "convert":
                return convert(a, true);
            case "unconvert":
                return convert(a, false);
            case "worker":
                new Thread(() -> ConnectStandalone.main(new String[] {a[2]})).start();
                return "-";
            default:
                throw new IllegalArgumentException(a[0]);
        }
    }

    public static void main(String[] args) throws Exception { run(ConnectProbe::answer); }
}
