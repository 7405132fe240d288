#!/usr/bin/env python3
"""Judges the Protobuf parser and checker by protoc and the protobuf runtime.

    check_protobuf.py JUDGE [SEED [ROUNDS]]

- Random definitions, and such with a token dropped, doubled or swapped: ours takes what protoc takes, no more and no less.
- The canonical text means the same: protoc makes the same descriptor of it.
- Where ours says (for Glue's door) that the reader reads what the writer writes, random messages encoded with the
  one and decoded with the other are equal; a sample that is said to break does.
- Encoded messages are valid, and their numbers are those of the sorted full names; cut messages are judged as the
  runtime judges them.
"""

import base64
import json
import os
import random
import re
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError
from grpc_tools import protoc

SCALARS = ["double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32",
           "sfixed64", "bool", "string", "bytes"]
WELL_KNOWN = os.path.join(os.path.dirname(protoc.__file__), "_proto")


class Protoc:
    def __init__(self):
        self.dir = tempfile.TemporaryDirectory()
        self.null = os.open(os.devnull, os.O_WRONLY)

    def __call__(self, text):
        """The descriptor, or None when protoc refuses the text."""
        path = os.path.join(self.dir.name, "t.proto")
        out = os.path.join(self.dir.name, "t.bin")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        saved = os.dup(2)
        os.dup2(self.null, 2)
        try:
            code = protoc.main(["protoc", f"-I{self.dir.name}", f"-I{WELL_KNOWN}", f"--descriptor_set_out={out}", path])
        finally:
            os.dup2(saved, 2)
            os.close(saved)
        if code:
            return None
        files = descriptor_pb2.FileDescriptorSet()
        with open(out, "rb") as f:
            files.ParseFromString(f.read())
        return files.file[0]


class Maker:
    def __init__(self, r, proto3=None, package=None):
        self.r = r
        self.proto3 = r.random() < 0.6 if proto3 is None else proto3

    def field(self, names, number, in_oneof=False, depth=0):
        r = self.r
        name = f"f{number}" if r.random() < 0.8 else f"g_{number}"
        kind = r.choice(SCALARS) if r.random() < 0.75 else r.choice(names)
        label = ""
        if not in_oneof:
            if r.random() < 0.15:
                key = r.choice([s for s in SCALARS if s not in ("double", "float", "bytes")])
                return f"map<{key}, {kind}> {name} = {number};"
            label = r.choice(["optional ", "repeated ", ""] if self.proto3 else ["optional ", "repeated ", "optional ", "required "])
            if not self.proto3 and r.random() < 0.07 and depth < 2:
                return f"{label}group G{number} = {number} {{ {self.field(names, 1, depth=depth + 1)} }}"
        options = ""
        if label == "repeated " and kind in SCALARS[:13] and r.random() < 0.3:
            options = f" [packed={r.choice(['true', 'false'])}]"
        elif not self.proto3 and label == "optional " and kind == "int32" and r.random() < 0.3:
            options = " [default = -3]"
        elif r.random() < 0.05:
            options = f' [json_name = "j{number}", deprecated = true]'
        return f"{label}{kind} {name} = {number}{options};"

    def message(self, name, names, depth=0):
        r = self.r
        parts = []
        if r.random() < 0.2:
            parts.append("reserved 50 to 60, 70; reserved \"old\", 'older';")
        if not self.proto3 and r.random() < 0.1:
            parts.append("extensions 100 to 199, 1000 to max;")
        numbers = r.sample(range(1, 16), r.randint(1, 6))
        inner = []
        if depth < 1 and r.random() < 0.3:
            inner.append("In")
            parts.append(self.message("In", names + ["In"], depth + 1))
        if r.random() < 0.25:
            parts.append(self.enum("E"))
            inner.append("E")
        rest = list(numbers)
        if r.random() < 0.4:
            n = r.randint(1, min(3, len(rest)))
            parts.append("oneof choice { " + " ".join(self.field(names + inner, k, True) for k in rest[:n]) + " }")
            rest = rest[n:]
        parts += [self.field(names + inner, k, depth=depth) for k in rest]
        r.shuffle(parts)
        return f"message {name} {{\n  " + "\n  ".join(parts) + "\n}"

    def enum(self, name):
        r = self.r
        values = [0] + r.sample(range(1, 6), r.randint(0, 3)) if self.proto3 or r.random() < 0.8 else [3, 1]
        return f"enum {name} {{ " + " ".join(f"{name.upper()}_V{v} = {v};" for v in values) + " }"

    def text(self):
        r = self.r
        names = ["A", "B", "Color"]
        parts = [self.message("A", names), self.message("B", names), self.enum("Color")]
        head = [f'syntax = "proto{3 if self.proto3 else 2}";']
        if r.random() < 0.7:
            head.append(f"package {r.choice(['p', 'p.q', 'com.example'])};")
        if r.random() < 0.4:
            head.append('import "google/protobuf/timestamp.proto";')
            parts.append("message T { " + ("" if self.proto3 else "optional ") + "google.protobuf.Timestamp at = 1; }")
        if r.random() < 0.15:
            head.append('option java_package = "a.b"; // a comment\n/* another\n one */')
        if r.random() < 0.15:
            parts.append("service S { rpc Do (A) returns (stream B); rpc Go (stream .%s) returns (A) { option deprecated = true; } }" % "A"
                         if len(head) == 1 else "service S { rpc Do (A) returns (stream B) {} }")
        r.shuffle(parts)
        return "\n".join(head + parts) + "\n"


