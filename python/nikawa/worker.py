"""The script worker: one forked process, one run. It waits for a request on its socket, becomes that run
(descriptors, environment, working folder, arguments), runs the script as __main__ and exits with its code.

  server -> worker   {"op":"script","path":…,"script_name":…,"argv":[…],"env":{…},"cwd":…,"run_id":…,"job":…,
                      "engine":…,"settings":{…}}, descriptors: stdout, stderr
  worker -> server   {"event":"ready","pid":…,"guard":…}, {"event":"started"},
                     {"event":"error","message":"ValueError: x","traceback":…,"line":n}
"""

import atexit
import builtins
import os
import sys
import threading
import traceback
import types

from nikawa.zygote import receive_frame, send_frame

MESSAGE_MAX = 4000
TRACEBACK_MAX = 100000


def _become(request, fds):
    for target, fd in zip((1, 2), fds):
        os.dup2(fd, target)
        os.close(fd)
    os.environ.update(request.get("env") or {})
    if request.get("cwd"):
        os.chdir(request["cwd"])
        os.environ["TMPDIR"] = request["cwd"]
        import tempfile

        tempfile.tempdir = None
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace",
                      closefd=False)
        setattr(sys, name, stream)
        setattr(sys, "__%s__" % name, stream)
    numpy = sys.modules.get("numpy")
    if numpy is not None and "numpy.random" in sys.modules:
        numpy.random.seed()  # forked siblings would draw the same numbers


def _begin(request):
    try:
        from nikawa import runtime
    except ImportError:
        return None
    with open(request["path"], "rb") as f:
        text = f.read().decode("utf-8", "replace")
    runtime.begin(request.get("settings") or {}, run_id=request.get("run_id", ""),
                  job=request.get("job", ""), engine=request.get("engine", "auto"),
                  script=text if request.get("kind") != "pythonshell" else None)
    return runtime


def _own_frames_off(tb, path):
    """The part of a traceback that begins in the user's script; all of it when there is none."""
    t = tb
    while t is not None and t.tb_frame.f_code.co_filename != path:
        t = t.tb_next
    return t if t is not None else tb


def _line_of(error, tb, path):
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno
    line = None
    while tb is not None:
        if tb.tb_frame.f_code.co_filename == path:
            line = tb.tb_lineno
        tb = tb.tb_next
    return line


def _message(error):
    if isinstance(error, SyntaxError):
        where = "line %s" % error.lineno
        return "%s: %s (%s, %s)" % (type(error).__name__, error.msg,
                                    os.path.basename(error.filename or "script"), where)
    lines = traceback.format_exception_only(type(error), error)
    return "".join(lines).strip()


def _tell(sock, error, path):
    """The error to stderr as Python prints it, and to the server."""
    tb = error.__traceback__
    shown = None if isinstance(error, SyntaxError) and error.filename == path \
        else _own_frames_off(tb, path)
    try:
        sys.excepthook(type(error), error.with_traceback(shown), shown)
    except BaseException:  # a user's hook that fails must not hide the error
        traceback.print_exception(type(error), error, shown)
    text = "".join(traceback.format_exception(type(error), error, shown))
    try:
        send_frame(sock, {"event": "error", "message": _message(error)[:MESSAGE_MAX],
                          "traceback": text[-TRACEBACK_MAX:], "line": _line_of(error, tb, path)})
    except OSError:
        pass


def _exit_code(sock, leaving, path):
    """What sys.exit(x) means to a process, and what the run's record says of it."""
    code = leaving.code
    if code is None or code == 0:
        return 0
    if not isinstance(code, int):
        print(code, file=sys.stderr)
    try:
        send_frame(sock, {"event": "error", "message": ("SystemExit: %s" % code)[:MESSAGE_MAX],
                          "line": _line_of(leaving, leaving.__traceback__, path)})
    except OSError:
        pass
    return code & 0xFF or 1 if isinstance(code, int) else 1


def run_script(sock, request):
    """Runs the script as the program it is; returns the exit code."""
    path = request["path"]
    main = types.ModuleType("__main__")
    main.__file__ = path
    main.__builtins__ = builtins
    sys.modules["__main__"] = main
    sys.argv = list(request["argv"])
    sys.path.insert(0, os.path.dirname(path))
    runtime = None
    code = 0
    try:
        runtime = _begin(request)
        send_frame(sock, {"event": "started"})
        with open(path, "rb") as f:
            source = f.read()
        exec(compile(source, path, "exec", dont_inherit=True), main.__dict__)
    except SystemExit as leaving:
        code = _exit_code(sock, leaving, path)
    except BaseException as error:
        _tell(sock, error, path)
        code = 1
    try:
        threading._shutdown()  # threads that are not daemons end first, as at the end of any program
        atexit._run_exitfuncs()
        if runtime is not None:
            runtime.end()
    except BaseException:
        traceback.print_exc()
    return code


def main(sock, guard_pid):
    code = 1
    try:
        sock.set_inheritable(False)
        send_frame(sock, {"event": "ready", "pid": os.getpid(), "guard": guard_pid})
        request, fds = receive_frame(sock, 2)
        if request is None:
            os._exit(0)
        _become(request, fds)
        code = run_script(sock, request)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                pass
        os._exit(code)
