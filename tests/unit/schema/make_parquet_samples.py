"""Writes parquet_samples.h: small whole Parquet files by pyarrow, as C arrays. Run by hand when a case is added."""
import datetime
import decimal
import io
import pathlib
import sys

import pyarrow as pa
import pyarrow.parquet as pq

D = decimal.Decimal
flat = pa.table({
    "flag": pa.array([True, None]),
    "b": pa.array([1, 2], pa.int8()), "s": pa.array([1, 2], pa.int16()),
    "i": pa.array([1, 2], pa.int32()), "l": pa.array([1, 2], pa.int64()),
    "ub": pa.array([1, 2], pa.uint8()), "us": pa.array([1, 2], pa.uint16()),
    "ui": pa.array([1, 2], pa.uint32()), "ul": pa.array([1, 2], pa.uint64()),
    "f": pa.array([1, 2], pa.float32()), "d": pa.array([1, 2], pa.float64()),
    "dec": pa.array([D("1.50"), None], pa.decimal128(12, 2)),
    "dec30": pa.array([D("1"), None], pa.decimal128(30, 5)),
    "text": ["x", "é"], "bin": [b"x", b"\xff"],
    "fixed": pa.array([b"abcd", b"efgh"], pa.binary(4)),
    "day": [datetime.date(2024, 2, 29), None],
    "ms": pa.array([1, 2], pa.timestamp("ms")), "us_": pa.array([1, 2], pa.timestamp("us", "UTC")),
    "ns": pa.array([1, 2], pa.timestamp("ns")), "t": pa.array([1, 2], pa.time32("ms")),
    "t64": pa.array([1, 2], pa.time64("us")), "none": pa.nulls(2),
})
nested = pa.table({
    "a": [[1, 2], []],
    "m": pa.array([[("k", 1.5)], None], pa.map_(pa.string(), pa.float64())),
    "st": [{"x": 1, "y": {"z": "q"}}, None],
    "ls": [[{"p": [1]}], None],
    "deep": [[[["x"]]], None],
})
files = {}
for name, table, options in (("flat", flat, {"version": "2.6", "compression": "gzip"}),
                             ("nested", nested, {}),
                             ("int96", flat.select(["ns"]), {"use_deprecated_int96_timestamps": True,
                                                             "compression": "none"})):
    out = io.BytesIO()
    pq.write_table(table, out, store_schema=False, **options)
    files[name] = out.getvalue()
with open(pathlib.Path(__file__).with_name("parquet_samples.h"), "w") as f:
    f.write("/* Made by make_parquet_samples.py. */\n/* clang-format off */\n")
    for name, data in files.items():
        f.write(f"static const unsigned char {name}_parquet[] = {{\n")
        f.write("\n".join(",".join(map(str, data[i:i + 24])) + "," for i in range(0, len(data), 24)))
        f.write("\n};\n")
print({k: len(v) for k, v in files.items()}, file=sys.stderr)
