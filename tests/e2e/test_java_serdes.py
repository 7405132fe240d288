"""AWS's own Java serdes (schema-registry-serde from Maven) against a real server, SigV4 on; their messages are read by our
Python package on libnikawa_serde and ours by theirs, by hand and over a real Kafka broker."""
import base64
import io
import json
import os
import random
import sys
import uuid
from pathlib import Path

import fastavro
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "python"), str(Path(os.environ.get("NIKAWA_BUILD") or ROOT / "build") / "python"), str(ROOT / "tests/api"),
                str(ROOT / "tests/unit/registry")]
nikawa_serde = pytest.importorskip("nikawa_serde", reason="_nikawa_serde is not built (make build)")
from nikawa_serde import Serde, SerdeError  # noqa: E402
from test_serde import AVRO, order  # noqa: E402
from java_peers import b64, consume, make_topics  # noqa: E402

USER = {"type": "record", "name": "User",
        "fields": [{"name": "name", "type": "string"}, {"name": "age", "type": ["null", "int"], "default": None}]}
JSON = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
        "properties": {"id": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["id"]}
PROTO = """syntax = "proto3";
package shop;
message Order {
  int64 id = 1;
  message Line { string sku = 1; double price = 2; }
  repeated Line lines = 2;
  map<string, int32> extra = 3;
  oneof pay { string card = 4; bool cash = 5; }
  State state = 6;
}
enum State { NEW = 0; SENT = 1; }
message Address { string street = 1; }
"""


@pytest.fixture(scope="module")
def serde(bare_server):
    return Serde(bare_server.url, "us-east-1", bare_server.access_key, bare_server.secret_key)


@pytest.fixture
def name():
    return "j" + uuid.uuid4().hex[:12]


def avro_bytes(schema, value):
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), value)
    return out.getvalue()


@pytest.mark.parametrize("compression", ["NONE", "ZLIB"])
def test_avro_generic(java, serde, bare_glue, name, compression):
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    r = random.Random(seed)
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "compression": compression, "schemaName": name, "compatibility": "FULL"}
    for _ in range(20):
        value = order(r)
        payload = avro_bytes(AVRO, value)
        message = base64.b64decode(java("encode", how, "generic", b64(json.dumps(AVRO)), b64(payload))[0])
        assert message[:2] == (b"\x03\x00" if compression == "NONE" else b"\x03\x05")
        got = serde.decode(message)
        assert got.value == value and got.format == "AVRO"
        ours = serde.encode(got.schema_id, value, compress=compression == "ZLIB")
        assert java("decode", how, b64(ours)) == ["generic", "Record", b64(payload)]
    made = bare_glue.get_schema(SchemaId={"SchemaName": name, "RegistryName": "default-registry"})
    assert (made["DataFormat"], made["Compatibility"], made["LatestSchemaVersion"]) == ("AVRO", "FULL", 1)


def adorned(r, t, top=True):
    """A schema with what people and Avro's tools put into it without changing what it means."""
    if isinstance(t, list):
        return [adorned(r, b, False) for b in t]
    if t == "string" and r.random() < 0.5:
        return {"type": "string", "avro.java.string": "String"}
    if not isinstance(t, dict):
        return t
    t = dict(t, **({"doc": "Über 小包"} if "name" in t and r.random() < 0.4 else {}), **({"namespace": "shop.x1"} if top else {}))
    for inner in ("items", "values"):
        if inner in t:
            t[inner] = adorned(r, t[inner], False)
    if "fields" in t:
        t["fields"] = [{**f, "type": adorned(r, f["type"], False), **r.choice([{}, {"doc": "d"}, {"order": "ignore"}, {"aliases": ["old_" + f["name"]]},
                                                                              {"pii": {"level": 3}}])} for f in t["fields"]]
    return t


