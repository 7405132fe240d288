import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Set;
import java.util.TreeSet;
import org.apache.avro.Schema;
import org.apache.avro.SchemaCompatibility;
import org.apache.avro.SchemaCompatibility.SchemaPairCompatibility;

/** What Apache Avro makes of definitions: "parse DEFINITION", "reads WRITER READER"; a line each, texts in base64. */
public class Verdicts {
    static String text(String coded) {
        return new String(Base64.getDecoder().decode(coded), StandardCharsets.UTF_8);
    }

    static String answer(String[] words) {
        Schema first = new Schema.Parser().parse(text(words[2]));
        if (words[0].equals("parse")) {
            return "taken";
        }
        Schema reader = new Schema.Parser().parse(text(words[3]));
        SchemaPairCompatibility pair = SchemaCompatibility.checkReaderWriterCompatibility(reader, first);
        Set<String> kinds = new TreeSet<>();
        pair.getResult().getIncompatibilities().forEach(i -> kinds.add(i.getType().name()));
        return pair.getType() + "\t" + String.join(",", kinds);
    }

    public static void main(String[] args) throws Exception {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line; (line = in.readLine()) != null;) {
            String out;
            try {
                out = "ok\t" + answer(line.split("\t"));
            } catch (RuntimeException | StackOverflowError e) {
                out = "refused\t" + String.valueOf(e).replaceAll("\\s+", " ");
            }
            System.out.println(out);
            System.out.flush();
        }
    }
}
