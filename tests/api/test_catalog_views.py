"""Views of several dialects through boto3; Athena's own kind of view."""
import base64
import json
import random

import pytest
from test_catalog import name, refused

COLUMNS = [{"Name": "id", "Type": "int"}, {"Name": "n", "Type": "string"}]
OBJECT = "arn:aws:glue:us-east-1:000000000000:table/d/base"


def said(dialect, text="SELECT 1", **more):
    return {"Dialect": dialect, "DialectVersion": "3", "ViewOriginalText": text, **more}


def view(*representations, **more):
    return {"Representations": list(representations), **more}


def table(definition, columns=COLUMNS, **more):
    return {"Name": "v", "TableType": "VIRTUAL_VIEW", "StorageDescriptor": {"Columns": columns}, "ViewDefinition": definition, **more}


@pytest.fixture
def g(bare_glue):
    return bare_glue


@pytest.fixture
def db(g):
    n = name("views")
    g.create_database(DatabaseInput={"Name": n})
    yield n
    g.delete_database(Name=n)


def dialects(t):
    return {r["Dialect"]: (r["ViewOriginalText"], r.get("IsStale")) for r in t["ViewDefinition"]["Representations"]}


def get(g, db, **more):
    return g.get_table(DatabaseName=db, Name="v", **more)["Table"]


def test_a_definition_is_kept(g, db):
    definition = view(said("ATHENA", "SELECT a", ViewExpandedText="SELECT d.a"), said("REDSHIFT", "SELECT b", ValidationConnection="c"), IsProtected=True,
                      Definer="arn:aws:iam::000000000000:role/definer", SubObjects=[OBJECT])
    g.create_table(DatabaseName=db, TableInput=table(definition))
    t = get(g, db)
    assert t["ViewDefinition"] == definition and t["IsMultiDialectView"] is True and t["TableType"] == "VIRTUAL_VIEW" and "Status" not in t
    status = get(g, db, IncludeStatusDetails=True)["Status"]
    assert (status["Action"], status["State"]) == ("CREATE", "SUCCESS") and status["Details"]["RequestedChange"]["Name"] == "v"
    assert [(v["Dialect"], v["ViewValidationText"], v["State"]) for v in status["Details"]["ViewValidations"]] == [("ATHENA", "SELECT a", "SUCCESS"), ("REDSHIFT", "SELECT b", "SUCCESS")]
    [listed] = g.get_tables(DatabaseName=db, IncludeStatusDetails=True)["TableList"]
    assert listed["Status"]["State"] == "SUCCESS" and listed["ViewDefinition"] == definition
    g.create_table(DatabaseName=db, TableInput={"Name": "plain"})
    plain = g.get_table(DatabaseName=db, Name="plain", IncludeStatusDetails=True)["Table"]
    assert "Status" not in plain and plain["IsMultiDialectView"] is False
    for broken, says in ((view(said("ATHENA"), said("ATHENA")), "twice"), (view({"Dialect": "SPARK"}), "text"), (view({"ViewOriginalText": "x"}), "Dialect")):
        refused("InvalidInputException", g.create_table, says, DatabaseName=db, TableInput={**table(broken), "Name": "other"})


def test_random_actions_are_the_models(g, db):
    seed = random.randrange(10 ** 9)
    rng, have, columns, met = random.Random(seed), {"ATHENA": ("SELECT 0", None)}, COLUMNS, set()
    g.create_table(DatabaseName=db, TableInput=table(view(said("ATHENA", "SELECT 0"), SubObjects=[OBJECT])))
    for i in range(80):
        action = rng.choice(["ADD", "REPLACE", "ADD_OR_REPLACE", "DROP"])
        which = rng.sample(["ATHENA", "REDSHIFT", "SPARK"], rng.choice([1, 1, 2]))
        other, force = rng.random() < 0.3, rng.random() < 0.5
        mine = [{"Name": f"c{i}", "Type": "int"}] if other else columns
        wrong = (other and not force) or (action == "ADD" and set(which) & set(have)) or (action in ("REPLACE", "DROP") and set(which) - set(have)) or (
            action == "DROP" and set(which) == set(have))
        params = {"DatabaseName": db, "ViewUpdateAction": action, "Force": force,
                  "TableInput": table(view(*[said(d, f"SELECT {i}") for d in which]), mine)}
        if wrong:
            refused("InvalidInputException", g.update_table, **params)
        else:
            g.update_table(**params)
            columns = mine
            kept = {d: (text, True if other else stale) for d, (text, stale) in have.items() if d not in which}
            have = kept if action == "DROP" else {**kept, **{d: (f"SELECT {i}", None) for d in which}}
            met.add(action)
        t = get(g, db)
        assert dialects(t) == have and t["StorageDescriptor"]["Columns"] == columns, (seed, i)
        assert t["ViewDefinition"]["SubObjects"] == [OBJECT]
    assert met, seed


