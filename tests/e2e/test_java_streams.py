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
