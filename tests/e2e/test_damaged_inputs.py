"""Damaged files: a visual job ends with an error that names the file and what is wrong with it, or treats its
rows as documented; never with fewer rows and no word."""
import bz2
import gzip
import io
import os
import random
import sys
import zipfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
from visual import Visual, same  # noqa: E402


@pytest.fixture(scope="module")
def lab(server):
    return Visual(server)


def attempt(lab, files, kind, **members):
    """Runs a job over the files; (run, rows or None)."""
    prefix, out = lab.fresh("damaged"), lab.fresh()
    for name, body in files.items():
        lab.put(prefix + name, body)
    node = {"Name": "reader", "Paths": [lab.uri(prefix)], **members}
    if kind == "S3CsvSource":
        node = {"Separator": "comma", "QuoteChar": "quote", "WithHeader": True, **node}
    name = lab.create({"s": {kind: node}, "o": {"S3DirectTarget": {
        "Name": "o", "Inputs": ["s"], "Path": lab.uri(out), "Format": "parquet"}}})
    run = lab.run(name)
    if run["JobRunState"] == "SUCCEEDED":
        return run, lab.rows(out)
    assert not lab.keys(out), "a failed run leaves nothing behind"
    return run, None


def csv_of(n, width=8):
    r = random.Random(n)
    return b"id,text\n" + b"".join(b"%d,%s\n" % (i, bytes(r.choice(b"abcdefgh") for _ in range(width))) for i in range(n))


def zstd(body):
    return pytest.importorskip("zstandard").compress(body)


def zipped(*bodies):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for i, body in enumerate(bodies):
            z.writestr("part%d.csv" % i, body)
    return out.getvalue()


def hadoop_snappy(body):
    raw = pytest.importorskip("cramjam").snappy
    out = b""
    for at in range(0, len(body), 50000):
        piece = body[at:at + 50000]
        packed = bytes(raw.compress_raw(piece))
        out += len(piece).to_bytes(4, "big") + len(packed).to_bytes(4, "big") + packed
    return out


PACKINGS = {
    "csv.bz2": bz2.compress,
    "csv.zip": zipped,
    "csv.lz4": lambda b: pytest.importorskip("lz4.frame").compress(b),
    "csv.sz": lambda b: bytes(pytest.importorskip("cramjam").snappy.compress(b)),
    "csv.snappy": hadoop_snappy,
    "bare.snappy": lambda b: bytes(pytest.importorskip("cramjam").snappy.compress_raw(b)),
}

