import java.io.ByteArrayOutputStream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;

/** A leash for programs that take Avro's records, told as their binary encoding. */
class Records extends Leash {
    static Schema schema(String text) { return new Schema.Parser().parse(text); }

    static GenericRecord record(Schema s, byte[] payload) throws Exception {
        return new GenericDatumReader<GenericRecord>(s).read(null, DecoderFactory.get().binaryDecoder(payload, null));
    }

    static byte[] payload(IndexedRecord r) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        BinaryEncoder e = EncoderFactory.get().binaryEncoder(out, null);
        new GenericDatumWriter<IndexedRecord>(r.getSchema()).write(r, e);
        e.flush();
        return out.toByteArray();
    }
}
