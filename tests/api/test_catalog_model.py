"""Random operations against a model, alone and many at a time; what must not happen when many want the same."""
import random
import threading

import pytest
from catalog_model import CALLS, Model, call, part_input, random_operation, read_back, table_input
from conftest import every
from test_catalog import name, refused


@pytest.fixture
def g(bare_server):
    return bare_server.client("glue", "eu-west-2")


def run_sequence(g, rng, names, n):
    model, met = Model(), {}
    for i in range(n):
        op, p = random_operation(rng, model, names)
        want = model.apply(op, p)
        got = call(g, op, p)
        assert got == want, (i, op, p)
        met[op] = met.get(op, 0) + (not want)
    return model, met


def test_random_operations_are_the_models(g, watch):
    seed = random.randrange(10 ** 9)
    rng = random.Random(seed)
    names = [name("db") for _ in range(3)], ["t1", "t2", "t3"]
    model, met = run_sequence(g, rng, names, 700)
    assert read_back(g, lambda d: d in names[0]).databases == model.databases, seed
    assert set(met) == set(CALLS), (seed, met)
    for op in ("UpdateTable", "BatchCreatePartition", "BatchDeletePartition"):
        watch.proved(op)


def test_a_catalog_of_its_own_is_as_the_accounts(bare_server):
    """The same operations with a CatalogId, beside the same names in the account's own catalogue."""
    seed, catalog = random.randrange(10 ** 9), name("cat")
    mine, plain = bare_server.client("glue", "eu-west-2"), bare_server.client("glue", "eu-west-2")
    mine.create_catalog(Name=catalog, CatalogInput={})
    mine.meta.events.register("provide-client-params.glue", lambda params, **_: {**params, "CatalogId": catalog})
    names = [name("db") for _ in range(2)], ["t1", "t2"]
    within, _ = run_sequence(mine, random.Random(seed), names, 200)
    beside, _ = run_sequence(plain, random.Random(seed + 1), names, 100)
    assert read_back(mine, lambda d: d in names[0]).databases == within.databases, seed
    assert read_back(plain, lambda d: d in names[0]).databases == beside.databases, seed
    plain.delete_catalog(CatalogId=catalog)
    refused("EntityNotFoundException", mine.get_databases)
    assert read_back(plain, lambda d: d in names[0]).databases == beside.databases, seed


def test_batches_refuse_what_is_not_there(g):
    for call_, more in ((g.batch_create_partition, {"PartitionInputList": []}), (g.batch_delete_partition, {"PartitionsToDelete": []}),
                        (g.batch_update_partition, {"Entries": [{"PartitionValueList": ["x"], "PartitionInput": {}}]}), (g.batch_get_partition, {"PartitionsToGet": []}),
                        (g.batch_delete_table_version, {"VersionIds": []})):
        refused("EntityNotFoundException", call_, DatabaseName=name(), TableName="t", **more)


def test_many_at_a_time_keep_out_of_each_other(bare_server):
    seed, failures = random.randrange(10 ** 9), []
    prefix = name("c")

    def work(n):
        client = bare_server.client("glue", "eu-west-2")
        names = [f"{prefix}_{n}_{i}" for i in range(2)], ["t1", "t2"]
        try:
            model, _ = run_sequence(client, random.Random(seed + n), names, 150)
            assert read_back(client, lambda d: d in names[0]).databases == model.databases
        except BaseException as e:  # noqa: BLE001 (told by the test itself)
            failures.append((n, repr(e)[:2000]))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures, (seed, failures)


def at_once(server, n, work):
    """work(client, number) on n threads that begin together; what each gave back."""
    results, start = [None] * n, threading.Barrier(n)

    def run(i):
        client = server.client("glue", "eu-west-2")
        start.wait()
        results[i] = work(client, i)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_of_many_creations_one_is_done(bare_server, g):
    db = name("db")
    for what, params in (("create_database", {"db": db, "text": "x"}), ("create_table", {"db": db, "table": "t", "text": "x"}),
                         ("create_partition", {"db": db, "table": "t", "values": ("1", "a"), "text": "x"}), ("create_function", {"db": db, "function": "f", "text": "x"})):
        codes = at_once(bare_server, 8, lambda c, i: call(c, what, {**params, "text": f"{i}"}))
        assert sorted(codes, key=str) == ["AlreadyExistsException"] * 7 + [None], what
        winner = codes.index(None)
        state = read_back(g, lambda d: d == db).databases[db]
        found = {"create_database": lambda: state["Description"], "create_table": lambda: state["tables"]["t"]["Description"],
                 "create_partition": lambda: state["tables"]["t"]["parts"]["1", "a"], "create_function": lambda: state["functions"]["f"]}[what]()
        assert found == str(winner)


