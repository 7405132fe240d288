"""The Confluent door: confluent-kafka's client and serializers, and the protocol's own error codes."""
import base64
import json
import random
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid

import pytest
from confluent_kafka.schema_registry import Schema, SchemaReference, SchemaRegistryClient, SchemaRegistryError
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.schema_registry.json_schema import JSONDeserializer, JSONSerializer
from confluent_kafka.serialization import MessageField, SerializationContext


def name(prefix="s"):
    return prefix + uuid.uuid4().hex[:10]


def record(*fields, record_name="R"):
    return json.dumps({"type": "record", "name": record_name, "fields": [dict(zip(("name", "type", "default"), f)) for f in fields]})


A1 = record(("a", "int"))
A2 = record(("a", "int"), ("b", ["null", "string"], None))
BAD = record(("a", "int"), ("c", "string"))


@pytest.fixture(scope="module")
def server(bare_server):
    return bare_server


def url_of(server):
    return server.url.rstrip("/") + "/confluent"


class Rest:
    def __init__(self, server, authorization=None):
        self.url = url_of(server)
        pair = f"{server.access_key}:{server.secret_key}"
        self.headers = {"Authorization": authorization if authorization is not None else "Basic " + base64.b64encode(pair.encode()).decode()}

    def __call__(self, method, path, body=None):
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {**self.headers, "Content-Type": "application/vnd.schemaregistry.v1+json"}, method=method)
        try:
            with urllib.request.urlopen(request) as r:
                assert r.headers["Content-Type"].startswith("application/vnd.schemaregistry.v1+json")
                return r.status, json.loads(r.read())
        except urllib.error.HTTPError as e:
            return e.code, json.loads(e.read())

    def refused(self, code, method, path, body=None, says=None):
        status, answer = self(method, path, body)
        assert answer.get("error_code") == code, answer
        assert status == (code // 100 if code >= 10000 else code)
        if says:
            assert says in answer["message"], answer
        return answer["message"]


@pytest.fixture
def rest(server):
    return Rest(server)


@pytest.fixture
def client(server):
    return SchemaRegistryClient({"url": url_of(server), "basic.auth.user.info": f"{server.access_key}:{server.secret_key}"})


def test_who_may_ask(server):
    pair = f"{server.access_key}:{server.secret_key}"
    for good in (f"Bearer {pair}", "Bearer " + base64.b64encode(pair.encode()).decode()):
        assert Rest(server, good)("GET", "/subjects")[0] == 200
    for bad in ("", "Basic !!", "Basic " + base64.b64encode(b"nobody:x").decode(), "Basic " + base64.b64encode(f"{server.access_key}:no".encode()).decode(), "Bearer x"):
        Rest(server, bad).refused(401, "GET", "/subjects", says="Unauthorized")


def test_register_and_read(client, rest):
    s = name()
    A1, A2 = record((s, "int")), record((s, "int"), ("b", ["null", "string"], None))
    number = client.register_schema(s, Schema(A1, "AVRO"))
    fresh = SchemaRegistryClient(client._conf) if hasattr(client, "_conf") else client
    assert fresh.get_schema(number).schema_str == A1
    assert client.register_schema(s, Schema(json.dumps(json.loads(A1), indent=1), "AVRO")) == number
    other = name()
    assert client.register_schema(other, Schema(A1, "AVRO")) == number  # one definition, one number
    assert client.get_versions(s) == [1]
    two = client.register_schema(s, Schema(A2, "AVRO"))
    latest = client.get_latest_version(s)
    assert (latest.version, latest.schema_id, latest.schema.schema_str, latest.subject) == (2, two, A2, s)
    assert client.get_version(s, 1).schema_id == number
    assert client.lookup_schema(s, Schema(A1, "AVRO")).version == 1
    assert {s, other} <= set(client.get_subjects())
    assert rest("GET", f"/schemas/ids/{number}") == (200, {"schema": A1, "guid": client.get_version(s, 1).guid})
    assert rest("GET", f"/schemas/ids/{number}?fetchMaxId=true")[1]["maxId"] >= two
    assert rest("GET", f"/schemas/ids/{number}/schema") == (200, json.loads(A1))
    assert sorted(rest("GET", f"/schemas/ids/{number}/subjects")[1]) == sorted([s, other])
    assert {"subject": s, "version": 1} in rest("GET", f"/schemas/ids/{number}/versions")[1]
    assert rest("GET", f"/subjects/{s}/versions/latest/schema")[1] == json.loads(A2)
    assert rest("GET", "/schemas/types")[1] == ["AVRO", "JSON", "PROTOBUF"]
    assert [v["version"] for v in rest("GET", f"/schemas?subjectPrefix={s}")[1]] == [1, 2]
    assert [v["version"] for v in rest("GET", f"/schemas?subjectPrefix={s}&latestOnly=true")[1]] == [2]
    assert rest("GET", f"/subjects?subjectPrefix={s}")[1] == [s]
    assert rest("GET", "/") == (200, {}) and "version" in rest("GET", "/v1/metadata/version")[1]


def test_refusals(rest):
    s = name()
    rest.refused(40401, "GET", f"/subjects/{s}/versions", says=f"Subject '{s}' not found.")
    rest.refused(40401, "GET", f"/subjects/{s}/versions/1")
    rest.refused(40401, "DELETE", f"/subjects/{s}")
    rest.refused(40401, "POST", f"/subjects/{s}", {"schema": A1})
    rest.refused(40403, "GET", "/schemas/ids/999999", says="Schema 999999 not found")
    rest.refused(40403, "GET", "/schemas/ids/x")
    rest.refused(42201, "POST", f"/subjects/{s}/versions", {"schema": "{"})
    rest.refused(42201, "POST", f"/subjects/{s}/versions", {"schema": record(("a", "none"))}, says="at /fields/0/type")
    rest.refused(42201, "POST", f"/subjects/{s}/versions", {"schema": A1, "schemaType": "XML"})
    rest.refused(42201, "POST", f"/subjects/{s}/versions", {"schema": A1, "schemaTagsToAdd": [{"tags": ["x"]}]}, says="schemaTagsToAdd")
    rest.refused(42201, "GET", "/schemas?aliases=true", says="aliases")
    rest.refused(400, "POST", f"/subjects/{s}/versions", b"{")
    rest.refused(400, "POST", f"/subjects/{s}/versions", [1])
    rest.refused(42208, "POST", f"/subjects/{urllib.parse.quote(chr(1))}/versions", {"schema": A1})
    rest.refused(404, "GET", "/nowhere")
    rest("POST", f"/subjects/{s}/versions", {"schema": A1})
    rest.refused(40402, "GET", f"/subjects/{s}/versions/9", says="Version 9 not found.")
    rest.refused(42202, "GET", f"/subjects/{s}/versions/zero")
    rest.refused(40403, "POST", f"/subjects/{s}", {"schema": A2}, says="Schema not found")
    says = rest.refused(409, "POST", f"/subjects/{s}/versions", {"schema": BAD})
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in says and "{oldSchemaVersion: 1}" in says and "'BACKWARD'" in says


def test_compatibility(client, rest):
    s = name()
    rest.refused(40401, "POST", f"/compatibility/subjects/{s}/versions/latest", {"schema": A1})
    assert rest("POST", f"/compatibility/subjects/{s}/versions", {"schema": A1})[1] == {"is_compatible": True}
    client.register_schema(s, Schema(A1, "AVRO"))
    assert client.test_compatibility(s, Schema(A2, "AVRO")) is True
    assert client.test_compatibility(s, Schema(BAD, "AVRO")) is False
    answer = rest("POST", f"/compatibility/subjects/{s}/versions/latest?verbose=true", {"schema": BAD})[1]
    assert answer["is_compatible"] is False and "READER_FIELD_MISSING_DEFAULT_VALUE" in answer["messages"][0]
    rest.refused(40402, "POST", f"/compatibility/subjects/{s}/versions/5", {"schema": A1})
    client.set_compatibility(s, "NONE")
    assert client.test_compatibility(s, Schema(BAD, "AVRO")) is True
    client.register_schema(s, Schema(BAD, "AVRO"))
    client.set_compatibility(s, "BACKWARD_TRANSITIVE")
    back = record(("c", "string"))
    assert client.test_compatibility(s, Schema(back, "AVRO"), version=2) is True
    assert client.test_compatibility(s, Schema(back, "AVRO"), version=1) is False
    assert rest("POST", f"/compatibility/subjects/{s}/versions", {"schema": back})[1] == {"is_compatible": False}
    client.set_compatibility(s, "BACKWARD")
    assert rest("POST", f"/compatibility/subjects/{s}/versions", {"schema": back})[1] == {"is_compatible": True}


def test_settings(new_server):
    server = new_server(lake=False)
    rest = Rest(server)
    s = name()
    assert rest("GET", "/config")[1] == {"compatibilityLevel": "BACKWARD"}
    rest.refused(40408, "GET", f"/config/{s}")
    assert rest("GET", f"/config/{s}?defaultToGlobal=true")[1] == {"compatibilityLevel": "BACKWARD"}
    rest.refused(42203, "PUT", "/config", {"compatibility": "SOMETIMES"})
    rest.refused(42203, "PUT", "/config", {"compatibility": "BACKWARD_ALL"})
    assert rest("PUT", "/config", {"compatibility": "NONE"})[1] == {"compatibility": "NONE"}
    rest("POST", f"/subjects/{s}/versions", {"schema": A1})
    assert rest("POST", f"/subjects/{s}/versions", {"schema": BAD})[0] == 200  # follows the region's
    assert rest("PUT", "/config", {"compatibility": "BACKWARD"})[0] == 200
    rest.refused(409, "POST", f"/subjects/{s}/versions", {"schema": record(("z", "int"))})
    assert rest("PUT", f"/config/{s}", {"compatibility": "FULL"})[0] == 200
    assert rest("GET", f"/config/{s}")[1] == {"compatibilityLevel": "FULL"}
    assert rest("DELETE", f"/config/{s}")[1] == {"compatibilityLevel": "FULL"}
    rest.refused(40408, "DELETE", f"/config/{s}")
    early = name()
    rest("PUT", f"/config/{early}", {"compatibility": "FORWARD"})
    rest("POST", f"/subjects/{early}/versions", {"schema": A1})
    assert rest("GET", f"/config/{early}")[1] == {"compatibilityLevel": "FORWARD"}
    assert server.client("glue").get_schema(SchemaId={"RegistryName": "default-registry", "SchemaName": early})["Compatibility"] == "FORWARD"
    assert rest("DELETE", "/config")[1] == {"compatibilityLevel": "BACKWARD"}
    # modes
    assert rest("GET", "/mode")[1] == {"mode": "READWRITE"}
    rest.refused(40409, "GET", f"/mode/{s}")
    rest.refused(42204, "PUT", "/mode", {"mode": "SLEEP"})
    rest("PUT", f"/mode/{s}", {"mode": "READONLY"})
    rest.refused(42205, "POST", f"/subjects/{s}/versions", {"schema": A2}, says="read-only mode")
    rest.refused(42205, "DELETE", f"/subjects/{s}")
    assert rest("DELETE", f"/mode/{s}")[1] == {"mode": "READONLY"}
    rest.refused(42205, "PUT", f"/mode/{s}", {"mode": "IMPORT"}, says="existing subjects")
    rest.refused(42205, "POST", f"/subjects/{s}/versions", {"schema": A2, "id": 77}, says="not in import mode")
    new = name()
    rest("PUT", f"/mode/{new}", {"mode": "IMPORT"})
    assert rest("POST", f"/subjects/{new}/versions", {"schema": record(("q", "long")), "id": 4711, "version": 3})[1]["id"] == 4711
    assert rest("GET", f"/subjects/{new}/versions")[1] == [3]
    rest.refused(42201, "POST", f"/subjects/{new}/versions", {"schema": record(("w", "long")), "id": 4711})
    server.kill()
    server.start()
    rest = Rest(server)
    assert rest("GET", f"/mode/{new}")[1] == {"mode": "IMPORT"} and rest("GET", "/schemas/ids/4711")[0] == 200


def test_deleting(client, rest):
    s = name()
    one = client.register_schema(s, Schema(A1, "AVRO"))
    client.register_schema(s, Schema(A2, "AVRO"))
    rest.refused(40407, "DELETE", f"/subjects/{s}/versions/1?permanent=true")
    assert rest("DELETE", f"/subjects/{s}/versions/1") == (200, 1)
    rest.refused(40406, "DELETE", f"/subjects/{s}/versions/1")
    assert client.get_versions(s) == [2] and rest("GET", f"/subjects/{s}/versions?deleted=true")[1] == [1, 2]
    rest.refused(40402, "GET", f"/subjects/{s}/versions/1")
    assert rest("GET", f"/subjects/{s}/versions/1?deleted=true")[1]["id"] == one
    assert rest("GET", f"/schemas/ids/{one}")[0] == 200  # data written with it can be read
    rest.refused(40405, "DELETE", f"/subjects/{s}?permanent=true")
    assert rest("DELETE", f"/subjects/{s}") == (200, [2])
    rest.refused(40404, "DELETE", f"/subjects/{s}")
    assert s not in client.get_subjects() and s in rest("GET", "/subjects?deleted=true")[1] and s in rest("GET", "/subjects?deletedOnly=true")[1]
    assert rest("POST", f"/subjects/{s}/versions", {"schema": A2})[1]["version"] == 3 and rest("GET", f"/subjects/{s}/versions")[1] == [3]
    assert rest("DELETE", f"/subjects/{s}/versions/latest") == (200, 3)
    assert rest("DELETE", f"/subjects/{s}/versions/1?permanent=true") == (200, 1)
    assert rest("DELETE", f"/subjects/{s}?permanent=true") == (200, [2, 3])
    rest.refused(40401, "GET", f"/subjects/{s}/versions?deleted=true")
    assert rest("POST", f"/subjects/{s}/versions", {"schema": A1})[1]["version"] == 1


def test_references(client, rest):
    address, person = name("address"), name("person")
    client.register_schema(address, Schema(json.dumps({"type": "record", "name": "acme.Address", "fields": [{"name": "zip", "type": "int"}]}), "AVRO"))
    ref = SchemaReference("acme.Address", address, 1)
    text = json.dumps({"type": "record", "name": "Person", "fields": [{"name": "home", "type": "acme.Address"}]})
    number = client.register_schema(person, Schema(text, "AVRO", [ref]))
    assert client.register_schema(person, Schema(text, "AVRO", [ref])) == number
    got = client.get_latest_version(person)
    assert [(r.name, r.subject, r.version) for r in got.schema.references] == [("acme.Address", address, 1)]
    assert rest("GET", f"/subjects/{address}/versions/1/referencedby")[1] == [number]
    assert rest("GET", f"/schemas/ids/{number}")[1]["references"] == [{"name": "acme.Address", "subject": address, "version": 1}]
    rest.refused(42206, "DELETE", f"/subjects/{address}/versions/1")
    rest.refused(42206, "DELETE", f"/subjects/{address}")
    rest.refused(42201, "POST", f"/subjects/{name()}/versions", {"schema": text, "references": [{"name": "acme.Address", "subject": "nowhere", "version": 1}]})
    rest("DELETE", f"/subjects/{person}")
    rest("DELETE", f"/subjects/{person}?permanent=true")
    assert rest("DELETE", f"/subjects/{address}") == (200, [1])


def test_contexts_are_registries(rest, server):
    reg, s = name("ctx"), name()
    qualified = urllib.parse.quote(f":.{reg}:{s}", safe="")
    assert rest("POST", f"/subjects/{qualified}/versions", {"schema": A1})[0] == 200
    got = server.client("glue").get_schema_version(SchemaId={"RegistryName": reg, "SchemaName": s}, SchemaVersionNumber={"LatestVersion": True})
    assert got["SchemaDefinition"] == A1
    assert f":.{reg}:{s}" in rest("GET", "/subjects")[1] and f".{reg}" in rest("GET", "/contexts")[1]
    assert rest("GET", "/subjects?subjectPrefix=" + urllib.parse.quote(f":.{reg}:"))[1] == [f":.{reg}:{s}"]


def test_both_doors_see_one_history(client, rest, server):
    g, s = server.client("glue"), name()
    number = client.register_schema(s, Schema(A1, "AVRO"))
    sid = {"RegistryName": "default-registry", "SchemaName": s}
    got = g.get_schema_version(SchemaId=sid, SchemaVersionNumber={"LatestVersion": True})
    assert (got["SchemaDefinition"], got["VersionNumber"], got["DataFormat"]) == (A1, 1, "AVRO")
    assert client.get_version(s, 1).guid == got["SchemaVersionId"]
    same = g.register_schema_version(SchemaId=sid, SchemaDefinition=A1)
    assert same["SchemaVersionId"] == got["SchemaVersionId"]
    g.register_schema_version(SchemaId=sid, SchemaDefinition=A2)
    assert client.get_latest_version(s).version == 2
    assert rest("GET", f"/schemas/guids/{got['SchemaVersionId']}/ids")[1] == [{"context": ".", "id": number}]
    g.update_schema(SchemaId=sid, SchemaVersionNumber={"VersionNumber": 2}, Compatibility="FULL_ALL")
    assert client.get_compatibility(s) == "FULL_TRANSITIVE"
    g.update_schema(SchemaId=sid, SchemaVersionNumber={"VersionNumber": 2}, Compatibility="DISABLED")
    assert rest("GET", f"/mode/{s}")[1] == {"mode": "READONLY"}
    assert rest("POST", f"/subjects/{s}/versions", {"schema": record(("a", "int"), ("zz", "int", 1))})[0] == 422


def test_avro_serializer(client):
    topic = name("t")
    write = AvroSerializer(client, A2)
    read = AvroDeserializer(client)
    ctx = SerializationContext(topic, MessageField.VALUE)
    data = write({"a": 7, "b": "é"}, ctx)
    number = client.get_latest_version(f"{topic}-value").schema_id
    assert data[0] == 0 and int.from_bytes(data[1:5], "big") == number
    assert read(data, ctx) == {"a": 7, "b": "é"}
    newer = AvroDeserializer(client, record(("a", "long"), ("n", "int", 5)))
    assert newer(data, ctx) == {"a": 7, "n": 5}
    with pytest.raises(Exception):
        AvroSerializer(client, record(("a", "string")))({"a": "x"}, ctx)


def test_json_serializer(client):
    topic = name("t")
    text = json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", "title": "P", "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})
    ctx = SerializationContext(topic, MessageField.VALUE)
    data = JSONSerializer(text, client)({"a": 1}, ctx)
    assert JSONDeserializer(text, schema_registry_client=client)(data, ctx) == {"a": 1}
    assert client.get_latest_version(f"{topic}-value").schema.schema_type == "JSON"


