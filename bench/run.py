#!/usr/bin/env python3
"""make bench: figures as ratios against peers, measured in the same run.

    bench/run.py [NAME…] [--write]      names: serve gettable partitions mutations start copy flights; default all
"""
import argparse
import datetime
import importlib
import os
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import lib

NAMES = ["serve", "gettable", "partitions", "mutations", "start", "copy", "flights"]


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
    if options.write:
        machine = f"{os.cpu_count()} cores, {os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB, {platform.system()} {platform.release()}"
        (lib.ROOT / "docs" / "benchmarks.md").write_text(
            f"# Benchmarks\n\nMade by `make bench BENCH=--write` on {datetime.date.today()}: {machine}. Where a core is counted, the server has one "
            f"core and the load generator the other; requests are signed in advance and distinct.\n\n{text}\n")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
