import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import com.kjetland.jackson.jsonSchema.annotations.JsonSchemaDescription;
import com.kjetland.jackson.jsonSchema.annotations.JsonSchemaInject;
import com.kjetland.jackson.jsonSchema.annotations.JsonSchemaString;
import java.util.List;
import java.util.Map;
import javax.validation.constraints.Max;
import javax.validation.constraints.Min;

/** What an application writes as JSON: AWS's serializer makes the schema from the class and names the class in it. */
@JsonSchemaDescription("A parcel 小包")
@JsonSchemaInject(strings = {@JsonSchemaString(path = "className", value = "Parcel")})
@JsonInclude(JsonInclude.Include.NON_NULL)
public class Parcel {
    public enum State { NEW, SENT }

    @JsonInclude(JsonInclude.Include.NON_NULL)
    public static class Line {
        @JsonProperty(required = true) public String sku;
        @JsonProperty @Min(0) @Max(1000) public int n;
    }

    @JsonProperty(required = true) public long id;
    @JsonProperty public String who;
    @JsonProperty public Double weight;
    @JsonProperty public State state;
    @JsonProperty public List<Line> lines;
    @JsonProperty public Map<String, Integer> extra;
}