def test_avro_of_any_schema(java, serde, bare_glue, name):
    from check_avro import Maker
    from fastavro.utils import generate_one
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    r = random.Random(seed)
    random.seed(seed)  # fastavro's generator takes this one
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD"}
    for i in range(25):
        schema = parsed = None
        while parsed is None:
            schema = adorned(r, Maker(r).record("Top"))
            try:
                parsed = fastavro.parse_schema(schema)
            except fastavro.schema.SchemaParseException:  # the maker takes a name twice at times
                pass
        text = b64(json.dumps(schema, ensure_ascii=False))
        for _ in range(2):
            payload = avro_bytes(schema, generate_one(parsed))
            value = fastavro.schemaless_reader(io.BytesIO(payload), parsed)
            message = base64.b64decode(java("encode", {**how, "schemaName": f"{name}-{i}"}, "generic", text, b64(payload))[0])
            got = serde.decode(message)
            assert got.value == value, schema
            kind, _, theirs = java("decode", how, b64(serde.encode(got.schema_id, value)))
            assert kind == "generic" and fastavro.schemaless_reader(io.BytesIO(base64.b64decode(theirs)), parsed) == value, schema
        # What Java wrote of the schema and what was given to it are one definition.
        assert serde.register(f"{name}-{i}", "AVRO", json.dumps(schema)) == got.schema_id, schema


def test_avro_specific(java, serde, name):
    how = {"dataFormat": "AVRO", "avroRecordType": "SPECIFIC_RECORD", "schemaName": name}
    for value in ({"name": "Ada", "age": 36}, {"name": "é", "age": None}):
        payload = avro_bytes(USER, value)
        message = base64.b64decode(java("encode", how, "specific", b64("User"), b64(payload))[0])
        got = serde.decode(message)
        assert got.value == value
        assert java("decode", how, b64(serde.encode(got.schema_id, value))) == ["specific", "User", b64(payload)]


def test_kafka_streams_serde(java, serde, name):
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "schemaName": name}
    value = order(random.Random(21))
    payload = b64(avro_bytes(AVRO, value))
    message, *back = java("streams", how, "generic", b64(json.dumps(AVRO)), payload)
    assert back == ["generic", "Record", payload]
    assert serde.decode(base64.b64decode(message)).value == value


@pytest.mark.parametrize("compression", ["NONE", "ZLIB"])
def test_json(java, serde, name, compression):
    how = {"dataFormat": "JSON", "compression": compression, "schemaName": name}
    value = {"id": 7, "tags": ["a", "é"]}
    message = base64.b64decode(java("encode", how, "json", b64(json.dumps(JSON)), b64(json.dumps(value)))[0])
    got = serde.decode(message)
    assert got.value == value and got.format == "JSON"
    kind, _, payload = java("decode", how, b64(serde.encode(got.schema_id, {"id": 8}, compress=compression == "ZLIB")))
    assert kind == "json" and json.loads(base64.b64decode(payload)) == {"id": 8}
    with pytest.raises(SerdeError):
        serde.encode(got.schema_id, {"id": "8"})
    assert "id" in java.refusal("encode", how, "json", b64(json.dumps(JSON)), b64("{}"))


def whole(v):
    """6.0 as 6: to AWS's validator only the latter is an integer, whatever the draft."""
    if isinstance(v, dict):
        return {k: whole(x) for k, x in v.items()}
    return [whole(x) for x in v] if isinstance(v, list) else int(v) if isinstance(v, float) and v.is_integer() else v


def test_json_of_any_schema(java, serde, name):
    """Ours takes what AWS's serializer takes, and refuses what it refuses."""
    import jsonschema
    from check_jsonschema import DIALECTS, Maker, guided
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    r, taken, refused = random.Random(seed), 0, 0
    for i in range(40):
        dialect = r.choice(["draft-04", "draft-06", "draft-07"])
        m = Maker(r, dialect)
        schema = m.root()
        schema = {**({"$ref": schema["$ref"]} if "$ref" in schema else schema), "$schema": DIALECTS[dialect][0], "definitions": {
            "P": m.schema(2), "Q": {"type": "object", "properties": {"a": {"$ref": "#/definitions/P"}, "b": {"$ref": "#/definitions/Q"}}}}}
        text, how = json.dumps(schema), {"dataFormat": "JSON", "schemaName": f"{name}-{i}"}
        try:
            DIALECTS[dialect][1].check_schema(schema)
            schema_id = serde.register(f"{name}-{i}", "JSON", text, auto_register=True)
        except jsonschema.SchemaError:
            continue
        except SerdeError as e:  # one that refers to itself without going down
            assert "itself" in str(e), text
            continue
        for value in (whole(guided(r, schema, schema)) for _ in range(4)):
            try:
                ours = serde.encode(schema_id, value)
            except SerdeError:
                java.refusal("encode", how, "json", b64(text), b64(json.dumps(value)))
                refused += 1
                continue
            theirs = base64.b64decode(java("encode", how, "json", b64(text), b64(json.dumps(value)))[0])
            assert serde.decode(theirs).value == value and theirs[:18] == ours[:18], (text, value)
            _, _, back = java("decode", how, b64(ours))
            assert json.loads(base64.b64decode(back)) == value, (text, value)
            taken += 1
    assert taken > 20 and refused > 3


