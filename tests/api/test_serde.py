"""Messages of the schema registry through the Python package, against a real server; Avro and Protobuf judged by
fastavro and the protobuf runtime, whose bytes are put into frames written here by hand."""
import base64
import datetime
import decimal
import io
import json
import os
import random
import struct
import sys
import threading
import uuid
import zlib
from pathlib import Path

import fastavro
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(ROOT / "python"), str(Path(os.environ.get("NIKAWA_BUILD") or ROOT / "build") / "python")]
nikawa_serde = pytest.importorskip("nikawa_serde", reason="_nikawa_serde is not built (make build)")
from nikawa_serde import Serde, SerdeError, is_framed  # noqa: E402
from nikawa_serde.kafka import GlueDeserializer, GlueSerializer  # noqa: E402
from nikawa_serde.kinesis import decode_records  # noqa: E402
from nikawa_serde.lambda_events import decode_event  # noqa: E402

UTC = datetime.timezone.utc
AVRO = {
    "type": "record", "name": "shop.Order", "fields": [
        {"name": "id", "type": "long"},
        {"name": "who", "type": ["null", "string"]},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "sku", "type": "string"}, {"name": "price", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
            {"name": "n", "type": "int"}]}}},
        {"name": "extra", "type": {"type": "map", "values": ["long", "string", "double", "null"]}},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "SENT"]}},
        {"name": "key", "type": {"type": "fixed", "name": "Key", "size": 4}},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "time", "type": {"type": "int", "logicalType": "time-millis"}},
        {"name": "uid", "type": {"type": "string", "logicalType": "uuid"}},
        {"name": "ok", "type": "boolean"}, {"name": "f", "type": "float"}, {"name": "raw", "type": "bytes"},
        {"name": "next", "type": ["null", "shop.Order"]},
    ]}


def order(r, depth=2):
    return {
        "id": r.choice([0, -1, 63, 64, 2**62, -2**63, r.getrandbits(40)]), "who": r.choice([None, "", "Ada", "日本"]),
        "lines": [{"sku": "s" * r.randint(0, 5), "price": decimal.Decimal(r.randint(-10**9, 10**9)).scaleb(-2), "n": r.randint(-2**31, 2**31 - 1)}
                  for _ in range(r.randint(0, 3))],
        "extra": {f"k{i}": r.choice([1, "x", 1.5, None]) for i in range(r.randint(0, 3))},
        "state": r.choice(["NEW", "SENT"]), "key": r.randbytes(4),
        "at": datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=r.randint(-10**15, 10**16)),
        "day": datetime.date(2024, 2, 29) + datetime.timedelta(days=r.randint(-40000, 40000)),
        "time": datetime.time(r.randint(0, 23), r.randint(0, 59), r.randint(0, 59), r.randint(0, 999) * 1000),
        "uid": str(uuid.UUID(int=r.getrandbits(128), version=4)), "ok": r.random() < 0.5, "f": r.choice([0.0, 1.5, -2.25]),
        "raw": r.randbytes(r.randint(0, 9)), "next": order(r, depth - 1) if depth and r.random() < 0.5 else None,
    }


def frame(schema_id, payload, how=0):
    return bytes([3, how]) + uuid.UUID(schema_id).bytes + (zlib.compress(payload) if how else payload)


@pytest.fixture(scope="module")
def serde(bare_server):
    return Serde(bare_server.url, "us-east-1", bare_server.access_key, bare_server.secret_key)


@pytest.fixture
def name():
    return "s" + uuid.uuid4().hex[:12]


