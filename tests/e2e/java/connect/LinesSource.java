import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.connector.Task;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.source.SourceConnector;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.source.SourceTask;

/** Records from a file (settings: file, topic), a line each: what JsonConverter makes of a value; an empty line is a null. */
public class LinesSource extends SourceConnector {
    private Map<String, String> settings;

    @Override public void start(Map<String, String> s) { settings = s; }

    @Override public void stop() { }

    @Override public Class<? extends Task> taskClass() { return Reader.class; }

    @Override public List<Map<String, String>> taskConfigs(int most) { return List.of(settings); }

    @Override public ConfigDef config() { return new ConfigDef(); }

    @Override public String version() { return "1"; }

    public static class Reader extends SourceTask {
        private Path file;
        private String topic;
        private long line;

        @Override public String version() { return "1"; }

        @Override public void start(Map<String, String> s) {
            file = Path.of(s.get("file"));
            topic = s.get("topic");
            Map<String, Object> at = context.offsetStorageReader().offset(Map.of("file", s.get("file")));
            line = at == null ? 0 : (Long) at.get("line");
        }

        @Override public void stop() { }

        @Override public List<SourceRecord> poll() throws InterruptedException {
            List<SourceRecord> out = new ArrayList<>();
            try {
                List<String> lines = Files.readAllLines(file);
                for (; line < lines.size(); line++) {
                    SchemaAndValue v = ConnectProbe.json().toConnectData(topic, lines.get((int) line).isEmpty() ? null : lines.get((int) line).getBytes("UTF-8"));
                    out.add(new SourceRecord(Map.of("file", file.toString()), Map.of("line", line + 1), topic, 0, Schema.STRING_SCHEMA,
                            Long.toString(line), v.schema(), v.value()));
                }
            } catch (java.io.IOException e) {
                throw new IllegalStateException(e);
            }
            if (out.isEmpty()) Thread.sleep(50); // nothing new in the file: Connect asks again at once
            return out;
        }
    }
}