@pytest.fixture(scope="module")
def proto(tmp_path_factory):
    """(descriptor in base64, {name: class})"""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from grpc_tools import protoc
    d = tmp_path_factory.mktemp("proto")
    (d / "shop.proto").write_text(PROTO)
    assert protoc.main(["protoc", f"-I{d}", f"--descriptor_set_out={d}/out", f"{d}/shop.proto"]) == 0
    file = descriptor_pb2.FileDescriptorSet.FromString((d / "out").read_bytes()).file[0]
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return b64(file.SerializeToString()), {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(n))
                                           for n in ("shop.Order", "shop.Order.Line", "shop.Address")}


@pytest.mark.parametrize("compression", ["NONE", "ZLIB"])
def test_protobuf(java, serde, proto, name, compression):
    descriptor, classes = proto
    how = {"dataFormat": "PROTOBUF", "compression": compression, "schemaName": name, "protobufMessageType": "DYNAMIC_MESSAGE"}
    o = classes["shop.Order"](id=5, extra={"a": 1}, card="x", state=1)
    o.lines.add(sku="s", price=1.5)
    for m in (o, classes["shop.Order.Line"](sku="q"), classes["shop.Address"](street="High")):
        full = m.DESCRIPTOR.full_name
        message = base64.b64decode(java("encode", how, "protobuf", b64(f"{descriptor} {full}"), b64(m.SerializeToString()))[0])
        got = serde.decode(message)
        assert (got.format, got.message) == ("PROTOBUF", full)
        assert type(m).FromString(got.value) == m
        kind, theirs, payload = java("decode", how, b64(serde.encode(got.schema_id, m, compress=compression == "ZLIB")))
        assert (kind, theirs) == ("protobuf", full) and type(m).FromString(base64.b64decode(payload)) == m


def test_auto_registration_and_refusals(java, serde, bare_glue, name):
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "schemaName": name, "compatibility": "BACKWARD"}
    one = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
    two = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": 0}]}
    bad = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}
    off = dict(how, schemaAutoRegistrationEnabled="false")
    assert "not enabled" in java.refusal("encode", off, "generic", b64(json.dumps(one)), b64(avro_bytes(one, {"a": 1})))
    first = base64.b64decode(java("encode", how, "generic", b64(json.dumps(one)), b64(avro_bytes(one, {"a": 1})))[0])
    second = base64.b64decode(java("encode", how, "generic", b64(json.dumps(two)), b64(avro_bytes(two, {"a": 1, "b": 2})))[0])
    assert first[2:18] != second[2:18]
    assert serde.decode(first).value == {"a": 1} and serde.decode(second).value == {"a": 1, "b": 2}
    assert "TYPE_MISMATCH" in java.refusal("encode", how, "generic", b64(json.dumps(bad)), b64(avro_bytes(bad, {"a": "x"})))
    versions = bare_glue.list_schema_versions(SchemaId={"SchemaName": name, "RegistryName": "default-registry"})["Schemas"]
    assert sorted(v["VersionNumber"] for v in versions if v["Status"] == "AVAILABLE") == [1, 2]
    assert {v["Status"] for v in versions} == {"AVAILABLE"}
    java.refusal("decode", how, b64(b"\x03\x00" + uuid.uuid4().bytes + b"x"))
    java.refusal("decode", how, b64(b"\x00abc"))


