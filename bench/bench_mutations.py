"""Durable single mutations: 64 clients, each answer after its fsync."""
import lib

CLIENTS, REQUESTS = 64, 30_000


def run(table):
    with lib.Server(core=lib.SERVER_CORE) as server:
        signer = lib.Signer(server.host, server.port, server.access, server.secret)
        script = lib.Script()
        for i in range(REQUESTS):
            script.add(i % CLIENTS, signer.request("CreateDatabase", {"DatabaseInput": {"Name": f"d{i:06d}", "Description": "made by a benchmark"}}))
        result = script.play(server.host, server.port)
    table.add("durable single mutations, 64 clients", "≥ 5,000/s", f"{result['rps']:,.0f}/s, p50 {result['p50_us'] / 1000:.1f} ms, p99 {result['p99_us'] / 1000:.1f} ms",
              "CreateDatabase; WAL with synchronous=FULL, commits shared; server on one core", result["rps"] >= 5_000)
