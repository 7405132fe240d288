"""Small changes to the Spark Connect client, made when the run's session opens."""

__all__ = ["apply", "watch"]

_applied = False


_FILES = ("csv", "json", "parquet", "text", "avro", "binaryFile")


def _must_exist(path):
    """Raises what Spark raises when no file is at a path. Patterns and other places are left to the engine."""
    import os
    import re

    if re.search(r"[*?\[{]", path):
        return
    place = re.match(r"s3[an]?://([^/]+)/?(.*)$", path)
    if place:
        found = _in_lake(place.group(1), place.group(2))
    elif path.startswith("file:") or "://" not in path:
        found = os.path.exists(re.sub(r"^file:(//)?", "", path))
    else:
        return
    if not found:
        from pyspark.errors import AnalysisException

        raise AnalysisException("[PATH_NOT_FOUND] Path does not exist: %s." % path)


def _in_lake(bucket, key):
    import boto3
    from botocore.exceptions import ClientError

    from nikawa import runtime

    settings = runtime.settings()
    if not settings.get("s3_endpoint"):
        return True
    client = boto3.client("s3", endpoint_url=settings["s3_endpoint"], region_name=settings["region"],
                          aws_access_key_id=settings.get("access_key"),
                          aws_secret_access_key=settings.get("secret_key"),
                          aws_session_token=settings.get("session_token"))
    try:
        return "Contents" in client.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    except ClientError as error:
        if error.response["Error"]["Code"] in ("NoSuchBucket", "404"):
            return False
        raise


def watch(session, died):
    """Makes calls of this session fail at once, with a clear error, when its engine has ended. (The client
    would try to reach a dead server for ten minutes.)"""
    import grpc
    from pyspark.sql.connect.client.retries import RetryPolicy

    from nikawa.spark import SparkEngineError

    class EngineGone(RetryPolicy):
        def can_retry(self, exception):
            if isinstance(exception, grpc.RpcError) and exception.code() in (
                    grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN):
                how = died()
                if how:
                    raise SparkEngineError(how) from None
            return False

    session.client.set_retry_policies([EngineGone(max_retries=0)])


def apply():
    """Once a process: what the client lacks says what to do instead."""
    global _applied
    if _applied:
        return
    _applied = True
    from pyspark.sql.connect.dataframe import DataFrame

    from nikawa.pyspark_shim import needs_spark

    def rdd(self):
        raise needs_spark("DataFrame.rdd")

    DataFrame.rdd = property(rdd)
    from nikawa import spark_union

    spark_union.patch(DataFrame)
    from pyspark.sql.connect.readwriter import DataFrameReader, DataFrameWriter

    load = DataFrameReader.load

    def checked_load(self, path=None, format=None, schema=None, **options):
        # The engine reads a path that is not there as no rows; Spark says so.
        if (format or self._format or "parquet") in _FILES:
            for one in [path] if isinstance(path, str) else path or ():
                _must_exist(one)
        return load(self, path, format, schema, **options)

    DataFrameReader.load = checked_load

    def refuse(name):
        def missing(self, *args, **kwargs):
            raise NotImplementedError(
                "DataFrameWriter.%s would make a table that is gone after the run: write files with save(path),"
                " or a catalogue table with glueContext.getSink(…, enableUpdateCatalog=True)" % name)

        return missing

    for name in ("saveAsTable", "insertInto"):
        setattr(DataFrameWriter, name, refuse(name))