FAILS = {
    "a quote left open": ({"a.csv": b'id,text\n1,"x\n2,y\n'}, "S3CsvSource", ["line 2", "a.csv", "quote"]),
    "text behind a closing quote": ({"a.csv": b'id,text\n1,ok\n2,"a"b\n'}, "S3CsvSource", ["line 3", "a.csv", "quote"]),
    "bytes that are not UTF-8": ({"a.csv": b"id,text\n1,ok\n2,x\xff\xfe\n"}, "S3CsvSource", ["line 3", "a.csv", "UTF-8"]),
    "a header in Latin-1": ({"a.csv": b"id,t\xe9xt\n1,ok\n"}, "S3CsvSource", ["reader", "a.csv", "header is not UTF-8"]),
    "gzip cut short": ({"a.csv.gz": gzip.compress(csv_of(60000))[:-200000]}, "S3CsvSource", ["a.csv.gz", "middle of its gzip"]),
    "gzip without its trailer": ({"a.csv.gz": gzip.compress(csv_of(100))[:-8]}, "S3CsvSource", ["a.csv.gz", "middle of its gzip"]),
    "the second gzip cut short": ({"a.csv.gz": gzip.compress(csv_of(10)), "b.csv.gz": gzip.compress(csv_of(10))[:-3],
                                   "c.csv": csv_of(3)}, "S3CsvSource", ["b.csv.gz", "middle of its gzip"]),
    "gzip under another name, cut short": ({"a.csv": gzip.compress(csv_of(1000))[:-9]}, "S3CsvSource", ["a.csv", "gzip"]),
    "a byte of gzip changed": ({"a.csv.gz": (lambda z: z[:1500] + bytes([z[1500] ^ 255]) + z[1501:])(gzip.compress(csv_of(1000)))},
                               "S3CsvSource", ["a.csv.gz", "corrupt"]),
    "gzip documents cut short": ({"a.json.gz": gzip.compress(b'{"a": 1}\n' * 5000)[:60]}, "S3JsonSource", ["a.json.gz", "middle of its gzip"]),
    "bzip2 cut short": ({"a.csv.bz2": bz2.compress(csv_of(9000))[:-40]}, "S3CsvSource", ["a.csv.bz2", "middle of its bzip2"]),
    "bzip2 by a wrong name": ({"a.csv.bz2": bz2.compress(csv_of(10)), "b.csv": csv_of(5) + b'6,"x\n'}, "S3CsvSource",
                              ["b.csv", "quote"]),
    "a quote left open in bzip2": ({"a.csv.bz2": bz2.compress(b'id,text\n1,"x\n')}, "S3CsvSource", ["a.csv.bz2", "quote"]),
    "zip of two files": ({"a.csv.zip": zipped(csv_of(3), csv_of(4))}, "S3CsvSource", ["a.csv.zip", "several files"]),
    "documents in bzip2 cut short": ({"a.json.bz2": bz2.compress(b'{"a": 1}\n' * 50000)[:60]}, "S3JsonSource",
                                     ["a.json.bz2", "bzip2"]),
    "a document cut short": ({"a.json": b'{"a": 1}\n{"a": 2'}, "S3JsonSource", ["reader", "a.json", "line"]),
    "a line that is no document": ({"a.json": b'{"a": 1}\nhello\n'}, "S3JsonSource", ["reader", "a.json", "Malformed JSON"]),
    "numbers for documents": ({"a.json": b"1\n2\n"}, "S3JsonSource", ["reader", "no objects"]),
    "documents that are not UTF-8": ({"a.json": b'{"a": "\xff"}\n'}, "S3JsonSource", ["reader", "a.json", "UTF-8"]),
    "documents without end": ({"a.json": b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}"}, "S3JsonSource", ["reader", "nested deeper"]),
    "documents without fields": ({"a.json": b"{}\n{}\n"}, "S3JsonSource", ["reader", "no fields"]),
    "no Parquet": ({"a.parquet": b"hello"}, "S3ParquetSource", ["reader", "a.parquet"]),
}


@pytest.mark.parametrize("case", FAILS)
def test_what_cannot_be_read_is_said(lab, case):
    files, kind, says = FAILS[case]
    run, rows = attempt(lab, files, kind)
    assert rows is None, rows[:5]
    assert all(s in run["ErrorMessage"] for s in says), run["ErrorMessage"]
    assert "\n" not in run["ErrorMessage"].strip()


@pytest.mark.parametrize("part", [0.34, 0.67, 0.999])
def test_a_large_zstd_file_cut_anywhere(lab, part):
    body = zstd(b"id,text\n" + b"".join(b"%d,%s\n" % (i, os.urandom(30).hex().encode()) for i in range(60000)))
    run, rows = attempt(lab, {"a.csv.zst": body[:int(len(body) * part)]}, "S3CsvSource")
    assert rows is None and "a.csv.zst" in run["ErrorMessage"] and "zstd" in run["ErrorMessage"]


@pytest.mark.parametrize("part", [0.5, 0.99])
@pytest.mark.parametrize("name", [n for n in PACKINGS])
def test_a_large_packed_file_cut_anywhere(lab, name, part):
    body = PACKINGS[name](csv_of(20000, 30))
    run, rows = attempt(lab, {"a." + name: body[:int(len(body) * part)], "b.csv": csv_of(3, 30)}, "S3CsvSource")
    assert rows is None and "a." + name in run["ErrorMessage"], run["ErrorMessage"]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("n", [1, 300, 40000])
@pytest.mark.parametrize("name", [n for n in PACKINGS])
def test_every_packing_is_read_whole(lab, name, n, named):
    """Beside plain and gzip files of the same table; by a mark where the name says nothing."""
    if not named and name.endswith("snappy"):
        pytest.skip("Hadoop's blocks and bare ones bear no mark")
    files = {"a." + name if named else "a": PACKINGS[name](csv_of(n)), "b.csv": csv_of(7), "c.csv.gz": gzip.compress(csv_of(9))}
    _, rows = attempt(lab, files, "S3CsvSource")
    want = [line.split(",") for k in (n, 7, 9) for line in csv_of(k).decode().splitlines()[1:]]
    same(rows, [{"id": int(i), "text": t} for i, t in want])


def test_packed_documents_and_folders_of_partitions(lab):
    docs = {k: b"".join(b'{"id": %d, "x": %s}\n' % (i, b'"t"' if i % 3 else b"1") for i in range(k)) for k in (50, 70)}
    prefix = {"k=a/x.json.bz2": bz2.compress(docs[50]), "k=b/y.json.lz4": PACKINGS["csv.lz4"](docs[70])}
    _, rows = attempt(lab, prefix, "S3JsonSource")
    assert len(rows) == 120 and sorted(r["k"] for r in rows) == ["a"] * 50 + ["b"] * 70
    assert sum(r["x"]["int"] == 1 for r in rows if r["x"]["int"] is not None) == sum(1 for k in (50, 70) for i in range(k) if i % 3 == 0)


def parquet_bytes(n=20000):
    body = io.BytesIO()
    pq.write_table(pa.table({"a": list(range(n)), "b": [str(i) for i in range(n)]}), body)
    return body.getvalue()


@pytest.mark.parametrize("harm", [lambda b: b[:len(b) // 2], lambda b: b[:-4], lambda b: b[:3000] + b"\0" * 4000 + b[7000:],
                                  lambda b: b[len(b) // 2:]])
def test_damaged_parquet(lab, harm):
    run, rows = attempt(lab, {"good.parquet": parquet_bytes(), "harmed.parquet": harm(parquet_bytes())}, "S3ParquetSource")
    assert rows is None and "harmed.parquet" in run["ErrorMessage"], run


def test_an_empty_folder_and_one_of_empty_files(lab):
    for files in ({}, {"a.csv": b"", "_SUCCESS": b"", ".hidden": b"x"}):
        run, rows = attempt(lab, files, "S3CsvSource")
        assert rows is None and "no files under" in run["ErrorMessage"] and "reader" in run["ErrorMessage"]


# ---- what is read all the same, and how ----


def test_rows_of_other_lengths_are_filled_or_cut_and_said(lab):
    """As Spark's PERMISSIVE mode: missing values are null, values too many are dropped."""
    run, rows = attempt(lab, {"a.csv": b"a,b,c\n1,2,3\n4,5\n6,7,8,9\n,,\n10\n\n"}, "S3CsvSource")
    same(rows, [dict(zip("abc", v)) for v in [(1, 2, 3), (4, 5, None), (6, 7, 8), (None, None, None), (10, None, None)]])
    assert "rows of other lengths were filled with nulls or cut" in lab.log(run)
    run, _ = attempt(lab, {"a.csv": b"a,b\n1,2\n"}, "S3CsvSource")
    assert "other lengths" not in lab.log(run)


def test_nul_bytes_are_kept(lab):
    _, rows = attempt(lab, {"a.csv": b"id,text\n1,x\x00y\n2,z\n"}, "S3CsvSource")
    same(rows, [{"id": 1, "text": "x\0y"}, {"id": 2, "text": "z"}])


@pytest.mark.parametrize("body", [b"\xef\xbb\xbfid,text\n1,x\n", b"id,text\r\n1,x\r\n", b"id,text\n1,x", b"id,text\n\n1,x\n\n"])
def test_marks_and_line_ends(lab, body):
    _, rows = attempt(lab, {"a.csv": body}, "S3CsvSource")
    same(rows, [{"id": 1, "text": "x"}])


def test_a_header_alone_is_a_table_without_rows(lab):
    run, rows = attempt(lab, {"a.csv": b"id,text\n"}, "S3CsvSource")
    assert run["JobRunState"] == "SUCCEEDED" and rows == []


@pytest.mark.parametrize("files", [
    {"a.csv.gz": gzip.compress(csv_of(300))}, {"a.csv": gzip.compress(csv_of(300))}, {"a.csv.zst": csv_of(300)},
    {"a.csv.gz": gzip.compress(csv_of(300)[:1000]) + gzip.compress(csv_of(300)[1000:])}])
def test_packed_files_are_read_whole(lab, files):
    files = {k: zstd(v) if k.endswith(".zst") else v for k, v in files.items()}
    _, rows = attempt(lab, files, "S3CsvSource")
    want = [line.split(",") for line in csv_of(300).decode().splitlines()[1:]]
    same(rows, [{"id": int(i), "text": t} for i, t in want])


def test_names_that_come_twice(lab):
    _, rows = attempt(lab, {"a.csv": b"a,a,,A\n1,2,3,4\n"}, "S3CsvSource")
    assert len(rows) == 1 and len(rows[0]) == 4 and sorted(rows[0].values()) == [1, 2, 3, 4]
    assert len({n.lower() for n in rows[0]}) == 4
