#!/usr/bin/env python3
"""Turns AWS's service models (botocore's, pinned) into C: a struct and a row of tables for every shape.

    generate.py --out DIR [--botocore SITE_PACKAGES] SERVICE...

writes SERVICE_shapes.h, SERVICE_shapes.c and SERVICE_handlers.h for each service. Python's own library only.
"""

import argparse
import glob
import gzip
import json
import os
import re
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import patterns  # noqa: E402

BOTOCORE = "1.44.5"
KEYWORDS = set(
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
    "bool true false raw_".split()
)
SCALARS = {
    "string": ("NK_KIND_STRING", "nk_str"),
    "character": ("NK_KIND_STRING", "nk_str"),
    "blob": ("NK_KIND_BLOB", "nk_str"),
    "boolean": ("NK_KIND_BOOL", "nk_opt_bool"),
    "integer": ("NK_KIND_INT", "nk_opt_i64"),
    "long": ("NK_KIND_LONG", "nk_opt_i64"),
    "float": ("NK_KIND_DOUBLE", "nk_opt_f64"),
    "double": ("NK_KIND_DOUBLE", "nk_opt_f64"),
    "timestamp": ("NK_KIND_TIME", "nk_opt_time"),
}
# What clients put passwords into, which the model does not call sensitive: messages never repeat it.
SENSITIVE = {"ConnectionProperties", "ValueString"}
# Enums that hold more than the model lists, by what all further values begin with: types that
# RegisterConnectionType made, and whatever properties these ask for.
OPEN_ENUMS = {"ConnectionType": "REST-", "ConnectionPropertyKey": ""}
MASK = (1 << 64) - 1


def find_model(service, hint):
    """The text of SERVICE's newest service-2 model, from the pinned botocore."""
    home = os.environ.get("NIKAWA_DEPS") or os.path.expanduser("~/.cache/nikawa")
    sites = [hint] if hint else []
    sites += [p for p in sys.path if p.endswith("-packages")]
    sites += sorted(glob.glob(os.path.join(home, "venv", "run", "lib", "python*", "site-packages")))
    for site in sites:
        if not os.path.isdir(os.path.join(site, f"botocore-{BOTOCORE}.dist-info")):
            continue
        found = sorted(glob.glob(os.path.join(site, "botocore", "data", service, "*", "service-2.json*")))
        if found:
            opener = gzip.open if found[-1].endswith(".gz") else open
            with opener(found[-1], "rt", encoding="utf-8") as f:
                return json.load(f)
    sys.exit(
        f"generate.py: botocore {BOTOCORE} with the model of '{service}' was not found in {sites}.\n"
        "Run `make deps` (or point meson at a Python that has it: -Dpython=/path/to/python)."
    )


def quote(text):
    """A C string literal and its length in bytes."""
    out = []
    raw = text.encode("utf-8")
    for b in raw:
        c = chr(b)
        if c in '"\\':
            out.append("\\" + c)
        elif 0x20 <= b < 0x7F and c != "?":
            out.append(c)
        else:
            out.append(f"\\{b:03o}")
    return '"' + "".join(out) + '"', len(raw)


def nk_str(text):
    q, n = quote(text)
    return "{%s, %d}" % (q, n)


def name_hash(name):
    """As name_hash() in src/model/find.c."""
    raw = name.encode("utf-8")
    n = len(raw)
    if n >= 8:
        a = int.from_bytes(raw[:8], "little")
        b = int.from_bytes(raw[-8:], "little")
    else:
        a = int.from_bytes(raw, "little")
        b = 0
    h = (a * 0x9E3779B97F4A7C15 & MASK) ^ (b * 0xC2B2AE3D27D4EB4F & MASK) ^ (n * 0xD6E8FEB86659FD93 & MASK)
    h ^= h >> 32
    h = h * 0x9E3779B97F4A7C15 & MASK
    return h >> 40


def index_table(names):
    """Open addressing, at most half full: slot -> number + 1."""
    size = 2
    while size < 2 * len(names):
        size *= 2
    slots = [0] * size
    for i, name in enumerate(names):
        at = name_hash(name) & (size - 1)
        while slots[at]:
            at = (at + 1) & (size - 1)
        slots[at] = i + 1
    return slots


