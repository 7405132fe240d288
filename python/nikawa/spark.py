"""The Spark side of a run: its own Sail, opened at the first real use, and the session on it.

`lazy_session()` is what scripts hold as `spark`: it costs nothing until something needs the engine. A script
that is seen to use Spark has the engine started beside it (prewarm_if_used), so that the first query finds
it ready.
"""

import os
import re
import subprocess
import sys
import threading

from nikawa import runtime

__all__ = ["SparkEngineError", "lazy_session", "session", "is_open", "close", "prewarm_if_used"]

START_TIMEOUT_S = 60


class SparkEngineError(RuntimeError):
    """The run's Spark engine could not be started, or ended in the middle of its work."""


class _Sail:
    """One Sail process. A thread of ours spawns it and waits for its end: the kernel ties the child's life to
    the thread that made it, so that must be one that lives as long as the process."""

    def __init__(self, settings):
        self._ready = threading.Event()
        self._closing = False
        self._error = None
        self.exit_text = None
        self.port = None
        self.process = None
        self._environment = _environment(settings)
        threading.Thread(target=self._keep, name="nikawa-sail", daemon=True).start()

    def _keep(self):
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nikawa.sail", str(os.getpid())], env=self._environment,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            line = self.process.stdout.readline()
            if line.strip().isdigit():
                self.port = int(line)
        except OSError as e:
            self._error = "the Spark engine could not be started: %s" % e
            self._ready.set()
            return
        self._ready.set()
        code = self.process.wait()
        if not self._closing:
            self.exit_text = _exit_text(code)

    def wait_port(self):
        if not self._ready.wait(START_TIMEOUT_S):
            raise SparkEngineError("the Spark engine did not start within %d s" % START_TIMEOUT_S)
        if self.port is None:
            raise SparkEngineError(self._error or "the Spark engine ended while it started: its own"
                                   " messages stand above")
        return self.port

    def died(self, wait_s=0.0):
        """How it ended, or None while it runs. A process that is killed takes a moment to be reaped."""
        process = self.process
        if process is None:
            return None
        try:
            code = process.wait(wait_s) if wait_s else process.poll()
        except subprocess.TimeoutExpired:
            return None
        return None if code is None else (self.exit_text or _exit_text(code))

    def close(self):
        self._closing = True
        self._ready.wait(START_TIMEOUT_S)
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def _exit_text(code):
    if code < 0:
        import signal

        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        how = "was ended by signal %s" % name
        if name == "SIGKILL":
            how += " (out of memory, or something killed it)"
    else:
        how = "exited with code %d" % code
    return ("the Spark engine of this run %s. A Python UDF that ends its process, crashes in native code or"
            " takes too much memory does that; other runs are not touched" % how)


