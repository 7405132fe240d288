"""The zygote: a Python that has imported what scripts commonly need and then only forks.

The server starts one (`python -m nikawa.zygote`, descriptor 3 is its socket) and asks it for workers. It
stays single-threaded and opens nothing, so that a forked child is as good as a fresh process. For
each worker there are two processes: a guard, and the worker that it watches. The guard is the subreaper of
everything that the script starts, so that nothing outlives the run; it ends all of it when the worker ends, when
the server says so, or when the server is gone.

Frames on descriptor 3: u32 little-endian length, then JSON.
  server -> zygote   {"op":"fork"} with two descriptors: the worker's socket, the guard's socket
  zygote -> server   {"event":"ready"}
  server -> guard    bytes: T = SIGTERM to the worker, K = kill all
  guard -> server    {"event":"exit","code":n,"signal":n,"cpu_us":n}
"""

import array
import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def prctl(option, value):
    _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0)


def send_frame(sock, message):
    data = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    sock.sendall(struct.pack("<I", len(data)) + data)


def receive_frame(sock, max_fds=0):
    """(message, descriptors), or (None, []) at the end of the stream."""
    fds = array.array("i")

    def take(n):
        parts = []
        while n:
            data, control, _, _ = sock.recvmsg(min(n, 1 << 20), socket.CMSG_SPACE(4 * max_fds)
                                               if max_fds else 0)
            for level, kind, payload in control:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    fds.frombytes(payload[: len(payload) - len(payload) % fds.itemsize])
            if not data:
                return None
            parts.append(data)
            n -= len(data)
        return b"".join(parts)

    try:
        head = take(4)
        body = take(struct.unpack("<I", head)[0]) if head else None
    except ConnectionResetError:
        body = None
    if body is None:
        for fd in fds:
            os.close(fd)
        return None, []
    return json.loads(body), list(fds)


# ---- the guard ----


def _children():
    try:
        with open("/proc/self/task/%d/children" % os.getpid()) as f:
            return [int(pid) for pid in f.read().split()]
    except OSError:  # a kernel without this file: look through the process table
        me, found = os.getpid(), []
        for name in os.listdir("/proc"):
            if name.isdigit():
                try:
                    with open("/proc/%s/stat" % name) as f:
                        if int(f.read().rpartition(")")[2].split()[1]) == me:
                            found.append(int(name))
                except (OSError, IndexError, ValueError):
                    pass
        return found


def _kill(pid, number, group=False):
    try:
        (os.killpg if group else os.kill)(pid, number)
    except OSError:
        pass


class _Guard:
    def __init__(self, worker):
        self.worker = worker
        self.status = None
        self.cpu_us = 0

    def reap(self):
        """Takes what has ended; false once there is no child left."""
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.worker:
                self.status = status
                self.cpu_us = int((usage.ru_utime + usage.ru_stime) * 1e6)

    def kill_all(self):
        """Children of what is killed become ours (subreaper), so this goes on until none is left."""
        if self.status is None:
            _kill(self.worker, signal.SIGKILL, group=True)
            _kill(self.worker, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while self.reap() and time.monotonic() < deadline:
            for pid in _children():
                _kill(pid, signal.SIGKILL)
            time.sleep(0.001)

    def report(self, sock):
        status = self.status if self.status is not None else signal.SIGKILL
        code = os.WEXITSTATUS(status) if os.WIFEXITED(status) else -1
        number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        try:
            send_frame(sock, {"event": "exit", "code": code, "signal": number,
                              "cpu_us": self.cpu_us})
        except OSError:
            pass

    def watch(self, sock):
        readable, writable = os.pipe()
        os.set_blocking(writable, False)
        os.set_blocking(readable, False)
        signal.set_wakeup_fd(writable, warn_on_full_buffer=False)
        poller = select.poll()
        poller.register(sock, select.POLLIN)
        poller.register(readable, select.POLLIN)
        self.reap()
        while self.status is None:
            for fd, _ in poller.poll():
                if fd == readable:
                    os.read(readable, 4096)
                    self.reap()
                    continue
                try:
                    said = sock.recv(64)
                except OSError:
                    said = b""
                if not said or b"K" in said:
                    self.kill_all()
                    self.status = signal.SIGKILL if self.status is None else self.status
                elif b"T" in said:
                    _kill(self.worker, signal.SIGTERM)
        self.kill_all()


def _guard_main(worker_sock, guard_sock):
    os.setsid()
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    # Nothing but a kill ends a guard; a child's end must interrupt its sleep.
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    me = os.getpid()
    pid = os.fork()
    if pid == 0:
        guard_sock.close()
        _worker_main(worker_sock, me)
    worker_sock.close()
    guard = _Guard(pid)
    guard.watch(guard_sock)
    guard.report(guard_sock)


def _worker_main(sock, guard_pid):
    os.setsid()
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != guard_pid:
        os._exit(1)
    for number in (signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    from nikawa import worker

    worker.main(sock, guard_pid)


# ---- the zygote itself ----


def _settle():
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:  # should the machine run short of memory, a worker goes before the server
        with open("/proc/self/oom_score_adj", "w") as f:
            f.write("500")
    except OSError:
        pass
    try:
        from nikawa import runtime

        runtime.preload()
    except ImportError:
        pass
    import nikawa.worker  # noqa: F401

    threads = os.listdir("/proc/self/task")
    if len(threads) > 1:
        print("nikawa: the zygote has %d threads after its imports; a forked worker has one"
              % len(threads), file=sys.stderr)
    gc.collect()
    gc.freeze()


def main():
    sock = socket.socket(fileno=3)
    sock.set_inheritable(False)
    _settle()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # guards report by themselves; nobody waits for them
    send_frame(sock, {"event": "ready"})
    while True:
        message, fds = receive_frame(sock, 2)
        if message is None:
            return 0
        if message.get("op") != "fork" or len(fds) != 2:
            continue
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                sock.close()
                _guard_main(socket.socket(fileno=fds[0]), socket.socket(fileno=fds[1]))
                code = 0
            finally:
                os._exit(code)
        for fd in fds:
            os.close(fd)


if __name__ == "__main__":
    sys.exit(main())
