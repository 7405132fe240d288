"""How fast `nikawa serve` is up, and what it weighs when idle."""
import time

import lib


def run(table):
    starts = []
    for _ in range(7):
        with lib.Server(lake=False) as server:
            starts.append(server.ready_s * 1000)
    table.add("`nikawa serve --no-lake` ready", "≤ 200 ms", f"{lib.median(starts):.0f} ms", "median of 7 starts, process start to its ready line",
              lib.median(starts) <= 200)
    with lib.Server(lake=True) as server:
        time.sleep(3)
        resident = lib.rss_mb(server.process.pid)
        whole = {pid: lib.rss_mb(pid) for pid in lib.tree(server.process.pid)}
        table.add("server resident, idle", "≤ 60 MB", f"{resident:.0f} MB", "VmRSS 3 s after start", resident <= 60)
        table.add("whole idle tree (server, warm workers, lake)", "reported", f"{sum(whole.values()):.0f} MB in {len(whole)} processes",
                  "sum of VmRSS (shared pages counted each time)")