class Service:
    def __init__(self, name, model):
        self.name = name
        self.model = model
        self.meta = model["metadata"]
        self.shapes = {n: s for n, s in model["shapes"].items()}
        self.checked = self.find_checked()

    # -- facts ------------------------------------------------------------
    def is_doc(self, s):
        return bool(s.get("document"))

    def find_checked(self):
        """Shapes that have a constraint of their own or below; the others need no walk."""
        own = set()
        for n, s in self.shapes.items():
            if self.is_doc(s):
                continue
            if s["type"] == "blob":
                continue
            if any(k in s for k in ("min", "max", "pattern", "enum")) or s.get("required"):
                own.add(n)
            if s["type"] == "list":
                own.add(n)  # its elements must not be null
        while True:
            more = set()
            for n, s in self.shapes.items():
                if n in own or self.is_doc(s):
                    continue
                below = [m["shape"] for m in s.get("members", {}).values()]
                below += [s[k]["shape"] for k in ("member", "key", "value") if k in s]
                if any(b in own for b in below):
                    more.add(n)
            if not more:
                return own
            own |= more

    def c_type(self, shape):
        """The C type of a value of this shape where it stands by value."""
        s = self.shapes[shape]
        if self.is_doc(s):
            return "nk_str"
        if s["type"] == "structure":
            return f"{self.name}_{shape}"
        if s["type"] == "list":
            elem = s["member"]["shape"]
            kind = self.shapes[elem]["type"]
            if kind == "string":
                return "nk_list_str"
            if kind in ("integer", "long"):
                return "nk_list_i64"
            return f"{self.name}_{elem}_list"
        if s["type"] == "map":
            value = s["value"]["shape"]
            if self.shapes[value]["type"] == "string":
                return "nk_map_str"
            return f"{self.name}_{value}_map"
        return SCALARS[s["type"]][1]

    def field(self, member):
        return member + "_" if member in KEYWORDS else member

    # -- header -----------------------------------------------------------
    def header(self):
        n = self.name
        guard = f"NK_{n.upper()}_SHAPES_H"
        out = [
            f"/* Generated from the service model of {n} {self.meta['apiVersion']} (botocore {BOTOCORE}). */",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            '#include "model/model.h"',
            "",
        ]
        structs = [k for k, s in self.shapes.items() if s["type"] == "structure" and not self.is_doc(s)]
        out += [f"typedef struct {n}_{k} {n}_{k};" for k in structs]
        out.append("")
        lists, maps = {}, {}
        for k, s in self.shapes.items():
            t = self.c_type(k)
            if s["type"] == "list" and not t.startswith("nk_"):
                lists[t] = s["member"]["shape"]
            if s["type"] == "map" and not t.startswith("nk_"):
                maps[t] = s["value"]["shape"]
        # A list of lists needs its element's type first; a pointer to it suffices, so forward-declare all.
        out += [f"typedef struct {t} {t};" for t in list(lists) + list(maps)]
        out += [f"typedef struct {t}_entry {t}_entry;" for t in maps]
        out.append("")
        for t, elem in lists.items():
            out.append(f"struct {t} {{\n    {self.c_type(elem)} *v;\n    size_t n;\n    bool set;\n}};")
        for t in maps:
            out.append(f"struct {t} {{\n    {t}_entry *v;\n    size_t n;\n    bool set;\n}};")
        out.append("/* The shapes' own names for these. */")
        for k, s in self.shapes.items():
            if s["type"] in ("list", "map"):
                out.append(f"typedef {self.c_type(k)} {n}_{k};")
        out.append("")
        for k in structs:
            out.append(f"struct {n}_{k} {{\n    nk_str raw_;")
            for m, ref in self.shapes[k]["members"].items():
                t = self.c_type(ref["shape"])
                target = self.shapes[ref["shape"]]
                star = "*" if target["type"] == "structure" and not self.is_doc(target) else ""
                note = ""
                if target["type"] in SCALARS and "enum" in target and len(target["enum"]) <= 6:
                    note = " /* " + " ".join(target["enum"]) + " */"
                out.append(f"    {t} {star}{self.field(m)};{note}")
            out.append("};")
        for t, value in maps.items():
            out.append(f"struct {t}_entry {{\n    nk_str key;\n    {self.c_type(value)} value;\n}};")
        out.append("")
        out += [f"extern const nk_shape {n}_{k}_shape;" for k in self.shapes]
        out.append("")
        out.append("enum {")
        out += [f"    {n}_op_{op}," for op in self.model["operations"]]
        out.append(f"    {n}_op_count\n}};")
        out.append(f"extern const nk_op {n}_ops[{n}_op_count];")
        out.append(f"extern const nk_service {n}_service;")
        out.append("\n#endif")
        return "\n".join(out) + "\n"

    def handlers(self):
        n = self.name
        guard = f"NK_{n.upper()}_HANDLERS_H"
        out = [
            f"/* Generated: what a handler of each {n} operation looks like. Only those listed in api/ops.def exist. */",
            f"#ifndef {guard}",
            f"#define {guard}",
            "",
            '#include "model/call.h"',
            f'#include "model/{n}_shapes.h"',
            "",
        ]
        for name, op in self.model["operations"].items():
            i = f"const {n}_{op['input']['shape']} *in" if "input" in op else "const void *in"
            o = f"{n}_{op['output']['shape']} *out" if "output" in op else "void *out"
            out.append(f"nk_code {n}_{name}(nk_call *call, {i}, {o});")
        out.append("\n#endif")
        return "\n".join(out) + "\n"

    # -- tables -----------------------------------------------------------
    def member_rows(self, k, out):
        n = self.name
        s = self.shapes[k]
        if not s["members"]:
            return
        required = set(s.get("required", []))
        out.append(f"static const nk_member {k}_m[] = {{")
        wires = []
        for m, ref in s["members"].items():
            wire = ref.get("locationName", m)
            wires.append(wire)
            flags = [
                f
                for f, on in (
                    ("NK_MEMBER_REQUIRED", m in required),
                    ("NK_MEMBER_DEPRECATED", ref.get("deprecated")),
                    ("NK_MEMBER_TOKEN", ref.get("idempotencyToken")),
                )
                if on
            ]
            where = {
                None: "NK_IN_BODY",
                "uri": "NK_IN_URI",
                "querystring": "NK_IN_QUERY",
                "header": "NK_IN_HEADER",
            }[ref.get("location")]
            key = nk_str('"%s":' % wire)
            out.append(
                f"    {{{nk_str(m)}, {nk_str(wire)}, {key}, &{n}_{ref['shape']}_shape, "
                f"offsetof({n}_{k}, {self.field(m)}), {' | '.join(flags) or '0'}, {where}}},"
            )
        out.append("};")
        slots = index_table(wires)
        out.append(f"static const uint16_t {k}_i[] = {{{', '.join(map(str, slots))}}};")

    def shape_row(self, k, pattern_ids):
        n = self.name
        s = self.shapes[k]
        kind = s["type"]
        f = [f'.name = "{k}"']
        flags = []
        if self.is_doc(s):
            f += [".kind = NK_KIND_DOC", ".size = sizeof(nk_str)"]
        elif kind == "structure":
            f += [".kind = NK_KIND_STRUCT", f".size = sizeof({n}_{k})", f".n_members = {len(s['members'])}"]
            if s["members"]:
                f += [f".members = {k}_m", f".index = {k}_i", f".index_mask = sizeof {k}_i / sizeof {k}_i[0] - 1"]
        elif kind == "list":
            f += [".kind = NK_KIND_LIST", f".size = sizeof({self.c_type(k)})", f".elem = &{n}_{s['member']['shape']}_shape"]
        elif kind == "map":
            f += [
                ".kind = NK_KIND_MAP",
                f".size = sizeof({self.c_type(k)})",
                f".elem = &{n}_{s['value']['shape']}_shape",
                f".key = &{n}_{s['key']['shape']}_shape",
            ]
        else:
            f += [f".kind = {SCALARS[kind][0]}", f".size = sizeof({SCALARS[kind][1]})"]
        if kind != "blob":
            for bound in ("min", "max"):
                if bound in s:
                    flags.append(f"NK_SHAPE_{bound.upper()}")
                    f.append(f".{bound} = {s[bound]}")
        if s.get("enum"):
            f += [f".enums = {k}_e", f".n_enums = {len(s['enum'])}"]
            if k in OPEN_ENUMS:
                flags.append("NK_SHAPE_OPEN")
                f.append(f".open = {nk_str(OPEN_ENUMS[k])}")
        if s.get("pattern"):
            f.append(f".pattern = &pattern_{pattern_ids[s['pattern']]}")
        for key, flag in (("sensitive", "SENSITIVE"), ("exception", "EXCEPTION"), ("union", "UNION")):
            if s.get(key) or (key == "sensitive" and k in SENSITIVE):
                flags.append("NK_SHAPE_" + flag)
        if s.get("timestampFormat") == "iso8601":
            flags.append("NK_SHAPE_ISO8601")
        if k in self.checked:
            flags.append("NK_SHAPE_CHECKED")
        if s.get("error", {}).get("httpStatusCode"):
            f.append(f".http_status = {s['error']['httpStatusCode']}")
        f.append(f".flags = {' | '.join(flags) or '0'}")
        return f"const nk_shape {n}_{k}_shape = {{{', '.join(f)}}};"

    def op_rows(self, out):
        n = self.name
        ops = self.model["operations"]
        for name, op in ops.items():
            errors = [e["shape"] for e in op.get("errors", [])]
            if errors:
                out.append(
                    f"static const nk_shape *const {name}_errors[] = {{"
                    + ", ".join(f"&{n}_{e}_shape" for e in errors)
                    + "};"
                )
        out.append(f"const nk_op {n}_ops[{n}_op_count] = {{")
        for i, (name, op) in enumerate(ops.items()):
            errors = op.get("errors", [])
            row = [
                f'"{n}"',
                nk_str(name),
                quote(op["http"]["method"])[0],
                quote(op["http"]["requestUri"])[0],
                f"&{n}_{op['input']['shape']}_shape" if "input" in op else "NULL",
                f"&{n}_{op['output']['shape']}_shape" if "output" in op else "NULL",
                f"{name}_errors" if errors else "NULL",
                str(len(errors)),
                str(op["http"].get("responseCode", 200)),
                str(i),
                "true" if op.get("readonly") else "false",
                "true" if op.get("idempotent") else "false",
            ]
            out.append("    {" + ", ".join(row) + "},")
        out.append("};")
        slots = index_table(list(ops))
        out.append(f"static const uint16_t op_index[] = {{{', '.join(map(str, slots))}}};")
        text = lambda key: quote(self.meta[key])[0] if key in self.meta else "NULL"  # noqa: E731
        out.append(
            f'const nk_service {n}_service = {{"{n}", {text("targetPrefix")}, {text("protocol")}, {text("jsonVersion")}, '
            f"{text('apiVersion')}, {n}_ops, {n}_op_count, {len(slots) - 1}, op_index}};"
        )

    def source(self):
        n = self.name
        out = [
            f"/* Generated from the service model of {n} {self.meta['apiVersion']} (botocore {BOTOCORE}). */",
            f'#include "model/{n}_shapes.h"',
            "",
            "#include <stddef.h>",
            "",
            '#include "model/pattern_int.h"',
            "",
        ]
        ids = {}
        for s in self.shapes.values():
            p = s.get("pattern")
            if p is None or p in ids:
                continue
            ids[p] = len(ids)
            out += patterns.c_rows(p, f"pattern_{ids[p]}", quote)
        for k, s in self.shapes.items():
            if s.get("enum"):
                out.append(f"static const nk_str {k}_e[] = {{{', '.join(nk_str(e) for e in s['enum'])}}};")
        for k, s in self.shapes.items():
            if s["type"] == "structure" and not self.is_doc(s):
                self.member_rows(k, out)
        out += [self.shape_row(k, ids) for k in self.shapes]
        self.op_rows(out)
        return "\n".join(out) + "\n"


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--out", required=True, help="folder for the generated files")
    ap.add_argument("--botocore", help="site-packages folder that holds botocore")
    ap.add_argument("services", nargs="+")
    args = ap.parse_args()
    for name in args.services:
        svc = Service(name, find_model(name, args.botocore))
        write(os.path.join(args.out, f"{name}_shapes.h"), svc.header())
        write(os.path.join(args.out, f"{name}_shapes.c"), svc.source())
        write(os.path.join(args.out, f"{name}_handlers.h"), svc.handlers())


if __name__ == "__main__":
    main()