def test_avro_against_fastavro(serde, name):
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    r = random.Random(seed)
    schema = fastavro.parse_schema(AVRO)
    sid = serde.register(name, "AVRO", json.dumps(AVRO), auto_register=True)
    for i in range(200):
        value = order(r)
        theirs = io.BytesIO()
        fastavro.schemaless_writer(theirs, schema, value)
        ours = serde.encode(sid, value, compress=i % 2 == 1)
        assert ours[:2] == (b"\x03\x05" if i % 2 else b"\x03\x00") and ours[2:18] == uuid.UUID(sid).bytes
        payload = zlib.decompress(ours[18:]) if i % 2 else ours[18:]
        back = fastavro.schemaless_reader(io.BytesIO(payload), schema)
        back["uid"] = str(back["uid"])
        for deeper in chain(back):
            deeper["uid"] = str(deeper["uid"])
        assert back == value
        got = serde.decode(frame(sid, theirs.getvalue(), 5 if i % 3 == 0 else 0))
        assert (got.value, got.format, got.schema_id) == (value, "AVRO", sid)


def chain(order):
    while order["next"]:
        order = order["next"]
        yield order


RECORD_A = {"type": "record", "name": "A", "fields": [{"name": "x", "type": "int"}]}
RECORD_B = {"type": "record", "name": "B", "fields": [{"name": "x", "type": "int"}, {"name": "y", "type": ["null", "string"], "default": None}]}


@pytest.mark.parametrize("union, value, branch", [
    (["float", "double"], 0.1, 1), (["float", "double"], 0.5, 0), (["double", "float"], 0.1, 0), (["float", "double"], 1e300, 1),
    (["float", "double"], float("inf"), 0), (["float", "double"], -0.0, 0), (["null", "double", "long"], 2**53 + 1, 2), (["null", "double"], 7, 1),
    (["float", "long"], 2**62 + 1, 1), (["int", "long"], 2**31, 1), (["int", "long"], 2**31 - 1, 0),
    ([RECORD_A, RECORD_B], {"x": 1, "y": "z"}, 1), ([RECORD_A, RECORD_B], {"x": 1}, 0), ([RECORD_B, RECORD_A], {"x": 1}, 1), ([RECORD_B, "null"], {"x": 1}, 0),
    ([RECORD_A, {"type": "map", "values": ["float", "double"]}], {"x": 0.1}, 1), ([RECORD_A, RECORD_B], ("B", {"x": 1}), 1),
    ([{"type": "array", "items": ["null", "float"]}, "null", {"type": "map", "values": "int"}], [None, 0.1], 0),
    ([RECORD_A, "null"], {"x": 1, "what": "no branch takes it"}, 0)])
def test_a_unions_branch_that_fits(serde, name, union, value, branch):
    schema = {"type": "record", "name": "U", "fields": [{"name": "u", "type": union}]}
    sid = serde.register(name, "AVRO", json.dumps(schema), auto_register=True)
    message = serde.encode(sid, {"u": value})
    assert message[18] == 2 * branch
    back = fastavro.schemaless_reader(io.BytesIO(message[18:]), fastavro.parse_schema(schema))["u"]
    if branch == 0 and isinstance(value, list):
        assert back == [None, pytest.approx(0.1, rel=1e-6)]  # the one branch there is for it rounds
    else:
        want = value[1] if isinstance(value, tuple) else {"x": 1} if "what" in (value if isinstance(value, dict) else ()) else value
        assert back == ({**want, "y": None} if isinstance(want, dict) and union[branch] is RECORD_B and "y" not in want else want)


def test_cut_and_foreign_messages(serde, name):
    sid = serde.register(name, "AVRO", json.dumps(AVRO), auto_register=True)
    message = serde.encode(sid, order(random.Random(3)))
    for cut in range(len(message)):
        with pytest.raises(SerdeError) as e:
            serde.decode(message[:cut])
        assert e.value.args[0] == "foreign"
    with pytest.raises(SerdeError) as e:
        serde.decode(message + b"\0")
    assert e.value.args[0] == "foreign" and "left over" in e.value.args[1]
    with pytest.raises(SerdeError) as e:
        serde.decode(b"\x03\x00" + uuid.uuid4().bytes + b"x")
    assert e.value.args[0] == "not_found"
    assert is_framed(message) and not is_framed(b"\x00" + message)
    with pytest.raises(TypeError, match="does not fit the Avro type"):
        serde.encode(sid, dict(order(random.Random(3)), id="1"))
    with pytest.raises(KeyError, match="state"):
        serde.encode(sid, {k: v for k, v in order(random.Random(3)).items() if k != "state"})