def test_failed_versions_that_are_kept(java, bare_server, new_server, name):
    """As at AWS: the serializer is told FAILURE, asks for the version and sees it there, and says so."""
    keys = {"NIKAWA_ACCESS_KEY_ID": bare_server.access_key, "NIKAWA_SECRET_ACCESS_KEY": bare_server.secret_key}
    server = new_server(args=["--registry-failures", "keep"], env=keys)
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "schemaName": name, "compatibility": "BACKWARD", "endpoint": server.url}
    one = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
    bad = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "string"}]}
    java("encode", how, "generic", b64(json.dumps(one)), b64(avro_bytes(one, {"a": 1})))
    for _ in range(2):  # the second time the serializer finds it by its definition
        assert "FAILURE" in java.refusal("encode", how, "generic", b64(json.dumps(bad)), b64(avro_bytes(bad, {"a": "x"})))
    versions = server.client("glue").list_schema_versions(SchemaId={"SchemaName": name, "RegistryName": "default-registry"})["Schemas"]
    assert [(v["VersionNumber"], v["Status"]) for v in versions] == [(1, "AVAILABLE"), (2, "FAILURE")]


TYPES = ["com.google.rpc.Status", "com.google.rpc.BadRequest", "com.google.rpc.context.AttributeContext", "com.google.rpc.DebugInfo",
         "com.google.api.HttpRule", "com.google.api.Distribution", "com.google.api.Http"]


def fill(r, m, depth=3):
    """Some value for some of a message's fields."""
    def scalar(f):
        texts = {f.CPPTYPE_STRING: r.choice(["", "a", "é日😀"]), f.CPPTYPE_BOOL: True, f.CPPTYPE_DOUBLE: r.uniform(-9, 9), f.CPPTYPE_FLOAT: 1.5}
        if f.type == f.TYPE_BYTES:
            return r.randbytes(r.randint(0, 5))
        return texts[f.cpp_type] if f.cpp_type in texts else r.choice(f.enum_type.values).number if f.enum_type else r.randint(0, 2**31 - 1)
    for f in m.DESCRIPTOR.fields:
        if r.random() < 0.3:
            continue
        many = f.is_repeated
        if f.message_type and f.message_type.GetOptions().map_entry:
            for k in range(r.randint(0, 2)):
                at, value = f.message_type.fields_by_name["key"], f.message_type.fields_by_name["value"]
                k = f"k{k}" if at.cpp_type == at.CPPTYPE_STRING else k
                if not value.message_type:
                    getattr(m, f.name)[k] = scalar(value)
                elif depth:
                    fill(r, getattr(m, f.name)[k], depth - 1)
        elif f.message_type and depth:
            for _ in range(r.randint(0, 2) if many else 1):
                fill(r, getattr(m, f.name).add() if many else getattr(m, f.name), depth - 1)
        elif not f.message_type and many:
            getattr(m, f.name).extend(scalar(f) for _ in range(r.randint(0, 2)))
        elif not f.message_type:
            setattr(m, f.name, scalar(f))
    return m


@pytest.mark.parametrize("type_", TYPES)
def test_protobuf_generated_classes(java, serde, bare_glue, name, type_):
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    r = random.Random(type_)
    full, *files = java("files", {}, type_)
    pool = descriptor_pool.DescriptorPool()
    for f in files:
        pool.Add(descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(f)))
    class_ = message_factory.GetMessageClass(pool.FindMessageTypeByName(full))
    how = {"dataFormat": "PROTOBUF", "schemaName": name, "protobufMessageType": "POJO", "compatibility": "FULL_ALL"}
    for _ in range(6):
        m = fill(r, class_())
        message = base64.b64decode(java("encode", how, "message", b64(type_), b64(m.SerializeToString()))[0])
        got = serde.decode(message)
        assert (got.format, got.message) == ("PROTOBUF", full) and class_.FromString(got.value) == m
        kind, theirs, payload = java("decode", how, b64(serde.encode(got.schema_id, m)))
        assert (kind, class_.FromString(base64.b64decode(payload))) == ("message", m) and theirs == type_
    assert bare_glue.get_schema(SchemaId={"SchemaName": name, "RegistryName": "default-registry"})["LatestSchemaVersion"] == 1


