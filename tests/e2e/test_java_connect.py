"""Kafka Connect with AWS's Avro converter: by hand, and in a standalone worker between files and a real broker. What it
writes our Python package reads, and the other way round."""
import base64
import datetime
import decimal
import json
import urllib.error
import urllib.request

import pytest

from java_peers import b64, consume, free_port, make_topics, produce, wait_until
from test_java_serdes import name, serde  # noqa: F401
from test_java_streams import key, seeded

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
LOGICAL = "org.apache.kafka.connect.data."
HOW = {"avroRecordType": "GENERIC_RECORD", "dataFormat": "AVRO"}


def field(called, type, optional=False, **more):
    return {"field": called, "type": type, "optional": optional, **more}


LINE = {"type": "struct", "name": "shop.Line", "optional": False, "fields": [
    field("sku", "string"), field("price", "bytes", name=LOGICAL + "Decimal", version=1, parameters={"scale": "2"})]}
PARCEL = {"type": "struct", "name": "shop.Parcel", "optional": False, "fields": [
    field("id", "int64"), field("tiny", "int8", True), field("small", "int16"), field("n", "int32", True), field("f", "float"),
    field("d", "double", True), field("ok", "boolean"), field("who", "string", True), field("raw", "bytes", True),
    field("tags", "array", items={"type": "string", "optional": True}),
    field("extra", "map", keys={"type": "string", "optional": False}, values={"type": "int64", "optional": True}),
    field("lines", "array", items=LINE), field("first", "struct", True, **{k: LINE[k] for k in ("name", "fields")}),
    field("at", "int64", name=LOGICAL + "Timestamp", version=1), field("day", "int32", name=LOGICAL + "Date", version=1),
    field("time", "int32", name=LOGICAL + "Time", version=1)]}
EVOLVED = {**PARCEL, "fields": [*PARCEL["fields"], field("note", "string", True)]}
BROKEN = {**PARCEL, "fields": [field("id", "string"), *PARCEL["fields"][1:]]}


def line(r):
    return {"sku": key(r), "price": decimal.Decimal(r.randint(-10**9, 10**9)).scaleb(-2)}


def parcel(r):
    """As the Python package has it."""
    def maybe(value):
        return None if r.random() < 0.3 else value
    return {
        "id": r.choice([0, 2**62, -2**63, r.getrandbits(40)]), "tiny": maybe(r.randint(-128, 127)), "small": r.randint(-2**15, 2**15 - 1),
        "n": maybe(r.randint(-2**31, 2**31 - 1)), "f": r.choice([0.0, -1.5, 3.25]), "d": maybe(r.choice([1e300, -0.1, 2.0])),
        "ok": r.random() < 0.5, "who": maybe(key(r)), "raw": maybe(r.randbytes(r.randint(0, 6))),
        "tags": [maybe(key(r)) for _ in range(r.randint(0, 3))],
        "extra": {key(r): maybe(r.getrandbits(50)) for _ in range(r.randint(0, 3))},
        "lines": [line(r) for _ in range(r.randint(0, 3))], "first": maybe(line(r)),
        "at": EPOCH + datetime.timedelta(milliseconds=r.randint(-10**12, 10**13)),
        "day": datetime.date(2024, 2, 29) + datetime.timedelta(days=r.randint(-40000, 40000)),
        "time": datetime.time(r.randint(0, 23), r.randint(0, 59), r.randint(0, 59), r.randint(0, 999) * 1000)}


