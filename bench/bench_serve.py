"""How fast `nikawa serve` is up, and what it weighs when idle."""
import time

import lib


def run(table):
    starts = []
    for _ in range(7):
        with lib.Server(lake=False) as server:
            starts.append(server.ready_s * 1000)
    table.add("`nikawa serve --no-lake` ready", "≤ 200 ms", f"{lib.median(starts):.0f} ms", "median of 7 starts, process start to its ready line",
              at_most=[(lib.median(starts), 200)])
    with lib.Server(lake=True) as server:
        time.sleep(3)
        pids = lib.tree(server.process.pid)
        resident = lib.rss_mb(server.process.pid)
        table.add("server resident, idle", "≤ 60 MB", f"{resident:.0f} MB", "VmRSS 3 s after start", at_most=[(resident, 60)])
        table.add("whole idle tree (server, warm workers, lake)", "reported", f"{lib.pss_mb(pids):.0f} MB in {len(pids)} processes",
                  "sum of Pss: a page that several share counts once")
