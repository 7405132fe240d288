#!/usr/bin/env python3
"""Judges the JSON Schema checker by another implementation (Python's jsonschema).

    check_jsonschema.py JUDGE [SEED [ROUNDS]]

- Random values: ours and theirs agree on what is valid.
- Random pairs of schemas: where ours says that the reader takes all that the writer writes, no random value says
  otherwise; where it shows a sample that breaks, the writer's schema takes the sample and the reader's does not.
- Every schema is compatible with itself, and with itself under another order of members.
"""

import copy
import json
import random
import subprocess
import sys

import jsonschema

DIALECTS = {
    "draft-04": ("http://json-schema.org/draft-04/schema#", jsonschema.Draft4Validator),
    "draft-06": ("http://json-schema.org/draft-06/schema#", jsonschema.Draft6Validator),
    "draft-07": ("http://json-schema.org/draft-07/schema#", jsonschema.Draft7Validator),
    "2019-09": ("https://json-schema.org/draft/2019-09/schema", jsonschema.Draft201909Validator),
    "2020-12": ("https://json-schema.org/draft/2020-12/schema", jsonschema.Draft202012Validator),
}
NAMES = ["a", "b", "c", "id", "x1"]
PATTERNS = ["^a", "b$", "^[a-c]+$", "^x[0-9]$", "[0-9]"]


class Maker:
    def __init__(self, rng, dialect):
        self.r, self.d = rng, dialect
        self.late = dialect in ("2019-09", "2020-12")
        self.old = dialect == "draft-04"

    def schema(self, depth):
        r = self.r
        if depth <= 0 or r.random() < 0.06:
            return {} if self.old else r.choice([True, {}, {}])
        if not self.old and r.random() < 0.02:
            return False
        out = {}
        kinds = r.sample(["null", "boolean", "integer", "number", "string", "array", "object", "object"],
                         r.choice([1, 1, 1, 2, 3]))
        if r.random() < 0.85:
            kinds = list(dict.fromkeys(kinds))
            out["type"] = kinds[0] if len(kinds) == 1 else kinds
        for k in kinds:
            getattr(self, k)(out, depth)
        if r.random() < 0.1:
            self.combine(out, depth)
        if r.random() < 0.08 and depth < 4:
            out = {"$ref": "#/definitions/" + r.choice("PQ")} if not self.late or r.random() < 0.5 \
                else {**out, "$ref": "#/definitions/" + r.choice("PQ")}
        if r.random() < 0.1:
            out["title"] = r.choice("xyz")
        return out

    def null(self, out, depth):
        pass

    def boolean(self, out, depth):
        pass

    def integer(self, out, depth):
        r = self.r
        if r.random() < 0.3:
            out["minimum"] = r.randint(-5, 5)
            if self.old and r.random() < 0.3:
                out["exclusiveMinimum"] = r.choice([True, False])
        if r.random() < 0.3:
            out["maximum"] = r.randint(0, 12)
        if not self.old and r.random() < 0.15:
            out["exclusiveMaximum"] = r.randint(0, 12)
        if r.random() < 0.15:
            out["multipleOf"] = r.choice([1, 2, 3, 4, 6])
        if r.random() < 0.1:
            out["enum"] = r.sample([1, 2, 3, 4, 0, "a", None, 2.5], r.randint(1, 4))

    number = integer

    def string(self, out, depth):
        r = self.r
        if r.random() < 0.3:
            out["minLength"] = r.randint(0, 3)
        if r.random() < 0.3:
            out["maxLength"] = r.randint(1, 5)
        if r.random() < 0.2:
            out["pattern"] = r.choice(PATTERNS)
        if r.random() < 0.2:
            out["enum"] = r.sample(["a", "b", "c", "abc", "x1", 1, None], r.randint(1, 4))
        if not self.old and r.random() < 0.05:
            out["const"] = r.choice(["a", 1, None])

    def array(self, out, depth):
        r = self.r
        if r.random() < 0.6:
            if self.d != "2020-12" and r.random() < 0.3:
                out["items"] = [self.schema(depth - 1) for _ in range(r.randint(1, 2))]
                if r.random() < 0.6:
                    out["additionalItems"] = self.schema(depth - 1) if not self.old else r.choice([False, {}])
            else:
                out["items"] = self.schema(depth - 1)
        if self.d == "2020-12" and r.random() < 0.3:
            out["prefixItems"] = [self.schema(depth - 1) for _ in range(r.randint(1, 2))]
        if r.random() < 0.2:
            out["minItems"] = r.randint(0, 2)
        if r.random() < 0.2:
            out["maxItems"] = r.randint(0, 3)
        if r.random() < 0.1:
            out["uniqueItems"] = True
        if not self.old and r.random() < 0.12:
            out["contains"] = self.schema(depth - 1)
            if self.late and r.random() < 0.5:
                out["minContains"] = r.randint(0, 2)
            if self.late and r.random() < 0.3:
                out["maxContains"] = r.randint(1, 2)
        if self.d == "2020-12" and r.random() < 0.12:
            out["unevaluatedItems"] = r.choice([False, self.schema(depth - 1)])

    def object(self, out, depth):
        r = self.r
        if r.random() < 0.85:
            out["properties"] = {n: self.schema(depth - 1) for n in r.sample(NAMES, r.randint(0, 3))}
        if r.random() < 0.4:
            out["required"] = r.sample(NAMES, r.randint(1, 2))
        if r.random() < 0.4:
            out["additionalProperties"] = r.choice([False, False, self.schema(depth - 1) if not self.old else {}])
        if r.random() < 0.15:
            out["patternProperties"] = {p: self.schema(depth - 1) for p in r.sample(PATTERNS, r.randint(1, 2))}
        if r.random() < 0.1:
            out["minProperties"] = r.randint(0, 2)
        if r.random() < 0.1:
            out["maxProperties"] = r.randint(0, 3)
        if not self.old and r.random() < 0.08:
            out["propertyNames"] = r.choice([{"pattern": r.choice(PATTERNS)}, {"maxLength": 1}, {"enum": NAMES[:3]}])
        if r.random() < 0.1:
            if self.late:
                out["dependentRequired"] = {r.choice(NAMES): r.sample(NAMES, 1)}
                if r.random() < 0.4:
                    out["dependentSchemas"] = {r.choice(NAMES): self.schema(depth - 1)}
            else:
                out["dependencies"] = {r.choice(NAMES): r.choice([r.sample(NAMES, 1), {"required": ["b"]}])}
        if self.d == "2020-12" and r.random() < 0.15:  # their 2019-09 does not count additionalProperties
            out["unevaluatedProperties"] = r.choice([False, self.schema(depth - 1)])

    def combine(self, out, depth):
        r = self.r
        k = r.choice(["allOf", "anyOf", "oneOf", "not", "if"])
        if k == "not":
            out["not"] = self.schema(1)
        elif k == "if":
            if self.d in ("draft-07", "2019-09", "2020-12"):
                out["if"] = self.schema(depth - 1)
                out["then"] = self.schema(depth - 1)
                out["else"] = self.schema(depth - 1)
        else:
            out[k] = [self.schema(depth - 1) for _ in range(r.randint(1, 3))]

    def root(self):
        s = self.schema(3)
        if not isinstance(s, dict):
            s = {}
        return s

    def mutate(self, s):
        """A neighbour: one change somewhere."""
        s = copy.deepcopy(s)
        spots = []

        def walk(x):
            if isinstance(x, dict):
                spots.append(x)
                for v in x.values():
                    walk(v)
            elif isinstance(x, list):
                for v in x:
                    walk(v)
        walk(s)
        x = self.r.choice(spots)
        fresh = self.schema(2)
        how = self.r.random()
        if how < 0.35 and x:
            x.pop(self.r.choice(list(x)))
        elif how < 0.7 and isinstance(fresh, dict) and fresh:
            k = self.r.choice(list(fresh))
            x[k] = fresh[k]
        else:
            for k, v in list(x.items()):
                if isinstance(v, int) and not isinstance(v, bool):
                    x[k] = max(0, v + self.r.choice([-1, 1])) if k != "multipleOf" else v * 2
                elif k in ("enum",) and isinstance(v, list) and len(v) > 1:
                    x[k] = v[:-1] if self.r.random() < 0.5 else v + ["zz"]
                elif k == "type":
                    ts = [v] if isinstance(v, str) else list(v)
                    x[k] = list(dict.fromkeys(ts + [self.r.choice(["null", "string", "number"])])) \
                        if self.r.random() < 0.7 or len(ts) < 2 else ts[:-1]
        return s


