"""Visits of a web site: nested records cleaned by a Python function, then counted with SQL and a UDF."""
import sys

from awsglue.context import GlueContext
from awsglue.dynamicframe import DynamicFrame
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from pyspark.sql import functions as F
from pyspark.sql.types import StringType

args = getResolvedOptions(sys.argv, ["JOB_NAME", "source", "target"])
glueContext = GlueContext(SparkContext.getOrCreate())
spark = glueContext.spark_session
logger = glueContext.get_logger()
job = Job(glueContext)
job.init(args["JOB_NAME"], args)

visits = glueContext.create_dynamic_frame.from_options(
    connection_type="s3", connection_options={"paths": [args["source"]]}, format="json",
    transformation_ctx="visits")


def summarize(visit):
    """A visit's pages as two numbers."""
    visit["page_count"] = len(visit["pages"])
    visit["slowest_ms"] = max(page["ms"] for page in visit["pages"])
    del visit["pages"]
    return visit


people = visits.filter(lambda visit: "bot" not in visit["user"]["agent"].lower())
logger.info("%d of %d visits are people's" % (people.count(), visits.count()))


@F.udf(returnType=StringType())
def browser(agent):
    return agent.split("/")[0] if agent.startswith("curl") else agent.split(" ")[-1].split("/")[0]


people.map(summarize).toDF().withColumn("browser", browser("user.agent")).createOrReplaceTempView("visits")
by_browser = spark.sql("""
    SELECT browser, substring(at, 1, 10) AS day, count(*) AS visits, sum(page_count) AS pages,
           round(avg(slowest_ms), 1) AS slowest_ms
    FROM visits GROUP BY 1, 2 ORDER BY 1, 2""")
by_browser.show()

glueContext.write_dynamic_frame.from_options(
    frame=DynamicFrame.fromDF(by_browser, glueContext, "by_browser"), connection_type="s3", format="csv",
    connection_options={"path": args["target"]})
job.commit()