TOKEN = re.compile(r'"[^"]*"|[A-Za-z_][A-Za-z0-9_]*|[0-9]+|\S|\s+')


def damaged(r, text):
    tokens = TOKEN.findall(text)
    places = [i for i, t in enumerate(tokens) if t.strip()]
    i, j = r.choice(places), r.choice(places)
    how = r.random()
    if how < 0.3:
        tokens[i] = ""
    elif how < 0.5:
        tokens[i] += " " + tokens[i]
    elif how < 0.75:
        tokens[i] = tokens[j]
    else:
        tokens[i] = r.choice(["0", "-1", "19500", "536870912", "A", "reserved", "oneof", "map", "message", "{", "}", ";", "=", "[", "repeated",
                              "required", "optional", "int32", "E", "1", "2", "enum", "option", "0x1F", "017", "1.5", "'x'", ".A", "group"])
    return "".join(tokens)


def neighbour(r, text):
    """A reader's definition: some fields changed."""
    lines = text.split("\n")
    for _ in range(r.randint(1, 3)):
        places = [i for i, line in enumerate(lines) if re.search(r"\w+ [fg]_?\d+ = \d+", line)]
        if not places:
            break
        i = r.choice(places)
        how = r.random()
        if how < 0.6:
            near = {"int32": ["int64", "uint32", "bool", "Color"], "int64": ["int32", "uint64"], "uint32": ["uint64", "int64", "int32"],
                    "string": ["bytes"], "bytes": ["string"], "bool": ["int32", "uint32"], "sint32": ["sint64"], "sint64": ["sint32"],
                    "fixed32": ["sfixed32"], "Color": ["int32", "int64"], "float": ["double"], "A": ["B"]}
            lines[i] = re.sub(r"\b(\w+)( [fg]_?\d+ = )",
                              lambda m: r.choice(near.get(m[1], [m[1]]) if r.random() < 0.8 else SCALARS) + m[2], lines[i], count=1)
            lines[i] = re.sub(r" \[(packed|default)[^\]]*\]", "", lines[i])
        elif how < 0.75:
            if "{" not in lines[i]:
                lines[i] = ""
        elif how < 0.85:
            lines[i] = re.sub(r"\b(optional|repeated|required)\b", lambda m: r.choice(["optional", "repeated"]), lines[i])
            lines[i] = re.sub(r" \[(packed|default)[^\]]*\]", "", lines[i])
        else:
            lines[i] += f" {r.choice(['repeated', 'optional'])} {r.choice(SCALARS)} n{i} = {20 + i};"
    return "\n".join(lines)


EDGE = {"int": [0, 1, -1, 2, 5], "double": [0.0, 1.5, -2.25]}


def scalar(r, f):
    t = f.type
    D = f
    if t in (D.TYPE_DOUBLE, D.TYPE_FLOAT):
        return r.choice([0.0, 1.5, -2.25, 1e10])
    if t == D.TYPE_BOOL:
        return r.random() < 0.6
    if t == D.TYPE_STRING:
        return r.choice(["", "a", "héllo"])
    if t == D.TYPE_BYTES:
        return r.choice([b"", b"a", b"\xff\xfe"])
    if t == D.TYPE_ENUM:
        values = [v.number for v in f.enum_type.values]
        return r.choice(values + ([77] if not f.enum_type.is_closed else []))
    wide = t in (D.TYPE_INT64, D.TYPE_UINT64, D.TYPE_SINT64, D.TYPE_FIXED64, D.TYPE_SFIXED64)
    unsigned = t in (D.TYPE_UINT32, D.TYPE_UINT64, D.TYPE_FIXED32, D.TYPE_FIXED64)
    bits = 64 if wide else 32
    return r.choice([0, 1, 2, 5, 2**bits - 1, 2**(bits - 1)] if unsigned else [0, 1, -1, 2, 2**(bits - 1) - 1, -2**(bits - 1)])


