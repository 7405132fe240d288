#!/usr/bin/env python3
"""Judges the Avro parser and checker by fastavro, another implementation.

    check_avro.py JUDGE [SEED [ROUNDS]]

- Random definitions are taken, and mean the same after the canonical text.
- Where the checker says that the reader reads what the writer writes, random records encoded with the one are decoded
  with the other; where it does not, the sample that it shows is written by the writer's schema and fails with the reader's.
"""

import copy
import io
import json
import random
import subprocess
import sys

import fastavro

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
NAMES = [f"N{i}" for i in range(8)]


class Maker:
    def __init__(self, r):
        self.r = r
        self.defined = {}

    def type(self, depth=0):
        r = self.r
        kind = r.choice(PRIMITIVES[1:] * 2 + (["record", "enum", "fixed", "array", "map", "union"] * 2 if depth < 4 else []) + ["name"])
        if kind == "name":
            return r.choice(list(self.defined)) if self.defined else "int"
        if kind in PRIMITIVES:
            return kind
        if kind == "array":
            return {"type": "array", "items": self.type(depth + 1)}
        if kind == "map":
            return {"type": "map", "values": self.type(depth + 1)}
        if kind == "union":
            branches, seen = [], set()
            for b in ["null"] * r.randint(0, 1) + [self.type(depth + 1) for _ in range(r.randint(1, 3))]:
                key = b if isinstance(b, str) else b.get("name", b["type"]) if isinstance(b, dict) else None
                if key and key not in seen:
                    seen.add(key)
                    branches.append(b)
            return branches or ["null"]
        name = r.choice([n for n in NAMES if n not in self.defined] or [f"M{r.randint(0, 10**9)}"])
        if kind == "fixed":
            t = {"type": "fixed", "name": name, "size": r.randint(1, 4)}
            self.defined[name] = t
            return t
        if kind == "enum":
            t = {"type": "enum", "name": name, "symbols": r.sample("ABCDEF", r.randint(1, 4))}
            if r.random() < 0.4:
                t["default"] = r.choice(t["symbols"])
            self.defined[name] = t
            return t
        return self.record(name, depth)

    def record(self, name, depth=0):
        t = {"type": "record", "name": name, "fields": []}
        for i in range(self.r.randint(0 if depth else 1, 4)):
            t["fields"].append(self.field(f"f{i}", depth))
        self.defined[name] = t
        return t

    def field(self, name, depth):
        f = {"name": name, "type": self.type(depth + 1)}
        default = {"int": 1, "long": 2, "float": 0.5, "double": 1.5, "boolean": True, "string": "d", "bytes": "b"}
        if isinstance(f["type"], str) and f["type"] in default and self.r.random() < 0.5:
            f["default"] = default[f["type"]]
        if isinstance(f["type"], list) and f["type"][0] == "null" and self.r.random() < 0.6:
            f["default"] = None
        return f


def types_in(t, out):
    out.append(t)
    if isinstance(t, dict):
        for key in ("items", "values"):
            if key in t:
                types_in(t[key], out)
        for f in t.get("fields", []):
            types_in(f["type"], out)
    if isinstance(t, list):
        for b in t:
            types_in(b, out)
    return out


def change(r, schema):
    """A schema near to this one: usually one that means something to readers of the other."""
    s = copy.deepcopy(schema)
    records = [t for t in types_in(s, []) if isinstance(t, dict) and t["type"] == "record"]
    for _ in range(r.randint(1, 3)):
        t = r.choice(records)
        what = r.randrange(9)
        fields = t["fields"]
        if what == 0:
            fields.insert(r.randint(0, len(fields)), {"name": f"x{r.randint(0, 10**9)}", "type": "int", **({"default": 3} if r.random() < 0.7 else {})})
        elif what == 1 and fields and isinstance(fields[-1]["type"], str):
            fields.pop()
        elif what == 2:
            for f in fields:
                wider = {"int": ["long", "float", "double"], "long": ["float", "double"], "float": ["double"], "string": ["bytes"], "bytes": ["string"]}
                if isinstance(f["type"], str) and f["type"] in wider and r.random() < 0.6:
                    f["type"] = r.choice(wider[f["type"]])
                    f.pop("default", None)
        elif what == 3 and fields:
            f = r.choice(fields)
            if not isinstance(f["type"], list):
                f["type"] = ["null", f["type"]] if f["type"] != "null" else f["type"]
                f.pop("default", None)
        elif what == 4 and fields:
            f = r.choice(fields)
            f["aliases"] = [f["name"]]
            f["name"] = f"y{r.randint(0, 10**9)}"
        elif what == 5:
            for e in types_in(s, []):
                if isinstance(e, dict) and e["type"] == "enum":
                    if r.random() < 0.5 and len(e["symbols"]) > 1 and e.get("default") != e["symbols"][-1]:
                        e["symbols"].pop()
                    else:
                        e["symbols"].append(f"Z{len(e['symbols'])}")
        elif what == 6 and fields and isinstance(fields[0]["type"], str) and fields[0]["type"] in PRIMITIVES:
            fields[0]["type"] = r.choice(PRIMITIVES)
            fields[0].pop("default", None)
        elif what == 7:
            for u in types_in(s, []):
                if isinstance(u, list) and r.random() < 0.5 and "long" not in u:
                    u.append("long")
        elif what == 8:
            r.shuffle(fields)
    return s


