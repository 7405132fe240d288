"""A Python shell job: what the catalogue holds, as a CSV file in the lake. Plain boto3, no awsglue frames."""
import csv
import io
import sys
from urllib.parse import urlparse

import boto3
from awsglue.utils import getResolvedOptions

args = getResolvedOptions(sys.argv, ["database", "report"])
glue = boto3.client("glue")
s3 = boto3.client("s3")

text = io.StringIO()
writer = csv.writer(text)
writer.writerow(["table", "columns", "partition_keys", "files", "bytes"])
for page in glue.get_paginator("get_tables").paginate(DatabaseName=args["database"]):
    for table in page["TableList"]:
        place = urlparse(table["StorageDescriptor"].get("Location") or "")
        files = size = 0
        if place.scheme == "s3":
            listing = s3.get_paginator("list_objects_v2").paginate(
                Bucket=place.netloc, Prefix=place.path.lstrip("/"))
            for found in listing:
                for entry in found.get("Contents", ()):
                    files += 1
                    size += entry["Size"]
        writer.writerow([table["Name"], len(table["StorageDescriptor"]["Columns"]),
                         len(table.get("PartitionKeys", ())), files, size])

target = urlparse(args["report"])
s3.put_object(Bucket=target.netloc, Key=target.path.lstrip("/"), Body=text.getvalue().encode())
print(text.getvalue(), end="")
