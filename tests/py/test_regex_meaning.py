"""A Filter's pattern means on the embedded engine what `re.match` makes of it, or is refused."""
import json
import random
import re
import warnings

import pyarrow as pa
import pytest
from test_engine import EXTENSION, glue  # noqa: F401

PIECES = ["a", "b", "i", "I", "k", "s", "ß", "é", "É", "٣", "7", "0", " ", "\n", "\\d", "\\D", "\\w", "\\W", "\\s", "\\S", ".", "[ab]", "[^a]", "[a-z]", "[A-K\\d]", "[\\w-]", "[]a]", "[^\\s]",
          "(a|b)", "(?:ab)", "(?P<n>a)", "(?i:a)", "(?s:.)", "^", "$", "\\A", "\\Z", "|", "\\.", "\\\\", "\\n", "\\x61", "\\u00e9", "-", "{", "}", "]", "/", "#", "'", "\"", "\\-", "ſ", "\u2028", "\x85"]
REPEATS = ["*", "+", "?", "*?", "+?", "{2}", "{1,}", "{,2}", "{0,1}", "{0}", "{", "{a}", "{2}?"]
ODD = ["", "^", "$", "()", "|", "a|", "(?i)i", "(?i)[a-z]+$", "(?m)^a$", "(?s)a.b", "[[]", "[a&&b]", "a{1001}", "(?=a)", "(?!a)", "(?<=a)b", "(a)\\1", "\\ba", "(?>a)", "a*+", "(?x) a", "(?a)\\w",
       "\\p{L}", "\\Qa\\E", "\\z", "[[:alpha:]]", "a**", "*a", "(a", "a)", "[a", "a\\", "[b-a]", "[\\d-z]", "\\07", "\\g", "(?#c)a", "(?i)(?s)a", "a$b", "(a$|b)", "(?m)a$b", "a{2,1}", "{1}", "(*)", "x{,}"]
TEXTS = ["", "a", "b", "ab", "aab", "abab", "A", "AB", "i", "I", "İ", "ı", "k", "K", "\u212a", "s", "ſ", "S", "ß", "é", "É", "e\u0301", "7", "07", "٣", "½", "a\n", "\n", "a\nb", "\na", "a b", " ", "\t",
         "\u2028", "\x85", "\x1c", "a-b", "a.b", "{", "a{", "a{2}", "}", "]", "]a", "/", "#", "'", '"', "\\", "a\\", "aaa", "aa", "𝄞", "日本", "_", "a_7", "-", "&&", "a|b", "\0"]


def patterns(seed, n):
    r = random.Random(seed)
    for _ in range(n):
        out = r.choice(["", "", "", "(?i)", "(?s)", "(?m)", "(?im)"])
        for _ in range(r.randrange(1, 5)):
            out += r.choice(PIECES) + (r.choice(REPEATS) if r.random() < 0.35 else "")
        out = out if out.count("(?P<n>") < 2 else out.replace("?P<n>", "?:")
        yield "(" + out + ")" if r.random() < 0.1 and not out.startswith("(?") else out


@pytest.fixture(scope="module")
def source(glue, tmp_path_factory):  # noqa: F811
    import pyarrow.parquet as pq
    from nikawa import runtime

    path = tmp_path_factory.mktemp("texts") / "t.parquet"
    pq.write_table(pa.table({"id": pa.array(range(len(TEXTS)), pa.int64()), "t": pa.array(TEXTS, pa.string())}), path)
    engine = runtime.engine()
    return engine, engine.node("S3ParquetSource", "t", json.dumps({"Paths": [str(path)]}), [])


def matched(source, pattern):
    engine, rows = source
    node = engine.node("Filter", "f", json.dumps({"LogicalOperator": "AND", "Filters": [{"Operation": "REGEX", "Values": [
        {"Type": "COLUMNEXTRACTED", "Value": ["t"]}, {"Type": "CONSTANT", "Value": [pattern]}]}]}), [rows])
    return sorted(pa.RecordBatchReader.from_stream(node.arrow()).read_all()["id"].to_pylist())


def python(pattern):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            compiled = re.compile(pattern)
        except re.error:
            return None
    return [i for i, t in enumerate(TEXTS) if compiled.match(t)]


@pytest.mark.parametrize("seed", range(6))
def test_patterns(source, seed):
    refused = 0
    for pattern in ODD if seed == 0 else patterns(seed, 300):
        want = python(pattern)
        try:
            got = matched(source, pattern)
        except Exception as error:
            if "needs Python" in str(error):
                refused += 1
            else:
                assert "not a regular expression" in str(error) and want is None, (pattern, str(error))
            continue
        assert got == want, (pattern, [TEXTS[i] for i in set(got) ^ set(want or [])], want is None)
    assert refused < 160


@pytest.mark.parametrize("pattern, what", [("(?=a)a", "look-ahead"), ("(a)\\1", "back reference"), ("\\ba", "edge of a word"), ("a*+", "possessive"), ("a{1001}", "1000 repetitions"), ("a$b", r"a \$")])
def test_what_only_python_has_is_named(source, pattern, what):
    with pytest.raises(Exception, match=what):
        matched(source, pattern)
