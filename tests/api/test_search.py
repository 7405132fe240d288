"""SearchTables through boto3, against a search of its own in Python."""
import datetime
import random
import re
import threading

import pytest
from conftest import pages, wait_for
from test_catalog import g, name, refused  # noqa: F401 (fixtures)

VOCABULARY = ["sales", "order", "customer", "link", "raw", "daily", "events", "ü", "x1", "zone", "über"]


def words(text):
    found = set()
    for w in re.findall(r"[a-z0-9_\u0080-\U0010ffff]+", text.lower()):
        found.add(w)
        if "_" in w:
            found |= {p for p in w.split("_") if p}
    return found


def texts(t):
    yield from (t.get(k, "") for k in ("Name", "DatabaseName", "Description", "Owner", "TableType"))
    for c in t.get("StorageDescriptor", {}).get("Columns", []) + t.get("PartitionKeys", []):
        yield c["Name"]
        yield c.get("Comment", "")
    for k, v in t.get("Parameters", {}).items():
        yield k
        yield v


def all_words(t):
    return set().union(*(words(x) for x in texts(t)))


def random_table(rng, n):
    def some(sep):
        return sep.join(rng.choice(VOCABULARY) for _ in range(rng.randint(1, 3)))

    return {"Name": f"{some(rng.choice('_-.'))}_{n}", "Description": some(" "), "Owner": rng.choice(["ann", "bob"]),
            "TableType": rng.choice(["EXTERNAL_TABLE", "VIRTUAL_VIEW"]), "Parameters": {"classification": rng.choice(["csv", "parquet"]), some("-"): some(":")},
            "StorageDescriptor": {"Columns": [{"Name": some("_"), "Type": "int", "Comment": some(", ")}]},
            "PartitionKeys": [{"Name": f"key_{rng.choice(VOCABULARY)}", "Type": "string"}]}


@pytest.fixture(scope="module")
def lot(bare_server):
    """A region with some hundred random tables, as GetTables gives them."""
    client = bare_server.client("glue", "ap-northeast-1")
    rng = random.Random()
    names = [name("db") for _ in range(5)]
    for n in names:
        client.create_database(DatabaseInput={"Name": n})
    for i in range(300):
        client.create_table(DatabaseName=rng.choice(names), TableInput=random_table(rng, i))
        if i == 150:
            client.search_tables(SearchText="sales")  # the index is there from here on
    for n in names:
        for page in pages(client.get_tables, "TableList", DatabaseName=n):
            for t in page[:10]:
                client.update_table(DatabaseName=n, TableInput={**random_table(rng, 0), "Name": t["Name"]})
    dropped = names.pop()
    client.delete_database(Name=dropped)
    tables = [t for n in names for page in pages(client.get_tables, "TableList", DatabaseName=n) for t in page]
    gone = tables.pop()
    client.delete_table(DatabaseName=gone["DatabaseName"], Name=gone["Name"])
    return client, tables, rng


def found(client, **params):
    got = [t for page in pages(client.search_tables, "TableList", **params) for t in page]
    ids = [(t["DatabaseName"], t["Name"]) for t in got]
    assert len(ids) == len(set(ids))
    return got


def key(t):
    return t["DatabaseName"], t["Name"]


def test_words_find_tables(lot):
    client, tables, rng = lot
    for text in VOCABULARY + ["Sales customer", "CSV", "sales_order", "key_zone ann", "nowhere", "x1 über"]:
        want = sorted(key(t) for t in tables if words(text) <= all_words(t))
        got = found(client, SearchText=text, MaxResults=rng.choice([7, 50, 1000]))
        assert sorted(map(key, got)) == want, text
        by_key = {key(t): t for t in tables}
        assert all(by_key[key(t)] == t for t in got)
    exact = tables[0]["Description"]
    assert sorted(map(key, found(client, SearchText=f'"{exact.upper()}"'))) == sorted(
        key(t) for t in tables if exact.lower() in [x.lower() for x in texts(t)])
    assert sorted(map(key, found(client))) == sorted(map(key, tables))