RICH = {
    "google types": """syntax = "proto3";
package shop.money;
import "google/type/money.proto"; import "google/type/date.proto"; import "google/type/postal_address.proto";
import "google/type/phone_number.proto"; import "google/type/dayofweek.proto"; import "google/type/color.proto";
import "google/type/interval.proto"; import "google/protobuf/timestamp.proto"; import "google/type/month.proto";
import "google/type/latlng.proto"; import "google/type/timeofday.proto"; import "google/type/quaternion.proto";
import "google/type/fraction.proto"; import "google/type/expr.proto"; import "google/type/localized_text.proto";
import "google/type/calendar_period.proto";
option php_namespace = "Shop\\\\Utils\\\\Money";
message M {
  google.type.Money price = 1; repeated google.type.Date days = 2; map<string, google.type.PostalAddress> homes = 3;
  oneof how { google.type.PhoneNumber phone = 4; google.type.DayOfWeek day = 5; }
  google.type.Color color = 6; google.type.Interval when = 7; google.protobuf.Timestamp at = 8; google.type.Month month = 9;
  google.type.LatLng where = 10; google.type.TimeOfDay time = 11; google.type.Quaternion q = 12; google.type.Fraction part = 13;
  google.type.Expr expr = 14; google.type.LocalizedText text = 15; google.type.CalendarPeriod every = 16;
  google.type.PhoneNumber.ShortCode code = 17;
}""",
    "proto2": """syntax = "proto2";
package old.times;
option java_package = "de.alt"; option deprecated = true;
message M {
  reserved 5, 9 to 11; reserved "gone", "left";
  required int32 id = 1; optional string name = 2 [default = "it's é"]; repeated sint64 n = 3 [packed = true];
  optional Kind kind = 4 [default = TWO, deprecated = true]; optional double d = 6 [default = -inf]; optional bytes raw = 7;
  enum Kind { option allow_alias = true; ONE = 1; UNO = 1; TWO = 2 [deprecated = true]; reserved 7; }
  message Deep { message Deeper { optional fixed64 x = 1; } repeated Deeper all = 1; optional M up = 2; }
  optional Deep deep = 8; optional uint64 big = 12 [default = 18446744073709551615, json_name = "BIG"]; optional float f = 13 [default = 2.5];
  extensions 100 to 199; extensions 1000 to max;
}""",
    "proto3": """syntax = "proto3";
package p.q;
// A comment 注 with "quotes"
import "google/protobuf/any.proto"; import "google/protobuf/struct.proto"; import "google/protobuf/wrappers.proto";
message Z { string z = 1; }
message M {
  optional string maybe = 1; map<int64, Z> zs = 2; map<bool, bytes> flags = 3; google.protobuf.Value value = 4; google.protobuf.Any any = 5;
  google.protobuf.Int64Value n = 6; repeated double ds = 7 [packed = false]; .p.q.M.In in = 8; optional In.E e = 9; oneof o { Z a = 10; In b = 11; string c = 12; }
  message In { enum E { E_ZERO = 0; E_MINUS = -1; } E e = 1; map<string, M> more = 2; }
}
message A { M m = 1; }
service S { rpc Do (stream M) returns (A); }""",
}


