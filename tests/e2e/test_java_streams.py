"""Where the registry's messages travel: Kinesis, Lambda's events, Kafka Streams. AWS's Java serializers and ours write
and read the same records through real services."""
import base64
import io
import json
import random
import uuid

import fastavro
import pytest

from java_peers import b64, consume, make_topics, produce, wait_until
from test_java_serdes import AVRO, JSON, PROTO, avro_bytes, name, order, proto, serde  # noqa: F401
from nikawa_serde.kinesis import decode_records, put_record
from nikawa_serde.lambda_events import decode_event


def seeded():
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    return random.Random(seed)


def rows(answer, width):
    return [tuple(answer[i:i + width]) for i in range(0, len(answer), width)]


def key(r):
    return "".join(r.choice("aé日😀 /") for _ in range(r.randint(1, 8)))


@pytest.fixture
def stream(kinesis, name):
    kinesis.create_stream(StreamName=name, ShardCount=3)
    wait_until(lambda: kinesis.describe_stream_summary(StreamName=name)["StreamDescriptionSummary"]["StreamStatus"] == "ACTIVE")
    yield name
    kinesis.delete_stream(StreamName=name)


def records_of(kinesis, stream):
    """{(shard, sequence number): record} of all shards."""
    got = {}
    for shard in kinesis.list_shards(StreamName=stream)["Shards"]:
        at = kinesis.get_shard_iterator(StreamName=stream, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        while (page := kinesis.get_records(ShardIterator=at, Limit=5))["Records"]:
            got.update({(shard["ShardId"], r["SequenceNumber"]): r for r in page["Records"]})
            at = page["NextShardIterator"]
    return got


def json_value(r):
    return {"id": r.getrandbits(50), "tags": [key(r) for _ in range(r.randint(0, 4))]}


@pytest.mark.parametrize("compression", ["NONE", "ZLIB"])
def test_kinesis(java, serde, bare_glue, kinesis, stream, proto, name, compression):
    r, zlib = seeded(), compression == "ZLIB"
    how = {"compression": compression, "compatibility": "FULL_ALL", "description": "from a stream"}
    formats = {"AVRO": json.dumps(AVRO), "JSON": json.dumps(JSON), "PROTOBUF": PROTO}
    _, classes = proto
    wrote = {}  # (shard, sequence): (key, format, value, what the registry's interface carries)
    for format, definition in formats.items():
        mine = []
        for _ in range(15):
            value = {"AVRO": lambda: order(r), "JSON": lambda: json_value(r),
                     "PROTOBUF": lambda: classes["shop.Order"](id=r.getrandbits(40), card=key(r), extra={key(r): 1})}[format]()
            mine.append((key(r), format, value, payload_of(format, value)))
        half = mine[:8]
        answer = java("kinesis-put", how, kinesis.meta.endpoint_url, stream, f"{name}-{format}", format, b64(definition),
                      *[b64(x) for m in half for x in (m[0], m[3])])
        wrote.update(zip(rows(answer, 2), half))
        made = bare_glue.get_schema_version(SchemaId={"SchemaName": f"{name}-{format}", "RegistryName": "default-registry"},
                                            SchemaVersionNumber={"LatestVersion": True})
        assert made["DataFormat"] == format and made["VersionNumber"] == 1
        for m in mine[8:]:
            put = put_record(serde, kinesis, stream, made["SchemaVersionId"], m[2], m[0], compress=zlib)
            wrote[put["ShardId"], put["SequenceNumber"]] = m
    raw = kinesis.put_record(StreamName=stream, PartitionKey="raw", Data=b"\x03no message")

    got = records_of(kinesis, stream)
    assert got.pop((raw["ShardId"], raw["SequenceNumber"]))["Data"] == b"\x03no message"
    assert got.keys() == wrote.keys() and len({shard for shard, _ in got}) > 1
    for (at, want), (record, mine) in zip(sorted(wrote.items()), decode_records(serde, [got[at] for at in sorted(got)])):
        assert record["PartitionKey"] == want[0] and record["Data"][1] == (5 if zlib else 0)
        assert mine.format == want[1] and decoded(mine, want[2]) == want[2]

    theirs = {(s, q): rest for s, q, *rest in rows(java("kinesis-get", how, kinesis.meta.endpoint_url, stream), 6)}
    assert theirs.pop((raw["ShardId"], raw["SequenceNumber"]))[1:] == ["-", "-", b64(b"\x03no message")]
    assert theirs.keys() == wrote.keys()
    for at, (partition_key, format, value, payload) in wrote.items():
        k, schema, kind, bytes_ = theirs[at]
        assert (base64.b64decode(k).decode(), schema, kind) == (partition_key, f"{name}-{format}", format)
        assert same_payload(format, base64.b64decode(bytes_), payload)


def payload_of(format, value):
    """A value as the serializer takes it: bytes of its format."""
    if format == "AVRO":
        return avro_bytes(AVRO, value)
    if format == "JSON":
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return b"\x01" + value.SerializeToString()  # which message of the file: the second by name


def decoded(record, value):
    return type(value).FromString(record.value) if record.format == "PROTOBUF" else record.value


def same_payload(format, got, want):
    if format == "AVRO":
        return fastavro.schemaless_reader(io.BytesIO(got), fastavro.parse_schema(AVRO)) == \
            fastavro.schemaless_reader(io.BytesIO(want), fastavro.parse_schema(AVRO))
    return json.loads(got) == json.loads(want) if format == "JSON" else got == want


def same_record(answer, value):
    """What a Java program shows of a record against a value."""
    kind, shown, payload = answer
    return (kind, shown) == ("generic", "Record") and same_payload("AVRO", base64.b64decode(payload), avro_bytes(AVRO, value))


def test_lambda_on_kinesis(java, serde, kinesis, stream, name):
    r = seeded()
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "schemaName": name, "compression": "ZLIB"}
    mine = [(key(r), order(r)) for _ in range(12)]
    java("kinesis-put", how, kinesis.meta.endpoint_url, stream, name, "AVRO", b64(json.dumps(AVRO)),
         *[b64(x) for k, v in mine[:6] for x in (k, avro_bytes(AVRO, v))])
    schema = serde.register(name, "AVRO", json.dumps(AVRO))
    for k, v in mine[6:]:
        put_record(serde, kinesis, stream, schema, v, k)
    arn = kinesis.describe_stream_summary(StreamName=stream)["StreamDescriptionSummary"]["StreamARN"]
    event = {"Records": [{
        "kinesis": {"kinesisSchemaVersion": "1.0", "partitionKey": x["PartitionKey"], "sequenceNumber": q, "data": b64(x["Data"]),
                    "approximateArrivalTimestamp": x["ApproximateArrivalTimestamp"].timestamp()},
        "eventSource": "aws:kinesis", "eventVersion": "1.0", "eventID": f"{shard}:{q}", "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "arn:aws:iam::000000000000:role/r", "awsRegion": "us-east-1", "eventSourceARN": arn}
        for (shard, q), x in records_of(kinesis, stream).items()]}
    ours = list(decode_event(serde, event))
    theirs = rows(java("lambda", how, "kinesis", b64(json.dumps(event))), 6)
    assert len(ours) == len(theirs) == 12
    want = {(k, json.dumps(v, default=str)) for k, v in mine}
    assert {(i.key, json.dumps(i.value, default=str)) for i in ours} == want
    for i, (source, position, k, *record) in zip(ours, theirs):
        assert (i.source, i.position, i.key, i.schema_id) == (source, position, base64.b64decode(k).decode(), schema) and source == arn
        assert same_record(record, i.value)


@pytest.mark.parametrize("source", ["aws:kafka", "SelfManagedKafka"])
def test_lambda_on_kafka(java, serde, kafka, name, source):
    r = seeded()
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "schemaName": name}
    make_topics(kafka, name)
    values = [order(r) for _ in range(8)]
    for v in values[:4]:
        java("produce", how, kafka, name, "generic", b64(json.dumps(AVRO)), b64(avro_bytes(AVRO, v)))
    schema = serde.register(name, "AVRO", json.dumps(AVRO))
    produce(kafka, name, [(key(r), serde.encode(schema, v, compress=True)) for v in values[4:]] + [("gone", None)])
    event = {"eventSource": source, "bootstrapServers": kafka, "records": {f"{name}-0": [
        {"topic": name, "partition": 0, "offset": m.offset(), "timestamp": m.timestamp()[1], "timestampType": "CREATE_TIME",
         "key": m.key() and b64(m.key()), "value": m.value() and b64(m.value()), "headers": [{"h": [1, 2]}]}
        for m in consume(kafka, name, 9)]}}
    ours = list(decode_event(serde, event))
    assert [i.value for i in ours] == [*values, None] and [i.position for i in ours] == [str(n) for n in range(9)]
    theirs = rows(java("lambda", how, "kafka", b64(json.dumps(event))), 6)
    assert [t[:3] for t in theirs] == [(name, str(n), m["key"] or "-") for n, m in enumerate(event["records"][f"{name}-0"])]
    assert all(same_record(t[3:], v) for t, v in zip(theirs, values)) and theirs[8][3:] == ("null", "-", "-")


