"""Fills what the Spark Connect client leaves out of `pyspark`, so that scripts written for Glue import as they are.

The client has no `pyspark.context` and no `pyspark.SparkContext`; a session must be given a URL. Here a
SparkContext is a name with a few settings, which costs nothing, and `SparkSession.builder.getOrCreate()`
gives this run's session. With a full PySpark installed nothing is changed.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
import time
import types

__all__ = ["install", "SparkContext", "HEAVY"]

# What opening a session imports; for runtime.preload().
HEAVY = ("pyspark", "numpy", "pandas", "pyarrow", "pyarrow.compute", "pyarrow.parquet",
         "pyarrow.pandas_compat", "grpc", "grpc._channel", "grpc_status",
         "google.rpc.error_details_pb2", "pyspark.sql", "pyspark.sql.functions", "pyspark.sql.types",
         "pyspark.sql.connect.session", "pyspark.sql.connect.dataframe",
         "pyspark.sql.connect.functions", "pyspark.sql.connect.udf", "pyspark.sql.connect.catalog",
         "pyspark.sql.connect.readwriter", "pyspark.sql.pandas.conversion", "pyspark.cloudpickle")

_LOG_LEVELS = ("ALL", "DEBUG", "ERROR", "FATAL", "INFO", "OFF", "TRACE", "WARN")


def needs_spark(what):
    """The error for what only a full Apache Spark has."""
    return NotImplementedError(
        "%s needs Apache Spark itself (RDDs or its JVM): set the job's engine to spark (--engine spark),"
        " or use DataFrames, which run here" % what)


class _HadoopConfiguration:
    """`sc._jsc.hadoopConfiguration()`: remembers what is set; says so once, since nothing reads it."""

    def __init__(self):
        self._values = {}

    def set(self, name, value):
        from nikawa import runtime

        runtime.warn_once("Hadoop setting %s has no effect on this engine" % name)
        self._values[name] = value

    def get(self, name, default=None):
        return self._values.get(name, default)

    def unset(self, name):
        self._values.pop(name, None)


class _JavaContext:
    """`sc._jsc`, as far as scripts commonly reach into it."""

    def __init__(self):
        self._hadoop = _HadoopConfiguration()

    def hadoopConfiguration(self):
        return self._hadoop

    def __getattr__(self, name):
        raise needs_spark("SparkContext._jsc.%s" % name)


class SparkContext:
    """Stands for Spark's context in scripts that pass it on to GlueContext."""

    _active_spark_context = None
    PACKAGE_EXTENSIONS = (".zip", ".egg", ".jar")

    def __init__(self, master=None, appName=None, sparkHome=None, pyFiles=None, environment=None,
                 batchSize=0, serializer=None, conf=None, **kwargs):
        self._conf_values = dict(conf.getAll()) if conf is not None else {}
        if master:
            self._conf_values["spark.master"] = master
        if appName:
            self._conf_values["spark.app.name"] = appName
        self._jsc = _JavaContext()
        self._log_level = "WARN"
        self._spark_session = None
        self.startTime = int(time.time() * 1000)
        SparkContext._active_spark_context = self

    @classmethod
    def getOrCreate(cls, conf=None):
        current = SparkContext._active_spark_context
        if current is None:
            current = cls(conf=conf)
        elif conf is not None:
            current._conf_values.update(conf.getAll())
        return current

    def setLogLevel(self, logLevel):
        level = str(logLevel).upper()
        if level not in _LOG_LEVELS:
            raise ValueError("log level must be one of %s, not %r" % (", ".join(_LOG_LEVELS), logLevel))
        self._log_level = level

    def getConf(self):
        from pyspark.conf import SparkConf

        conf = SparkConf(loadDefaults=False)
        for name, value in self._conf_values.items():
            conf.set(name, value)
        return conf

    @property
    def appName(self):
        from nikawa import runtime

        return self._conf_values.get("spark.app.name") or runtime.run().job or "nikawa"

    @property
    def applicationId(self):
        from nikawa import runtime

        return runtime.run().run_id or "local-%d" % self.startTime

    @property
    def version(self):
        import pyspark

        return pyspark.__version__

    @property
    def master(self):
        return self._conf_values.get("spark.master", "local[*]")

    @property
    def pythonVer(self):
        return "%d.%d" % sys.version_info[:2]

    @property
    def defaultParallelism(self):
        return os.cpu_count() or 1

    uiWebUrl = None

    def sparkUser(self):
        return os.environ.get("USER", "nikawa")

    def stop(self):
        if SparkContext._active_spark_context is self:
            SparkContext._active_spark_context = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stop()

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        raise needs_spark("SparkContext.%s" % name)

    def __repr__(self):
        return "<SparkContext master=%s appName=%s>" % (self.master, self.appName)