def compiled(folder, name, text):
    """(descriptors of the file and of what it needs, {full name: class}) by protoc; None when it refuses the text."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    import google.type
    import grpc_tools
    from grpc_tools import protoc
    (folder / f"{name}.proto").write_text(text, "utf-8")
    shared = [Path(grpc_tools.__file__).parent / "_proto", Path(google.type.__path__[0]).parent.parent]
    if protoc.main(["protoc", f"-I{folder}", *[f"-I{d}" for d in shared], "--include_imports", f"--descriptor_set_out={folder}/out",
                    f"{name}.proto"]) != 0:
        return None
    files = descriptor_pb2.FileDescriptorSet.FromString((folder / "out").read_bytes()).file
    pool = descriptor_pool.DescriptorPool()
    for f in files:
        pool.Add(f)
    dot = files[-1].package and files[-1].package + "."
    return files, {dot + m.name: message_factory.GetMessageClass(pool.FindMessageTypeByName(dot + m.name)) for m in files[-1].message_type}


def there_and_back(java, serde, how, files, m):
    """A message by AWS's serializer to ours, by ours to AWS's; (the id of its schema, what AWS's shows of ours)."""
    from google.protobuf.message import DecodeError
    def shown(message):
        try:
            kind, full, payload = java("decode", how, b64(message))
            return kind, full, type(m).FromString(base64.b64decode(payload))
        except (AssertionError, DecodeError) as e:
            return str(e)
    full = m.DESCRIPTOR.full_name
    schema = b64(" ".join([*(b64(f.SerializeToString()) for f in files), full]))
    theirs = base64.b64decode(java("encode", how, "protobuf", schema, b64(m.SerializeToString()))[0])
    got = serde.decode(theirs)
    assert (got.format, got.message, type(m).FromString(got.value)) == ("PROTOBUF", full, m)
    ours = shown(serde.encode(got.schema_id, m, compress=True))
    assert ours == shown(theirs)
    return got.schema_id, ours


@pytest.mark.parametrize("which", RICH)
def test_protobuf_definitions(java, serde, bare_glue, name, tmp_path, which):
    """As AWS's serializer writes a definition from a message's descriptor; its imports are those that it brings along."""
    r = random.Random(which)
    files, classes = compiled(tmp_path, name, RICH[which])
    class_ = classes[files[-1].package + ".M"]
    how = {"dataFormat": "PROTOBUF", "schemaName": name, "protobufMessageType": "DYNAMIC_MESSAGE", "compatibility": "FULL_ALL"}
    for _ in range(6):
        m = fill(r, class_())
        if which == "proto2":
            m.id = 7
        schema_id, shown = there_and_back(java, serde, how, files, m)
        assert shown == ("protobuf", class_.DESCRIPTOR.full_name, m)
    kept = bare_glue.get_schema_version(SchemaVersionId=schema_id)
    again = bare_glue.register_schema_version(SchemaId={"SchemaName": name, "RegistryName": "default-registry"}, SchemaDefinition=kept["SchemaDefinition"])
    assert again["VersionNumber"] == kept["VersionNumber"] == 1


def test_protobuf_of_any_definition(java, serde, name, tmp_path):
    """But for groups, which AWS's serializer writes as fields. Its deserializer misreads some of its own: optional fields of proto3
    and maps in messages within messages; then it misreads ours in the same way."""
    import check_protobuf
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    r, right = random.Random(seed), 0
    for i in range(30):
        text = check_protobuf.Maker(r).text()
        made = None if " group " in text else compiled(tmp_path, f"{name}_{i}", text)
        for full, class_ in made[1].items() if made else ():
            m = class_()
            check_protobuf.fill(r, m)
            if m.IsInitialized():
                how = {"dataFormat": "PROTOBUF", "schemaName": f"{name}-{i}", "protobufMessageType": "DYNAMIC_MESSAGE"}
                right += there_and_back(java, serde, how, made[0], m)[1] == ("protobuf", full, m)
    assert right > 10


def test_json_of_a_class(java, serde, bare_glue, name):
    how = {"dataFormat": "JSON", "schemaName": name, "compatibility": "FULL_ALL"}
    r = random.Random(5)
    for _ in range(12):
        value = {"id": r.getrandbits(50), "who": r.choice(["", "日本 😀"]), "weight": r.choice([0.5, -1e300]), "state": r.choice(["NEW", "SENT"]),
                 "lines": [{"sku": "é", "n": r.randint(0, 1000)} for _ in range(r.randint(0, 3))], "extra": {"ü": r.randint(-9, 9)}}
        value = {k: v for k, v in value.items() if k == "id" or r.random() < 0.7}
        message = base64.b64decode(java("encode", how, "bean", b64("Parcel"), b64(json.dumps(value)))[0])
        got = serde.decode(message)
        assert got.value == value and got.format == "JSON"
        kind, class_, payload = java("decode", how, b64(serde.encode(got.schema_id, value, compress=True)))
        assert (kind, class_, json.loads(base64.b64decode(payload))) == ("bean", "Parcel", value)
    refused = java.refusal("encode", how, "bean", b64("Parcel"), b64(json.dumps({"id": 1, "lines": [{"sku": "x", "n": 1001}]})))
    assert "1001" in refused
    made = bare_glue.get_schema_version(SchemaId={"SchemaName": name, "RegistryName": "default-registry"}, SchemaVersionNumber={"LatestVersion": True})
    assert made["VersionNumber"] == 1 and json.loads(made["SchemaDefinition"])["className"] == "Parcel"


def test_many_serializers_register_at_once(java, serde, bare_glue, name):
    """Each finds no schema, makes it, meets the others' and registers its version."""
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "schemaName": name, "compatibility": "FULL_ALL"}
    schemas = [{"type": "record", "name": "R", "fields": [{"name": "a", "type": "long"}] + [
        {"name": f"f{i}", "type": ["null", "string"], "default": None} for i in range(n)]} for n in range(6)]
    values = [{"a": i, **{f"f{k}": r for k, r in zip(range(i % 6), "abcdef")}} for i in range(24)]
    messages = java("race", how, *[x for i, v in enumerate(values) for x in (
        "generic", b64(json.dumps(schemas[i % 6])), b64(avro_bytes(schemas[i % 6], v)))])
    got = [serde.decode(base64.b64decode(m)) for m in messages]
    assert [g.value for g in got] == values
    made = bare_glue.list_schema_versions(SchemaId={"SchemaName": name, "RegistryName": "default-registry"})["Schemas"]
    assert sorted(v["VersionNumber"] for v in made) == [1, 2, 3, 4, 5, 6]
    ids = {v["SchemaVersionId"] for v in made}
    assert all(len({g.schema_id for g in got[k::6]} & ids) == 1 for k in range(6))


