"""A million partitions of three keys: batch creation, then indexed equality and range.

NIKAWA_BENCH_PARTITIONS=N (from 200,000) takes another number; every label says which it was."""
import http.client
import json
import os
import random
import re
import sys
import time

import lib

GOAL_SIZE = 1_000_000
PARTITIONS = max(200_000, int(os.environ.get("NIKAWA_BENCH_PARTITIONS", GOAL_SIZE)) // 1000 * 1000)
BATCH, CONNS, SCRIPT = 100, 8, 50_000


def descriptor():
    return {"Columns": [{"Name": f"column_{i:02d}", "Type": "decimal(18,4)" if i % 3 else "string", "Comment": "as measured"} for i in range(20)],
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe", "Parameters": {"serialization.format": "1"}}}


def values(i):
    """1,000 days × 50 regions × 20 shops."""
    return [f"{2020 + i // 1000 // 365:04d}-{i // 1000 % 365:03d}", f"region-{i // 20 % 50:02d}", str(i % 20)]


def batch(first, shared):
    """The request for BATCH partitions from the first on. Written by hand: json.dumps of a million descriptors takes
    longer than the server takes for them."""
    items = []
    for i in range(first, first + BATCH):
        day, region, shop = values(i)
        items.append(f'{{"Values":["{day}","{region}","{shop}"],"StorageDescriptor":{{{shared},"Location":"s3://lake/sales/day={day}/region={region}/shop={shop}/"}},'
                     f'"Parameters":{{"recordCount":"{i}"}}}}')
    return f'{{"DatabaseName":"bench","TableName":"sales","PartitionInputList":[{",".join(items)}]}}'.encode()


def create(server):
    """Seconds that the server took, seconds of its processor, the most bytes of a partition in a request."""
    pid, shared = lib.tree(server.process.pid)[0], json.dumps(descriptor(), separators=(",", ":"))[1:-1]
    seconds, used, size = 0.0, 0.0, 0
    for start in range(0, PARTITIONS, SCRIPT):
        signer, script = lib.Signer(server.host, server.port, server.access, server.secret), lib.Script()
        end = min(start + SCRIPT, PARTITIONS)
        for k, first in enumerate(range(start, end, BATCH)):
            request = signer.request("BatchCreatePartition", batch(first, shared))
            size = max(size, len(request) // BATCH)
            script.add(k % CONNS, request, b'"Errors":[]')
        before = lib.cpu_s(pid)
        seconds += script.play(server.host, server.port)["seconds"]
        used += lib.cpu_s(pid) - before
        print(f"    {end:,} partitions in {seconds:.1f} s, {lib.rss_mb(pid):.0f} MB resident", file=sys.stderr, flush=True)
    return seconds, used, size


def listing(server):
    """All partitions, page after page, as one client does it: seconds, pages, partitions, bytes."""
    signer = lib.Signer(server.host, server.port, server.access, server.secret)
    connection = http.client.HTTPConnection(server.host, server.port)
    connection.connect()
    token, pages, found, size, began = None, 0, 0, 0, time.monotonic()
    while token != b"":
        request = {"DatabaseName": "bench", "TableName": "sales", "ExcludeColumnSchema": True, "MaxResults": 1000}
        if token:
            request["NextToken"] = token.decode()
        connection.sock.sendall(signer.request("GetPartitions", request))
        reply = http.client.HTTPResponse(connection.sock, method="POST")
        reply.begin()
        body = reply.read()
        if reply.status != 200:
            raise RuntimeError(body.decode())
        pages, size, found = pages + 1, size + len(body), found + body.count(b'"Values":[')
        match = re.search(rb'"NextToken":"([^"]*)"', body[-4096:]) or re.search(rb'"NextToken":"([^"]*)"', body[:4096])
        token = match.group(1) if match else b""
    if found != PARTITIONS:
        raise RuntimeError(f"the listing gave {found} of {PARTITIONS} partitions")
    return time.monotonic() - began, pages, found, size


def run(table):
    with lib.Server(core=lib.SERVER_CORE) as server:
        signer = lib.Signer(server.host, server.port, server.access, server.secret)
        script = lib.Script()
        script.add(0, signer.request("CreateDatabase", {"DatabaseInput": {"Name": "bench"}}))
        script.add(0, signer.request("CreateTable", {"DatabaseName": "bench", "TableInput": {
            "Name": "sales", "PartitionKeys": [{"Name": "day", "Type": "string"}, {"Name": "region", "Type": "string"}, {"Name": "shop", "Type": "int"}],
            "StorageDescriptor": dict(descriptor(), Location="s3://lake/sales/")}}))
        script.play(server.host, server.port)
        seconds, used, size = create(server)
        rate = PARTITIONS / seconds
        table.add("batch create, durable", "≥ 20,000 partitions/s", f"{rate:,.0f}/s", f"{PARTITIONS:,} partitions of {size} bytes, {BATCH} a call, {CONNS} connections, "
                  f"server on one core; {PARTITIONS / used:,.0f} a second of processor used", at_least=[(rate, 20_000)])
        chance = random.Random(3)
        for what, expression in (("equality", lambda: "day = '%s'" % values(chance.randrange(PARTITIONS))[0]),
                                 ("equality on the second key and another", lambda: "day = '%s' AND region = 'region-%02d'" % (values(chance.randrange(PARTITIONS))[0], chance.randrange(50))),
                                 ("range", lambda: (lambda d: "day >= '%s' AND day <= '%s' AND shop = %d" % (d, d, chance.randrange(20)))(values(chance.randrange(PARTITIONS))[0]))):
            script, signer = lib.Script(), lib.Signer(server.host, server.port, server.access, server.secret)
            for _ in range(200):
                script.add(0, signer.request("GetPartitions", {"DatabaseName": "bench", "TableName": "sales", "Expression": expression(), "ExcludeColumnSchema": True}))
            result = script.play(server.host, server.port)
            table.add(f"GetPartitions of {PARTITIONS:,}, indexed {what}, ≤ 1,000 hits", "≤ 10 ms p50", f"{result['p50_us'] / 1000:.2f} ms p50, {result['p99_us'] / 1000:.2f} ms p99",
                      "one connection, 200 random expressions, ExcludeColumnSchema", at_most=[(result["p50_us"], 10_000)])
        for what, expression, count in (("infix LIKE", "region LIKE '%n-07%' AND day = '2020-100'", 20), ("OR across keys", "day = '2020-100' OR (day = '2021-007' AND shop = 3)", 20),
                                        ("infix LIKE over all", "day LIKE '%0-10%'", 3)):
            script, signer = lib.Script(), lib.Signer(server.host, server.port, server.access, server.secret)
            for k in range(count):
                script.add(0, signer.request("GetPartitions", {"DatabaseName": "bench", "TableName": "sales", "Expression": expression, "ExcludeColumnSchema": True, "Nonce": k}))
            result = script.play(server.host, server.port)
            table.add(f"GetPartitions of {PARTITIONS:,}, {what}", "reported", f"{result['p50_us'] / 1000:.2f} ms p50", f"`{expression}`, first page, {count} times")
        seconds, pages, found, size = listing(server)
        table.add(f"listing {PARTITIONS:,} partitions by pages", f"≤ {5 * PARTITIONS / GOAL_SIZE:.1f} s", f"{seconds:.1f} s, {pages:,} pages, {size / 1e6:,.0f} MB", f"{found:,} found; one client, ExcludeColumnSchema, MaxResults 1,000", at_most=[(seconds, 5 * PARTITIONS / GOAL_SIZE)])
        peak = lib.peak_mb(lib.tree(server.process.pid)[0])
        table.add("server resident through all of it", "≤ 200 MB", f"{peak:.0f} MB", "VmHWM: the most that was ever resident", at_most=[(peak, 200)])