def value(r, t, names, depth=0):
    if isinstance(t, list):
        b = r.choice([b for b in t if b == "null"] or t) if depth > 6 else r.choice(t)
        v = value(r, b, names, depth + 1)
        if isinstance(b, str) and b in names:
            b = names[b]
        return v if b == "null" else ((b["name"] if isinstance(b, dict) and "name" in b else b if isinstance(b, str) else b["type"]), v)
    if isinstance(t, str) and t in names:
        t = names[t]
    if isinstance(t, str):
        return {"null": lambda: None, "boolean": lambda: r.random() < 0.5, "int": lambda: r.randint(-2**31, 2**31 - 1), "long": lambda: r.randint(-2**53, 2**53),
                "float": lambda: float(r.randint(-1000, 1000)), "double": lambda: r.random(), "bytes": lambda: "é€x"[:r.randint(0, 3)].encode(),
                "string": lambda: "aé€"[:r.randint(0, 3)]}[t]()
    kind = t["type"]
    if kind == "array":
        return [value(r, t["items"], names, depth + 1) for _ in range(r.randint(0, 2 if depth < 5 else 0))]
    if kind == "map":
        return {f"k{i}": value(r, t["values"], names, depth + 1) for i in range(r.randint(0, 2 if depth < 5 else 0))}
    if kind == "fixed":
        return r.randbytes(t["size"])
    if kind == "enum":
        return r.choice(t["symbols"])
    if kind == "record":
        return {f["name"]: value(r, f["type"], names, depth + 1) for f in t["fields"]}
    return value(r, kind, names, depth)


def from_json(t, j, names):
    """A value in Avro's JSON encoding (fastavro's own reader fails on records without fields)."""
    if isinstance(t, list):
        if j is None:
            return None
        (branch, inner), = j.items()
        b = next(b for b in t if (b.get("name", b["type"]) if isinstance(b, dict) else b) == branch)
        return branch, from_json(b, inner, names)
    if isinstance(t, str) and t in names:
        t = names[t]
    kind = t if isinstance(t, str) else t["type"]
    if kind == "array":
        return [from_json(t["items"], x, names) for x in j]
    if kind == "map":
        return {k: from_json(t["values"], x, names) for k, x in j.items()}
    if kind == "record":
        assert set(j) == {f["name"] for f in t["fields"]}
        return {f["name"]: from_json(f["type"], j[f["name"]], names) for f in t["fields"]}
    return j.encode("latin-1") if kind in ("bytes", "fixed") else j


class Judge:
    def __init__(self, path):
        self.p = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __call__(self, writer, reader):
        self.p.stdin.write(json.dumps({"format": "AVRO", "writer": json.dumps(writer), "reader": json.dumps(reader)}) + "\n")
        self.p.stdin.flush()
        return json.loads(self.p.stdout.readline())


def fresh(schema):
    return fastavro.parse_schema(copy.deepcopy(schema), named_schemas={})


def reads(writer, reader, v):
    """What the reader makes of it; raises when it cannot."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, writer, v)
    size = out.tell()
    out.seek(0)
    got = fastavro.schemaless_reader(out, writer, reader)
    assert out.tell() == size, "not all was read"
    return got


def run(judge, seed, rounds):
    counts = {"fine": 0, "breaks": 0, "sampled": 0}
    for i in range(rounds):
        r = random.Random(f"{seed}.{i}")
        maker = Maker(r)
        writer = maker.record("Root")
        reader = change(r, writer)
        answer = judge(writer, reader)
        if "error" in answer:
            try:
                fresh(writer)
                fresh(reader)
            except Exception:
                continue  # chance or the change made no definition of it
            raise AssertionError(f"round {i}: {answer['error']}\n{json.dumps(writer)}\n{json.dumps(reader)}")
        w, rd = fresh(writer), fresh(reader)
        canonical = json.loads(answer["canonical"])
        fine = all(d["glue"] for d in answer["diffs"])
        story = f"round {i} of seed {seed}\nwriter {json.dumps(writer)}\nreader {json.dumps(reader)}\n{json.dumps(answer['diffs'])}"
        for _ in range(12):
            v = value(r, writer, maker.defined)
            plain = reads(w, w, v)
            assert reads(fresh(canonical), w, v) == plain, story
            if fine:
                try:
                    reads(w, rd, v)
                except Exception as e:
                    raise AssertionError(f"said to be compatible, but {e!r} for {v}\n{story}")
        counts["fine" if fine else "breaks"] += 1
        for d in answer["diffs"]:
            if d["glue"] or "sample" not in d:
                continue
            v = from_json(writer, json.loads(d["sample"]), maker.defined)
            try:
                reads(w, rd, v)
            except Exception:
                counts["sampled"] += 1
            else:
                raise AssertionError(f"the sample {d['sample']} of {d['rule']} is read\n{story}")
    assert counts["fine"] > rounds / 5 and counts["breaks"] > rounds / 10 and counts["sampled"] > rounds / 10, counts
    return counts


def main():
    judge = Judge(sys.argv[1])
    seed = sys.argv[2] if len(sys.argv) > 2 else "1"
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 600
    print("1..1")
    try:
        counts = run(judge, seed, rounds)
    except AssertionError as e:
        print("not ok 1 - judged by fastavro")
        print("# " + str(e).replace("\n", "\n# "))
        sys.exit(1)
    print(f"ok 1 - judged by fastavro # {counts}")


if __name__ == "__main__":
    main()