def test_protobuf_serializer(client, tmp_path):
    import sys
    from grpc_tools import protoc
    (tmp_path / "shop_reg.proto").write_text('syntax = "proto3"; package shop; message Order { string id = 1; int32 n = 2; message Line { double p = 1; } repeated Line lines = 3; '
        'map<string, int64> stock = 4; message Late { bytes b = 1; } optional Kind kind = 5; enum Kind { A = 0; B = 2; } oneof way { string by = 6; Late late = 7; } reserved 9 to 11; } '
        'message Other { Order.Late inner = 1; }')
    assert protoc.main(["protoc", f"-I{tmp_path}", f"--python_out={tmp_path}", str(tmp_path / "shop_reg.proto")]) == 0
    sys.path.insert(0, str(tmp_path))
    import shop_reg_pb2
    from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer, ProtobufSerializer
    topic = name("t")
    ctx = SerializationContext(topic, MessageField.VALUE)
    order = shop_reg_pb2.Order(id="x", n=3, lines=[shop_reg_pb2.Order.Line(p=1.5)])
    data = ProtobufSerializer(shop_reg_pb2.Order, client, {"use.deprecated.format": False})(order, ctx)
    assert ProtobufDeserializer(shop_reg_pb2.Order, {"use.deprecated.format": False}, client)(data, ctx) == order
    got = client.get_latest_version(f"{topic}-value")
    assert got.schema.schema_type == "PROTOBUF" and "message Order" in got.schema.schema_str
    # a nested message behind a map entry: clients number messages by their order
    late = shop_reg_pb2.Order.Late(b=b"z")
    data = ProtobufSerializer(shop_reg_pb2.Order.Late, client, {"use.deprecated.format": False})(late, ctx)
    assert ProtobufDeserializer(shop_reg_pb2.Order.Late, {"use.deprecated.format": False}, client)(data, ctx) == late
    from google.protobuf import descriptor_pb2
    back = descriptor_pb2.FileDescriptorProto.FromString(base64.b64decode(client.get_schema(got.schema_id, fmt="serialized").schema_str))
    want = descriptor_pb2.FileDescriptorProto()
    shop_reg_pb2.DESCRIPTOR.CopyToProto(want)
    want.name = back.name
    assert back == want


