"""The catalogue as a few dictionaries: what databases, tables, versions, partitions and functions are to their users. A random
operation is a name and its parameters; `apply` says which exception it must meet (None: it succeeds) and changes the model."""
import copy

from conftest import every

KEYS = [{"Name": "y", "Type": "int"}, {"Name": "m", "Type": "string"}]
MISSING, EXISTS, INVALID, CONFLICT = "EntityNotFoundException", "AlreadyExistsException", "InvalidInputException", "ConcurrentModificationException"


class Refused(Exception):
    def __init__(self, code):
        self.code = code


class Model:
    def __init__(self):
        self.databases = {}  # name → {"Description", "tables": {name → table}, "functions": {name → class}}

    def copy(self):
        return copy.deepcopy(self)

    def apply(self, op, p):
        """The code it must be refused with, None when it succeeds; batches give {values → code} instead."""
        try:
            return getattr(self, op)(**p)
        except Refused as e:
            return e.code

    # -- finding --

    def db(self, name):
        if name not in self.databases:
            raise Refused(MISSING)
        return self.databases[name]

    def table(self, db, name):
        tables = self.db(db)["tables"]
        if name not in tables:
            raise Refused(MISSING)
        return tables[name]

    @staticmethod
    def check(values):
        if len(values) != len(KEYS):
            raise Refused(INVALID)

    # -- operations --

    def create_database(self, db, text):
        if db in self.databases:
            raise Refused(EXISTS)
        self.databases[db] = {"Description": text, "tables": {}, "functions": {}}

    def update_database(self, db, text):
        self.db(db)["Description"] = text

    def delete_database(self, db):
        self.db(db)
        del self.databases[db]

    def create_table(self, db, table, text):
        tables = self.db(db)["tables"]
        if table in tables:
            raise Refused(EXISTS)
        tables[table] = {"Description": text, "version": 0, "old": {}, "parts": {}}

    def update_table(self, db, table, text, expected, skip):
        t = self.table(db, table)
        if expected is not None and expected != t["version"]:
            raise Refused(CONFLICT)
        if not skip:
            t["old"][t["version"]] = t["Description"]
        t["version"] += 1
        t["Description"] = text

    def delete_table(self, db, table):
        self.table(db, table)
        del self.databases[db]["tables"][table]

    def delete_table_version(self, db, table, version):
        t = self.table(db, table)
        if version == t["version"]:
            raise Refused(INVALID)
        if version not in t["old"]:
            raise Refused(MISSING)
        del t["old"][version]

    def create_partition(self, db, table, values, text):
        parts = self.table(db, table)["parts"]
        self.check(values)
        if values in parts:
            raise Refused(EXISTS)
        parts[values] = text

    def update_partition(self, db, table, values, to, text):
        parts = self.table(db, table)["parts"]
        self.check(values)
        self.check(to)
        if values not in parts:
            raise Refused(MISSING)
        if to != values and to in parts:
            raise Refused(INVALID)
        del parts[values]
        parts[to] = text

    def delete_partition(self, db, table, values):
        parts = self.table(db, table)["parts"]
        self.check(values)
        if values not in parts:
            raise Refused(MISSING)
        del parts[values]

    def each(self, db, table, one, entries):
        self.table(db, table)
        errors = {}
        for e in entries:
            code = self.apply(one, {"db": db, "table": table, **e})
            if code:
                errors.setdefault(e["values"], []).append(code)
        return errors

    def batch_create_partition(self, db, table, entries):
        return self.each(db, table, "create_partition", entries)

    def batch_delete_partition(self, db, table, entries):
        return self.each(db, table, "delete_partition", entries)

    def create_function(self, db, function, text):
        functions = self.db(db)["functions"]
        if function in functions:
            raise Refused(EXISTS)
        functions[function] = text

    def update_function(self, db, function, text):
        functions = self.db(db)["functions"]
        if function not in functions:
            raise Refused(MISSING)
        functions[function] = text

    def delete_function(self, db, function):
        functions = self.db(db)["functions"]
        if function not in functions:
            raise Refused(MISSING)
        del functions[function]


def random_operation(rng, model, names):
    """An operation that often makes sense: (name, parameters)."""
    dbs, tables = names
    db, table = rng.choice(dbs), rng.choice(tables)
    live = [(d, t) for d, x in model.databases.items() for t in x["tables"]]
    if live and rng.random() < 0.8:
        db, table = rng.choice(live)
    parts = list(model.databases.get(db, {"tables": {}})["tables"].get(table, {"parts": {}})["parts"])
    t = model.databases.get(db, {"tables": {}})["tables"].get(table)

    def values():
        if parts and rng.random() < 0.5:
            return rng.choice(parts)
        return (str(rng.randint(-3, 20)), rng.choice(["", "a", "ü", "a/b=c", "x" * 40]) or "e")[:rng.choice([2] * 20 + [1])]

    text = f"text {rng.randint(0, 10 ** 9)}"
    at = {"db": db, "table": table}
    version = t["version"] if t else 0
    return rng.choices([
        ("create_database", {"db": db, "text": text}), ("update_database", {"db": db, "text": text}), ("delete_database", {"db": db}),
        ("create_table", {**at, "text": text}), ("delete_table", at),
        ("update_table", {**at, "text": text, "expected": rng.choice([None, None, version, version - 1]), "skip": rng.random() < 0.3}),
        ("delete_table_version", {**at, "version": rng.randint(0, version + 1)}),
        ("create_partition", {**at, "values": values(), "text": text}),
        ("update_partition", {**at, "values": values(), "to": values(), "text": text}),
        ("delete_partition", {**at, "values": values()}),
        ("batch_create_partition", {**at, "entries": [{"values": values(), "text": f"{text} {i}"} for i in range(rng.randint(1, 30))]}),
        ("batch_delete_partition", {**at, "entries": [{"values": values()} for _ in range(rng.randint(1, 8))]}),
        ("create_function", {"db": db, "function": table, "text": text}), ("update_function", {"db": db, "function": table, "text": text}),
        ("delete_function", {"db": db, "function": table}),
    ], [3, 2, 0.5, 6, 1, 6, 2, 6, 6, 3, 6, 2, 2, 2, 1])[0]


