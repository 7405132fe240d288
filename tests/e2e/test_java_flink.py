"""Flink jobs with AWS's serializer and deserializer for Flink, in a local cluster, between topics of a real broker."""
import base64
import json

import fastavro

from java_peers import b64, consume, make_topics, produce
from test_java_serdes import AVRO, USER, avro_bytes, name, order, serde  # noqa: F401
from test_java_streams import TOTALS, key, seeded, totals

# Orders of an earlier time lack what a reader of today has.
OLDER = {**AVRO, "fields": [f for f in AVRO["fields"] if f["name"] != "who"]}
NEWER = {**AVRO, "fields": [{**f, "default": None} if f["name"] in ("who", "next") else f for f in AVRO["fields"]]}


def test_totals(flink_java, serde, bare_glue, kafka, name):
    r = seeded()
    how = {"avroRecordType": "GENERIC_RECORD", "dataFormat": "AVRO", "compression": "ZLIB", "schemaName": name + "-totals"}
    older = serde.register(name, "AVRO", json.dumps(OLDER), auto_register=True, compatibility="BACKWARD_ALL")
    newer = serde.register(name, "AVRO", json.dumps(NEWER), auto_register=True)
    assert older != newer
    orders, sent = [], []
    for i in range(60):
        o = {**order(r, depth=0), "id": 1 + r.getrandbits(40)}
        if i % 2:
            o["who"] = None
        orders.append(o)
        sent.append(serde.encode(older if i % 2 else newer, {k: v for k, v in o.items() if k != "who" or not i % 2}, compress=i % 3 == 0))
    make_topics(kafka, name, name + "-out")
    schema = {**TOTALS, "fields": [*TOTALS["fields"][:2], {"name": "last", "type": NEWER}]}
    flink_java("totals", how, name, kafka, name, name + "-out", b64(json.dumps(NEWER)), b64(json.dumps(schema)))
    produce(kafka, name, [("k", m) for m in sent])
    want = totals(orders)
    assert len(want) > 5
    got = [serde.decode(m.value()) for m in consume(kafka, name + "-out", len(want))]
    assert flink_java("stop", {}, name) == ["RUNNING"]

    def by_state(items):
        return {s: [t for t in items if t["last"]["state"] == s] for s in ("NEW", "SENT")}
    assert by_state([g.value for g in got]) == by_state([t for _, t in want])
    made = bare_glue.get_schema_version(SchemaVersionId=got[0].schema_id)
    assert made["SchemaArn"].endswith(f"/{name}-totals") and made["VersionNumber"] == 1
    assert fastavro.schema.to_parsing_canonical_form(json.loads(made["SchemaDefinition"])) == fastavro.schema.to_parsing_canonical_form(schema)


def test_users(flink_java, java, serde, kafka, name):
    r = seeded()
    how = {"avroRecordType": "SPECIFIC_RECORD", "dataFormat": "AVRO", "schemaName": name}
    schema = serde.register(name, "AVRO", json.dumps(USER), auto_register=True)
    users = [{"name": key(r), "age": r.choice([None, r.randint(0, 120)])} for _ in range(30)]
    make_topics(kafka, name, name + "-out")
    produce(kafka, name, [("k", serde.encode(schema, u) if i % 2 else base64.b64decode(
        java("encode", how, "specific", b64("User"), b64(avro_bytes(USER, u)))[0])) for i, u in enumerate(users)])
    flink_java("users", how, name, kafka, name, name + "-out")
    got = [serde.decode(m.value()) for m in consume(kafka, name + "-out", len(users))]
    assert flink_java("stop", {}, name) == ["RUNNING"]
    assert [g.value for g in got] == [{**u, "age": None if u["age"] is None else u["age"] + 1} for u in users]
    assert {g.schema_id for g in got} == {schema}