TOTALS = {"type": "record", "name": "shop.Totals", "fields": [
    {"name": "count", "type": "long"}, {"name": "lines", "type": "long"}, {"name": "last", "type": AVRO}]}


def totals(orders):
    """What the application of StreamsProbe writes for these."""
    state, out = {}, []
    for o in orders:
        if o is not None and o["ok"]:
            before = state.get(o["state"]) or {"count": 0, "lines": 0}
            state[o["state"]] = None if o["id"] == 0 else {
                "count": before["count"] + 1, "lines": before["lines"] + len(o["lines"]), "last": o}
            out.append((o["state"], state[o["state"]]))
    return out


def messages(r, java, serde, how, schema):
    """Orders, nulls among them, and their messages, by turns AWS's and ours."""
    orders = [None if r.random() < 0.1 else order(r) for _ in range(40)]
    return orders, [None if o is None else serde.encode(schema, o, compress=r.random() < 0.5) if i % 2 else
                    base64.b64decode(java("encode", how, "generic", b64(json.dumps(AVRO)), b64(avro_bytes(AVRO, o)))[0])
                    for i, o in enumerate(orders)]


def test_streams_in_the_test_driver(java, serde, bare_glue, name):
    r = seeded()
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD"}
    schema = serde.register(name, "AVRO", json.dumps(AVRO), auto_register=True)
    orders, sent = messages(r, java, serde, {**how, "schemaName": name}, schema)
    answer = java("driver", how, name, name + "-out", b64(json.dumps(TOTALS)),
                  *[x for m in sent for x in ("k", "null" if m is None else b64(m))])
    got = [(k, None if m == "null" else serde.decode(base64.b64decode(m)).value) for k, m in rows(answer, 2)]
    assert got == totals(orders) and len(got) > 5


