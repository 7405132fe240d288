import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.sink.SinkConnector;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.sink.SinkTask;

/** Records to a file (setting: file), a line each: what JsonConverter makes of the value; an empty line for a null. */
public class LinesSink extends SinkConnector {
    private Map<String, String> settings;

    @Override public void start(Map<String, String> s) { settings = s; }

    @Override public void stop() { }

    @Override public Class<? extends Task> taskClass() { return Writer.class; }

    @Override public List<Map<String, String>> taskConfigs(int most) { return List.of(settings); }

    @Override public ConfigDef config() { return new ConfigDef(); }

    @Override public String version() { return "1"; }

    public static class Writer extends SinkTask {
        private Path file;

        @Override public String version() { return "1"; }

        @Override public void start(Map<String, String> s) { file = Path.of(s.get("file")); }

        @Override public void stop() { }

        @Override public void put(Collection<SinkRecord> records) {
            StringBuilder lines = new StringBuilder();
            for (SinkRecord r : records) {
                byte[] json = r.value() == null ? new byte[0] : ConnectProbe.json().fromConnectData(r.topic(), r.valueSchema(), r.value());
                lines.append(new String(json, StandardCharsets.UTF_8)).append('\n');
            }
            try {
                Files.writeString(file, lines, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
            } catch (IOException e) {
                throw new IllegalStateException(e);
            }
        }
    }
}
