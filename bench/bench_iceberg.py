"""The Iceberg REST catalogue: loadTable over 200 tables, each with a history, and commits, each a new metadata file in the lake; against Apache's own."""
import contextlib
import http.client
import json
import random
import subprocess
import tempfile
import time
import urllib.parse
from pathlib import Path

import lib

TABLES, CONNS, LOADS, COMMITS, SNAPSHOTS = 200, 16, 60_000, 6_000, 10


class Rest:
    """A catalogue's door at host and port, under a path."""

    def __init__(self, host, port, path="/v1/"):
        self.host, self.port, self.path, self.token = host, port, path, ""
        self.connection = http.client.HTTPConnection(host, port)

    def log_in(self, server):
        form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": server.access, "client_secret": server.secret})
        self.token = self.ask("POST", "oauth/tokens", form, {"Content-Type": "application/x-www-form-urlencoded"})["access_token"]

    def ask(self, method, path, body=None, headers=None):
        self.connection.request(method, self.path + path, body, headers or {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        reply = self.connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {path}: {reply.status} {text[:300]}")
        return json.loads(text) if text else None

    def request(self, method, path, body=None):
        body = json.dumps(body, separators=(",", ":")).encode() if body is not None else b""
        return (f"{method} {self.path}{path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nAuthorization: Bearer {self.token}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body


def snapshot(n):
    return [{"action": "add-snapshot", "snapshot": {
        "snapshot-id": n, **({"parent-snapshot-id": n - 1} if n > 1 else {}), "sequence-number": n, "timestamp-ms": int(time.time() * 1000) + n,
        "manifest-list": f"s3://lake/snap-{n}.avro", "schema-id": 0, "summary": {"operation": "append", "added-records": "1000", "total-records": str(n * 1000)}}},
        {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": n}]


def fill(rest):
    """{table: uuid}"""
    rest.ask("POST", "namespaces", json.dumps({"namespace": ["bench"]}))
    fields = [{"id": i + 1, "name": f"c{i}", "type": "long" if i % 2 else "string", "required": False} for i in range(20)]
    made = {}
    for i in range(TABLES):
        body = {"name": f"t{i:03d}", "schema": {"type": "struct", "fields": fields}}
        made[i] = rest.ask("POST", "namespaces/bench/tables", json.dumps(body))["metadata"]["table-uuid"]
        updates = [u for n in range(1, SNAPSHOTS + 1) for u in snapshot(n)]
        rest.ask("POST", f"namespaces/bench/tables/t{i:03d}", json.dumps({"requirements": [], "updates": updates}))
    return made


def loads(rest, tables, seed):
    chance, script = random.Random(seed), lib.Script()
    for k in range(LOADS):
        i = chance.randrange(TABLES)
        script.add(k % CONNS, rest.request("GET", f"namespaces/bench/tables/t{i:03d}"), tables[i].encode())
    return script


def commits(rest, tables, seed):
    """Each connection commits to tables of its own; every answer must hold what was set."""
    chance, script = random.Random(seed), lib.Script()
    for k in range(COMMITS):
        conn = k % CONNS
        i = chance.randrange(TABLES // CONNS) * CONNS + conn
        body = {"requirements": [{"type": "assert-table-uuid", "uuid": tables[i]}], "updates": [{"action": "set-properties", "updates": {"k": f"{seed}-{k}"}}]}
        script.add(conn, rest.request("POST", f"namespaces/bench/tables/t{i:03d}", body), f'"{seed}-{k}"'.encode())
    return script


@contextlib.contextmanager
def peer(*durable):
    """Apache Iceberg's own REST catalogue on the server's core, in memory, or in a database and a lake."""
    jars, port = f"{lib.DEPS}/maven/icebergrest/*", lib.free_port()
    with tempfile.TemporaryDirectory(prefix="nikawa-bench-") as work:
        subprocess.run(["javac", "-d", work, "-cp", jars, str(Path(__file__).with_name("IcebergRestPeer.java"))], check=True)
        more = [f"{work}/catalog.db", *durable] if durable else []
        process = subprocess.Popen([*lib.on_core(lib.SERVER_CORE), "java", "-Xmx2g", "-XX:+UseSerialGC", "-cp", f"{work}:{jars}", "IcebergRestPeer", str(port), *more],
                                   stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            lib.wait_port(port, process)
            yield Rest("127.0.0.1", port)
        finally:
            lib.end(process)


def best(rest, make, tables, pid=None):
    return max((make(rest, tables, seed).play(rest.host, rest.port, pid=pid) for seed in (1, 2, 3)), key=lambda r: r["rps"])


def ours(table, server):
    pid, *lake = lib.tree(server.process.pid)
    for other in lake:  # the lake is no part of the figure: to the other core
        subprocess.run(["taskset", "-acp", lib.CLIENT_CORE, str(other)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rest = Rest(server.host, server.port, "/iceberg/v1/")
    rest.log_in(server)
    tables = fill(rest)
    load = best(rest, loads, tables, pid)
    table.add(f"Iceberg loadTable, {TABLES} tables of {SNAPSHOTS} snapshots", "≥ 3,000/s per core",
              f"{load['rps']:,.0f}/s (p50 {load['p50_us']} µs, p99 {load['p99_us']} µs)",
              f"{CONNS} connections, bearer token, whole metadata in each answer, server on one core; {load['rps_cpu']:,.0f} a second of processor "
              "used; best of 3 loads", at_least=[(load["rps"], 3_000)])
    commit = best(rest, commits, tables, pid)
    table.add("Iceberg commit", "≥ 500/s per core",
              f"{commit['rps']:,.0f}/s (p50 {commit['p50_us']} µs, p99 {commit['p99_us']} µs)",
              f"{CONNS} connections, set-properties with assert-table-uuid: a new metadata file in the lake (on the other core, with the load), then a durable "
              f"swap; {commit['rps_cpu']:,.0f} a second of processor used; best of 3 loads", at_least=[(commit["rps"], 500)])
    return load["rps"], commit["rps"]


def theirs(*durable):
    with peer(*durable) as rest:
        tables = fill(rest)
        return best(rest, loads, tables)["rps"], best(rest, commits, tables)["rps"]


def run(table):
    with lib.Server(core=lib.SERVER_CORE, lake=True) as server:
        load, commit = ours(table, server)
        server.client("s3").create_bucket(Bucket="peer")
        kept = theirs(server.s3_endpoint, server.access, server.secret)
    lost = theirs()
    for (their_load, their_commit), where in ((kept, "tables in SQLite (WAL, synchronous=FULL), metadata files in the same lake (JdbcCatalog, S3FileIO)"),
                                              (lost, "tables and files in memory, nothing durable (InMemoryCatalog)")):
        table.add("the same against Apache Iceberg's REST catalogue" + (" in memory" if where.startswith("tables and") else ""), "reported",
                  f"loadTable {load / their_load:.1f}× ({their_load:,.0f}/s), commit {commit / their_commit:.1f}× ({their_commit:,.0f}/s)",
                  f"iceberg-core 1.10.1 as its tests run it (Jetty) on the same core: {where}; no token asked; best of 3 loads of a warm JVM")
