"""Small changes to the Spark Connect client, made when the run's session opens."""

__all__ = ["apply", "watch"]

_applied = False


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


def apply(died):
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
