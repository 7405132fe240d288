"""Apache Avro's own parser and SchemaCompatibility beside ours: random definitions with namespaces, aliases, defaults, logical
types and recursion, and such that are broken somewhere."""
import copy
import json
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from java_peers import MAVEN, Java, b64

ROOT = Path(__file__).resolve().parent.parent.parent
JUDGE = Path(os.environ.get("NIKAWA_BUILD") or ROOT / "build") / "tests/unit/registry/registry_judge"
if not JUDGE.exists():
    JUDGE = ROOT / "build-asan/tests/unit/registry/registry_judge"
PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
LOGICAL = [{"type": "int", "logicalType": "date"}, {"type": "long", "logicalType": "timestamp-millis"}, {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
           {"type": "string", "logicalType": "uuid"}, {"type": "int", "logicalType": "nonsense"}, {"type": "fixed", "name": "Dur", "size": 12, "logicalType": "duration"}]
DEFAULTS = {"null": None, "boolean": True, "int": 7, "long": -9, "float": 1.5, "double": 0.25, "bytes": "\u00ff", "string": "x"}


class Judge:
    def __init__(self):
        self.child = subprocess.Popen([JUDGE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, writer, reader):
        self.child.stdin.write(json.dumps({"format": "AVRO", "writer": writer, "reader": reader}) + "\n")
        self.child.stdin.flush()
        return json.loads(self.child.stdout.readline())


@pytest.fixture(scope="module")
def ours():
    if not JUDGE.exists():
        pytest.skip("registry_judge is not built (make asan)")
    judge = Judge()
    yield judge
    judge.child.stdin.close()
    assert judge.child.wait(60) == 0
    judge.child.stdout.close()


@pytest.fixture(scope="module")
def theirs(bare_server, tmp_path_factory):
    java = Java(bare_server, tmp_path_factory.mktemp("verdicts"), "Verdicts", ["serde"], ["verdicts/*.java"])

    def ask(op, *texts):
        java.child.stdin.write("\t".join([op, "-", *map(b64, texts)]) + "\n")
        java.child.stdin.flush()
        return java.child.stdout.readline().rstrip("\n").split("\t")
    assert MAVEN
    yield ask
    java.end()


class Maker:
    def __init__(self, r):
        self.r, self.names = r, []  # full names that may be referred to

    def name(self):
        r = self.r
        out = {"name": r.choice("ABCDEFGH") + str(len(self.names))}
        how = r.random()
        if how < 0.3:
            out["namespace"] = r.choice(["a", "a.b", "c"])
        elif how < 0.4:
            out["name"] = r.choice(["a.", "c.d."]) + out["name"]
        if r.random() < 0.2:
            out["aliases"] = r.sample(["Old", "x.Older", "A0", "B1", "C2"], r.randint(1, 2))
        return out

    def full(self, named, space):
        n = named["name"]
        return n if "." in n else ".".join(filter(None, [named.get("namespace", space), n]))

    def space(self, named, space):
        return named["name"].rpartition(".")[0] if "." in named["name"] else named.get("namespace", space)

    def type(self, depth, space):
        r = self.r
        kind = r.choice(PRIMITIVES + ["logical", "name"] + (["record", "enum", "fixed", "array", "map", "union"] * 2 if depth < 4 else []))
        if kind in PRIMITIVES:
            return kind if r.random() < 0.8 else {"type": kind}
        if kind == "logical":
            t = copy.deepcopy(r.choice(LOGICAL[:5]))
            return t
        if kind == "name":
            return r.choice(self.names) if self.names else "long"
        if kind == "array":
            return {"type": "array", "items": self.type(depth + 1, space)}
        if kind == "map":
            return {"type": "map", "values": self.type(depth + 1, space)}
        if kind == "union":
            return [self.type(depth + 1, space) for _ in range(r.randint(1, 4))]
        t = {"type": kind, **self.name()}
        full, inner = self.full(t, space), self.space(t, space)
        self.names.append(full)
        if kind == "fixed":
            t["size"] = r.randint(1, 3)
        elif kind == "enum":
            t["symbols"] = r.sample(["P", "Q", "R", "S", "T"], r.randint(1, 4))
            if r.random() < 0.5:
                t["default"] = r.choice(t["symbols"])
        else:
            t["fields"] = [self.field(f"f{i}", depth, inner) for i in range(r.randint(0, 4))]
        return t

    def field(self, name, depth, space):
        f = {"name": name, "type": self.type(depth + 1, space)}
        t = f["type"][0] if isinstance(f["type"], list) else f["type"]
        plain = t["type"] if isinstance(t, dict) else t if isinstance(t, str) else "union"
        if self.r.random() < 0.5 and isinstance(plain, str) and plain in DEFAULTS:
            f["default"] = DEFAULTS[plain]
        elif self.r.random() < 0.5 and plain in ("array", "map"):
            f["default"] = [] if plain == "array" else {}
        if self.r.random() < 0.15:
            f["aliases"] = [f"f{self.r.randrange(6)}"]
        return f


def parts(t, out):
    """Every object and list in a definition."""
    if isinstance(t, (dict, list)):
        out.append(t)
        for x in t.values() if isinstance(t, dict) else t:
            parts(x, out)
    return out


def changed(r, schema):
    """As people change schemas: mostly fine definitions, alike but not equal."""
    s = copy.deepcopy(schema)
    for _ in range(r.randint(0, 3)):
        found = parts(s, [])
        t = r.choice(found)
        records = [x for x in found if isinstance(x, dict) and x.get("type") == "record"]
        enums = [x for x in found if isinstance(x, dict) and x.get("type") == "enum"]
        what = r.randrange(9)
        if what == 0 and records:
            fields = r.choice(records)["fields"]
            fields.insert(r.randint(0, len(fields)), {"name": f"n{r.randrange(99)}", "type": r.choice(PRIMITIVES), **({"default": None} if r.random() < 0.1 else {})})
        elif what == 1 and records:
            fields = r.choice(records)["fields"]
            fields.append({"name": f"d{r.randrange(99)}", "type": ["null", "int"], "default": None})
        elif what == 2 and records:
            fields = r.choice(records)["fields"]
            if fields:
                fields.pop(r.randrange(len(fields)))
        elif what == 3 and enums:
            e = r.choice(enums)
            e["symbols"] = r.sample(["P", "Q", "R", "S", "T"], r.randint(1, 5))
            if e.get("default") not in e["symbols"]:
                e.pop("default", None)
        elif what == 4 and isinstance(t, dict) and "name" in t:
            old = t["name"]
            t["name"] = r.choice(["Renamed", old.rpartition(".")[2], "f1"])
            if r.random() < 0.6:
                t["aliases"] = [old]
        elif what == 5 and isinstance(t, dict) and isinstance(t.get("type"), str) and t["type"] in PRIMITIVES:
            t["type"] = r.choice(PRIMITIVES)
            t.pop("default", None)
        elif what == 6 and isinstance(t, dict) and "namespace" in t:
            t["namespace"] = r.choice(["a", "z", ""])
        elif what == 7 and isinstance(t, dict) and "type" in t and "name" in t and "symbols" not in t and "fields" not in t and "size" not in t:
            t["type"] = [x for x in (["null"] + (t["type"] if isinstance(t["type"], list) else [t["type"]]))]
            t.pop("default", None)
        elif what == 8 and isinstance(t, dict) and "size" in t:
            t["size"] += r.randint(0, 1)
    return s


def test_the_verdicts_are_avros(ours, theirs):
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    named, counts = 0, dict.fromkeys(["COMPATIBLE", "INCOMPATIBLE", "refused"], 0)
    for i in range(int(os.environ.get("NIKAWA_ROUNDS", 1500))):
        r = random.Random(f"{seed}.{i}")
        maker = Maker(r)
        writer = {"type": "record", "name": "Root", "fields": [maker.field(f"f{k}", 0, "") for k in range(r.randint(1, 4))]}
        reader = changed(r, writer)
        w, rd = json.dumps(writer), json.dumps(reader)
        story = f"round {i} of seed {seed}\n{w}\n{rd}"
        for text in (w, rd):
            mine, other = ours(text, text), theirs("parse", text)
            assert ("error" in mine) == (other[0] == "refused"), f"{mine.get('error', 'taken')} but {other}\n{text}\n{story}"
        if "error" in ours(w, rd):
            counts["refused"] += 1
            continue
        mine, (ok, verdict, *kinds) = ours(w, rd), theirs("reads", w, rd)
        if "matches multiple fields in writer" in verdict:
            continue  # a field and an alias of another have one name: it gives no verdict at all
        fine = all(d["glue"] for d in mine["diffs"])
        assert ok == "ok" and fine == (verdict == "COMPATIBLE"), f"{verdict} {kinds} but {mine['diffs']}\n{story}"
        broken = sorted({d["rule"] for d in mine["diffs"] if not d["glue"]})
        named += not fine and bool(set(broken) & set(kinds[0].split(",")))  # ours looks into unions' branches
        counts[verdict] += 1
    assert min(counts.values()) > 20 and named > counts["INCOMPATIBLE"] * 0.7, (named, counts)


def broken(r, schema):
    s = copy.deepcopy(schema)
    for _ in range(r.randint(1, 2)):
        t = r.choice(parts(s, []))
        if isinstance(t, dict) and t:
            key = r.choice(list(t))
            what = r.randrange(5)
            if what == 0:
                del t[key]
            elif what == 1:
                t[key] = r.choice([None, True, 0, -1, 1.5, "", "a b", "1x", "a.b.C", "é", [], {}, ["null"], {"type": "int"}, "string", "null", [{}], "record", 2**31, 2**63, "x-y"])
            elif what == 2:
                t[r.choice(["default", "aliases", "namespace", "name", "doc", "order", "logicalType", "size", "symbols", "extra", "type", "items"])] = r.choice(
                    [None, 1, "x", [], ["A", "A"], ["a b"], {}, "int", True, 1.5, [None], ["null", "null"], -5])
            elif what == 3 and isinstance(t.get("fields", t.get("symbols")), list) and t.get("fields", t.get("symbols")):
                t.get("fields", t.get("symbols")).append(copy.deepcopy(r.choice(t.get("fields", t.get("symbols")))))
            elif "type" in t and "name" in t:
                t["default"] = r.choice([None, 1, -1.5, "x", "\u0100", [], [1], {}, {"f0": 1}, True, 2**31, 2**63, "P", 3.5e38, "NaN", "Infinity", "-Infinity", "inf"])
        elif isinstance(t, list):
            t.insert(r.randint(0, len(t)), r.choice(["int", "null", [], {}, None, 3, "nowhere", {"type": "int"}, ["int"], {"type": "array", "items": "int"}]))
    return s


# Where ours keeps to the specification and Avro's parser does not look: names beyond ASCII, defaults that fit no symbol or
# length, defaults of enums, namespaces and orders that are no strings, unions of nothing.
STRICTER = r'"(default|namespace|order|name)" must be a string|is no name|at least one type|is no value of its type|must be a list of names'


def test_what_is_refused_is_what_avro_refuses(ours, theirs):
    seed = random.SystemRandom().randrange(1 << 30)
    print("seed", seed)
    counts = {"taken": 0, "refused": 0}
    for i in range(int(os.environ.get("NIKAWA_ROUNDS", 1500))):
        r = random.Random(f"{seed}.{i}")
        maker = Maker(r)
        text = json.dumps(broken(r, {"type": "record", "name": "Root", "fields": [maker.field(f"f{k}", 0, "") for k in range(r.randint(1, 3))]}))
        mine, other = ours(text, text), theirs("parse", text)
        verdict, story = "refused" if other[0] == "refused" else "taken", f"{mine.get('error', 'taken')} but {other}\nround {i} of seed {seed}\n{text}"
        if "error" in mine and verdict == "taken":
            assert re.search(STRICTER, mine["error"]), story
        elif "error" not in mine and verdict == "refused":
            assert re.search(r"Invalid default for field .* not a .*\[", other[1]), story  # of a union's other branch, as from 1.12 on
        else:
            counts[verdict] += 1
    assert min(counts.values()) > 50, counts
