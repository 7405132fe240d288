"""Sinks, as glueContext.getSink gives them."""

__all__ = ["DataSink"]


class DataSink:
    """j_sink: the sink being described. Set the format (and the catalogue's table), then write."""

    def __init__(self, j_sink, sql_ctx):
        self._jsink = j_sink
        self._sql_ctx = sql_ctx

    def setFormat(self, format, **options):
        self._jsink.set_format(format, options)

    def setAccumulableSize(self, size):
        """Errors are counted whatever the size; nothing to set."""

    def setCatalogInfo(self, catalogDatabase, catalogTableName, catalogId=""):
        """The table that the write creates or updates (with enableUpdateCatalog)."""
        self._jsink.set_catalog(catalogDatabase, catalogTableName, catalogId)

    def writeFrame(self, dynamic_frame, info=""):
        self._jsink.write(dynamic_frame)
        return dynamic_frame

    def writeDataFrame(self, data_frame, glue_context, info=""):
        from awsglue.dynamicframe import DynamicFrame

        self.writeFrame(DynamicFrame.fromDF(data_frame, glue_context, "data_frame"), info)
        return data_frame

    def write(self, dynamic_frame_or_dfc, info=""):
        from awsglue.dynamicframe import _frames_of

        for frame in _frames_of(dynamic_frame_or_dfc):
            self.writeFrame(frame, info)
        return dynamic_frame_or_dfc
