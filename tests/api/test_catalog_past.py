"""QueryAsOfTime: what was told at each moment of a random history is told again."""
import datetime
import itertools
import random
import time

import pytest
from conftest import every
from test_catalog import name, refused


@pytest.fixture
def g(new_server):
    return new_server(lake=False).client("glue")


def tables(g, db, **more):
    try:
        return {t["Name"]: t for t in every(g.get_tables, "TableList", DatabaseName=db, **more)}
    except g.exceptions.EntityNotFoundException:
        return None


def moment(last=None):
    """A time between two changes: a millisecond of its own."""
    while True:
        now = datetime.datetime.now(datetime.timezone.utc)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        if last is None or now > last:
            return now
        time.sleep(0.0005)


def test_what_was_is_told(g):
    seed = random.randrange(10 ** 9)
    rng, states, at = random.Random(seed), [], None
    for i in itertools.count():
        if len(states) > 30:
            break
        t, d = rng.choice("abcde"), rng.choice(["d1", "d2"])
        ways = [lambda: g.create_table(DatabaseName=d, TableInput={"Name": t, "Description": str(i)}), lambda: g.update_table(DatabaseName=d, TableInput={"Name": t, "Description": str(i)}),
                lambda: g.delete_table(DatabaseName=d, Name=t)]
        ways = ways * 4 + [lambda: g.create_database(DatabaseInput={"Name": d}), lambda: g.delete_database(Name=d), lambda: g.update_database(Name=d, DatabaseInput={"Name": d, "Description": "x"})]
        try:
            rng.choice(ways)() if i > 1 else g.create_database(DatabaseInput={"Name": ["d1", "d2"][i]})
        except (g.exceptions.EntityNotFoundException, g.exceptions.AlreadyExistsException):
            continue
        at = moment(at)
        states.append((at, {d: tables(g, d) for d in ("d1", "d2")}))
        at = moment(at)  # the next change is after it
    for when, was in rng.sample(states, 20):
        for d, held in was.items():
            assert tables(g, d, QueryAsOfTime=when) == held, (seed, when)
            assert tables(g, d, QueryAsOfTime=when, MaxResults=2) == held, (seed, when)
            for t in "abcde":
                if held and t in held:
                    assert g.get_table(DatabaseName=d, Name=t, QueryAsOfTime=when)["Table"] == held[t], (seed, when)
                else:
                    refused("EntityNotFoundException", g.get_table, DatabaseName=d, Name=t, QueryAsOfTime=when)


def test_in_a_catalog_and_by_a_link(g):
    g.create_catalog(Name="c", CatalogInput={})
    g.create_database(CatalogId="c", DatabaseInput={"Name": "d"})
    g.create_table(CatalogId="c", DatabaseName="d", TableInput={"Name": "t", "Description": "one"})
    g.create_database(DatabaseInput={"Name": "l", "TargetDatabase": {"CatalogId": "c", "DatabaseName": "d"}})
    when = moment(moment())
    moment(when)
    g.update_table(CatalogId="c", DatabaseName="d", TableInput={"Name": "t", "Description": "two"})
    for where in ({"CatalogId": "c", "DatabaseName": "d"}, {"DatabaseName": "l"}):
        assert g.get_table(Name="t", **where)["Table"]["Description"] == "two"
        assert g.get_table(Name="t", QueryAsOfTime=when, **where)["Table"]["Description"] == "one"
        assert [t["Description"] for t in g.get_tables(QueryAsOfTime=when, **where)["TableList"]] == ["one"]


def test_transactions_and_times(g):
    g.create_database(DatabaseInput={"Name": "d"})
    g.create_table(DatabaseName="d", TableInput={"Name": "t"}, TransactionId="x")
    g.update_table(DatabaseName="d", TableInput={"Name": "t", "Description": "y"}, TransactionId="x")
    assert g.get_table(DatabaseName="d", Name="t", TransactionId="x")["Table"]["Description"] == "y"
    now = datetime.datetime.now(datetime.timezone.utc)
    for call, more in ((g.get_table, {"Name": "t"}), (g.get_tables, {}), (g.get_partitions, {"TableName": "t"})):
        refused("InvalidInputException", call, "together", DatabaseName="d", TransactionId="x", QueryAsOfTime=now, **more)
    refused("InvalidInputException", g.get_partitions, "QueryAsOfTime", DatabaseName="d", TableName="t", QueryAsOfTime=now)
    g.delete_table(DatabaseName="d", Name="t", TransactionId="x")
    g.batch_delete_table(DatabaseName="d", TablesToDelete=["t"], TransactionId="x")


def test_a_history_that_does_not_reach_back(new_server):
    g = new_server(lake=False, args=["--history", "3"]).client("glue")
    n = name()
    g.create_database(DatabaseInput={"Name": n})
    g.create_table(DatabaseName=n, TableInput={"Name": "t"})
    when = moment(moment())
    for i in range(5):
        moment(when)
        g.update_table(DatabaseName=n, TableInput={"Name": "t", "Description": str(i)})
    now = moment(moment())
    refused("InvalidInputException", g.get_tables, "does not reach", DatabaseName=n, QueryAsOfTime=when)
    assert g.get_table(DatabaseName=n, Name="t", QueryAsOfTime=now)["Table"]["Description"] == "4"
