"""Tables of the catalogue in Spark SQL: `SELECT … FROM database.table`.

The names a statement reads are looked up in the catalogue, and those found are given to the engine as
temporary views, read the way every job reads them. Statements that would write the catalogue are refused
by name, since the engine's own tables would be gone after the run.
"""

import json
import re

from nikawa import runtime

__all__ = ["resolve", "resolve_name", "references"]

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


def _view(database, table):
    """Registers the table as a temporary view and gives its name; None when the catalogue has no such table."""
    from nikawa import frames

    if not runtime.settings().get("endpoint"):
        return None
    options = json.dumps({"Database": database.lower(), "Table": table.lower()})
    node = runtime.engine().node("CatalogSource", "", options, [])
    try:
        node.schema()
    except Exception as error:
        if _not_found(error):
            return None
        raise
    name = "nk_%s__%s" % (re.sub(r"\W", "_", database.lower()), re.sub(r"\W", "_", table.lower()))
    frames.to_spark(node).createOrReplaceTempView(name)
    return name


def _not_found(error):
    code = str(getattr(error, "code", ""))
    return any(w in (code + " " + str(error)).lower().replace("_", "")
               for w in ("notfound", "entitynotfoundexception"))


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
