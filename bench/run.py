#!/usr/bin/env python3
"""make bench: figures as ratios against peers, measured in the same run.

    bench/run.py [NAME…] [--write]      names: serve gettable partitions search mutations registry schemas serde iceberg start copy flights crawl; default all

Ends with 1 when a benchmark could not be run; a goal that was missed is a figure, not a failure.
"""
import argparse
import datetime
import importlib
import os
import platform
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import lib

NAMES = ["serve", "gettable", "partitions", "search", "mutations", "registry", "schemas", "serde", "iceberg", "start", "copy", "flights", "crawl"]


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB, {platform.system()} {platform.release()}; load average at the end {os.getloadavg()[0]:.1f}"


def page(text, failed, names):
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=lib.ROOT, text=True, capture_output=True).stdout.strip()
    command = 'make bench BENCH="' + " ".join([*names, "--write"]) + '"'
    absent = f"\nNot measured, because it failed here: {', '.join(failed)}.\n" if failed else ""
    return f"""# Benchmarks

Made by `{command}` on {datetime.date.today()} from {commit}: {machine()}.

Where a core is counted, the server is held on one core and the load generator (`bench/loadgen.c`) on the other, both ahead
of the machine's other work (SCHED_RR) where the user may do that: else a tail of some milliseconds tells of the machine's
other users, not of the server. The disk and the kernel's own threads they share with everybody. Requests are signed in advance, each distinct, and each signature is verified; a mutation is answered only when it is on disk.
Peers run in the same session on the same machine. "Against the goal" is how many times better than its goal the worst of a
row's values is: below 1.00× the goal was missed. Noise is not subtracted: other users of the machine make figures worse.

{text}

What bounds them: reads of the catalogue, the kernel's sending of an answer and waking of the other end (half of the time) and
SQLite's walk to the record (a sixth); the p99 of all requests with 1 % of updates among them, the disk, since those are the slowest
1 % and each waits for its own commit; durable mutations, the pages that they change, and the disk's flushes; crawls, the
embedded lake, which spends four fifths of the processor's time that a crawl takes (ten times Spark's rate would be twice what the lake gives).
{absent}"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=", ".join(NAMES))
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    unknown = set(options.names) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    table, failed = lib.Table(), []
    for name in options.names or NAMES:
        print(f"== {name}", file=sys.stderr, flush=True)
        try:
            importlib.import_module("bench_" + name).run(table)
        except Exception as error:  # one broken peer must not hide the other figures
            failed.append(name)
            print(f"  {name} failed: {error}", file=sys.stderr, flush=True)
    text = table.markdown()
    print(text)
    print(f"{len(table.missed)} of {len(table.rows)} figures missed their goals" + "".join(f"\n  {what}" for what in table.missed), file=sys.stderr)
    if options.write:
        (lib.ROOT / "docs" / "benchmarks.md").write_text(page(text, failed, options.names))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
