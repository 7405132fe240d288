"""What a script's process knows about its run: settings, the engine's session, the Spark engine.

A worker calls begin() before the user's script and end() after it. Without a worker (a script started by
plain `python`), everything is taken from the environment at first use, so `PYTHONPATH=python python job.py`
works as well.
"""

import atexit
import json
import os
import sys
import threading

__all__ = ["begin", "end", "preload", "settings", "engine", "run", "warn_once"]

_lock = threading.RLock()
_run = None
_warned = set()

# name of a setting -> the environment variables it may come from, first wins
ENVIRONMENT = {
    "endpoint": ("NIKAWA_ENDPOINT", "AWS_ENDPOINT_URL_GLUE", "AWS_ENDPOINT_URL"),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "access_key": ("AWS_ACCESS_KEY_ID",),
    "secret_key": ("AWS_SECRET_ACCESS_KEY",),
    "session_token": ("AWS_SESSION_TOKEN",),
    "s3_endpoint": ("NIKAWA_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3"),
    "account_id": ("NIKAWA_ACCOUNT_ID",),
    "temp_dir": ("NIKAWA_TEMP_DIR", "TMPDIR"),
}


class Run:
    """One run of one script. Made by begin()."""

    def __init__(self, settings, run_id="", job="", engine="auto", script=None):
        self.settings = settings
        self.run_id = run_id
        self.job = job
        self.engine = engine
        self.script = script
        self._session = None

    def session(self):
        """The native engine's session, opened at first use."""
        with _lock:
            if self._session is None:
                try:
                    import _nikawa
                except ImportError as e:
                    raise ImportError(
                        "the native engine (_nikawa) is not on Python's path: run the script with"
                        " `nikawa run`, or put the build's python folder on PYTHONPATH"
                    ) from e
                self._session = _nikawa.Session(json.dumps(self.settings))
            return self._session

    def close(self):
        with _lock:
            self._session = None
        spark = sys.modules.get("nikawa.spark")
        if spark is not None:
            spark.close()


def _settings_from_environment():
    found = {}
    for name, variables in ENVIRONMENT.items():
        for variable in variables:
            value = os.environ.get(variable)
            if value:
                found[name] = value
                break
    found.setdefault("region", "us-east-1")
    return found


def begin(settings, *, run_id="", job="", engine="auto", script=None):
    """Tells this process what it runs. settings: see ENVIRONMENT, plus memory_limit_bytes and threads;
    what is missing comes from the environment. script: the text, if known; when it is seen to use Spark,
    the Spark engine is started beside it. engine: native, spark or auto."""
    global _run
    from nikawa import pyspark_shim

    merged = _settings_from_environment()
    merged.update({k: v for k, v in (settings or {}).items() if v not in (None, "")})
    with _lock:
        if _run is not None:
            _run.close()
        _run = Run(merged, run_id=run_id, job=job, engine=engine, script=script)
    pyspark_shim.install()
    if script:
        from nikawa import spark

        spark.prewarm_if_used(script)
    return _run


def end():
    """Closes what the run has opened. Safe to call twice."""
    global _run
    with _lock:
        current, _run = _run, None
    if current is not None:
        current.close()


def run():
    """The current run; outside a worker one is made of the environment."""
    with _lock:
        if _run is None:
            begin({})
        return _run


def settings():
    return run().settings


def engine():
    """The native engine's session of this run (_nikawa.Session)."""
    return run().session()


def warn_once(text):
    """One line on stderr, once a process: for settings that are understood but have no effect here."""
    if text not in _warned:
        _warned.add(text)
        print("nikawa: " + text, file=sys.stderr, flush=True)


def preload():
    """Imports what scripts commonly need, for a process that will fork workers. Starts no thread and opens
    no connection."""
    import importlib

    # Some libraries start threads when they are loaded; a forked child would have none of them.
    for name, value in (("OPENBLAS_NUM_THREADS", "1"), ("OMP_NUM_THREADS", "1"),
                        ("JE_ARROW_MALLOC_CONF", "background_thread:false")):
        os.environ.setdefault(name, value)
    from nikawa import pyspark_shim

    pyspark_shim.install()
    for name in ("_nikawa", "awsglue.context", "awsglue.job", "awsglue.transforms", "awsglue.utils",
                 "awsglue.dynamicframe", "nikawa.spark", "nikawa.spark_patches", "nikawa.frames", "boto3", "botocore.session",
                 *pyspark_shim.HEAVY):
        try:
            importlib.import_module(name)
        except ImportError:
            pass


atexit.register(end)
