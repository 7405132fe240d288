#!/usr/bin/env python3
"""Judges the codec by a second reading of the model, written apart from it.

    check_codec.py DUMP_PROGRAM API_FOLDER

Every request and reply that dump_codec prints is validated here from the model's JSON, with Python's own
regular expressions; the number of violations must be the one in the codec's message.
"""

import json
import re
import subprocess
import sys
import unicodedata

sys.path.insert(0, sys.argv[2])
from generate import OPEN_ENUMS, find_model  # noqa: E402

shapes = {}
compiled = {}


def matches(pattern, text):
    if pattern == r"[\p{L}\p{N}\p{P}]*":  # Python's re has no such classes
        return all(unicodedata.category(c)[0] in "LNP" for c in text)
    if pattern not in compiled:
        p = pattern.replace(r"\uD800\uDC00-\uDBFF\uDFFF", "\U00010000-\U0010ffff")
        compiled[pattern] = re.compile(p, re.ASCII)
    return bool(compiled[pattern].fullmatch(text))


def faults(name, value):
    """How many violations AWS's wording would count; None when that cannot be said."""
    s = shapes[name]
    kind = s["type"]
    if s.get("document") or kind in ("blob", "boolean", "timestamp"):
        return 0
    if kind == "structure":
        n = 0
        for m, ref in s["members"].items():
            if m in value:
                n += faults(ref["shape"], value[m])
            elif m in s.get("required", ()):
                n += 1
        return n
    size = None
    if kind in ("string", "list", "map"):
        size = len(value)
    elif kind in ("integer", "long", "double"):
        size = value
    n = int(size > s["max"]) if "max" in s else 0
    n += int(size < s["min"]) if "min" in s and not n else 0
    if kind == "string":
        more = name in OPEN_ENUMS and value.startswith(OPEN_ENUMS[name])
        n += int("enum" in s and value not in s["enum"] and not more)
        if "pattern" in s:
            m = matches(s["pattern"], value)
            n += int(m is False)
    elif kind == "list":
        n += of_elements(s["member"]["shape"], value)
    elif kind == "map":
        n += of_elements(s["key"]["shape"], list(value))
        n += of_elements(s["value"]["shape"], list(value.values()))
    return n


def of_elements(name, values):
    """Plain elements are one fault together, structures one each."""
    n = sum(v is None for v in values)
    each = [faults(name, v) for v in values if v is not None]
    if shapes[name]["type"] in ("structure", "list", "map"):
        return n + sum(each)
    return n + int(any(each))


def main():
    model = find_model("glue", None)
    shapes.update(model["shapes"])
    lines = subprocess.run([sys.argv[1]], capture_output=True, check=True, text=True, encoding="utf-8").stdout
    count, sound, bad = 0, 0, []
    for line in lines.split("\n"):
        if not line:
            continue
        op, side, verdict, text = line.split("\t", 3)
        ref = model["operations"][op]["input" if side == "in" else "output"]["shape"]
        mine = faults(ref, json.loads(text))
        m = re.match(r"(\d+) validation error", verdict)
        theirs = 0 if verdict == "ok" else int(m.group(1)) if m else -1
        count += 1
        sound += theirs == 0
        if mine != theirs:
            bad.append(f"{op} {side}: {mine} here, {theirs} there: {verdict[:200]}\n    {text[:300]}")
    print(f"# {count} texts, {sound} sound, {count - sound} with faults")
    print("1..1")
    print(f"{'not ok' if bad or sound == count else 'ok'} 1 - the codec agrees with a second reading of the model")
    for b in bad[:20]:
        print("#", b.replace("\n", "\n# "))
    sys.exit(bool(bad))


main()
