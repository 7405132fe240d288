"""Clients in JavaScript: KafkaJS's for the Confluent door, meinestadt.de's for Glue's. What they write Python's clients read,
and the other way round."""
import base64
import json
import os
import subprocess
import threading
import uuid

import pytest

from java_peers import ANSWER_SECONDS, DEPS, HERE, find_node
from test_java_serdes import serde  # noqa: F401
from test_java_streams import key, seeded

ORDER = {"type": "record", "name": "Order", "namespace": "shop.node", "doc": "注文", "fields": [
    {"name": "id", "type": "long"}, {"name": "who", "type": ["null", "string"], "default": None}, {"name": "ok", "type": "boolean"},
    {"name": "weight", "type": "double"}, {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "SENT"]}},
    {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
        {"name": "sku", "type": "string"}, {"name": "n", "type": "int"}]}}},
    {"name": "extra", "type": {"type": "map", "values": "long"}}]}
NEWER = {**ORDER, "fields": [*ORDER["fields"], {"name": "note", "type": ["null", "string"], "default": None}]}
BROKEN = {**ORDER, "fields": [{"name": "id", "type": "string"}, *ORDER["fields"][1:]]}
JSON = {"type": "object", "properties": {"id": {"type": "integer"}, "tags": {"type": "array", "items": {"type": "string"}}}, "required": ["id"]}
PROTO = """syntax = "proto3";
package shop;
message Order { int32 id = 1; repeated Line lines = 2; map<string, int32> extra = 3; message Line { string sku = 1; double price = 2; } }
"""


def order(r):
    return {"id": r.randint(-2**52, 2**52), "who": r.choice([None, key(r)]), "ok": r.random() < 0.5, "weight": r.choice([0.5, -1e100]),
            "state": r.choice(["NEW", "SENT"]), "lines": [{"sku": key(r), "n": r.randint(-2**31, 2**31 - 1)} for _ in range(r.randint(0, 3))],
            "extra": {key(r): r.getrandbits(50) for _ in range(r.randint(0, 3))}}


class Node:
    def __init__(self, server):
        node, clients = find_node(), DEPS / "node/clients"
        if not node or not clients.is_dir():
            pytest.skip("no clients in JavaScript: deps/install test")
        env = dict(os.environ, AWS_ENDPOINT_URL_GLUE=server.url, AWS_ACCESS_KEY_ID=server.access_key, AWS_REGION="us-east-1",
                   AWS_SECRET_ACCESS_KEY=server.secret_key)
        self.child = subprocess.Popen([node, "--no-warnings", HERE / "e2e/node/clients.js", clients], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, env=env)

    def __call__(self, client, op, **q):
        late = threading.Timer(ANSWER_SECONDS, self.child.kill)
        late.start()
        try:
            self.child.stdin.write(json.dumps({"client": client, "op": op, **q}) + "\n")
            self.child.stdin.flush()
            answer = json.loads(self.child.stdout.readline())
        finally:
            late.cancel()
        assert "ok" in answer, answer["error"]
        return answer["ok"]

    def refusal(self, *args, **q):
        with pytest.raises(AssertionError) as e:
            self(*args, **q)
        return str(e.value)


@pytest.fixture(scope="module")
def node(bare_server):
    n = Node(bare_server)
    yield n
    n.child.stdin.close()
    assert n.child.wait(60) == 0
    n.child.stdout.close()


@pytest.fixture
def name():
    return "n" + uuid.uuid4().hex[:12]


