"""Java regular expressions of the service models: to PCRE2's dialect, and to plain character classes where one suffices.

Most of AWS's patterns say only "these characters, any number of them"; such a pattern becomes a bitmap
and a few ranges, which the codec checks without a regex engine.
"""

import re

# A range of UTF-16 pairs in a Java class; in code points it is everything beyond the BMP.
PAIRS = r"\uD800\uDC00-\uDBFF\uDFFF"


# What AWS takes is more than what the model's pattern says when a dot is held to one line: schema
# definitions have many lines. Something other than blanks must be there.
MEANT = {r".*\S.*": r"(?s)\s*+\S.*"}


def to_pcre(pattern):
    """Java's \\uXXXX to PCRE2's \\x{XXXX}; surrogate pairs to code points."""
    p = MEANT.get(pattern, pattern).replace(PAIRS, r"\x{10000}-\x{10FFFF}")
    p = re.sub(r"\\u([0-9A-Fa-f]{4})", r"\\x{\1}", p)
    if re.search(r"\\x\{[dD][89abAB]", p) or re.search(r"\\x\{[dD][c-fC-F]", p):
        raise ValueError(f"surrogates left in {pattern!r}")
    # '[9-_]' after a range and '\_' are read alike by both; '[^' ... ']' too.
    return p


CLASSES = {
    "s": [(9, 13), (32, 32)],
    "d": [(48, 57)],
    "w": [(48, 57), (65, 90), (95, 95), (97, 122)],
}
ESCAPES = {"t": 9, "n": 10, "r": 13, "f": 12}


def negate(ranges):
    out, at = [], 0
    for lo, hi in merge(ranges):
        if lo > at:
            out.append((at, lo - 1))
        at = hi + 1
    if at <= 0x10FFFF:
        out.append((at, 0x10FFFF))
    return out


def merge(ranges):
    out = []
    for lo, hi in sorted(ranges):
        if out and lo <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], hi))
        else:
            out.append((lo, hi))
    return out


class NotPlain(Exception):
    pass


def parse_atom(p, i):
    """One escape or character at p[i]: (ranges, next). A single code point is [(c, c)]."""
    if p[i] != "\\":
        return [(ord(p[i]), ord(p[i]))], i + 1
    c = p[i + 1]
    if c == "x":
        m = re.compile(r"\\x\{([0-9A-Fa-f]+)\}|\\x([0-9A-Fa-f]{2})").match(p, i)
        v = int(m.group(1) or m.group(2), 16)
        return [(v, v)], m.end()
    if c in CLASSES:
        return CLASSES[c], i + 2
    if c.lower() in CLASSES and c.isupper():
        return negate(CLASSES[c.lower()]), i + 2
    if c in ESCAPES:
        return [(ESCAPES[c], ESCAPES[c])], i + 2
    if c.isalnum():
        raise NotPlain
    return [(ord(c), ord(c))], i + 2


def parse_class(p, i):
    """The class that begins at p[i] == '[': (ranges, next)."""
    i += 1
    inverted = p[i] == "^"
    i += inverted
    ranges = []
    while p[i] != "]":
        if p[i] == "[":
            raise NotPlain
        lo, i = parse_atom(p, i)
        if p[i] == "-" and p[i + 1] != "]" and len(lo) == 1 and lo[0][0] == lo[0][1]:
            hi, j = parse_atom(p, i + 1)
            if len(hi) == 1 and hi[0][0] == hi[0][1]:
                ranges.append((lo[0][0], hi[0][0]))
                i = j
                continue
        ranges += lo
    return (negate(ranges) if inverted else merge(ranges)), i + 1


def plain(pcre):
    """(ranges, minimum length, maximum length or None) when the pattern is one class repeated, else None."""
    p = pcre
    if p.startswith("^") and p.endswith("$"):
        p = p[1:-1]
    m = re.fullmatch(r"\((.*)\)\*", p)
    if m and not re.search(r"[()|]", m.group(1)):
        p = m.group(1) + "*"
    try:
        if p[0] == "[":
            ranges, i = parse_class(p, 0)
        elif p[0] == ".":
            ranges, i = negate([(10, 10), (13, 13), (0x85, 0x85), (0x2028, 0x2029)]), 1
        elif p[0] == "\\":
            ranges, i = parse_atom(p, 0)
        else:
            return None
    except (NotPlain, IndexError):
        return None
    tail = p[i:]
    bounds = {"*": (0, None), "+": (1, None), "": (1, 1)}.get(tail)
    return (merge(ranges),) + bounds if bounds else None


def c_rows(java, name, quote):
    """The C rows of one pattern."""
    pcre = to_pcre(java)
    simple = plain(pcre)
    q, _ = quote(java)
    rows = []
    fields = [f".java = {q}", f".pcre = {quote(pcre)[0]}"]
    if simple:
        ranges, least, most = simple
        bits = [0, 0]
        wide = []
        for lo, hi in ranges:
            for c in range(lo, min(hi, 127) + 1):
                bits[c >> 6] |= 1 << (c & 63)
            if hi >= 128:
                wide.append((max(lo, 128), hi))
        fields += [".plain = true", f".ascii = {{0x{bits[0]:x}u, 0x{bits[1]:x}u}}"]
        if wide:
            rows.append(
                f"static const nk_range {name}_wide[] = {{" + ", ".join(f"{{0x{a:x}, 0x{b:x}}}" for a, b in wide) + "};"
            )
            fields += [f".wide = {name}_wide", f".n_wide = {len(wide)}"]
        if all(bits[c >> 6] >> (c & 63) & 1 for c in range(0x20, 0x80)):
            fields.append(".printable = true")
        if least:
            fields.append(f".least = {least}")
        if most:
            fields.append(f".most = {most}")
    rows.append(f"static nk_pattern {name} = {{{', '.join(fields)}}};")
    return rows
