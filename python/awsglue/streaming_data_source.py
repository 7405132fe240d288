"""Streaming sources: the shape of the API; streaming itself is not there yet."""

from awsglue._missing import not_implemented

__all__ = ["StreamingDataSource"]


class StreamingDataSource:
    def __init__(self, j_source, sql_ctx, name):
        self._jsource = j_source
        self._sql_ctx = sql_ctx
        self.name = name

    @not_implemented("streaming is not there yet")
    def setFormat(self, format, **options):
        pass

    @not_implemented("streaming is not there yet")
    def getFrame(self):
        pass
