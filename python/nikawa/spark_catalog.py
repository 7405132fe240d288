"""Tables of the catalogue in Spark SQL: `SELECT … FROM database.table`.

The names a statement reads are looked up in the catalogue, and those found are given to the engine as
temporary views, read the way every job reads them. Statements that would write the catalogue are refused
by name, since the engine's own tables would be gone after the run.
"""

import json
import re

from nikawa import runtime

__all__ = ["resolve", "resolve_name", "references", "Catalog"]

_TOKEN = re.compile(r"""
    (?P<space>\s+|--[^\n]*|/\*.*?\*/)
  | (?P<text>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*")
  | (?P<name>`(?:[^`]|``)+`|[A-Za-z_][A-Za-z0-9_]*)
  | (?P<number>[0-9][0-9A-Za-z_.]*)
  | (?P<other>.)""", re.S | re.X)

# What may follow a table and is not an alias.
_AFTER = frozenset("""where join inner left right full cross anti semi natural on using group order sort
    cluster distribute having limit offset union except intersect minus lateral window tablesample pivot
    unpivot version timestamp for qualify""".split())
_FORMATS = frozenset("csv json parquet text delta iceberg orc avro binaryfile".split())
_WRITES = re.compile(r"^(create\s+(or\s+replace\s+)?(external\s+)?(table|database|schema)|drop\s+(table|database"
                     r"|schema)|alter\s+(table|database|schema)|insert\s+(into|overwrite)(?!\s+(local\s+)?directory)"
                     r"|merge\s+into|delete\s+from|update\s|truncate\s+table|refresh\s+table|msck\s+repair)",
                     re.I)

_current = None  # the database of USE


def _tokens(sql):
    return [[m.lastgroup, m.group()] for m in _TOKEN.finditer(sql)]


def _plain(name):
    return name[1:-1].replace("``", "`") if name.startswith("`") else name


def references(tokens):
    """Where tables are named: (first token, one past the last, [parts]) for each name after FROM, JOIN or a
    comma of a FROM list."""
    found, depth, listing = [], 0, {}
    i = 0
    expect = False
    while i < len(tokens):
        kind, text = tokens[i]
        word = text.lower() if kind == "name" else None
        if kind == "space":
            i += 1
            continue
        if word in ("from", "join"):
            expect, listing[depth] = True, True
        elif text == "(":
            depth += 1
            listing[depth] = False
            expect = False
        elif text == ")":
            depth = max(0, depth - 1)
            expect = False
        elif text == "," and listing.get(depth):
            expect = True
        elif kind == "name" and expect and word not in ("lateral", "values", "select", "table"):
            parts, j = [_plain(text)], i + 1
            while j + 1 < len(tokens) and tokens[j][1] == "." and tokens[j + 1][0] == "name":
                parts.append(_plain(tokens[j + 1][1]))
                j += 2
            if not (j < len(tokens) and tokens[j][1] == "("):  # a table function
                found.append((i, j, parts))
            expect = False
            i = j
            continue
        elif word in _AFTER and word not in ("inner", "left", "right", "full", "cross", "anti", "semi",
                                             "natural", "lateral"):
            listing[depth] = False
            expect = False
        elif word != "lateral":
            expect = False
        i += 1
    return found


def _database_table(parts):
    """(database, table) when the name can be the catalogue's."""
    if len(parts) == 3 and parts[0].lower() in ("glue_catalog", "awsdatacatalog", "spark_catalog"):
        parts = parts[1:]
    if len(parts) == 1 and _current:
        return _current, parts[0]
    if len(parts) != 2 or parts[0].lower() in ("global_temp",):
        return None
    if parts[0].lower() in _FORMATS and re.search(r"[/:]", parts[1]):
        return None
    return parts[0], parts[1]


def _glue():
    """A client of this run's Glue API; None when the run has no server."""
    settings = runtime.settings()
    if not settings.get("endpoint"):
        return None
    import boto3

    return boto3.client("glue", endpoint_url=settings["endpoint"], region_name=settings["region"],
                        aws_access_key_id=settings.get("access_key"),
                        aws_secret_access_key=settings.get("secret_key"),
                        aws_session_token=settings.get("session_token"))


def _found(call, **names):
    """Whether a Get of the Glue API finds its object."""
    glue = _glue()
    if glue is None:
        return False
    try:
        getattr(glue, call)(**names)
    except glue.exceptions.EntityNotFoundException:
        return False
    return True


def _view(database, table):
    """Registers the table as a temporary view and gives its name; None when the catalogue has no such table."""
    from nikawa import frames

    database, table = database.lower(), table.lower()
    if not _found("get_table", DatabaseName=database, Name=table):
        return None
    node = runtime.engine().node("CatalogSource", "", json.dumps({"Database": database, "Table": table}), [])
    name = "nk_%s__%s" % (re.sub(r"\W", "_", database), re.sub(r"\W", "_", table))
    frames.to_spark(node).createOrReplaceTempView(name)
    return name


