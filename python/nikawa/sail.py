"""The Spark engine of one run: a Sail server in a process of its own.

Started as `python -m nikawa.sail` with the run's keys in its environment. It prints the port it listens on
(loopback, chosen by the system) as one line and serves until its standard input ends, which it does when
the run's process ends, however that happens. Python UDFs run inside this process: one that ends its process
ends this one only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def _die_with_parent(parent):
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call
        os._exit(0)


def main():
    # The parent's id is given, since a parent that is gone already would look like any other.
    if len(sys.argv) > 1:
        _die_with_parent(int(sys.argv[1]))
    report = os.fdopen(os.dup(1), "w")
    # What UDFs print belongs to the run's output, never to the line that the parent reads.
    os.dup2(2, 1)
    from pysail.spark import SparkConnectServer

    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    print(server.listening_address[1], file=report, flush=True)
    report.close()
    while os.read(0, 4096):
        pass
    # No orderly shutdown: there is nothing to save, and a UDF may be in an endless loop.
    os._exit(0)


if __name__ == "__main__":
    main()