def connect(value):
    """The same as Connect's JsonConverter has it."""
    if isinstance(value, dict):
        return {k: connect(v) for k, v in value.items()}
    if isinstance(value, list):
        return [connect(v) for v in value]
    if isinstance(value, decimal.Decimal):
        unscaled = int(value.scaleb(2))
        return b64(unscaled.to_bytes((unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1, "big", signed=True))
    if isinstance(value, bytes):
        return b64(value)
    if isinstance(value, datetime.datetime):
        return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    if isinstance(value, datetime.date):
        return (value - EPOCH.date()).days
    if isinstance(value, datetime.time):
        return ((value.hour * 60 + value.minute) * 60 + value.second) * 1000 + value.microsecond // 1000
    return value


def envelope(schema, value):
    return json.dumps({"schema": schema, "payload": connect(value)})


def versions(glue, name):
    return glue.list_schema_versions(SchemaId={"SchemaName": name, "RegistryName": "default-registry"})["Schemas"]


@pytest.mark.parametrize("compression", ["NONE", "ZLIB"])
def test_converter_by_hand(connect_java, serde, bare_glue, name, compression):
    r = seeded()
    how = {**HOW, "schemaName": name, "compression": compression, "compatibility": "BACKWARD_ALL"}

    def convert(op, *items):
        return connect_java(op, how, connect_java.plugins, "topic", *items)
    values = [parcel(r) for _ in range(25)]
    sent = [base64.b64decode(m) for m in convert("convert", *[b64(envelope(PARCEL, v)) for v in values])]
    got = [serde.decode(m) for m in sent]
    assert [g.value for g in got] == values and {m[1] for m in sent} == {5 if compression == "ZLIB" else 0}
    assert len({g.schema_id for g in got}) == 1 and len(versions(bare_glue, name)) == 1
    back = convert("unconvert", *[b64(serde.encode(got[0].schema_id, v, compress=compression == "ZLIB")) for v in values])
    assert [json.loads(base64.b64decode(b))["payload"] for b in back] == [connect(v) for v in values]

    newer = [{**parcel(r), "note": key(r)}, {**parcel(r), "note": None}]
    sent = [base64.b64decode(m) for m in convert("convert", *[b64(envelope(EVOLVED, v)) for v in newer])]
    assert [serde.decode(m).value for m in sent] == newer
    assert sorted(v["VersionNumber"] for v in versions(bare_glue, name)) == [1, 2]
    refused = connect_java.refusal("convert", how, connect_java.plugins, "topic", b64(envelope(BROKEN, {**parcel(r), "id": "x"})))
    assert "compatib" in refused.lower(), refused
    assert len([v for v in versions(bare_glue, name) if v["Status"] == "AVAILABLE"]) == 2


class Worker:
    """A standalone worker's REST door."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def __call__(self, path, body=None, method=None):
        request = urllib.request.Request(self.url + path, json.dumps(body).encode() if body else None, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or "null")

    def ready(self):
        try:
            return self("/connectors") is not None
        except (urllib.error.URLError, ConnectionError):
            return False

    def states(self, connector):
        status = self(f"/connectors/{connector}/status")
        failed = [t["trace"] for t in status["tasks"] if t["state"] == "FAILED"]
        assert not failed, failed[0][-3000:]
        return [status["connector"]["state"], *(t["state"] for t in status["tasks"])]


@pytest.fixture(scope="module")
def worker(connect_java, kafka):
    port, d = free_port(), connect_java.work
    settings = {"bootstrap.servers": kafka, "plugin.path": connect_java.plugins, "plugin.discovery": "service_load",
                "listeners": f"http://127.0.0.1:{port}", "offset.storage.file.filename": d / "offsets", "offset.flush.interval.ms": 500,
                "key.converter": "org.apache.kafka.connect.storage.StringConverter",
                "value.converter": "com.amazonaws.services.schemaregistry.kafkaconnect.AWSKafkaAvroConverter",
                **{f"value.converter.{k}": v for k, v in {**connect_java.settings, **HOW, "compression": "ZLIB"}.items()}}
    (d / "worker").write_text("".join(f"{k}={v}\n" for k, v in settings.items()))
    connect_java("worker", {}, d / "worker")
    w = Worker(port)
    wait_until(w.ready, 120)
    return w


def test_worker_between_files(worker, serde, bare_glue, kafka, name, tmp_path):
    r = seeded()
    make_topics(kafka, name)
    values = [{**parcel(r), "note": r.choice([None, key(r)])} if i > 20 else parcel(r) for i in range(40)]
    (tmp_path / "in").write_text("".join(envelope(EVOLVED if "note" in v else PARCEL, v) + "\n" for v in values), "utf-8")
    worker("/connectors", {"name": name + "-in", "config": {
        "connector.class": "LinesSource", "file": str(tmp_path / "in"), "topic": name, "tasks.max": "1"}})
    sent = consume(kafka, name, len(values))
    assert worker.states(name + "-in") == ["RUNNING", "RUNNING"]
    assert [m.key().decode() for m in sent] == [str(i) for i in range(40)]
    got = [serde.decode(m.value()) for m in sent]
    assert [g.value for g in got] == values
    made = {v["SchemaVersionId"]: v["VersionNumber"] for v in versions(bare_glue, name)}  # the schema has the topic's name
    assert [made[g.schema_id] for g in got] == [1] * 21 + [2] * 19

    ours = [{**parcel(r), "note": key(r)} for _ in range(10)]
    produce(kafka, name, [("k", serde.encode(got[-1].schema_id, v, compress=i % 2)) for i, v in enumerate(ours)])
    worker("/connectors", {"name": name + "-out", "config": {
        "connector.class": "LinesSink", "file": str(tmp_path / "out"), "topics": name, "tasks.max": "1",
        "consumer.override.auto.offset.reset": "earliest"}})
    out = tmp_path / "out"
    wait_until(lambda: worker.states(name + "-out") and out.exists() and out.read_text("utf-8").count("\n") >= 50)
    assert [json.loads(x)["payload"] for x in out.read_text("utf-8").splitlines()] == [connect(v) for v in values + ours]

    # A value that the schema may not become ends the task with the registry's reason, and nothing is written.
    with open(tmp_path / "in", "a", encoding="utf-8") as f:
        f.write(envelope(BROKEN, {**parcel(r), "id": "x"}) + "\n")
    trace = wait_until(lambda: [t["trace"] for t in worker(f"/connectors/{name}-in/status")["tasks"] if t["state"] == "FAILED"])[0]
    assert "InvalidInputException" in trace and "/fields/0" in trace, trace[-3000:]
    assert len(versions(bare_glue, name)) == 2 and len(consume(kafka, name, 51, seconds=1)) == 50
    for connector in (name + "-in", name + "-out"):
        worker(f"/connectors/{connector}", method="DELETE")
