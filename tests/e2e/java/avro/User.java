import org.apache.avro.Schema;
import org.apache.avro.specific.SpecificRecordBase;

/** A specific record, as Avro's compiler would make it. */
public class User extends SpecificRecordBase {
    public static final Schema SCHEMA$ = new Schema.Parser().parse("{\"type\":\"record\",\"name\":\"User\","
            + "\"fields\":[{\"name\":\"name\",\"type\":\"string\"},{\"name\":\"age\",\"type\":[\"null\",\"int\"],\"default\":null}]}");
    private CharSequence name;
    private Integer age;

    public CharSequence getName() { return name; }

    public void setName(CharSequence value) { name = value; }

    public Integer getAge() { return age; }

    public void setAge(Integer value) { age = value; }

    @Override public Schema getSchema() { return SCHEMA$; }

    @Override public Object get(int field) { return field == 0 ? name : age; }

    @Override public void put(int field, Object value) {
        if (field == 0) name = (CharSequence) value; else age = (Integer) value;
    }
}