def value(r, depth=3):
    k = r.random()
    if k < 0.12 or depth == 0:
        return r.choice([None, True, False, 0, 1, 2, 3, 6, -3, 7, 12, 2.5, 1.0, "", "a", "b", "c", "abc", "x1", "zz", "a1b"])
    if k < 0.3:
        return [value(r, depth - 1) for _ in range(r.choice([0, 1, 1, 2, 3]))]
    if k < 0.75:
        return {n: value(r, depth - 1) for n in r.sample(NAMES + ["zz", "abc"], r.choice([0, 1, 2, 2, 3]))}
    return value(r, 0)


def guided(r, s, root, depth=5):
    """A value that often fits."""
    if depth == 0 or not isinstance(s, dict):
        return value(r, 1)
    if "$ref" in s:
        return guided(r, root["definitions"][s["$ref"][-1]], root, depth - 1)
    if "const" in s:
        return s["const"]
    if "enum" in s:
        return r.choice(s["enum"])
    for k in ("anyOf", "oneOf", "allOf"):
        if k in s and r.random() < 0.5:
            return guided(r, r.choice(s[k]), root, depth - 1)
    t = s.get("type", r.choice(["object", "string", "integer", "array", "null", "number"]))
    if isinstance(t, list):
        t = r.choice(t)
    if t in ("integer", "number"):
        v = r.choice([s.get("minimum", 0), s.get("maximum", 5), s.get("minimum", 0) + 1, s.get("exclusiveMaximum", 3) - 1, 0, 6, 12])
        return v + 0.5 if t == "number" and r.random() < 0.3 else float(v) if r.random() < 0.1 else v
    if t == "string":
        n = r.choice([s.get("minLength", 0), s.get("maxLength", 3), 2])
        return r.choice(["a" * n, "b" * n, "x1", "abc", "1" * n])
    if t == "array":
        n = r.choice([s.get("minItems", 0), s.get("maxItems", 2), 1, 2])
        items = s.get("items", {})
        pre = s.get("prefixItems", items if isinstance(items, list) else [])
        rest = items if not isinstance(items, list) else s.get("additionalItems", {})
        return [guided(r, pre[i] if i < len(pre) else rest, root, depth - 1) for i in range(n)]
    if t == "object":
        out = {}
        for n in s.get("required", []):
            out[n] = guided(r, s.get("properties", {}).get(n, s.get("additionalProperties", {})), root, depth - 1)
        for n, x in s.get("properties", {}).items():
            if r.random() < 0.6:
                out[n] = guided(r, x, root, depth - 1)
        if s.get("additionalProperties") is not False and r.random() < 0.4:
            out[r.choice(NAMES + ["zz", "abc"])] = guided(r, s.get("additionalProperties", {}), root, depth - 1)
        return out
    return {"null": None, "boolean": r.choice([True, False])}[t]