def test_actions_want_a_view(g, db):
    g.create_table(DatabaseName=db, TableInput={"Name": "plain", "Description": "d"})
    refused("InvalidInputException", g.update_table, "no view", DatabaseName=db, ViewUpdateAction="ADD", TableInput={**table(view(said("SPARK"))), "Name": "plain"})
    g.create_table(DatabaseName=db, TableInput=table(view(said("SPARK")), Description="stays", Parameters={"k": "v"}))
    refused("InvalidInputException", g.update_table, "Representations", DatabaseName=db, ViewUpdateAction="ADD", TableInput={"Name": "v"})
    refused("InvalidInputException", g.update_table, "last dialect", DatabaseName=db, ViewUpdateAction="DROP", TableInput={"Name": "v", "ViewDefinition": view({"Dialect": "SPARK"})})
    g.update_table(DatabaseName=db, ViewUpdateAction="ADD", TableInput={"Name": "v", "ViewDefinition": view(said("ATHENA"))})
    t = get(g, db, IncludeStatusDetails=True)
    assert t["Description"] == "stays" and t["Parameters"] == {"k": "v"} and t["Status"]["Action"] == "UPDATE" and set(dialects(t)) == {"SPARK", "ATHENA"}
    refused("InvalidInputException", g.update_table, "SubObjects", DatabaseName=db, ViewUpdateAction="REPLACE",
            TableInput={"Name": "v", "ViewDefinition": view(said("ATHENA"), SubObjects=[OBJECT])})
    g.update_table(DatabaseName=db, TableInput={"Name": "v"})  # without an action all is replaced
    t = get(g, db)
    assert "ViewDefinition" not in t and t["IsMultiDialectView"] is False


def test_an_engine_reads_its_dialect(g, db):
    g.create_table(DatabaseName=db, TableInput=table(view(said("ATHENA", "SELECT a", ViewExpandedText="SELECT d.a"), said("SPARK", "SELECT s"), IsProtected=True)))
    at = {"CatalogId": "000000000000", "DatabaseName": db, "Name": "v", "SupportedPermissionTypes": ["COLUMN_PERMISSION"]}
    reply = g.get_unfiltered_table_metadata(SupportedDialect={"Dialect": "ATHENA", "DialectVersion": "3"}, QuerySessionContext={"QueryAuthorizationId": "mine"}, **at)
    assert (reply["Table"]["ViewOriginalText"], reply["Table"]["ViewExpandedText"]) == ("SELECT a", "SELECT d.a")
    assert reply["IsMultiDialectView"] and reply["IsProtected"] and not reply["IsMaterializedView"] and reply["QueryAuthorizationId"] == "mine"
    refused("InvalidInputException", g.get_unfiltered_table_metadata, "REDSHIFT", SupportedDialect={"Dialect": "REDSHIFT"}, **at)
    g.update_table(DatabaseName=db, ViewUpdateAction="REPLACE", Force=True, TableInput=table(view(said("SPARK", "SELECT t")), [{"Name": "x", "Type": "int"}]))
    refused("InvalidInputException", g.get_unfiltered_table_metadata, "stale", SupportedDialect={"Dialect": "ATHENA"}, **at)
    assert g.get_unfiltered_table_metadata(SupportedDialect={"Dialect": "SPARK"}, **at)["Table"]["ViewOriginalText"] == "SELECT t"


def test_athenas_own_views(g, db):
    presto = {"originalSql": "SELECT 1 AS one", "catalog": "awsdatacatalog", "schema": db, "columns": [{"name": "one", "type": "integer"}]}
    text = f"/* Presto View: {base64.b64encode(json.dumps(presto).encode()).decode()} */"
    put = {"Name": "athena", "TableType": "VIRTUAL_VIEW", "Parameters": {"presto_view": "true", "comment": "Presto View"}, "ViewOriginalText": text, "ViewExpandedText": "/* Presto View */",
           "StorageDescriptor": {"Columns": [{"Name": "one", "Type": "int"}], "SerdeInfo": {}, "Compressed": False, "NumberOfBuckets": 0,
                                 "SortColumns": [], "StoredAsSubDirectories": False}}
    g.create_table(DatabaseName=db, TableInput=put)
    t = g.get_table(DatabaseName=db, Name="athena")["Table"]
    assert {k: t[k] for k in put} == put and t["IsMultiDialectView"] is False