def test_no_update_is_lost(bare_server, g):
    """A counter in a table, moved by compare-and-swap on VersionId."""
    db = name("db")
    g.create_database(DatabaseInput={"Name": db})
    g.create_table(DatabaseName=db, TableInput=table_input("t", "0"))

    def count(client, i):
        done = 0
        for _ in range(25):
            t = client.get_table(DatabaseName=db, Name="t")["Table"]
            code = call(client, "update_table", {"db": db, "table": "t", "text": str(int(t["Description"]) + 1), "expected": int(t["VersionId"]), "skip": False})
            assert code in (None, "ConcurrentModificationException")
            done += code is None
        return done

    done = at_once(bare_server, 6, count)
    t = g.get_table(DatabaseName=db, Name="t")["Table"]
    assert int(t["Description"]) == sum(done) == int(t["VersionId"])
    versions = every(g.get_table_versions, "TableVersions", DatabaseName=db, TableName="t", MaxResults=7)
    assert [int(v["VersionId"]) for v in versions] == list(range(sum(done), -1, -1))
    assert all(v["VersionId"] == v["Table"]["Description"] for v in versions)


def test_listing_while_others_delete_and_create(bare_server, g):
    db = name("db")
    g.create_database(DatabaseInput={"Name": db})
    g.create_table(DatabaseName=db, TableInput=table_input("t", "x"))
    stay = {(str(i), "stay") for i in range(60)}
    go = [(str(i), "go") for i in range(60)]
    for group in (sorted(stay), go):
        g.batch_create_partition(DatabaseName=db, TableName="t", PartitionInputList=[part_input(v, "x") for v in group])
    for i in range(40):
        g.create_table(DatabaseName=db, TableInput=table_input(f"{'stay' if i % 2 else 'go'}{i:02d}", "x"))

    def work(client, i):
        if i == 0:
            for v in go:
                call(client, "delete_partition", {"db": db, "table": "t", "values": v})
        elif i == 1:
            for k in range(60):
                call(client, "create_partition", {"db": db, "table": "t", "values": (str(k), "new"), "text": "x"})
        elif i == 2:
            for k in range(0, 40, 2):
                call(client, "delete_table", {"db": db, "table": f"go{k:02d}"})
        else:
            for _ in range(4):
                found = [tuple(p["Values"]) for p in every(client.get_partitions, "Partitions", DatabaseName=db, TableName="t", MaxResults=7)]
                assert len(found) == len(set(found)) and stay <= set(found)
                tables = [t["Name"] for t in every(client.get_tables, "TableList", DatabaseName=db, MaxResults=3)]
                assert len(tables) == len(set(tables)) and {f"stay{k:02d}" for k in range(1, 40, 2)} <= set(tables)
            return True

    assert at_once(bare_server, 6, work)[3:] == [True] * 3
    left = {tuple(p["Values"]) for p in every(g.get_partitions, "Partitions", DatabaseName=db, TableName="t")}
    assert left == stay | {(str(k), "new") for k in range(60)}


def test_a_database_goes_while_others_write_into_it(bare_server, g):
    db = name("db")
    g.create_database(DatabaseInput={"Name": db, "Description": "x"})

    def work(client, i):
        codes = set()
        for k in range(40):
            if i == 0:
                codes.add(call(client, "delete_database", {"db": db}) if k % 2 else call(client, "create_database", {"db": db, "text": "x"}))
            else:
                codes.add(call(client, "create_table", {"db": db, "table": f"t{i}_{k}", "text": "x"}))
                codes.add(call(client, "create_partition", {"db": db, "table": f"t{i}_{k}", "values": ("1", "a"), "text": "x"}))
        return codes

    codes = at_once(bare_server, 4, work)
    assert set().union(*codes) <= {None, "EntityNotFoundException", "AlreadyExistsException"}
    call(g, "delete_database", {"db": db})
    g.create_database(DatabaseInput={"Name": db, "Description": "y"})
    assert read_back(g, lambda d: d == db).databases[db] == {"Description": "y", "tables": {}, "functions": {}}