def test_streams_on_a_broker(java, serde, bare_glue, kafka, name):
    r = seeded()
    how = {"dataFormat": "AVRO", "avroRecordType": "GENERIC_RECORD", "compression": "ZLIB", "compatibility": "BACKWARD_ALL"}
    schema = serde.register(name, "AVRO", json.dumps(AVRO), auto_register=True)
    orders, sent = messages(r, java, serde, {**how, "schemaName": name}, schema)
    make_topics(kafka, name, name + "-out")
    java("start", how, kafka, name + "-app", name, name + "-out", b64(json.dumps(TOTALS)))
    produce(kafka, name, [("k", m) for m in sent])
    want = totals(orders)
    got = [(m.key().decode(), m.value() and serde.decode(m.value()).value) for m in consume(kafka, name + "-out", len(want))]
    java("stop", how, name + "-app")
    assert got == want and len(got) > 5
    # Its own topics hold the registry's messages too, whose schemas have the topics' names.
    for topic, format in ((name + "-out", TOTALS), (name + "-app-state-repartition", AVRO), (name + "-app-totals-changelog", TOTALS)):
        made = bare_glue.get_schema_version(SchemaId={"SchemaName": topic, "RegistryName": "default-registry"},
                                            SchemaVersionNumber={"LatestVersion": True})
        assert (made["DataFormat"], made["VersionNumber"], made["Status"]) == ("AVRO", 1, "AVAILABLE")
        assert fastavro.schema.to_parsing_canonical_form(json.loads(made["SchemaDefinition"])) == \
            fastavro.schema.to_parsing_canonical_form(format)
    kept = {m.key().decode(): m.value() and serde.decode(m.value()).value for m in consume(kafka, name + "-app-totals-changelog", len(want))}
    assert kept == dict(want)
