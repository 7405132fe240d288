"""Field paths as scripts write them: "a", "a.b", "`a.b`" (one name with a dot), "list[].a"."""

__all__ = ["parse", "parse_all"]


def parse(path):
    """The parts of one path. A name in back quotes is taken as it stands."""
    if not isinstance(path, str):
        raise TypeError("a field path must be a string, not %r" % (path,))
    parts, part, quoted, i = [], [], False, 0
    while i < len(path):
        c = path[i]
        if c == "`":
            if quoted and path[i + 1:i + 2] == "`":
                part.append("`")
                i += 1
            else:
                quoted = not quoted
        elif c == "." and not quoted:
            parts.append("".join(part))
            part = []
        else:
            part.append(c)
        i += 1
    if quoted:
        raise ValueError("field path %r has an unclosed back quote" % path)
    parts.append("".join(part))
    if not all(parts):
        raise ValueError("field path %r has an empty name" % path)
    return parts


def parse_all(paths, what="paths"):
    if isinstance(paths, str):
        paths = [paths]
    if not isinstance(paths, (list, tuple, set)) or not paths:
        raise ValueError("%s must be a list of field names" % what)
    return [parse(p) for p in paths]
