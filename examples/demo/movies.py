"""Movies by decade: a hand-written Glue script.

The titles of movies.json are text, but for nine that are numbers (300, 1776, …): a DynamicFrame
keeps both until the script says what it wants.
"""
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
job = Job(glueContext)
job.init(args["JOB_NAME"], args)

movies = glueContext.create_dynamic_frame.from_options(
    connection_type="s3",
    connection_options={"paths": [args["source"]], "recurse": True},
    format="json",
    transformation_ctx="movies",
)
print("as it was read:")
movies.select_fields(["Title"]).printSchema()

movies = movies.resolveChoice(specs=[("Title", "cast:string")])
print("after resolveChoice:")
movies.select_fields(["Title"]).printSchema()


@F.udf(returnType=StringType())
def decade(released):
    """'Jun 12 1998' -> '1990s'; the file's own two-digit slips are left out."""
    year = released[-4:] if released else ""
    return f"{year[:3]}0s" if year.isdigit() and 1900 <= int(year) <= 2019 else None


frame = (
    movies.toDF()
    .withColumn("decade", decade(F.col("`Release Date`")))
    .where("decade is not null")
    .groupBy("decade")
    .agg(
        F.count(F.lit(1)).alias("movies"),
        F.round(F.avg("`IMDB Rating`"), 2).alias("mean_rating"),
        F.max("`Worldwide Gross`").alias("best_gross"),
    )
)
frame.orderBy("decade").show()

sink = glueContext.getSink(
    connection_type="s3", path=args["target"], enableUpdateCatalog=True,
    updateBehavior="UPDATE_IN_DATABASE", partitionKeys=[], transformation_ctx="decades",
)
sink.setCatalogInfo(catalogDatabase="demo", catalogTableName="decades")
sink.setFormat("glueparquet")
sink.writeFrame(DynamicFrame.fromDF(frame, glueContext, "decades"))
job.commit()
