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
sys.path[:0] = [str(ROOT / "python"), str(Path(os.environ.get("NIKAWA_BUILD") or ROOT / "build") / "python"), str(ROOT / "tests/api")]
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
    java.refusal("encode", how, "generic", b64(json.dumps(bad)), b64(avro_bytes(bad, {"a": "x"})))
    versions = bare_glue.list_schema_versions(SchemaId={"SchemaName": name, "RegistryName": "default-registry"})["Schemas"]
    assert sorted(v["VersionNumber"] for v in versions if v["Status"] == "AVAILABLE") == [1, 2]
    java.refusal("decode", how, b64(b"\x03\x00" + uuid.uuid4().bytes + b"x"))
    java.refusal("decode", how, b64(b"\x00abc"))


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
