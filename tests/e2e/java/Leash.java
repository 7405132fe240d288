import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;

/** A JVM's side of a test: reads one request a line (tab-separated), answers one line, "ok" or "error" first. */
class Leash {
    interface Probe {
        String answer(String[] request) throws Exception;
    }

    /** "key=value,…"; "tags.a=1,tags.b=2" is one setting, a map. */
    @SuppressWarnings("unchecked")
    static Map<String, Object> settings(String text) {
        Map<String, Object> out = new HashMap<>();
        for (String pair : text.split(",")) {
            int at = pair.indexOf('=');
            String key = pair.substring(0, at), value = pair.substring(at + 1);
            int dot = key.startsWith("tags.") || key.startsWith("metadata.") ? key.indexOf('.') : -1;
            if (dot < 0) out.put(key, value);
            else ((Map<String, String>) out.computeIfAbsent(key.substring(0, dot), k -> new HashMap<String, String>())).put(key.substring(dot + 1), value);
        }
        return out;
    }

    static byte[] bytes(String base64) { return Base64.getDecoder().decode(base64); }

    static String text(String base64) { return new String(bytes(base64), StandardCharsets.UTF_8); }

    static String base64(byte[] b) { return Base64.getEncoder().encodeToString(b); }

    static String base64(String s) { return base64(s.getBytes(StandardCharsets.UTF_8)); }

    static void run(Probe probe) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream out = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        for (String line; (line = in.readLine()) != null;) {
            try {
                out.println("ok\t" + probe.answer(line.split("\t", -1)));
            } catch (Throwable e) {
                StringBuilder why = new StringBuilder();
                for (Throwable t = e; t != null; t = t.getCause())
                    why.append(t.getClass().getSimpleName()).append(": ").append(t.getMessage()).append("; ");
                out.println("error\t" + why.toString().replaceAll("[\\r\\n\\t]", " "));
            }
        }
        System.exit(0);
    }
}
