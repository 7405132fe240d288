"""The schema registry: GetSchemaVersion by id, the Confluent door's GET /schemas/ids/{id}, durable registrations of 64 clients."""
import base64
import json
import random
import sys

import lib

SCHEMAS, CONNS, REQUESTS, CLIENTS = 2_000, 16, 60_000, 64


def definition(number, version=0):
    """About 400 bytes, as a small record has."""
    fields = [{"name": f"f{i}", "type": ["null", "string"], "default": None} for i in range(6)]
    fields += [{"name": f"v{v}", "type": "long", "default": v} for v in range(version)]
    return json.dumps({"type": "record", "name": f"R{number}", "namespace": "bench", "fields": [{"name": "id", "type": "long"}, *fields]})


def rest(server, method, path, body=None):
    """A request of the Confluent door."""
    pair = base64.b64encode(f"{server.access}:{server.secret}".encode()).decode()
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /confluent{path} HTTP/1.1\r\nHost: {server.host}:{server.port}\r\nAuthorization: Basic {pair}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n" if data else "\r\n"
    return head.encode() + data


def fill(server, signer):
    script = lib.Script()
    script.add(0, signer.request("CreateSchema", {"SchemaName": "first", "DataFormat": "AVRO", "Compatibility": "NONE", "SchemaDefinition": definition(0)}))
    script.play(server.host, server.port)
    script = lib.Script()
    for i in range(1, SCHEMAS):
        script.add(i % CLIENTS, rest(server, "POST", f"/subjects/s{i:05d}/versions", {"schema": definition(i)}))
    script.play(server.host, server.port)


def ids(server):
    import urllib.request

    pair = base64.b64encode(f"{server.access}:{server.secret}".encode()).decode()
    request = urllib.request.Request(f"http://{server.host}:{server.port}/confluent/schemas", headers={"Authorization": "Basic " + pair})
    with urllib.request.urlopen(request) as answer:
        return [(v["id"], v["guid"], v["schema"]) for v in json.loads(answer.read())]


def by_uuid(server, signer, known, seed):
    chance, script = random.Random(seed), lib.Script()
    for k in range(REQUESTS):
        number, guid, text = chance.choice(known)
        script.add(k % CONNS, signer.request("GetSchemaVersion", {"SchemaVersionId": guid, "Nonce": f"{seed}-{k}"}), guid.encode())
    return script


def by_number(server, known, seed):
    chance, script = random.Random(seed), lib.Script()
    for k in range(REQUESTS):
        number, guid, text = chance.choice(known)
        script.add(k % CONNS, rest(server, "GET", f"/schemas/ids/{number}?n={seed}-{k}"), guid.encode())
    return script


def registrations(server, signer, prefix, versions=0, schemas=SCHEMAS):
    """Each a new version; versions > 0: of few schemas, each judged against the one before."""
    script = lib.Script()
    for k in range(10_000):
        name = f"{prefix}{k:05d}"
        script.add(k % CLIENTS, signer.request("CreateSchema", {"SchemaName": name, "DataFormat": "AVRO", "Compatibility": "BACKWARD",
                                                                "SchemaDefinition": definition(k)}))
    return script


def successors(server, signer, prefix, count=10_000):
    script = lib.Script()
    for k in range(count):
        script.add(k % CLIENTS, signer.request("RegisterSchemaVersion", {"SchemaId": {"RegistryName": "default-registry", "SchemaName": f"{prefix}{k:05d}"},
                                                                         "SchemaDefinition": definition(k, 1)}))
    return script


def plain(method, path, body=None):
    data = b"" if body is None else json.dumps(body).encode()
    head = f"{method} /apis/ccompat/v7{path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n" if data else "\r\n"
    return head.encode() + data


def peer(table, ours):
    """The same lookups at Apicurio's Confluent door: in memory, without authentication."""
    with lib.apicurio() as there:
        if not there:
            print("  Apicurio Registry is not there (deps/install bench): not compared", file=sys.stderr)
            return
        port, pid = there
        script = lib.Script()
        for i in range(SCHEMAS):
            script.add(i % CONNS, plain("POST", f"/subjects/s{i:05d}/versions", {"schema": definition(i)}), b'"id"')
        script.play("127.0.0.1", port)
        best = None
        for seed in range(6):  # the first ones warm it up
            chance, script = random.Random(seed), lib.Script()
            for k in range(REQUESTS // 2):
                script.add(k % CONNS, plain("GET", f"/schemas/ids/{chance.randrange(1, SCHEMAS + 1)}?n={seed}-{k}"), b'"schema"')
            load = script.play("127.0.0.1", port, pid=pid)
            best = load if best is None or load["rps"] > best["rps"] else best
        table.add("GET /schemas/ids/{id} against Apicurio Registry", "reported", f"{ours['rps'] / best['rps']:.1f}× ({best['rps']:,.0f}/s, p99 {best['p99_us'] / 1000:.1f} ms)",
                  f"2.6.13 in memory on the same core, {SCHEMAS:,} schemas, no authentication; best of 6 loads of {REQUESTS // 2:,} on a warm JVM, "
                  f"{lib.rss_mb(pid):,.0f} MB resident")


def run(table):
    with lib.Server(core=lib.SERVER_CORE) as server:
        signer = lib.Signer(server.host, server.port, server.access, server.secret)
        pid = lib.tree(server.process.pid)[0]
        fill(server, signer)
        known = ids(server)
        best = None
        for what, goal, make in (("GetSchemaVersion by id, SigV4", 20_000, lambda s: by_uuid(server, signer, known, s)),
                                 ("GET /schemas/ids/{id}, Confluent door", 30_000, lambda s: by_number(server, known, s))):
            best = max((make(s).play(server.host, server.port, pid=pid) for s in (1, 2, 3)), key=lambda r: r["rps"])
            table.add(what, f"≥ {goal:,}/s per core", f"{best['rps']:,.0f}/s, p99 {best['p99_us'] / 1000:.2f} ms",
                      f"{SCHEMAS:,} schemas of {len(known[-1][2])} bytes, {CONNS} connections, server on one core; "
                      f"{best['rps_cpu']:,.0f} a second of processor used; best of 3", at_least=[(best["rps"], goal)])
        made = [registrations(server, signer, p).play(server.host, server.port, pid=pid) for p in "abc"]
        after = [successors(server, signer, p).play(server.host, server.port, pid=pid) for p in "abc"]
        disk = lib.fsyncs_a_second(server.folder)
    peer(table, best)
    for what, results in (("durable registration, 64 clients: new schemas", made), ("durable registration, 64 clients: new versions, judged BACKWARD", after)):
        rate = lib.median([r["rps"] for r in results])
        one = min(results, key=lambda r: abs(r["rps"] - rate))
        table.add(what, "≥ 5,000/s", f"{rate:,.0f}/s, p50 {one['p50_us'] / 1000:.1f} ms, p99 {one['p99_us'] / 1000:.1f} ms",
                  f"each answered after its fsync; server on one core; {one['rps_cpu']:,.0f} a second of processor used; median of 3; the disk alone does {disk:,.0f} fdatasyncs/s", at_least=[(rate, 5_000)])