def _is_temp_view(name):
    from nikawa import spark

    try:
        return spark.session().catalog.tableExists(name)
    except Exception:
        return False


def resolve(sql):
    """The statement with the catalogue's tables named as views of this session."""
    if not isinstance(sql, str):
        return sql
    tokens = _tokens(sql)
    bare = "".join(" " if k == "space" else t for k, t in tokens).strip()
    use = re.match(r"use\s+(?:database\s+|schema\s+)?`?(\w+)`?\s*;?$", bare, re.I)
    if use:
        global _current
        _current = use.group(1)
        return "SELECT 1 WHERE false"
    shown = _show(bare)
    if shown is not None:
        return shown
    if _WRITES.match(bare):
        raise NotImplementedError(
            "Spark SQL cannot write the catalogue here (%s …): write the rows with"
            " glueContext.getSink(…, enableUpdateCatalog=True), or make tables with boto3's Glue client"
            % " ".join(bare.split()[:3]))
    out, last = [], 0
    for first, end, parts in references(tokens):
        names = _database_table(parts)
        if names is None or (len(parts) == 1 and _is_temp_view(parts[0])):
            continue
        view = _view(*names)
        if view is None:
            continue
        out.extend(t for _, t in tokens[last:first])
        out.append("`%s`" % view)
        if not _has_alias(tokens, end):
            out.append(" AS `%s`" % parts[-1].replace("`", "``"))
        last = end
    out.extend(t for _, t in tokens[last:])
    return "".join(out)


def _show(bare):
    """SHOW DATABASES and SHOW TABLES as a query of literals; None for other statements."""
    if re.match(r"show\s+(databases|schemas|namespaces)\s*;?$", bare, re.I):
        return _values(["namespace"], [[name] for name in _databases()])
    tables = re.match(r"show\s+tables(?:\s+(?:in|from)\s+`?(\w+)`?)?\s*;?$", bare, re.I)
    if tables:
        database = tables.group(1) or _current or "default"
        return _values(["namespace", "tableName"], [[database, t["Name"]] for t in _tables(database)])
    return None


def _values(columns, rows):
    names = ", ".join(columns)
    if not rows:
        return "SELECT %s WHERE false" % ", ".join("'' AS %s" % c for c in columns)
    return "SELECT * FROM VALUES %s AS t(%s)" % (
        ", ".join("(%s)" % ", ".join("'%s'" % v.replace("\\", "\\\\").replace("'", "\\'") for v in row)
                  for row in rows), names)


def _pages(call, member, **given):
    glue = _glue()
    if glue is None:
        return []
    try:
        return [x for page in glue.get_paginator(call).paginate(**given) for x in page[member]]
    except glue.exceptions.EntityNotFoundException:
        return []


def _databases():
    return [d["Name"] for d in _pages("get_databases", "DatabaseList")]


def _tables(database):
    return _pages("get_tables", "TableList", DatabaseName=database.lower())


class Catalog:
    """`spark.catalog`: databases and tables are those of the Glue catalogue, the rest is the session's own."""

    def __init__(self, session):
        self._session = session

    def currentDatabase(self):
        return _current or "default"

    def setCurrentDatabase(self, dbName):
        global _current
        if not self.databaseExists(dbName):
            raise ValueError("the catalogue has no database %s" % dbName)
        _current = dbName

    def databaseExists(self, dbName):
        return _found("get_database", Name=dbName.lower())

    def listDatabases(self, pattern=None):
        from fnmatch import fnmatchcase

        from pyspark.sql.catalog import Database

        return [Database(d["Name"], "glue_catalog", d.get("Description"), d.get("LocationUri"))
                for d in _pages("get_databases", "DatabaseList")
                if pattern is None or fnmatchcase(d["Name"], pattern)]

    def tableExists(self, tableName, dbName=None):
        names = ((dbName, tableName) if dbName else
                 _database_table([_plain(t) for k, t in _tokens(tableName) if k == "name"]))
        if names and _found("get_table", DatabaseName=names[0].lower(), Name=names[1].lower()):
            return True
        return not dbName and "." not in tableName and _is_temp_view(tableName)

    def listTables(self, dbName=None, pattern=None):
        from fnmatch import fnmatchcase

        from pyspark.sql.catalog import Table

        database = dbName or _current or "default"
        return [Table(t["Name"], "glue_catalog", [database], t.get("Description"),
                      t.get("TableType") or "EXTERNAL", False)
                for t in _tables(database) if pattern is None or fnmatchcase(t["Name"], pattern)]

    def __getattr__(self, name):
        return getattr(self._session().catalog, name)


def _has_alias(tokens, i):
    while i < len(tokens) and tokens[i][0] == "space":
        i += 1
    return i < len(tokens) and tokens[i][0] == "name" and tokens[i][1].lower() not in _AFTER


def resolve_name(name):
    """spark.table(name)"""
    tokens = _tokens(str(name))
    names = _database_table([_plain(t) for k, t in tokens if k == "name"])
    if names is None:
        return name
    return _view(*names) or name
