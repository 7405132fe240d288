"""Which names of a statement are tables, and what becomes of them."""

import pytest

from nikawa import spark_catalog


def names(sql):
    return [parts for _, _, parts in spark_catalog.references(spark_catalog._tokens(sql))]


@pytest.mark.parametrize("sql,found", [
    ("select * from db.t", [["db", "t"]]),
    ("SELECT a.b.c FROM `d b`.`t``x` AS a", [["d b", "t`x"]]),
    ("select * from a.b, c.d e join f.g on e.x = g.x", [["a", "b"], ["c", "d"], ["f", "g"]]),
    ("select 'from x.y', \"from z.w\" from v -- from q.r\n", [["v"]]),
    ("select * from (select * from a.b) s left join c.d using (k)", [["a", "b"], ["c", "d"]]),
    ("with w as (select 1 from x.y) select a, b from w where b in (select c from d.e)",
     [["x", "y"], ["w"], ["d", "e"]]),
    ("select extract(year from ts), f(a, b.c) from p.q", [["ts"], ["p", "q"]]),
    ("select * from range(10)", []),
    ("select * from a.b lateral view explode(x.y) t as z", [["a", "b"]]),
    ("select a, b.c from t group by a, b.c order by a, b.d", [["t"]]),
    ("select /* from n.o */ 1", []),
    ("select * from a.b where x.y in (1, 2) union all select * from c.d", [["a", "b"], ["c", "d"]]),
    ("select * from a.b cross join c.d, e.f", [["a", "b"], ["c", "d"], ["e", "f"]]),
])
def test_references(sql, found):
    assert names(sql) == found


@pytest.fixture
def catalog(monkeypatch):
    """A catalogue with two tables."""
    tables = {("db", "t"), ("db", "u"), ("default", "v")}
    monkeypatch.setattr(spark_catalog, "_view",
                        lambda d, t: "view_%s_%s" % (d, t) if (d, t) in tables else None)
    monkeypatch.setattr(spark_catalog, "_is_temp_view", lambda name: name == "temp")
    monkeypatch.setattr(spark_catalog, "_current", None)


@pytest.mark.parametrize("sql,becomes", [
    ("select * from db.t", "select * from `view_db_t` AS `t`"),
    ("select t.a from db.t where t.a > 1", "select t.a from `view_db_t` AS `t` where t.a > 1"),
    ("select * from db.t x join db.u as y on x.k=y.k",
     "select * from `view_db_t` x join `view_db_u` as y on x.k=y.k"),
    ("select * from db.t, db.u", "select * from `view_db_t` AS `t`, `view_db_u` AS `u`"),
    ("select * from (select * from db.t) s", "select * from (select * from `view_db_t` AS `t`) s"),
    ("select * from awsdatacatalog.db.t", "select * from `view_db_t` AS `t`"),
    ("select * from db.none", "select * from db.none"),
    ("select * from parquet.`s3://b/x`", "select * from parquet.`s3://b/x`"),
    ("select * from t", "select * from t"),
    ("select 'db.t' from temp", "select 'db.t' from temp"),
])
def test_resolve(catalog, sql, becomes):
    assert spark_catalog.resolve(sql) == becomes


def test_use(catalog):
    assert "false" in spark_catalog.resolve("USE `db`;")
    assert spark_catalog.resolve("select * from t, temp") == "select * from `view_db_t` AS `t`, temp"


@pytest.mark.parametrize("sql", [
    "create table x (a int)", "CREATE OR REPLACE TABLE db.t USING parquet AS SELECT 1",
    "insert into db.t select 1", "INSERT OVERWRITE db.t SELECT 1", "drop table if exists t",
    "-- comment\ncreate database d", "msck repair table t", "alter table t add column (x int)"])
def test_writes_are_refused(catalog, sql):
    with pytest.raises(NotImplementedError, match="getSink"):
        spark_catalog.resolve(sql)


@pytest.mark.parametrize("sql", ["create temporary view x as select 1",
                                 "insert overwrite directory 's3://b/x' using parquet select 1",
                                 "create or replace temp view y as select * from temp"])
def test_what_stays_in_the_session_is_not_refused(catalog, sql):
    assert spark_catalog.resolve(sql) == sql


def test_show(catalog, monkeypatch):
    monkeypatch.setattr(spark_catalog, "_databases", lambda: ["a", "it's"])
    monkeypatch.setattr(spark_catalog, "_tables", lambda d: [{"Name": d + "1"}])
    assert spark_catalog.resolve("SHOW DATABASES") == (
        "SELECT * FROM VALUES ('a'), ('it\\'s') AS t(namespace)")
    assert spark_catalog.resolve("show tables in x;") == (
        "SELECT * FROM VALUES ('x', 'x1') AS t(namespace, tableName)")
