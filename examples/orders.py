"""Orders as they come, quantities being numbers but for some that are words, into Parquet by day."""
import sys

from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.transforms import ApplyMapping, Filter, ResolveChoice
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

args = getResolvedOptions(sys.argv, ["JOB_NAME", "source", "target"])
glueContext = GlueContext(SparkContext.getOrCreate())
job = Job(glueContext)
job.init(args["JOB_NAME"], args)

orders = glueContext.create_dynamic_frame.from_options(
    connection_type="s3", connection_options={"paths": [args["source"]]}, format="json",
    transformation_ctx="orders")
print("as they come:")
orders.printSchema()

# One column a type: the words stay to be looked at.
orders = ResolveChoice.apply(frame=orders, specs=[("quantity", "make_cols")])

mapped = ApplyMapping.apply(frame=orders, mappings=[
    ("order_id", "int", "id", "long"),
    ("day", "string", "day", "date"),
    ("customer.name", "string", "customer", "string"),
    ("customer.country", "string", "country", "string"),
    ("quantity_int", "int", "quantity", "int"),
    ("amount", "double", "amount", "decimal(10,2)"),
])
good = Filter.apply(frame=mapped, f=lambda order: order["quantity"] is not None and order["amount"])
print("%d of %d orders are good" % (good.count(), mapped.count()))

glueContext.write_dynamic_frame.from_options(
    frame=good, connection_type="s3", format="parquet",
    connection_options={"path": args["target"], "partitionKeys": ["day"]},
    format_options={"compression": "snappy"})
job.commit()