def fill(r, m, depth=0):
    for f in m.DESCRIPTOR.fields:
        if f.is_repeated:
            if f.message_type and f.message_type.GetOptions().map_entry:
                k, v = f.message_type.fields_by_name["key"], f.message_type.fields_by_name["value"]
                for _ in range(r.randint(0, 2)):
                    key = scalar(r, k)
                    if v.message_type:
                        if depth < 3:
                            fill(r, getattr(m, f.name)[key], depth + 1)
                    else:
                        getattr(m, f.name)[key] = scalar(r, v)
            elif f.message_type:
                for _ in range(r.randint(0, 2) if depth < 3 else 0):
                    fill(r, getattr(m, f.name).add(), depth + 1)
            else:
                getattr(m, f.name).extend(scalar(r, f) for _ in range(r.randint(0, 3)))
        elif f.is_required or (r.random() < 0.6 and (not f.message_type or depth < 3)):
            if f.message_type:
                if depth < 6:
                    getattr(m, f.name).SetInParent()
                    fill(r, getattr(m, f.name), depth + 1)
            else:
                setattr(m, f.name, scalar(r, f))
    return m


def plain(v):
    return v.encode() if isinstance(v, str) else int(v) if isinstance(v, bool) else v


def same(a, b):
    """What the writer's message a says, b says too."""
    ours = {f.number: f for f in b.DESCRIPTOR.fields}
    for f, v in a.ListFields():
        g = ours.get(f.number)
        if g is None:
            if f.containing_oneof and f.containing_oneof.name in b.DESCRIPTOR.oneofs_by_name:
                return False
            continue
        w = getattr(b, g.name)
        if f.message_type and f.message_type.GetOptions().map_entry:
            if len(v) != len(w):
                return False
            for k in v:
                if k not in w or not (same(v[k], w[k]) if hasattr(v[k], "ListFields") else plain(v[k]) == plain(w[k])):
                    return False
            continue
        vs = list(v) if f.is_repeated else [v]
        ws = list(w) if g.is_repeated else [w]
        if len(vs) != len(ws):
            return False
        for x, y in zip(vs, ws):
            if hasattr(x, "ListFields") != hasattr(y, "ListFields"):
                return False
            if not (same(x, y) if hasattr(x, "ListFields") else plain(x) == plain(y)):
                return False
        if not f.is_repeated and not g.is_repeated and g.has_presence and f.has_presence and not b.HasField(g.name):
            return False
    return True


def classes(descriptor):
    pool = descriptor_pool.DescriptorPool()
    for known in ("timestamp",):
        module = __import__(f"google.protobuf.{known}_pb2", fromlist=["x"])
        fdp = descriptor_pb2.FileDescriptorProto()
        module.DESCRIPTOR.CopyToProto(fdp)
        pool.Add(fdp)
    pool.Add(descriptor)
    prefix = descriptor.package + "." if descriptor.package else ""
    out = {}

    def walk(d):
        out[d.full_name[len(prefix):]] = message_factory.GetMessageClass(d)
        for n in d.nested_types:
            walk(n)
    file = pool.FindFileByName(descriptor.name)
    for d in file.message_types_by_name.values():
        walk(d)
    return out


def order(d):
    """What a canonical text may reorder."""
    deps = sorted(d.dependency)
    del d.dependency[:]
    d.dependency.extend(deps)

    def message(m):
        m.reserved_range.sort(key=lambda x: x.start)
        m.reserved_name.sort()
        m.extension_range.sort(key=lambda x: x.start)
        for n in m.nested_type:
            message(n)
        m.nested_type.sort(key=lambda x: x.name)
    for m in d.message_type:
        message(m)
    for service in d.service:
        for method in service.method:
            if method.HasField("options") and not method.options.ByteSize():
                method.ClearField("options")
    return d


