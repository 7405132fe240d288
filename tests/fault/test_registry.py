"""Sixty-four clients register while the server is killed: one history, without gaps or twins, and nothing that was answered is lost."""
import base64
import json
import random
import threading
import urllib.request
import uuid

import pytest


def record(*names):
    return json.dumps({"type": "record", "name": "R", "fields": [{"name": n, "type": "int", "default": 0} for n in names]})


class Client(threading.Thread):
    """Registers definitions of its own, and some that all clients share, through both doors until the server is gone."""

    def __init__(self, server, schemas, number, seed):
        super().__init__()
        self.glue, self.schemas, self.number, self.random = server.client("glue"), schemas, number, random.Random(f"{seed}.{number}")
        self.url, pair = server.url, f"{server.access_key}:{server.secret_key}"
        self.headers = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode(), "Content-Type": "application/json"}
        self.answered, self.refused = [], []

    def register(self, schema, text):
        if self.random.random() < 0.5:
            r = self.glue.register_schema_version(SchemaId={"RegistryName": "default-registry", "SchemaName": schema}, SchemaDefinition=text)
            return r["VersionNumber"], r["SchemaVersionId"]
        request = urllib.request.Request(f"{self.url}/confluent/subjects/{schema}/versions", json.dumps({"schema": text}).encode(), self.headers)
        with urllib.request.urlopen(request, timeout=60) as r:
            answer = json.loads(r.read())
        return answer["version"], answer["guid"]

    def run(self):
        for i in range(1000):
            schema = self.random.choice(self.schemas)
            shared = self.random.random() < 0.3
            text = record("base", f"s{self.random.randrange(20)}" if shared else f"c{self.number}_{i}")
            try:
                self.answered.append((schema, text, *self.register(schema, text)))
            except Exception as e:
                self.refused.append(e)
                return


def history(glue, schema):
    seen, token = [], None
    while True:
        page = glue.list_schema_versions(SchemaId={"RegistryName": "default-registry", "SchemaName": schema}, MaxResults=100, **({"NextToken": token} if token else {}))
        seen += [(v["VersionNumber"], v["SchemaVersionId"]) for v in page["Schemas"]]
        token = page.get("NextToken")
        if not token:
            return seen


@pytest.mark.parametrize("seed", [1])
def test_one_history_across_kills(new_server, seed):
    server = new_server(lake=False)
    schemas = ["s" + uuid.uuid4().hex[:8] for _ in range(4)]
    for i, s in enumerate(schemas):
        server.client("glue").create_schema(SchemaName=s, DataFormat="AVRO", Compatibility=["NONE", "BACKWARD", "FULL", "FORWARD"][i], SchemaDefinition=record("base"))
    answered = []
    for round_ in range(3):
        clients = [Client(server, schemas, round_ * 100 + i, seed) for i in range(64)]
        for c in clients:
            c.start()
        enough = threading.Event()

        def watch():
            while sum(len(c.answered) for c in clients) < 150 and any(c.is_alive() for c in clients):
                enough.wait(0.01)
        watch()
        server.kill()
        for c in clients:
            c.join()
        answered += [a for c in clients for a in c.answered]
        server.start()
        glue = server.client("glue")
        versions = {}
        for s in schemas:
            seen = history(glue, s)
            assert [v for v, _ in seen] == list(range(1, len(seen) + 1)), "gaps or twins"
            assert len({vid for _, vid in seen}) == len(seen)
            versions[s] = dict(seen)
            texts = [glue.get_schema_version(SchemaVersionId=vid)["SchemaDefinition"] for _, vid in seen]
            assert len(set(texts)) == len(texts), "one definition, two versions"
        for schema, text, number, vid in answered:
            assert versions[schema].get(number) == vid, "an answered registration is gone"
        assert len(answered) >= 150 * (round_ + 1) or not any(c.refused for c in clients)
    # what was answered is what stands there
    for schema, text, number, vid in random.Random(seed).sample(answered, 50):
        got = glue.get_schema_version(SchemaVersionId=vid)
        assert (got["SchemaDefinition"], got["VersionNumber"]) == (text, number)
    numbers = {}
    for s in schemas:
        request = urllib.request.Request(f"{server.url}/confluent/schemas?subjectPrefix={s}", headers=clients[0].headers | {
            "Authorization": "Basic " + base64.b64encode(f"{server.access_key}:{server.secret_key}".encode()).decode()})
        for v in json.loads(urllib.request.urlopen(request).read()):
            assert numbers.setdefault(v["schema"], v["id"]) == v["id"], "one definition, two numbers"
    assert len(set(numbers.values())) == len(numbers)
