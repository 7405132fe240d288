"""GlueContext: where frames come from and where they go."""

import json
import logging
import sys
import time

from awsglue import _paths
from awsglue._missing import not_implemented, refuse
from awsglue.data_sink import DataSink
from awsglue.data_source import DataSource
from awsglue.dataframereader import DataFrameReader
from awsglue.dataframewriter import DataFrameWriter
from awsglue.dynamicframe import (_TO_DF_ACTIONS, DynamicFrame, DynamicFrameReader,
                                  DynamicFrameWriter)
from awsglue.gluetypes import DataType
from nikawa import options, runtime

__all__ = ["GlueContext", "register"]

_S3_FORMATS_READ = {"csv": "S3CsvSource", "json": "S3JsonSource", "parquet": "S3ParquetSource"}
# formats of one node kind, which carries the format's name
for _format in ("avro", "orc", "xml", "ion", "bson", "grokLog"):
    _S3_FORMATS_READ[_format] = "S3FormatSource"
_S3_FORMATS_WRITE = ("csv", "json", "parquet", "glueparquet", "avro")
# connection_type that names a format on S3
_FORMAT_CONNECTIONS = ("parquet",)


def register(sc):
    """Glue registers its JVM classes here; nothing to do."""


class GlueContext:
    """sparkContext: a SparkContext, or None. options: accepted as Glue does, without effect here."""

    def __init__(self, sparkContext=None, **options):
        from nikawa import spark
        from nikawa.pyspark_shim import SparkContext

        if sparkContext is None:
            sparkContext = SparkContext.getOrCreate()
        self._sc = sparkContext
        self._options = options
        self.spark_session = spark.lazy_session()
        self.create_dynamic_frame = DynamicFrameReader(self)
        self.create_data_frame = DataFrameReader(self)
        self.write_dynamic_frame = DynamicFrameWriter(self)
        self.write_data_frame = DataFrameWriter(self)

    @property
    def sparkContext(self):
        return self._sc

    @property
    def sparkSession(self):
        return self.spark_session

    def __getattr__(self, name):
        # What SQLContext has: sql, table, read, createDataFrame, udf, range, registerFunction …
        if name.startswith("_"):
            raise AttributeError(name)
        try:
            return getattr(self.__dict__["spark_session"], name)
        except (KeyError, AttributeError):
            raise AttributeError("GlueContext has no %s" % name) from None

    # ---- reading ----

    def _source(self, kind, members, transformation_ctx, name=None):
        node = runtime.engine().node(kind, transformation_ctx or "", json.dumps(members), [])
        return DynamicFrame(node, self, name if name is not None else transformation_ctx)

    def create_dynamic_frame_from_catalog(self, database=None, table_name=None, redshift_tmp_dir="",
                                          transformation_ctx="", push_down_predicate="",
                                          additional_options={}, catalog_id=None, **kwargs):
        """The rows of a table of the catalogue. push_down_predicate: which partitions to read."""
        where = "create_dynamic_frame.from_catalog"
        if not database or not table_name:
            raise ValueError(where + " needs database and table_name")
        _known_keywords(where, kwargs)
        members = {"Database": database, "Table": table_name}
        options.translate("read", "catalog", additional_options, where, members)
        if push_down_predicate:
            other = members.get("PartitionPredicate")
            members["PartitionPredicate"] = ("(%s) AND (%s)" % (push_down_predicate, other) if other
                                             else push_down_predicate)
        if catalog_id:
            members["CatalogId"] = catalog_id
        return self._source("CatalogSource", members, transformation_ctx, name=table_name)

    def create_dynamic_frame_from_options(self, connection_type, connection_options={}, format=None,
                                          format_options={}, transformation_ctx="", push_down_predicate="",
                                          **kwargs):
        """The rows of files. connection_type "s3", format csv, json or parquet; see nikawa.options."""
        where = "create_dynamic_frame.from_options"
        _known_keywords(where, kwargs)
        if connection_type in _FORMAT_CONNECTIONS:
            connection_type, format = "s3", connection_type
        if connection_type != "s3":
            refuse("%s: connection type %s" % (where, connection_type), "s3 can be read")
        if format is None:
            raise ValueError("%s: connection type s3 needs a format (%s)" % (where, ", ".join(_S3_FORMATS_READ)))
        kind = _S3_FORMATS_READ.get(format)
        if kind is None:
            refuse("%s: format %s" % (where, format), ", ".join(_S3_FORMATS_READ) + " can be read")
        members = options.translate("read", "s3", connection_options, where)
        if not members.get("Paths"):
            raise ValueError("%s: connection_options needs paths, a list of s3:// folders or files" % where)
        options.translate("read", format, format_options, where, members)
        if format == "csv":
            members.setdefault("Separator", "comma")
            members.setdefault("QuoteChar", "quote")
        if kind == "S3FormatSource":
            members["Format"] = format
        if push_down_predicate:
            members["PartitionPredicate"] = push_down_predicate
        return self._source(kind, members, transformation_ctx)

    @not_implemented("RDDs need Apache Spark (--engine spark); DynamicFrame.fromDF takes a DataFrame")
    def create_dynamic_frame_from_rdd(self, data, name, schema=None, sample_ratio=None,
                                      transformation_ctx=""):
        pass

    @not_implemented("read the frame and use toDF().limit(num)")
    def create_sample_dynamic_frame_from_catalog(self, database=None, table_name=None, num=None,
                                                 sample_options={}, redshift_tmp_dir="",
                                                 transformation_ctx="", push_down_predicate="",
                                                 additional_options={}, catalog_id=None, erieTxId="",
                                                 asOfTime="", **kwargs):
        pass

    @not_implemented("read the frame and use toDF().limit(num)")
    def create_sample_dynamic_frame_from_options(self, connection_type, connection_options={}, num=None,
                                                 sample_options={}, format=None, format_options={},
                                                 transformation_ctx="", push_down_predicate="", **kwargs):
        pass

    def create_data_frame_from_catalog(self, database=None, table_name=None, redshift_tmp_dir="",
                                       transformation_ctx="", push_down_predicate="",
                                       additional_options={}, catalog_id=None, **kwargs):
        """As create_dynamic_frame_from_catalog, as a Spark DataFrame."""
        return self.create_dynamic_frame_from_catalog(
            database, table_name, redshift_tmp_dir, transformation_ctx, push_down_predicate,
            additional_options, catalog_id, **kwargs).toDF()

    def create_data_frame_from_options(self, connection_type, connection_options={}, format=None,
                                       format_options={}, transformation_ctx="", push_down_predicate="",
                                       **kwargs):
        """As create_dynamic_frame_from_options, as a Spark DataFrame."""
        return self.create_dynamic_frame_from_options(
            connection_type, connection_options, format, format_options, transformation_ctx,
            push_down_predicate, **kwargs).toDF()

    def getSource(self, connection_type, format=None, transformation_ctx="", push_down_predicate="",
                  **options):
        """A source whose format is set and whose frame is taken later."""
        return DataSource(_SourceCall(self, connection_type, format, transformation_ctx,
                                      push_down_predicate, options), self, transformation_ctx)

    @not_implemented("streaming sources are not there yet")
    def getStreamingSource(self, connection_type, format=None, transformation_ctx="",
                           push_down_predicate="", **options):
        pass

    @not_implemented("create_dynamic_frame.from_catalog(…).toDF().schema gives it")
    def get_catalog_schema_as_spark_schema(self, database=None, table_name=None, catalog_id=None):
        pass

    # ---- writing ----

    def _write(self, frame, kind, members, transformation_ctx):
        if frame._partitions:
            members = dict(members, NumberTargetPartitions=str(frame._partitions))
        node = runtime.engine().node(kind, transformation_ctx or "", json.dumps(members), [frame._evaluated()])
        return json.loads(node.run() or "{}")

    def getSink(self, connection_type, format=None, transformation_ctx="", **options):
        """A sink whose format and catalogue table are set before it is written to."""
        return DataSink(_SinkCall(self, connection_type, format, transformation_ctx, options), self)

    def write_dynamic_frame_from_options(self, frame, connection_type, connection_options={}, format=None,
                                         format_options={}, transformation_ctx=""):
        """Writes a frame (or each of a collection) and gives it back."""
        return self.write_from_options(frame, connection_type, connection_options, format, format_options,
                                       transformation_ctx)

    def write_from_options(self, frame_or_dfc, connection_type, connection_options={}, format={},
                           format_options={}, transformation_ctx="", **kwargs):
        _known_keywords("write_from_options", kwargs)
        sink = self.getSink(connection_type, None, transformation_ctx, **dict(connection_options or {}))
        sink.setFormat(format or None, **dict(format_options or {}))
        return sink.write(frame_or_dfc)

    def write_dynamic_frame_from_catalog(self, frame, database=None, table_name=None, redshift_tmp_dir="",
                                         transformation_ctx="", additional_options={}, catalog_id=None,
                                         **kwargs):
        """Writes to where the catalogue says the table lies, in its format."""
        from awsglue.dynamicframe import _frames_of

        where = "write_dynamic_frame.from_catalog"
        if not database or not table_name:
            raise ValueError(where + " needs database and table_name")
        _known_keywords(where, kwargs)
        members = {"Database": database, "Table": table_name}
        options.translate("write", "catalog", additional_options, where, members)
        if catalog_id:
            members["CatalogId"] = catalog_id
        kind = "CatalogTarget"
        if members.get("SchemaChangePolicy", {}).get("EnableUpdateCatalog"):
            kind = "S3CatalogTarget"
        for one in _frames_of(frame):
            self._write(one, kind, members, transformation_ctx)
        return frame

    def write_data_frame_from_catalog(self, frame, database=None, table_name=None, redshift_tmp_dir="",
                                      transformation_ctx="", additional_options={}, catalog_id=None,
                                      **kwargs):
        """As write_dynamic_frame_from_catalog, of a Spark DataFrame."""
        self.write_dynamic_frame_from_catalog(
            DynamicFrame.fromDF(frame, self, table_name or ""), database, table_name, redshift_tmp_dir,
            transformation_ctx, additional_options, catalog_id, **kwargs)
        return frame

    @not_implemented("JDBC connections are not there yet")
    def write_dynamic_frame_from_jdbc_conf(self, frame, catalog_connection, connection_options={},
                                           redshift_tmp_dir="", transformation_ctx="", catalog_id=None):
        pass

    @not_implemented("JDBC connections are not there yet")
    def write_from_jdbc_conf(self, frame_or_dfc, catalog_connection, connection_options={},
                             redshift_tmp_dir="", transformation_ctx="", catalog_id=None):
        pass

    # ---- small things ----

    def convert_resolve_option(self, path, action, target):
        """A ResolveOption as a (path, action) spec. action: Project or KeepAsStruct, any case; target: an awsglue
        type, for Project."""
        word = _TO_DF_ACTIONS.get(str(action).lower())
        if word is None:
            raise ValueError("toDF: action must be Project or KeepAsStruct, not %r" % (action,))
        if word == "project":
            if not isinstance(target, DataType):
                raise ValueError("toDF: the target of Project must be a type of awsglue.gluetypes, not %r"
                                 % (target,))
            word = "project:" + target.simpleString()
        _paths.parse(path)
        return (path, word)

    def get_logger(self):
        """A logger with error, warn, info, debug; it writes to the run's error log."""
        return GlueLogger()

    def currentTimeMillis(self):
        return int(time.time() * 1000)

    # ---- not there yet ----

    @not_implemented("JDBC connections are not there yet")
    def extract_jdbc_conf(self, connection_name, catalog_id=None):
        pass

    @not_implemented("delete the files with boto3's S3 client and the table with its Glue client")
    def purge_table(self, database, table_name, options={}, transformation_ctx="", catalog_id=None):
        pass

    @not_implemented("delete the files with boto3's S3 client")
    def purge_s3_path(self, s3_path, options={}, transformation_ctx=""):
        pass

    @not_implemented("the lake has one storage class")
    def transition_table(self, database, table_name, transition_to, options={}, transformation_ctx="",
                         catalog_id=None):
        pass

    @not_implemented("the lake has one storage class")
    def transition_s3_path(self, s3_path, transition_to, options={}, transformation_ctx=""):
        pass

    @not_implemented("streaming is not there yet")
    def getSampleStreamingDynamicFrame(self, frame, options={}, batch_function=None):
        pass

    @not_implemented("streaming is not there yet")
    def forEachBatch(self, frame, batch_function, options={}):
        pass

    @not_implemented("streaming is not there yet")
    def add_ingestion_time_columns(self, frame, time_granularity):
        pass

    @not_implemented("governed tables are not there")
    def start_transaction(self, read_only):
        pass

    @not_implemented("governed tables are not there")
    def commit_transaction(self, transaction_id, wait_for_commit=True):
        pass

    @not_implemented("governed tables are not there")
    def cancel_transaction(self, transaction_id):
        pass