# ---- the same by boto3 ----

def part_input(values, text):
    return {"Values": list(values), "Parameters": {"text": text}}


def table_input(table, text):
    return {"Name": table, "Description": text, "PartitionKeys": KEYS, "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}]}}


CALLS = {
    "create_database": lambda g, p: g.create_database(DatabaseInput={"Name": p["db"], "Description": p["text"]}),
    "update_database": lambda g, p: g.update_database(Name=p["db"], DatabaseInput={"Name": p["db"], "Description": p["text"]}),
    "delete_database": lambda g, p: g.delete_database(Name=p["db"]),
    "create_table": lambda g, p: g.create_table(DatabaseName=p["db"], TableInput=table_input(p["table"], p["text"])),
    "update_table": lambda g, p: g.update_table(DatabaseName=p["db"], TableInput=table_input(p["table"], p["text"]), SkipArchive=p["skip"],
                                                **({} if p["expected"] is None else {"VersionId": str(p["expected"])})),
    "delete_table": lambda g, p: g.delete_table(DatabaseName=p["db"], Name=p["table"]),
    "delete_table_version": lambda g, p: g.delete_table_version(DatabaseName=p["db"], TableName=p["table"], VersionId=str(p["version"])),
    "create_partition": lambda g, p: g.create_partition(DatabaseName=p["db"], TableName=p["table"], PartitionInput=part_input(p["values"], p["text"])),
    "update_partition": lambda g, p: g.update_partition(DatabaseName=p["db"], TableName=p["table"], PartitionValueList=list(p["values"]),
                                                        PartitionInput=part_input(p["to"], p["text"])),
    "delete_partition": lambda g, p: g.delete_partition(DatabaseName=p["db"], TableName=p["table"], PartitionValues=list(p["values"])),
    "batch_create_partition": lambda g, p: g.batch_create_partition(DatabaseName=p["db"], TableName=p["table"],
                                                                    PartitionInputList=[part_input(e["values"], e["text"]) for e in p["entries"]]),
    "batch_delete_partition": lambda g, p: g.batch_delete_partition(DatabaseName=p["db"], TableName=p["table"],
                                                                    PartitionsToDelete=[{"Values": list(e["values"])} for e in p["entries"]]),
    "create_function": lambda g, p: g.create_user_defined_function(DatabaseName=p["db"], FunctionInput={"FunctionName": p["function"], "ClassName": p["text"]}),
    "update_function": lambda g, p: g.update_user_defined_function(DatabaseName=p["db"], FunctionName=p["function"],
                                                                   FunctionInput={"FunctionName": p["function"], "ClassName": p["text"]}),
    "delete_function": lambda g, p: g.delete_user_defined_function(DatabaseName=p["db"], FunctionName=p["function"]),
}


def call(g, op, p):
    """What the server says of an operation, in the model's form."""
    try:
        reply = CALLS[op](g, p)
    except g.exceptions.ClientError as e:
        return e.response["Error"]["Code"]
    if not op.startswith("batch"):
        return None
    errors = {}
    for e in reply["Errors"]:
        errors.setdefault(tuple(e["PartitionValues"]), []).append(e["ErrorDetail"]["ErrorCode"])
    return errors


def read_back(g, wanted=lambda db: True):
    """The server's whole state as a model."""
    m = Model()
    for d in every(g.get_databases, "DatabaseList"):
        n = d["Name"]
        if not wanted(n):
            continue
        m.databases[n] = {"Description": d["Description"], "tables": {}, "functions": {
            f["FunctionName"]: f["ClassName"] for f in every(g.get_user_defined_functions, "UserDefinedFunctions", DatabaseName=n, Pattern="*")}}
        for t in every(g.get_tables, "TableList", DatabaseName=n):
            at = {"DatabaseName": n, "TableName": t["Name"]}
            versions = {int(v["VersionId"]): v["Table"]["Description"] for v in every(g.get_table_versions, "TableVersions", **at)}
            assert versions.pop(int(t["VersionId"])) == t["Description"]
            m.databases[n]["tables"][t["Name"]] = {
                "Description": t["Description"], "version": int(t["VersionId"]), "old": versions,
                "parts": {tuple(p["Values"]): p["Parameters"]["text"] for p in every(g.get_partitions, "Partitions", **at)}}
    return m