def decode(cls, data):
    try:
        m = cls.FromString(data)
    except DecodeError:
        return None
    return m if m.IsInitialized() else None


UNJUDGED = {"FIELD_NAMED_TYPE_CHANGED", "FIELD_NUMERIC_LABEL_CHANGED", "MESSAGE_REMOVED"}


def main():
    judge = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 30)
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 300
    r = random.Random(seed)
    compile_ = Protoc()
    failures = []
    n = dict.fromkeys(["taken", "refused", "compatible", "breaking", "shown", "messages", "bytes"], 0)

    def ask(**what):
        judge.stdin.write(json.dumps({"format": "PROTOBUF", **what}) + "\n")
        judge.stdin.flush()
        return json.loads(judge.stdout.readline())

    for _ in range(rounds):
        writer = Maker(r).text()
        for text in (writer, damaged(r, writer), damaged(r, writer)):
            theirs, ours = compile_(text), ask(writer=text)
            n["refused" if theirs is None else "taken"] += 1
            if (theirs is None) != ("error" in ours):
                failures.append(("parse", text, theirs is not None, ours.get("error")))
            elif theirs is not None:
                again = compile_(ours["canonical"])
                if again is None or order(again) != order(theirs):
                    failures.append(("canonical", text, ours["canonical"]))
                if ask(writer=ours["canonical"]).get("canonical") != ours["canonical"]:
                    failures.append(("canonical again", text, ours["canonical"]))
            elif not re.search(r"line \d+, column \d+", ours["error"]):
                failures.append(("place", text, ours["error"]))
        reader = neighbour(r, writer)
        dw, dr = compile_(writer), compile_(reader)
        if dw is None or dr is None:
            continue
        got = ask(writer=writer, reader=reader)
        W, R = classes(dw), classes(dr)
        bad = [d for d in got["diffs"] if not d["glue"]]
        n["breaking" if bad else "compatible"] += 1
        prefix = dw.package + "." if dw.package else ""
        for name, cls in W.items():
            if bad or name not in R:
                continue
            for _ in range(8):
                m = fill(r, cls())
                if not m.IsInitialized():
                    continue
                data = m.SerializeToString()
                n["messages"] += 1
                read = decode(R[name], data)
                if read is None or not same(m, read):
                    failures.append(("unsound", writer, reader, name, str(m)))
                    break
        for d in bad:
            name = d["writer"][len(prefix):]
            while name and name not in W:
                name = name.rpartition(".")[0]
            if not name or "sample" not in d or d["rule"] in UNJUDGED:
                continue
            if d["rule"] == "FIELD_BYTES_READ_AS_STRING" and 'proto2' in reader[:20]:
                continue  # this runtime does not look at a proto2 string until it is used
            n["shown"] += 1
            m = json_format.Parse(d["sample"], W[name](), descriptor_pool=None)
            if not m.IsInitialized():
                failures.append(("sample not whole", writer, d))
                continue
            read = decode(R[name], m.SerializeToString()) if name in R else None
            if read is not None and same(m, read):
                failures.append(("sample", writer, reader, d))
        names = sorted(cls.DESCRIPTOR.full_name for cls in W.values())
        cls = r.choice(list(W.values()))
        if cls.DESCRIPTOR.GetOptions().map_entry:
            continue
        m = fill(r, cls())
        if not m.IsInitialized():
            continue
        data = m.SerializeToString()
        for cut in (len(data), r.randint(0, len(data))):
            part = data[:cut]
            ours = ask(writer=writer, message=cls.DESCRIPTOR.full_name, value=base64.b64encode(part).decode())
            whole = decode(cls, part) is not None
            n["bytes"] += 1
            if ours.get("index") != names.index(cls.DESCRIPTOR.full_name) or (ours["value_error"] == "") != whole:
                failures.append(("bytes", writer, cls.DESCRIPTOR.full_name, part.hex(), whole, ours))
    judge.stdin.close()
    if judge.wait() != 0:
        failures.append(("judge", judge.returncode))
    enough = min(n["compatible"], n["breaking"], n["shown"]) >= rounds // 20 and n["refused"] >= rounds // 2 and n["taken"] >= rounds
    print("1..1")
    print(f"# seed {seed}: {n}")
    for f in failures[:5]:
        print("#", json.dumps(f)[:3000])
    print(("ok" if not failures and enough else "not ok") + " 1 - judged by protoc and the protobuf runtime")
    sys.exit(bool(failures) or not enough)


if __name__ == "__main__":
    main()