class GlueLogger:
    """What get_logger() gives."""

    def __init__(self):
        self._logger = logging.getLogger("GlueLogger")
        self._logger.propagate = False
        if not self._logger.handlers:
            handler = logging.StreamHandler(sys.stderr)
            handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s [%(name)s] %(message)s"))
            self._logger.addHandler(handler)
            self._logger.setLevel(logging.INFO)

    def error(self, msg, error=None):
        self._logger.error(str(msg), exc_info=error if isinstance(error, BaseException) else None)

    def warn(self, msg):
        self._logger.warning(str(msg))

    warning = warn

    def info(self, msg):
        self._logger.info(str(msg))

    def debug(self, msg):
        self._logger.debug(str(msg))

    trace = debug


class _SourceCall:
    """A source that is being described, for DataSource."""

    def __init__(self, context, connection_type, format, transformation_ctx, predicate, given):
        self.context = context
        self.connection_type = connection_type
        self.format = format
        self.format_options = {}
        self.transformation_ctx = transformation_ctx
        self.predicate = predicate
        self.given = given

    def frame(self):
        return self.context.create_dynamic_frame_from_options(
            self.connection_type, self.given, self.format, self.format_options, self.transformation_ctx,
            self.predicate)


class _SinkCall:
    """A sink that is being described, for DataSink."""

    def __init__(self, context, connection_type, format, transformation_ctx, given):
        where = "getSink"
        if connection_type != "s3":
            refuse("%s: connection type %s" % (where, connection_type), "s3 can be written")
        self.context = context
        self.format = format
        self.transformation_ctx = transformation_ctx
        self.members = options.translate("write", "s3", given, where)
        self.format_members = {}

    def set_format(self, format, given):
        if format is not None and format not in _S3_FORMATS_WRITE:
            refuse("setFormat: format %s" % format, "csv, json, parquet, glueparquet and avro can be written")
        self.format = format
        self.format_members = (options.translate("write", format, given, "setFormat")
                               if format is not None else {})

    def set_catalog(self, database, table, catalog_id):
        policy = self.members.setdefault("SchemaChangePolicy", {})
        policy.update(Database=database, Table=table)
        if catalog_id:
            policy["CatalogId"] = catalog_id

    def write(self, frame):
        format = self.format
        if format is None:
            raise ValueError("writing to s3 needs a format: csv, json, parquet or glueparquet")
        members = dict(self.members, **self.format_members)
        if not members.get("Path"):
            raise ValueError("writing to s3 needs a path")
        policy = members.get("SchemaChangePolicy")
        if policy and policy.get("EnableUpdateCatalog") and not policy.get("Table"):
            raise ValueError("enableUpdateCatalog needs a table: call setCatalogInfo(catalogDatabase=…,"
                             " catalogTableName=…) on the sink")
        if format == "glueparquet":
            return self.context._write(frame, "S3GlueParquetTarget", members, self.transformation_ctx)
        members["Format"] = format
        return self.context._write(frame, "S3DirectTarget", members, self.transformation_ctx)


def _known_keywords(where, given):
    """Glue passes keyword arguments on without a look; here a wrong one is told."""
    accepted = ("catalogId", "catalog_id", "ctx", "transformation_ctx")
    for name in given:
        if name not in accepted:
            raise TypeError("%s: unknown argument %s" % (where, name))
