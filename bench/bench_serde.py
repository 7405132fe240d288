"""libnikawa_serde against AWS's Java serde: a nested Avro record of thirty fields, one thread, schema cached."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

import lib


def run(table):
    lib_dir, source = lib.ROOT / "build/src", lib.ROOT / "tests/unit/serde/bench_serde.c"
    with lib.Server() as server, tempfile.TemporaryDirectory(prefix="nikawa-bench-") as work:
        subprocess.run(["cc", "-O2", f"-I{lib.ROOT / 'src'}", "-o", f"{work}/bench_serde", str(source), f"-L{lib_dir}", f"-Wl,-rpath,{lib_dir}",
                        "-lnikawa_serde"], check=True)
        ours = json.loads(subprocess.run([f"{work}/bench_serde", work], check=True, capture_output=True, text=True).stdout)
        jars = f"{lib.DEPS}/maven/serde/*"
        subprocess.run(["javac", "-proc:none", "-nowarn", "-d", work, "-cp", jars, str(Path(__file__).with_name("SerdeBench.java"))], check=True)
        env = dict(os.environ, AWS_ACCESS_KEY_ID=server.access, AWS_SECRET_ACCESS_KEY=server.secret, AWS_REGION=lib.REGION)
        env.pop("AWS_PROFILE", None)
        theirs = json.loads(subprocess.run(["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", f"{work}:{jars}", "SerdeBench", server.url, work],
                                           check=True, capture_output=True, text=True, env=env).stdout)
    for what in ("encodes", "decodes"):
        ratio = ours[what] / theirs[what]
        table.add(f"C serde {what} a nested Avro record of 30 fields", "≥ 500,000/s per core; ≥ 2× AWS's Java serde",
                  f"{ours[what]:,.0f}/s, {ratio:.1f}× ({theirs[what]:,.0f}/s)",
                  f"{ours['bytes']} bytes with the header; by processor time of the thread; best of 7 rounds, of 12 with a warm JVM; schema-registry-serde 1.1.27, GenericRecord",
                  at_least=[(ours[what], 500_000), (ratio, 2)])
