#!/usr/bin/env python3
"""Writes docs/coverage.md: which of Glue's operations are implemented, as test runs have shown.

    coverage.py --records build/coverage.jsonl --ops src/api/ops.def --out docs/coverage.md

An operation counts as implemented when a real client has read back what it wrote (or was given back by
it) and has met one error that its model declares. When no input can cause any of those (BEYOND_INPUT, NOT_BY_INPUT), it
must have met ValidationException, which breaking the model's own constraints gives on every operation.
The records come from check_shapes.Watch.
"""

import argparse
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from generate import BOTOCORE, find_model  # noqa: E402

# One row a family: title and what its operations' names hold. The first that matches has it.
FAMILIES = [
    ("Schema registry", r"Registr|SchemaVersion|Schema$|Schemas$|SchemaByDefinition"),
    ("Column statistics", r"ColumnStatistics"),
    ("Data quality", r"DataQuality"),
    ("Machine-learning transforms", r"ML|LabelsTask|LabelingSet"),
    ("Crawlers", r"Crawl"),
    ("Classifiers", r"Classifier"),
    ("Workflows and blueprints", r"Workflow|Blueprint"),
    ("Triggers", r"Trigger"),
    ("Interactive sessions", r"Session|Statement"),
    ("Code generation", r"^CreateScript|Dataflow|^GetMapping|^GetPlan"),
    ("Jobs", r"Job(?!Upgrade)|DashboardUrl"),
    ("Job upgrades", r"JobUpgrade"),
    ("Zero-ETL integrations", r"Integration"),
    ("Connection types and entities", r"ConnectionType|Entity(?!Type)|Entities|EntityRecords"),
    ("Connections", r"Connection"),
    ("Partitions", r"Partition"),
    ("Table optimizers and materialized views", r"TableOptimizer|MaterializedView"),
    ("Assets and glossaries", r"Asset|Glossar|Form|Attachment"),
    ("Tables", r"Table"),
    ("Databases", r"Database"),
    ("User-defined functions", r"UserDefinedFunction"),
    ("Catalogs", r"Catalogs?$|CatalogImport|ImportCatalog|DataCatalogExport"),
    ("Security and policies", r"Security|Encryption|ResourcePolic|IdentityCenter"),
    ("Custom entity types", r"CustomEntity"),
    ("Development endpoints", r"DevEndpoint"),
    ("Usage profiles", r"UsageProfile"),
    ("Tags", r"[Tt]ag(Resource|s)"),
]

# Errors of the model that no request causes here, and why.
BEYOND_INPUT = {
    "AccessDeniedException": "the server's key pair may do everything",
    "InternalServiceException": "a defect of the server: a test that meets it fails",
    "OperationTimeoutException": "no request is given up for the time it takes",
}

# Operations that declare more than that, and whose input can cause none of it, either.
NOT_BY_INPUT = {
    "BatchGetCrawlers": "names that are not there are listed in the reply",
    "BatchGetJobs": "names that are not there are listed in the reply",
    "BatchGetTableOptimizer": "optimizers that are not there are listed in the reply",
    "BatchStopJobRun": "runs that cannot be stopped are listed in the reply",
    "CheckSchemaVersionValidity": "what is wrong with a definition is the reply",
    "DeleteJob": "deleting a job that is not there succeeds",
}


def family(operation):
    for title, pattern in FAMILIES:
        if re.search(pattern, operation):
            return title
    return "Other"


NOTHING = {"shown": False, "errors": frozenset()}


def read_records(paths):
    """operation -> (shown, errors met that its model declares, and ValidationException)"""
    got = {}
    for path in paths:
        if not os.path.exists(path):
            continue
        with open(path, encoding="utf-8") as f:
            for line in f:
                r = json.loads(line)
                o = got.setdefault(r["operation"], {"shown": False, "errors": set()})
                o["shown"] |= r["kind"] in ("read", "wrote")
                if r["kind"] == "error" and (r.get("declared") or r["error"] == "ValidationException"):
                    o["errors"].add(r["error"])
    return got


def counted_errors(operation, declared):
    """The errors of which an operation that declares these must have met one."""
    reachable = set() if operation in NOT_BY_INPUT else set(declared) - set(BEYOND_INPUT)
    return reachable or {"ValidationException"}


def read_ops(path):
    """The operations that have a handler: NK_OP(glue, NAME, MODE) rows."""
    if not path or not os.path.exists(path):
        return set()
    with open(path, encoding="utf-8") as f:
        return set(re.findall(r"^\s*NK_OP(?:_OR_SLOW)?\(\s*glue\s*,\s*(\w+)", f.read(), re.M))


def render(operations, got, handled):
    rows = {}
    for op, declared in operations.items():
        o = got.get(op, NOTHING)
        errors = sorted(o["errors"] & counted_errors(op, declared))
        rows.setdefault(family(op), []).append((op, o["shown"] and bool(errors), o["shown"], errors))
    done = sum(row[1] for ops in rows.values() for row in ops)
    out = [
        "# Coverage of the Glue API",
        "",
        "Generated by `api/coverage.py` from the records of the last test run; do not edit.",
        "",
        f"Model: Glue of botocore {BOTOCORE}, {len(operations)} operations. All of them are decoded, validated and "
        "dispatched; one that has no handler answers `OperationNotSupportedException`.",
        "",
        "**Implemented** (✔) means: in the test run a real client read back through the API what the operation "
        "wrote, or was given by it what others wrote, and met at least one error that its model declares. "
        "Where the model declares none that a request can cause, it is `ValidationException` that must have been met: "
        + "; ".join(f"`{error}` ({why})" for error, why in BEYOND_INPUT.items()) + " are such errors, and nothing else is met by "
        + "; ".join(f"{op} ({why})" for op, why in NOT_BY_INPUT.items()) + ". "
        "**Handled** (•) means: it has a handler, but the tests have not yet shown both.",
        "",
        f"**{done} implemented, {sum(1 for op in operations if op in handled)} handled, of {len(operations)}.**",
        "",
        "| family | implemented | handled | of |",
        "|---|---:|---:|---:|",
    ]
    order = [t for t, _ in FAMILIES] + ["Other"]
    for title in order:
        ops = rows.get(title)
        if ops:
            out.append(f"| {title} | {sum(row[1] for row in ops)} | {sum(row[0] in handled for row in ops)} | {len(ops)} |")
    for title in order:
        ops = rows.get(title)
        if not ops:
            continue
        out += ["", f"## {title}", "", "| | operation | shown | errors met |", "|---|---|---|---|"]
        for op, is_done, shown, errors in sorted(ops):
            mark = "✔" if is_done else "•" if op in handled else ""
            out.append(f"| {mark} | {op} | {'yes' if shown else ''} | {', '.join(errors)} |")
    return "\n".join(out) + "\n"


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--records", nargs="+", required=True)
    ap.add_argument("--ops", default="src/api/ops.def")
    ap.add_argument("--out", required=True)
    ap.add_argument("--botocore")
    args = ap.parse_args()
    model = find_model("glue", args.botocore)["operations"]
    operations = {name: {e["shape"] for e in op.get("errors", [])} for name, op in model.items()}
    text = render(operations, read_records(args.records), read_ops(args.ops))
    with open(args.out, "w", encoding="utf-8") as f:
        f.write(text)
    print(re.search(r"\*\*(\d+ implemented.*)\*\*", text).group(1))


if __name__ == "__main__":
    main()
