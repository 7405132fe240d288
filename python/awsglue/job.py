"""Job: the bracket around a script's work."""

from awsglue._missing import refuse

__all__ = ["Job"]

_BOOKMARK = ["job-bookmark-enable", "job-bookmark-pause", "job-bookmark-disable"]


class Job:
    """glue_context_or_spark_session: a GlueContext, or a Spark session."""

    @classmethod
    def continuation_options(cls):
        return ["continuation-enabled", "continuation-readonly", "continuation-ignore"]

    @classmethod
    def job_bookmark_options(cls):
        return list(_BOOKMARK)

    @classmethod
    def job_bookmark_range_options(cls):
        return ["--job-bookmark-from", "--job-bookmark-to"]

    @classmethod
    def id_params(cls):
        return ["--JOB_NAME", "--JOB_ID", "--JOB_RUN_ID", "--SECURITY_CONFIGURATION"]

    @classmethod
    def encryption_type_options(cls):
        return ["sse-s3", "sse-kms", "cse-kms"]

    @classmethod
    def data_lineage_options(cls):
        return ["--enable-data-lineage"]

    def __init__(self, glue_context_or_spark_session):
        self._context = glue_context_or_spark_session
        self._initialized = False
        self.name = None

    def init(self, job_name, args={}):
        """Marks the start. args: what getResolvedOptions gave."""
        option = (args or {}).get("job_bookmark_option", "job-bookmark-disable")
        if option not in _BOOKMARK:
            raise ValueError("--job-bookmark-option must be one of %s, not %r"
                             % (", ".join(_BOOKMARK), option))
        if option != "job-bookmark-disable":
            refuse("--job-bookmark-option %s" % option,
                   "run the job with job-bookmark-disable; it then reads all data every time")
        self.name = job_name
        self._initialized = True

    def isInitialized(self):
        return self._initialized

    def commit(self):
        """Marks the end. Writes are done by then: each is complete when its call returns."""
        if not self._initialized:
            raise RuntimeError("Job.commit: call Job.init first")