def _context_module():
    module = types.ModuleType("pyspark.context", SparkContext.__doc__)
    module.SparkContext = SparkContext
    return module


def _patch_pyspark(module):
    if not hasattr(module, "SparkContext"):
        module.SparkContext = SparkContext


def _patch_session(module):
    """SparkSession.builder…getOrCreate() gives this run's session unless a URL was asked for."""
    builder = module.SparkSession.Builder
    original = builder.getOrCreate

    def getOrCreate(self):
        options = dict(self._options)
        if "spark.remote" in options or os.environ.get("SPARK_REMOTE"):
            return original(self)
        from nikawa import spark

        session = spark.lazy_session()
        for name, value in options.items():
            if name not in ("spark.master", "spark.app.name"):
                session.conf.set(name, value)
        return session

    def getActiveSession():
        from nikawa import spark

        return spark.lazy_session() if spark.is_open() else None

    builder.getOrCreate = getOrCreate
    builder.create = getOrCreate
    module.SparkSession.getActiveSession = staticmethod(getActiveSession)


def _patch_connect_session(module):
    """What needs a session at import time (a UDF whose type is text) gets this run's."""
    active = module.SparkSession.active.__func__

    def active_of_run(cls):
        from nikawa import spark

        if cls.getActiveSession() is None and cls._get_default_session() is None:
            spark.session()
        return active(cls)

    module.SparkSession.active = classmethod(active_of_run)


_PATCHES = {"pyspark": _patch_pyspark, "pyspark.sql.session": _patch_session,
            "pyspark.sql.connect.session": _patch_connect_session}


class _Loader(importlib.abc.Loader):
    """Runs a module's own loader, then a patch."""

    def __init__(self, inner, patch):
        self._inner = inner
        self._patch = patch

    def create_module(self, spec):
        return self._inner.create_module(spec)

    def exec_module(self, module):
        self._inner.exec_module(module)
        self._patch(module)

    def __getattr__(self, name):
        return getattr(self._inner, name)


class _ContextLoader(importlib.abc.Loader):
    def create_module(self, spec):
        return _context_module()

    def exec_module(self, module):
        pass


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "pyspark.context":
            return importlib.machinery.ModuleSpec(name, _ContextLoader())
        patch = _PATCHES.get(name)
        if patch is None:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, patch)
        return spec


def _client_only():
    """True when the pyspark on the path is the Connect client (or when there is none)."""
    spec = importlib.machinery.PathFinder.find_spec("pyspark")
    if spec is None or not spec.submodule_search_locations:
        return True
    return not any(os.path.isdir(os.path.join(p, "core")) for p in spec.submodule_search_locations)


def install():
    """Safe to call again; also after pyspark has been imported."""
    if any(isinstance(f, _Finder) for f in sys.meta_path) or not _client_only():
        return
    os.environ.setdefault("SPARK_CONNECT_MODE_ENABLED", "1")
    sys.meta_path.insert(0, _Finder())
    for name, patch in _PATCHES.items():
        if name in sys.modules:
            patch(sys.modules[name])
