"""Sources, as glueContext.getSource gives them."""

from awsglue._missing import refuse

__all__ = ["DataSource"]


class DataSource:
    """j_source: the source being described. Set the format, then take the frame."""

    def __init__(self, j_source, sql_ctx, name):
        self._jsource = j_source
        self._sql_ctx = sql_ctx
        self.name = name

    def setFormat(self, format, **options):
        self._jsource.format = format
        self._jsource.format_options = options

    def getFrame(self, **options):
        if options:
            raise ValueError("getFrame: unknown option %s" % ", ".join(options))
        return self._jsource.frame()

    def getSampleFrame(self, num, **options):
        refuse("DataSource.getSampleFrame", "take the frame and use toDF().limit(num)")

    def getDataFrame(self):
        return self.getFrame().toDF()