@pytest.mark.parametrize("compatibility", ["NONE", "DISABLED", "BACKWARD", "BACKWARD_ALL", "FORWARD", "FORWARD_ALL", "FULL", "FULL_ALL"])
def test_settings_reach_the_registry(java, serde, bare_glue, name, compatibility):
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "schemaName": name, "registry.name": name + "-r",
           "compatibility": compatibility, "description": "Bestellungen 日本", "tags.team": "shop", "tags.é": "ü", "metadata.origin": "till-7"}
    one = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}]}
    ask = ("generic", b64(json.dumps(one)), b64(avro_bytes(one, {"a": 1})))
    assert "EntityNotFoundException" in java.refusal("encode", how, *ask)
    bare_glue.create_registry(RegistryName=name + "-r")
    got = serde.decode(base64.b64decode(java("encode", how, *ask)[0]))
    assert got.value == {"a": 1}
    made = bare_glue.get_schema(SchemaId={"SchemaName": name, "RegistryName": name + "-r"})
    assert (made["Compatibility"], made["Description"]) == (compatibility, "Bestellungen 日本")
    assert bare_glue.get_tags(ResourceArn=made["SchemaArn"])["Tags"] == {"team": "shop", "é": "ü"}
    said = bare_glue.query_schema_version_metadata(SchemaVersionId=got.schema_id)["MetadataInfoMap"]
    assert {k: v["MetadataValue"] for k, v in said.items()} == {"x-amz-meta-transport": "t", "origin": "till-7"}
    two = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "string"}]}
    more = ("generic", b64(json.dumps(two)), b64(avro_bytes(two, {"a": 2, "b": "x"})))
    if compatibility in ("NONE", "FORWARD", "FORWARD_ALL"):  # an older reader leaves out the field; a newer one has no value for it
        assert serde.decode(base64.b64decode(java("encode", how, *more)[0])).value == {"a": 2, "b": "x"}
    else:
        java.refusal("encode", how, *more)


def test_over_kafka(java, serde, kafka, proto, name):
    from confluent_kafka import Producer
    from nikawa_serde.kafka import GlueDeserializer, GlueSerializer
    make_topics(kafka, name)
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "schemaName": name, "compression": "ZLIB",
           "protobufMessageType": "DYNAMIC_MESSAGE"}
    r = random.Random(11)
    theirs, ours = order(r), order(r)
    java("produce", how, kafka, name, "generic", b64(json.dumps(AVRO)), b64(avro_bytes(AVRO, theirs)))
    put = GlueSerializer(serde, json.dumps(AVRO), schema=name, compress=True)
    producer = Producer({"bootstrap.servers": kafka})
    producer.produce(name, put(ours))
    descriptor, classes = proto
    message = classes["shop.Address"](street="Low")
    pid = serde.register(name + "p", "PROTOBUF", PROTO, auto_register=True)
    producer.produce(name, serde.encode(pid, message))
    assert producer.flush(30) == 0

    rows = java("consume", how, kafka, name, 3)
    assert rows[:6] == ["generic", "Record", b64(avro_bytes(AVRO, theirs)), "generic", "Record", b64(avro_bytes(AVRO, ours))]
    assert rows[6:] == ["protobuf", "shop.Address", b64(message.SerializeToString())]
    got = [GlueDeserializer(serde)(m.value()) for m in consume(kafka, name, 3)]
    assert got == [theirs, ours, message.SerializeToString()]
