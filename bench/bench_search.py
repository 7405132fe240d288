"""SearchTables among 100,000 tables in 1,000 databases."""
import random
import time

import lib

DATABASES, TABLES, WORDS, CONNS, SEARCHES = 1_000, 100_000, 4_000, 16, 400


def vocabulary(chance):
    """Words of two to four syllables, of which the first few are in most tables and the last in few."""
    parts = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = set()
    while len(words) < WORDS:
        words.add("".join(chance.choices(parts, k=chance.randint(2, 4))))
    words = sorted(words)
    chance.shuffle(words)
    return words, [1 / (i + 1) for i in range(WORDS)]


def fill(server, words, weights, chance):
    signer, script = lib.Signer(server.host, server.port, server.access, server.secret), lib.Script()
    for i in range(DATABASES):
        script.add(i % CONNS, signer.request("CreateDatabase", {"DatabaseInput": {"Name": f"base{i:04d}"}}))
    script.play(server.host, server.port)
    script = lib.Script()
    for i in range(TABLES):
        said = chance.choices(words, weights, k=16)
        script.add(i % CONNS, signer.request("CreateTable", {"DatabaseName": f"base{i % DATABASES:04d}", "TableInput": {
            "Name": f"{said[0]}_{said[1]}_{i:06d}", "Description": " ".join(said[2:8]), "Parameters": {"classification": "parquet", "team": said[8]},
            "StorageDescriptor": {"Location": f"s3://lake/{said[0]}/{i}/", "Columns": [
                {"Name": f"{word}_{k}", "Type": "string", "Comment": f"the {word}"} for k, word in enumerate(said[9:])]}}}))
    return script.play(server.host, server.port)


def searches(server, bodies):
    signer, script = lib.Signer(server.host, server.port, server.access, server.secret), lib.Script()
    for body in bodies:
        script.add(0, signer.request("SearchTables", {"MaxResults": 100, **body}), b'"TableList":[{')
    return script.play(server.host, server.port)


def run(table):
    chance = random.Random(11)
    words, weights = vocabulary(chance)
    with lib.Server(core=lib.SERVER_CORE) as server:
        pid = lib.tree(server.process.pid)[0]
        fill(server, words, weights, chance)
        before, start = lib.rss_mb(pid), time.monotonic()
        searches(server, [{"SearchText": words[0]}])
        first, after = time.monotonic() - start, lib.rss_mb(pid)
        kinds = {
            "by a word": [{"SearchText": chance.choices(words, weights)[0]} for _ in range(SEARCHES)],
            "by a rare word": [{"SearchText": word} for word in chance.sample(words[WORDS // 2:], SEARCHES)],
            "by a word, newest first": [{"SearchText": chance.choices(words, weights)[0], "SortCriteria": [{"FieldName": "UpdateTime", "Sort": "DESC"}]}
                                        for _ in range(SEARCHES)],
            "by a parameter": [{"Filters": [{"Key": "team", "Value": chance.choices(words, weights)[0], "Comparator": "EQUALS"}]} for _ in range(SEARCHES)],
        }
        for what, bodies in kinds.items():
            result = searches(server, bodies)
            goal = what == "by a word"
            table.add(f"SearchTables of 100,000, {what}", "≤ 20 ms p50" if goal else "reported",
                      f"{result['p50_us'] / 1000:.2f} ms p50, {result['p99_us'] / 1000:.1f} ms p99",
                      f"1,000 databases; one connection, {SEARCHES} searches, the first page of 100; a vocabulary of {WORDS:,} words of Zipf's frequencies",
                      at_most=[(result["p50_us"], 20_000)] if goal else [])
        table.add("the first SearchTables", "reported", f"{first * 1000:.0f} ms", f"resident {before:.0f} MB before and {after:.0f} MB after")
