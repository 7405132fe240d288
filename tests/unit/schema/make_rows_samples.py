"""Writes rows_samples.h and seeds of the fuzz target: files by independent writers for test_rows.c. Run by hand when the
samples change: python make_rows_samples.py ../../fuzz/seeds/rows > rows_samples.h"""
import bz2
import datetime as dt
import decimal
import io
import sys

import amazon.ion.simpleion as ion
import bson
import fastavro
import pyarrow as pa
import pyarrow.orc as orc

D = decimal.Decimal
AVRO = {"type": "record", "name": "R", "fields": [
    {"name": "id", "type": "long"}, {"name": "t", "type": ["null", "string"]},
    {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
    {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "u", "type": ["int", "string"]},
    {"name": "l", "type": {"type": "array", "items": "double"}}, {"name": "m", "type": {"type": "map", "values": "int"}},
    {"name": "f", "type": {"type": "fixed", "name": "F", "size": 3}}, {"name": "e", "type": {"type": "enum", "name": "E", "symbols": ["A", "B"]}}]}
at = dt.datetime(2020, 2, 29, 1, 2, 3, 4000, tzinfo=dt.timezone.utc)
rows = [{"id": i, "t": [None, "é%d" % i][i % 2], "d": D(i * 7 - 50).scaleb(-2), "at": at, "u": i if i % 3 else "u", "l": [i / 2] * (i % 3),
         "m": {"k%d" % i: i}, "f": b"abc", "e": "AB"[i % 2]} for i in range(9)]


def avro(codec):
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(AVRO), rows, codec=codec, sync_interval=60, sync_marker=b"0123456789abcdef")
    return out.getvalue()


def orc_file(**more):
    out = io.BytesIO()
    orc.write_table(pa.table({
        "id": pa.array([r["id"] for r in rows], pa.int64()), "t": pa.array([r["t"] for r in rows]), "d": pa.array([r["d"] for r in rows], pa.decimal128(9, 2)),
        "at": pa.array([r["at"].replace(tzinfo=None) for r in rows], pa.timestamp("us")), "l": pa.array([r["l"] for r in rows]),
        "m": pa.array([list(r["m"].items()) for r in rows], pa.map_(pa.string(), pa.int32())), "e": pa.array([r["e"] for r in rows]),
        "b": pa.array([r["id"] % 2 == 0 for r in rows]), "n": pa.array([None, 300, 70000, -5, 1, 2, 3, 2**40, None], pa.int64()),
        "s": pa.array([{"x": r["id"], "y": 0.5} for r in rows])}), out, **more)
    return out.getvalue()


docs = [{"id": i, "t": [None, "é%d" % i][i % 2], "d": D(i * 7 - 50).scaleb(-2), "at": at, "u": i if i % 3 else "u", "l": [i / 2] * (i % 3),
         "s": {"b": b"x" * i, "y": i % 2 == 0}} for i in range(9)]
samples = {
    "avro": ("avro", avro("null")), "avro_deflate": ("avro", avro("deflate")), "avro_bzip2": ("avro", avro("bzip2")),
    "orc": ("orc", orc_file()), "orc_zlib": ("orc", orc_file(compression="zlib", dictionary_key_size_threshold=1.0)),
    "orc_v1": ("orc", orc_file(file_version="0.11", compression="snappy")),
    "bson": ("bson", b"".join(bson.encode(dict(x, d=bson.Decimal128(x["d"]), r=bson.Regex("a", "i"))) for x in docs)),
    "ion_binary": ("ion", ion.dumps(docs, sequence_as_stream=True)),
    "ion_text": ("ion", ion.dumps(docs, binary=False, sequence_as_stream=True).encode()),
    "xml": ("xml", "<?xml version='1.0'?><l>{}</l>".format("".join(
        f"<row a='{i}'><t>é{i}</t>{'<t>2</t>' * (i % 2)}<e/><s u='m'>{i / 2}</s><c><![CDATA[<{i}]]></c></row>" for i in range(9))).encode()),
    "log": ("grokLog", b"".join(b"w%d %d.5 rest of %d\r\n" % (i, i, i) if i % 4 else b"?\n" for i in range(12))),
}
samples["bson_bzip2"] = ("bson", bz2.compress(samples["bson"][1]))
print("/* By make_rows_samples.py. */\n/* clang-format off */\n#include <stddef.h>\n\nstatic const struct {\n    const char *name, *format;\n    size_t n;\n    const unsigned char *bytes;\n} samples[] = {")
for name, (format, body) in samples.items():
    open(f"{sys.argv[1]}/{name}", "wb").write(body)
    print('    {"%s", "%s", %d,\n     (const unsigned char[]){%s}},' % (name, format, len(body), ",".join(map(str, body))))
print("};")
