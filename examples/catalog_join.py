"""Two tables of the catalogue joined into a third, in the manner of the visual editor's scripts."""
import sys

from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

args = getResolvedOptions(sys.argv, ["JOB_NAME", "database", "left", "right", "key", "target", "table"])
sc = SparkContext()
glueContext = GlueContext(sc)
spark = glueContext.spark_session
job = Job(glueContext)
job.init(args["JOB_NAME"], args)

# Script generated for node Left
Left_node1 = glueContext.create_dynamic_frame.from_catalog(
    database=args["database"], table_name=args["left"], transformation_ctx="Left_node1")

# Script generated for node Right
Right_node2 = glueContext.create_dynamic_frame.from_catalog(
    database=args["database"], table_name=args["right"], transformation_ctx="Right_node2")

# Script generated for node Renamed key
Renamed_node3 = RenameField.apply(
    frame=Right_node2, old_name=args["key"], new_name="right_key", transformation_ctx="Renamed_node3")

# Script generated for node Join
Join_node4 = Join.apply(
    frame1=Left_node1, frame2=Renamed_node3, keys1=[args["key"]], keys2=["right_key"],
    transformation_ctx="Join_node4")

# Script generated for node Drop key
Drop_node5 = DropFields.apply(frame=Join_node4, paths=["right_key"], transformation_ctx="Drop_node5")

# Script generated for node Target
Target_node6 = glueContext.getSink(
    path=args["target"], connection_type="s3", updateBehavior="UPDATE_IN_DATABASE", partitionKeys=[],
    enableUpdateCatalog=True, transformation_ctx="Target_node6")
Target_node6.setCatalogInfo(catalogDatabase=args["database"], catalogTableName=args["table"])
Target_node6.setFormat("glueparquet", compression="snappy")
Target_node6.writeFrame(Drop_node5)
job.commit()