def test_filters_and_sorting(lot):
    client, tables, rng = lot
    db = tables[0]["DatabaseName"]
    cases = [([{"Key": "Name", "Value": "link"}], lambda t: "link" in words(t["Name"])),
             ([{"Key": "DatabaseName", "Value": db}, {"Key": "classification", "Value": "csv"}],
              lambda t: t["DatabaseName"] == db and t["Parameters"]["classification"] == "csv"),
             ([{"Key": "Owner", "Value": "ANN"}, {"Key": "TableType", "Value": "virtual_view"}], lambda t: t["Owner"] == "ann" and t["TableType"] == "VIRTUAL_VIEW"),
             ([{"Key": "Columns", "Value": "raw"}], lambda t: any("raw" in words(c["Name"]) for c in t["StorageDescriptor"]["Columns"] + t["PartitionKeys"]))]
    for filters, holds in cases:
        for field in ("Name", "DatabaseName", "UpdateTime", "CreateTime"):
            for order in ("ASC", "DESC"):
                got = found(client, Filters=filters, SortCriteria=[{"FieldName": field, "Sort": order}], MaxResults=rng.choice([9, 100]))
                assert sorted(map(key, got)) == sorted(key(t) for t in tables if holds(t)), filters
                values = [t[field] for t in got]
                assert values == sorted(values, reverse=order == "DESC"), (field, order)
    times = sorted(t["UpdateTime"] for t in tables)
    middle = times[len(times) // 2]
    at = middle.astimezone(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    whole = middle.replace(microsecond=0)
    for comparator, holds in (("GREATER_THAN", lambda t: t > whole), ("LESS_THAN", lambda t: t < whole), ("GREATER_THAN_EQUALS", lambda t: t >= whole),
                              ("LESS_THAN_EQUALS", lambda t: t <= whole), ("EQUALS", lambda t: t.replace(microsecond=0) == whole)):
        got = found(client, Filters=[{"Key": "UpdateTime", "Value": at, "Comparator": comparator}])
        assert sorted(map(key, got)) == sorted(key(t) for t in tables if holds(t["UpdateTime"])), comparator


def test_changes_are_seen_at_once(g):
    g.search_tables(SearchText="x")
    db, word = name("db"), name("word")
    g.create_database(DatabaseInput={"Name": db})
    g.create_table(DatabaseName=db, TableInput={"Name": "a", "Description": f"some {word} here"})
    assert [t["Name"] for t in found(g, SearchText=word)] == ["a"]
    g.update_table(DatabaseName=db, TableInput={"Name": "a", "Description": "nothing"})
    assert found(g, SearchText=word) == []
    g.update_table(DatabaseName=db, TableInput={"Name": "a", "Parameters": {"k": word}})
    assert len(found(g, SearchText=word)) == 1
    g.delete_table(DatabaseName=db, Name="a")
    assert found(g, SearchText=word) == []
    g.create_table(DatabaseName=db, TableInput={"Name": "a", "Owner": word})
    assert len(found(g, SearchText=word)) == 1
    g.delete_database(Name=db)
    assert found(g, SearchText=word) == []


def test_a_first_search_misses_nothing(new_server):
    """Tables that are created while the index is first made."""
    s = new_server(lake=False)
    clients = [s.client("glue") for _ in range(4)]
    clients[0].create_database(DatabaseInput={"Name": "d"})
    made, go = [], threading.Barrier(4)

    def create(n):
        go.wait()
        for i in range(60):
            clients[n].create_table(DatabaseName="d", TableInput={"Name": f"t{n}_{i}", "Description": "common"})
            made.append(f"t{n}_{i}")

    threads = [threading.Thread(target=create, args=(n,)) for n in range(3)]
    for t in threads:
        t.start()
    go.wait()
    wait_for(lambda: len(made) >= 60)
    before = set(made)
    assert before <= {t["Name"] for t in found(clients[3], SearchText="common", MaxResults=1000)}
    for t in threads:
        t.join()
    assert {t["Name"] for t in found(clients[3], SearchText="common", MaxResults=1000)} == set(made)


def test_what_is_refused(g):
    refused("InvalidInputException", g.search_tables, "is for times", Filters=[{"Key": "Name", "Value": "x", "Comparator": "LESS_THAN"}])
    refused("InvalidInputException", g.search_tables, "is no time", Filters=[{"Key": "CreateTime", "Value": "yesterday"}])
    refused("InvalidInputException", g.search_tables, "cannot be sorted", SortCriteria=[{"FieldName": "Wheel", "Sort": "ASC"}])
    refused("InvalidInputException", g.search_tables, "Key and a Value", Filters=[{"Key": "Name"}])
    refused("InvalidInputException", g.search_tables, NextToken="x")


def test_the_index_is_made_at_the_start_while_tables_change(new_server):
    s = new_server(lake=False)
    g, rng = s.client("glue"), random.Random()
    g.create_database(DatabaseInput={"Name": "d"})
    for i in range(400):
        g.create_table(DatabaseName="d", TableInput=random_table(rng, i))
    g.search_tables(SearchText="sales")  # from here on it is made at the start
    for how in (s.stop, s.kill):
        how()
        s.start()
        clients = [s.client("glue") for _ in range(4)]
        every = [t for p in clients[0].get_paginator("get_tables").paginate(DatabaseName="d") for t in p["TableList"]]
        names = [t["Name"] for t in every]
        missing = []

        def change(n, client):
            mine = random.Random(n)
            for i in range(40):
                t = {"Name": mine.choice(names[n::4]), "Description": f"fresh{n}x{i}"} if i % 2 else random_table(mine, f"{how.__name__}{n}x{i}")
                if i % 2:
                    client.update_table(DatabaseName="d", TableInput=t)
                else:
                    client.create_table(DatabaseName="d", TableInput=t)
                word = f"fresh{n}x{i}" if i % 2 else t["Name"].split("_")[-1]
                if t["Name"] not in [x["Name"] for x in client.search_tables(SearchText=word)["TableList"]]:
                    missing.append((t["Name"], word))

        work = [threading.Thread(target=change, args=(n, c)) for n, c in enumerate(clients)]
        [w.start() for w in work]
        [w.join() for w in work]
        assert not missing
        now = [t for p in clients[0].get_paginator("get_tables").paginate(DatabaseName="d") for t in p["TableList"]]
        for word in [*VOCABULARY, "fresh1x1"]:
            found = [t["Name"] for p in pages(clients[0].search_tables, "TableList", SearchText=word, MaxResults=50) for t in p]
            assert sorted(found) == sorted(t["Name"] for t in now if word in all_words(t)), word
