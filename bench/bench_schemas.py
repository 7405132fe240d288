"""A large registry: 100,000 schemas of 10 versions each. How fast it starts, what it occupies, whether lookups slow down."""
import json
import os
import random
import re

import bench_registry
import lib

SCHEMAS, VERSIONS, CHUNK = int(os.environ.get("NIKAWA_BENCH_SCHEMAS", 100_000)), 10, 20_000


def fill(server):
    """Every version judged BACKWARD against the one before it, through the Confluent door."""
    script, count, used = lib.Script(), 0, 0
    for version in range(VERSIONS):
        for i in range(SCHEMAS):
            body = {"schema": bench_registry.definition(i, version)}
            script.add(i % bench_registry.CLIENTS, bench_registry.rest(server, "POST", f"/subjects/s{i:06d}/versions", body))
            count += 1
            if count % CHUNK == 0 or i == SCHEMAS - 1:
                used += script.play(server.host, server.port)["seconds"]
                script = lib.Script()
    return count / used


def known(server, seed, count=2_000):
    """(number, UUID) of some versions, asked of the server."""
    chance, found = random.Random(seed), []
    import urllib.request

    for _ in range(count):
        number = chance.randrange(1, SCHEMAS * VERSIONS + 1)
        head = dict(re.findall(r"(Authorization): (.*)\r\n", bench_registry.rest(server, "GET", "/").decode()))
        request = urllib.request.Request(f"{server.url}/confluent/schemas/ids/{number}", headers=head)
        with urllib.request.urlopen(request) as answer:
            answer = json.loads(answer.read())
        found.append((number, answer["guid"], answer["schema"]))
    return found


def lookups(table, server, few=None):
    """Lookups a second by both doors; few: what a small registry did."""
    signer = lib.Signer(server.host, server.port, server.access, server.secret)
    pid, some, best = lib.tree(server.process.pid)[0], known(server, 7), {}
    for what, make in (("GetSchemaVersion by id, SigV4", lambda s: bench_registry.by_uuid(server, signer, some, s)),
                       ("GET /schemas/ids/{id}, Confluent door", lambda s: bench_registry.by_number(server, some, s))):
        best[what] = max((make(s).play(server.host, server.port, pid=pid) for s in (1, 2, 3)), key=lambda r: r["rps_cpu"])
        if few:
            share = best[what]["rps_cpu"] / few[what]["rps_cpu"]
            table.add(f"{what}, of {SCHEMAS * VERSIONS:,} versions", "≥ 0.9 of a small registry's", f"{share:.2f} ({best[what]['rps']:,.0f}/s)",
                      f"2,000 random versions; by processor time: {best[what]['rps_cpu']:,.0f} against {few[what]['rps_cpu']:,.0f} a second", at_least=[(share, 0.9)])
    return best


def anything(server, seed):
    """Numbers that nobody has asked for of late."""
    chance, script = random.Random(seed), lib.Script()
    for k in range(bench_registry.REQUESTS):
        path = f"/schemas/ids/{chance.randrange(1, SCHEMAS * VERSIONS + 1)}?n={seed}-{k}"
        script.add(k % bench_registry.CONNS, bench_registry.rest(server, "GET", path), b'"guid"')
    return script


def run(table):
    global SCHEMAS
    many = SCHEMAS
    SCHEMAS = 200  # a small registry of the same schemas
    with lib.Server(core=lib.SERVER_CORE) as server:
        fill(server)
        few = lookups(table, server)
    SCHEMAS = many
    with lib.Server(core=lib.SERVER_CORE) as server:
        rate = fill(server)
        pid = lib.tree(server.process.pid)[0]
        table.add(f"server resident while {SCHEMAS:,} schemas of {VERSIONS} versions came", "≤ 300 MB", f"{lib.peak_mb(pid):.0f} MB",
                  f"VmHWM; {rate:,.0f} versions a second, each judged BACKWARD", at_most=[(lib.peak_mb(pid), 300)])
        server.keep = True
        server.__exit__()
        starts = []
        for _ in range(5):
            server.__init__(core=lib.SERVER_CORE, folder=server.folder)
            starts.append(server.ready_s)
            server.__exit__()
        server.__init__(core=lib.SERVER_CORE, folder=server.folder)
        server.keep = False
        size = (server.folder / "store.db").stat().st_size / 2**20
        table.add(f"start with {SCHEMAS:,} schemas of {VERSIONS} versions", "≤ 1 s", f"{lib.median(starts) * 1000:.0f} ms",
                  f"median of 5, process start to its ready line; a store of {size:,.0f} MB", at_most=[(lib.median(starts), 1)])
        pid = lib.tree(server.process.pid)[0]
        lookups(table, server, few)
        best = max((anything(server, s).play(server.host, server.port, pid=pid) for s in (1, 2, 3)), key=lambda r: r["rps_cpu"])
        table.add("… any of them, each asked for the first time or nearly", "reported", f"{best['rps']:,.0f}/s", f"60,000 of {SCHEMAS * VERSIONS:,} at random, "
                  f"three times; {best['rps_cpu']:,.0f} a second of processor used")
        table.add("… resident after those lookups", "≤ 300 MB", f"{lib.peak_mb(pid):.0f} MB", "VmHWM", at_most=[(lib.peak_mb(pid), 300)])