def _environment(settings):
    """What Sail reads when it is started: where S3 is, the run's keys, limits."""
    env = dict(os.environ)
    env.pop("SPARK_CONNECT_MODE_ENABLED", None)
    env["PYTHONPATH"] = os.pathsep.join(p for p in sys.path if p)
    env.setdefault("RUST_LOG", "error")
    for name, variable in (("access_key", "AWS_ACCESS_KEY_ID"), ("secret_key", "AWS_SECRET_ACCESS_KEY"),
                           ("session_token", "AWS_SESSION_TOKEN"), ("region", "AWS_REGION"),
                           ("s3_endpoint", "AWS_ENDPOINT")):
        if settings.get(name):
            env[variable] = str(settings[name])
    endpoint = settings.get("s3_endpoint") or ""
    if endpoint:
        env["AWS_VIRTUAL_HOSTED_STYLE_REQUEST"] = "false"
        if endpoint.startswith("http://"):
            env["AWS_ALLOW_HTTP"] = "true"
    if settings.get("memory_limit_bytes"):
        # The rest is for Python UDFs, Arrow buffers on their way and the script itself.
        env.setdefault("SAIL_RUNTIME__MEMORY_POOL__TYPE", "greedy")
        env.setdefault("SAIL_RUNTIME__MEMORY_POOL__GREEDY__MAX_SIZE",
                       str(int(settings["memory_limit_bytes"]) // 2))
    return env


_lock = threading.RLock()
_sail = None
_opened = None  # the session once connected
_real = None    # the same once the script uses it, its settings applied
_pending_conf = {}


def _start():
    global _sail
    with _lock:
        if _sail is None:
            current = runtime.run()
            if current.engine == "native":
                raise SparkEngineError(
                    "this job's engine is set to native, and the script uses Spark: set it to auto or"
                    " spark")
            _sail = _Sail(current.settings)
        return _sail


_USES_SPARK = re.compile(
    r"\b(toDF|fromDF|SparkSession|spark\s*\.\s*(sql|read|table|createDataFrame|range|catalog|udf)"
    r"|create_data_frame\w*|write_data_frame\w*|DataFrame\b)")


def prewarm_if_used(script):
    """Starts the engine beside the script when its text uses Spark, and connects to it if that needs no
    imports (which belong to the script's own thread). A wrong guess costs an idle process."""
    text = "\n".join(line.split("#", 1)[0] for line in script.splitlines())
    if runtime.run().engine != "native" and _USES_SPARK.search(text):
        _start()
        if "nikawa.spark_patches" in sys.modules and "pyspark.sql.connect.session" in sys.modules:
            threading.Thread(target=_open_early, name="nikawa-spark", daemon=True).start()


def _open_early():
    try:
        _open()
    except Exception:  # the script's own first use meets it again and tells it
        pass


def is_open():
    return _real is not None


def _open():
    """The connected session, without the script's own settings. Holds _lock while it opens."""
    global _opened
    with _lock:
        if _opened is not None:
            return _opened
        try:
            from pyspark.sql.connect.session import SparkSession
        except ImportError as e:
            raise SparkEngineError("Spark's client (pyspark) is not installed for this Python: %s" % e) from e
        from nikawa import spark_patches

        sail = _start()
        spark_patches.apply()
        opened = SparkSession.builder.remote("sc://127.0.0.1:%d" % sail.wait_port()).create()
        spark_patches.watch(opened, lambda: sail.died(wait_s=1.0))
        # As in Glue; the engine's defaults differ.
        opened.conf.set("spark.sql.ansi.enabled", "false")
        opened.conf.set("spark.sql.session.timeZone", "UTC")
        SparkSession._set_default_and_active_session(opened)
        _opened = opened
        return opened


def session():
    """The real Spark session of this run; opens it."""
    global _real
    with _lock:
        if _real is None:
            opened = _open()
            for name, value in {**_given_conf(), **_pending_conf}.items():
                opened.conf.set(name, value)
            _real = opened
        return _real


def _given_conf():
    """Spark settings from the job's --conf argument (several are joined by " --conf ") and the SparkContext's
    conf. Only those of Spark SQL mean anything to a session."""
    from nikawa.pyspark_shim import SparkContext

    found = {}
    for i, word in enumerate(sys.argv[1:], 1):
        text = None
        if word == "--conf" and i + 1 < len(sys.argv):
            text = sys.argv[i + 1]
        elif word.startswith("--conf="):
            text = word[len("--conf="):]
        for pair in re.split(r"\s+--conf\s+", text) if text else ():
            name, equals, value = pair.strip().partition("=")
            if equals:
                found[name.strip()] = value.strip()
    context = SparkContext._active_spark_context
    if context is not None:
        found.update(context._conf_values)
    return {k: str(v) for k, v in found.items() if k.startswith("spark.sql.")}


def close():
    """Ends the engine and what it holds."""
    global _sail, _opened, _real
    with _lock:
        sail, _sail, _opened, _real = _sail, None, None, None
        _pending_conf.clear()
        module = sys.modules.get("pyspark.sql.connect.session")
        if module is not None:  # the next run must not find this one's
            module.SparkSession._default_session = None
            module.SparkSession._active_session = threading.local()
    if sail is not None:
        sail.close()


class _LazyConf:
    """`spark.conf` before there is a session: settings are kept until it opens."""

    def set(self, key, value):
        if _real is not None:
            _real.conf.set(key, value)
        else:
            if isinstance(value, bool):
                value = "true" if value else "false"
            _pending_conf[str(key)] = str(value)

    def get(self, key, *default):
        if _real is None and key in _pending_conf:
            return _pending_conf[key]
        return session().conf.get(key, *default)

    def unset(self, key):
        _pending_conf.pop(key, None)
        if _real is not None:
            _real.conf.unset(key)

    def __getattr__(self, name):
        return getattr(session().conf, name)


class _LazySession:
    """Stands for the session; passes everything on to the real one, opened at the first need."""

    def __init__(self):
        self.conf = _LazyConf()

    @property
    def __class__(self):
        # For isinstance(): the class a script can name.
        module = sys.modules.get("pyspark.sql.session")
        return module.SparkSession if module is not None else _LazySession

    @property
    def sparkContext(self):
        from nikawa.pyspark_shim import SparkContext

        return SparkContext.getOrCreate()

    @property
    def version(self):
        import pyspark

        return pyspark.__version__

    @property
    def catalog(self):
        from nikawa import spark_catalog

        return spark_catalog.Catalog(session)

    def sql(self, sqlQuery, *args, **kwargs):
        from nikawa import spark_catalog

        return session().sql(spark_catalog.resolve(sqlQuery), *args, **kwargs)

    def table(self, tableName):
        from nikawa import spark_catalog

        return session().table(spark_catalog.resolve_name(tableName))

    def newSession(self):
        return self

    def stop(self):
        close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(session(), name)

    def __repr__(self):
        return "<SparkSession of this run (%s)>" % ("open" if _real is not None else "not opened yet")


def lazy_session():
    """The session object for scripts; one a process. Never waits for the engine."""
    return _lazy


_lazy = _LazySession()