@pytest.mark.parametrize("compress", [False, True])
def test_glue(node, serde, bare_glue, name, compress):
    r = seeded()
    first = node("glue", "create", name=name, schema=json.dumps(ORDER), compatibility="BACKWARD_ALL")
    assert "already exists" in node.refusal("glue", "create", name=name, schema=json.dumps(ORDER), compatibility="NONE")
    assert node("glue", "register", name=name, schema=json.dumps(ORDER)) == first
    for _ in range(20):
        value = order(r)
        message = base64.b64decode(node("glue", "encode", id=first, value=value, compress=compress))
        got = serde.decode(message)
        assert (got.value, got.schema_id, message[1]) == (value, first, 5 if compress else 0)
        ours = base64.b64encode(serde.encode(first, value, compress=compress)).decode()
        assert node("glue", "decode", message=ours, reader=json.dumps(NEWER)) == {**value, "note": None}
    second = node("glue", "register", name=name, schema=json.dumps(NEWER))
    assert bare_glue.get_schema_version(SchemaVersionId=second)["VersionNumber"] == 2
    assert "incompatible" in node.refusal("glue", "register", name=name, schema=json.dumps(BROKEN))


@pytest.fixture(scope="module")
def confluent(bare_server):
    from confluent_kafka.schema_registry import SchemaRegistryClient
    return SchemaRegistryClient({"url": bare_server.url + "/confluent", "basic.auth.user.info": f"{bare_server.access_key}:{bare_server.secret_key}"})


def test_confluent_avro(node, confluent, name):
    from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
    from confluent_kafka.serialization import MessageField, SerializationContext
    r, at = seeded(), SerializationContext(name, MessageField.VALUE)
    made = node("confluent", "register", subject=name + "-value", type="AVRO", schema=json.dumps(ORDER))
    put, get = AvroSerializer(confluent, json.dumps(ORDER)), AvroDeserializer(confluent)
    for _ in range(20):
        value = order(r)
        assert get(base64.b64decode(node("confluent", "encode", id=made["id"], value=value)), at) == value
        assert node("confluent", "decode", message=base64.b64encode(put(value, at)).decode()) == value
    assert confluent.get_latest_version(name + "-value").schema_id == made["id"]
    newer = node("confluent", "register", subject=name + "-value", type="AVRO", schema=json.dumps(NEWER))
    assert newer["id"] != made["id"] and confluent.get_versions(name + "-value") == [1, 2]
    assert "incompatible" in node.refusal("confluent", "register", subject=name + "-value", type="AVRO", schema=json.dumps(BROKEN))


def test_confluent_references(node, confluent, name):
    line = {"type": "record", "name": "Line", "namespace": f"a.{name}", "fields": [{"name": "sku", "type": "string"}]}
    whole = {"type": "record", "name": "Whole", "namespace": f"a.{name}", "fields": [{"name": "lines", "type": {"type": "array", "items": f"a.{name}.Line"}}]}
    node("confluent", "register", subject=name + "-line", type="AVRO", schema=json.dumps(line))
    made = node("confluent", "register", subject=name, type="AVRO", schema=json.dumps(whole),
                references=[{"name": f"a.{name}.Line", "subject": name + "-line", "version": 1}])
    value = {"lines": [{"sku": "é"}, {"sku": "日"}]}
    assert node("confluent", "decode", message=node("confluent", "encode", id=made["id"], value=value)) == value
    assert [(x.subject, x.version) for x in confluent.get_latest_version(name).schema.references] == [(name + "-line", 1)]


def test_confluent_json_and_protobuf(node, confluent, name):
    from confluent_kafka.schema_registry.json_schema import JSONDeserializer
    from confluent_kafka.serialization import MessageField, SerializationContext
    r = seeded()
    made = node("confluent", "register", subject=name, type="JSON", schema=json.dumps(JSON))
    for _ in range(5):
        value = {"id": r.getrandbits(40), "tags": [key(r)]}
        message = node("confluent", "encode", id=made["id"], value=value)
        assert JSONDeserializer(json.dumps(JSON))(base64.b64decode(message), SerializationContext("t", MessageField.VALUE)) == value
        assert node("confluent", "decode", message=message) == value
    made = node("confluent", "register", subject=name + "p", type="PROTOBUF", schema=PROTO)
    value = {"id": 5, "lines": [{"sku": key(r), "price": 1.5}], "extra": {"a": 1}}
    assert node("confluent", "decode", message=node("confluent", "encode", id=made["id"], value=value)) == value
    assert confluent.get_latest_version(name + "p").schema.schema_type == "PROTOBUF"