def test_many_register_one_history(server):
    s, got, lock = name(), [], threading.Lock()

    def run(i):
        status, answer = Rest(server)("POST", f"/subjects/{s}/versions", {"schema": record(*[(f"f{k}", "int", 0) for k in range(1 + i % 16)])})
        with lock:
            got.append((i % 16, status, answer["id"], answer["version"]))
    threads = [threading.Thread(target=run, args=(i,)) for i in range(48)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert all(status == 200 for _, status, _, _ in got)
    assert len({(k, number, version) for k, _, number, version in got}) == 16
    assert Rest(server)("GET", f"/subjects/{s}/versions")[1] == list(range(1, 17))


def test_answers_that_were_kept_are_never_stale(rest, server):
    """Versions asked for by both ids before and after each change: what a plain table of them says."""
    seed = random.randrange(1 << 30)
    print("seed", seed)
    chance, g, subjects = random.Random(seed), server.client("glue"), [name() for _ in range(3)]
    own = name("R")  # definitions that no other test registers: numbers are shared
    for s in subjects:
        rest("PUT", f"/config/{s}", {"compatibility": "NONE"})
    versions = []  # [subject, version, number, guid, text, state]

    def look():
        for subject, version, number, guid, text, state in chance.sample(versions, min(len(versions), 6)):
            try:
                got = g.get_schema_version(SchemaVersionId=guid)
                seen = (got["SchemaDefinition"], got["VersionNumber"], got["Status"])
            except g.exceptions.EntityNotFoundException:
                seen = None
            assert seen == ((text, version, {"live": "AVAILABLE", "soft": "DELETING"}[state]) if state != "gone" else None)
            status, answer = rest("GET", f"/schemas/ids/{number}")
            alive = [v for v in versions if v[2] == number and v[5] != "gone"]
            assert status == (200 if alive else 404)
            assert not alive or (answer["guid"] in {v[3] for v in alive} and answer["schema"] == text)
    for i in range(60):
        s, what = chance.choice(subjects), chance.random()
        mine = [v for v in versions if v[0] == s and v[5] == "live"]
        soft = [v for v in versions if v[0] == s and v[5] == "soft"]
        if what < 0.5 or not mine:
            text = record((f"f{chance.randrange(12)}", "int", 0), record_name=own)
            got = rest("POST", f"/subjects/{s}/versions", {"schema": text})[1]
            if all(v[3] != got["guid"] for v in versions):
                versions.append([s, got["version"], got["id"], got["guid"], text, "live"])
        elif what < 0.75:
            one = chance.choice(mine)
            assert rest("DELETE", f"/subjects/{s}/versions/{one[1]}") == (200, one[1])
            one[5] = "soft"
        elif soft and (len(mine) + len(soft) > 1):
            one = chance.choice(soft)
            assert rest("DELETE", f"/subjects/{s}/versions/{one[1]}?permanent=true") == (200, one[1])
            one[5] = "gone"
        look()
        look()