def main():
    judge = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 30)
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 700
    r = random.Random(seed)
    failures, counts = [], {"same": 0, "compatible": 0, "refused": 0, "shown": 0, "values": 0, "agreed": 0}

    def ask(**what):
        judge.stdin.write(json.dumps({"format": "JSON", **what}) + "\n")
        judge.stdin.flush()
        return json.loads(judge.stdout.readline())

    def valid(v, s):
        try:
            return v.is_valid(s)
        except RecursionError:
            return None

    for _ in range(rounds):
        dw = r.choice(list(DIALECTS))
        dr = dw if r.random() < 0.9 else r.choice(list(DIALECTS))
        m = Maker(r, dw)
        defs = {"P": m.schema(2), "Q": {"type": "object", "properties": {"a": {"$ref": "#/definitions/P"}, "b": {"$ref": "#/definitions/Q"}}}}
        writer = m.root()
        reader = m.mutate(writer) if r.random() < 0.75 and dr == dw else Maker(r, dr).root()
        docs = []
        for s, d in ((writer, dw), (reader, dr)):
            s = dict(s)
            if "$ref" in s and d in ("draft-04", "draft-06", "draft-07"):
                s = {"$ref": s["$ref"]}
            if d == dw or d not in ("draft-04",):
                s["definitions"] = defs if d == dw else {"P": {}, "Q": {}}
            else:
                s["definitions"] = {"P": {}, "Q": {}}
            s["$schema"] = DIALECTS[d][0]
            docs.append(s)
        writer, reader = docs
        try:
            DIALECTS[dw][1].check_schema(writer)
            DIALECTS[dr][1].check_schema(reader)
        except jsonschema.SchemaError:
            continue
        W, R = DIALECTS[dw][1](writer), DIALECTS[dr][1](reader)
        first = guided(r, writer, writer)
        got = ask(writer=json.dumps(writer), reader=json.dumps(reader), value=json.dumps(first))
        if "error" in got:
            if "itself" not in got["error"]:
                failures.append(("refused", writer, reader, got["error"]))
            continue
        theirs = valid(W, first)
        counts["values"] += 1
        if theirs is not None and (got["value_error"] == "") != theirs:
            failures.append(("value", writer, first, theirs, got["value_error"]))
        counts["agreed"] += bool(theirs)
        bad = [d for d in got["diffs"] if not d["glue"]]
        if bad:
            counts["refused"] += 1
            for d in bad:
                if "sample" not in d:
                    continue
                counts["shown"] += 1
                sample = json.loads(d["sample"])
                if valid(W, sample) is False or valid(R, sample) is True:
                    failures.append(("sample", writer, reader, d))
        else:
            counts["compatible"] += 1
            for _ in range(120):
                v = guided(r, r.choice([writer, writer, reader]), writer) if r.random() < 0.7 else value(r)
                if valid(W, v) and valid(R, v) is False:
                    failures.append(("unsound", writer, reader, v))
                    break
        again = dict(reversed(list(writer.items())))
        self_ = ask(writer=json.dumps(writer), reader=json.dumps(again, indent=1))
        counts["same"] += 1
        if any(not d["glue"] for d in self_["diffs"]):
            failures.append(("itself", writer, self_["diffs"][:2]))
    judge.stdin.close()
    if judge.wait() != 0:
        failures.append(("judge", judge.returncode))
    enough = counts["compatible"] >= rounds // 20 and counts["shown"] >= rounds // 8 and counts["agreed"] >= rounds // 8
    print("1..1")
    print(f"# seed {seed}: {counts}")
    for f in failures[:5]:
        print("#", json.dumps(f)[:3000])
    print(("ok" if not failures and enough else "not ok") + " 1 - judged by another implementation")
    sys.exit(bool(failures) or not enough)


if __name__ == "__main__":
    main()
