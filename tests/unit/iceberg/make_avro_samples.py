"""Writes avro_samples.h: files by fastavro for test_avro.c, and what is in them. Run by hand when the samples change:
python make_avro_samples.py > avro_samples.h"""
import io
import random

import fastavro

MANIFEST = {"type": "record", "name": "manifest_entry", "fields": [
    {"name": "status", "type": "int", "field-id": 0},
    {"name": "snapshot_id", "type": ["null", "long"], "default": None, "field-id": 1},
    {"name": "data_file", "type": {"type": "record", "name": "r2", "fields": [
        {"name": "file_path", "type": "string"},
        {"name": "partition", "type": {"type": "record", "name": "r102", "fields": [
            {"name": "k", "type": ["null", {"type": "fixed", "name": "dec", "size": 5}]},
            {"name": "d", "type": ["null", {"type": "int", "logicalType": "date"}]}]}},
        {"name": "lower_bounds", "type": ["null", {"type": "array", "logicalType": "map", "items": {
            "type": "record", "name": "k126_v127", "fields": [{"name": "key", "type": "int"}, {"name": "value", "type": "bytes"}]}}]},
        {"name": "odd", "type": {"type": "map", "values": ["string", "double", "boolean"]}},
        {"name": "again", "type": ["null", "r102"]},
        {"name": "kind", "type": {"type": "enum", "name": "e", "symbols": ["A", "B"]}},
        {"name": "f", "type": "float"}]}}]}


def record(rng, i):
    return {"status": i % 3, "snapshot_id": rng.choice([None, rng.randrange(-2**63, 2**63)]), "data_file": {
        "file_path": f"s3://b/{i}/é", "partition": {"k": rng.choice([None, rng.randbytes(5)]), "d": rng.randrange(-9999, 9999)},
        "lower_bounds": rng.choice([None, [{"key": j, "value": rng.randbytes(j)} for j in range(rng.randrange(5))]]),
        "odd": {str(j): rng.choice(["x", 1.5, True]) for j in range(rng.randrange(4))},
        "again": rng.choice([None, {"k": None, "d": 1}]), "kind": rng.choice("AB"), "f": rng.randrange(100) / 4}}


def emit(name, data):
    print(f"static const unsigned char {name}[] = {{")
    for i in range(0, len(data), 24):
        print("    " + "".join(f"{b}," for b in data[i:i + 24]))
    print("};")


def main():
    print("/* Made by make_avro_samples.py. */\n#include <stdint.h>\n")
    for codec in ("null", "deflate"):
        rng = random.Random(1)
        rows = [record(rng, i) for i in range(40)]
        out = io.BytesIO()
        fastavro.writer(out, fastavro.parse_schema(MANIFEST), rows, codec=codec, metadata={"format-version": "2", "content": "data"},
                        sync_interval=900, sync_marker=bytes(range(16)))
        emit(f"sample_{codec}", out.getvalue())
    print("static const struct {\n    int64_t status, snapshot; /* INT64_MIN: null */\n    const char *path;\n    int64_t day, bounds, odd, kind;\n"
          "    double f;\n} expected[] = {")
    for r in rows:
        d = r["data_file"]
        snapshot = "INT64_MIN" if r["snapshot_id"] is None else f"{r['snapshot_id']}"
        print(f'    {{{r["status"]}, {snapshot}, "{d["file_path"]}", {d["partition"]["d"]}, '
              f'{-1 if d["lower_bounds"] is None else len(d["lower_bounds"])}, {len(d["odd"])}, {"AB".index(d["kind"])}, {d["f"]}}},')
    print("};")


main()