def test_json_and_protobuf(serde, name):
    sid = serde.register(name + "j", "JSON", json.dumps({"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
                         auto_register=True)
    assert serde.decode(serde.encode(sid, {"a": 3, "b": "é"}, compress=True)).value == {"a": 3, "b": "é"}
    with pytest.raises(SerdeError) as e:
        serde.encode(sid, {"a": "3"})
    assert e.value.args[0] == "invalid" and "/a" in e.value.args[1]
    with pytest.raises(SerdeError):
        serde.decode(frame(sid, b'{"a": null}', 0))

    proto = 'syntax = "proto3"; package p; message Z { int32 x = 1; message A { string s = 1; } } message B { double d = 1; }'
    sid = serde.register(name + "p", "PROTOBUF", proto, auto_register=True)
    message = serde.encode(sid, b"\x0a\x01q", message="p.Z.A")
    assert message[18:] == b"\x02\x0a\x01q"  # p.B, p.Z, p.Z.A
    assert serde.decode(message)[0] == b"\x0a\x01q" and serde.decode(message).message == "p.Z.A"
    with pytest.raises(SerdeError):
        serde.decode(frame(sid, b"\x09\x0a\x01q", 0))
    from google.protobuf.timestamp_pb2 import Timestamp
    sid = serde.register(name + "t", "PROTOBUF", 'syntax = "proto3"; package google.protobuf; message Timestamp { int64 seconds = 1; int32 nanos = 2; }',
                         auto_register=True)
    got = serde.decode(serde.encode(sid, Timestamp(seconds=5, nanos=7), compress=True))
    assert Timestamp.FromString(got.value) == Timestamp(seconds=5, nanos=7) and got.message == "google.protobuf.Timestamp"


def test_registering(serde, name):
    with pytest.raises(SerdeError) as e:
        serde.register(name, "AVRO", '"string"')
    assert e.value.args[0] == "not_found"
    first = serde.register(name, "AVRO", '"string"', auto_register=True)
    assert serde.register(name, "AVRO", ' "string" ') == first
    with pytest.raises(SerdeError) as e:
        serde.register(name, "AVRO", '"long"', auto_register=True)
    assert e.value.args[0] in ("refused", "invalid")
    assert serde.schema(first)[1:] == ("AVRO", '"string"')


def test_linked_schemas(serde, name, bare_server):
    """Definitions that use types of other schemas: a reader that has seen none of them reads their messages."""
    part, whole = f"p{name}.Part", f"w{name}.Whole"
    inner = {"type": "record", "name": part, "fields": [{"name": "n", "type": "int"}]}
    middle = {"type": "record", "name": whole, "fields": [{"name": "parts", "type": {"type": "array", "items": part}}]}
    outer = {"type": "record", "name": f"o{name}.Outer", "fields": [{"name": "whole", "type": whole}, {"name": "one", "type": part}]}
    for schema in (inner, middle):
        serde.register(schema["name"], "AVRO", json.dumps(schema), auto_register=True)
    made = serde.register(name, "AVRO", json.dumps(outer), auto_register=True)
    value = {"whole": {"parts": [{"n": 1}, {"n": -70}]}, "one": {"n": 2**31 - 1}}
    message = serde.encode(made, value)
    other = Serde(bare_server.url, "us-east-1", bare_server.access_key, bare_server.secret_key)
    got = other.decode(message)
    assert got.value == value and got.schema_id == made
    plain = io.BytesIO()
    fastavro.schemaless_writer(plain, fastavro.parse_schema({**outer, "fields": [
        {"name": "whole", "type": {**middle, "fields": [{"name": "parts", "type": {"type": "array", "items": inner}}]}}, {"name": "one", "type": part}]}), value)
    assert message[18:] == plain.getvalue()
    with pytest.raises(SerdeError) as e:
        serde.register(name + "x", "AVRO", json.dumps({"type": "array", "items": "no.such.Type"}), auto_register=True)
    assert e.value.args[0] in ("refused", "invalid") and "no.such.Type" in str(e.value)


def test_read_as_another_schema(serde, name, bare_glue):
    """Avro's schema resolution, against fastavro's: fields by name and alias, defaults of every kind, promotions, unions, enums."""
    writer = {"type": "record", "name": "W", "fields": [
        {"name": "i", "type": "int"}, {"name": "l", "type": "long"}, {"name": "f", "type": "float"}, {"name": "t", "type": "string"},
        {"name": "old", "type": "int"}, {"name": "gone", "type": ["null", "string"]},
        {"name": "u", "type": ["null", "int", "string"]}, {"name": "plain", "type": "int"},
        {"name": "list", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "n", "type": "int"}, {"name": "x", "type": "string"}]}}},
        {"name": "map", "type": {"type": "map", "values": "int"}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B", "C"]}},
        {"name": "k", "type": {"type": "fixed", "name": "K", "size": 2}}]}
    inner = {"type": "record", "name": "Inner", "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "string", "default": "bb"}]}
    reader = {"type": "record", "name": "W", "fields": [
        {"name": "k", "type": {"type": "fixed", "name": "K", "size": 2}},
        {"name": "i", "type": "long"}, {"name": "l", "type": "double"}, {"name": "f", "type": "double"}, {"name": "t", "type": "bytes"},
        {"name": "new", "aliases": ["nothing", "old"], "type": "float"},
        {"name": "u", "type": ["string", "null", "long"]}, {"name": "plain", "type": ["null", "double", "int"]},
        {"name": "list", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "x", "type": "string"}, {"name": "y", "type": "int", "default": -7}]}}},
        {"name": "map", "type": {"type": "map", "values": "long"}},
        {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["C", "Z", "A"], "default": "Z"}},
        {"name": "d1", "type": ["null", "int"], "default": None}, {"name": "d2", "type": "bytes", "default": "\u00ff\u0000a"},
        {"name": "d3", "type": {"type": "map", "values": "double"}, "default": {"a": 1, "b": 2.5}},
        {"name": "d4", "type": {"type": "array", "items": inner}, "default": [{"a": 1}, {"a": 2, "b": "c"}]},
        {"name": "d5", "type": "boolean", "default": True}, {"name": "d6", "type": ["string", "null"], "default": "é"},
        {"name": "d7", "type": "E", "default": "C"}, {"name": "d8", "type": "Inner", "default": {"a": 5}}]}
    made = [bare_glue.create_schema(SchemaName=name + s, DataFormat="AVRO", Compatibility="NONE", SchemaDefinition=json.dumps(d))["SchemaVersionId"]
            for s, d in (("w", writer), ("r", reader))]
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    r = random.Random(seed)
    w, rd = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    for i in range(100):
        value = {"i": r.randint(-2**31, 2**31 - 1), "l": r.randint(-2**62, 2**62), "f": r.choice([0.0, 1.5, -2.25]), "t": r.choice(["", "a", "日本"]),
                 "old": r.randint(-2**31, 2**31 - 1), "gone": r.choice([None, "x"]), "u": r.choice([None, 3, "s"]), "plain": r.randint(-9, 9),
                 "list": [{"n": k, "x": "x" * k} for k in range(r.randint(0, 3))], "map": {f"k{k}": k for k in range(r.randint(0, 3))},
                 "e": r.choice("ABC"), "k": r.randbytes(2)}
        out = io.BytesIO()
        fastavro.schemaless_writer(out, w, value)
        want = fastavro.schemaless_reader(io.BytesIO(out.getvalue()), w, rd)
        want["d4"][0].setdefault("b", "bb")  # defaults within defaults: Avro's specification has them, fastavro leaves them out
        want["d8"].setdefault("b", "bb")
        want["new"] = struct.unpack("f", struct.pack("f", want["new"]))[0]  # fastavro leaves promoted numbers as precise as they were
        want["d2"] = want["d2"].encode("iso-8859-1") if isinstance(want["d2"], str) else want["d2"]
        assert serde.decode(frame(made[0], out.getvalue()), made[1]).value == want
        assert serde.decode(frame(made[0], out.getvalue())).value == value
    for change, says in (({"name": "must", "type": "int"}, "must"), ({"name": "t", "type": "int"}, "int"), ({"name": "u", "type": ["null", "string"]}, "int"),
                         ({"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["Q"]}}, "symbol")):
        bad = bare_glue.create_schema(SchemaName=f"{name}{change['name']}", DataFormat="AVRO", Compatibility="NONE",
                                      SchemaDefinition=json.dumps({"type": "record", "name": "W", "fields": [change]}))["SchemaVersionId"]
        out = io.BytesIO()
        fastavro.schemaless_writer(out, w, {**value, "u": 3})
        with pytest.raises(SerdeError) as e:
            serde.decode(frame(made[0], out.getvalue()), bad)
        assert e.value.args[0] == "invalid" and says in str(e.value)


def test_kafka_kinesis_lambda(serde, name):
    put = GlueSerializer(serde, json.dumps(AVRO), auto_register=True, compress=True)
    value = order(random.Random(5))

    class Context:
        topic = name
    message = put(value, Context())
    assert put(None) is None and GlueDeserializer(serde)(None) is None
    assert GlueDeserializer(serde)(message) == value
    assert GlueDeserializer(serde, record=True)(message).format == "AVRO"
    with pytest.raises(ValueError, match="no schema's name"):
        put(value)

    assert [r.value for _, r in decode_records(serde, [{"Data": message}, message])] == [value, value]
    b64 = base64.b64encode(message).decode()
    kinesis = {"Records": [{"kinesis": {"partitionKey": "k", "sequenceNumber": "49", "data": b64}, "eventSource": "aws:kinesis",
                            "eventID": "shardId-000000000006:49", "eventSourceARN": "arn:aws:kinesis:us-east-1:1:stream/s"}]}
    item, = decode_event(serde, kinesis)
    assert (item.value, item.partition, item.position, item.key) == (value, "shardId-000000000006", "49", "k")
    kafka = {"eventSource": "aws:kafka", "records": {"t-0": [
        {"topic": "t", "partition": 0, "offset": 15, "key": base64.b64encode(b"plain").decode(), "value": b64},
        {"topic": "t", "partition": 0, "offset": 16, "value": None}]}}
    one, two = decode_event(serde, kafka)
    assert (one.value, one.key, one.position) == (value, b"plain", "15") and two.value is None
    with pytest.raises(ValueError):
        decode_event(serde, {"source": "aws.s3"})


def test_threads_and_own_fetch():
    asked, wrong = [], []
    sid = str(uuid.uuid4())

    def fetch(schema_id):
        asked.append(schema_id)
        return ("AVRO", '{"type":"array","items":"other.Thing"}', [("other.Thing", '{"type":"record","name":"other.Thing","fields":[{"name":"x","type":"int"}]}')]) \
            if schema_id == sid else None
    serde = Serde(fetch=fetch)

    def work():
        for i in range(200):
            if serde.decode(serde.encode(sid, [{"x": i}], compress=i % 7 == 0)).value != [{"x": i}]:
                wrong.append(i)
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong and 1 <= len(asked) <= 4
    with pytest.raises(SerdeError) as e:
        serde.schema(str(uuid.uuid4()))
    assert e.value.args[0] == "not_found"
