"""Spark with Iceberg's own runtime, for test_iceberg_spark.py: reads SQL, one JSON string a line, and answers a line each,
{"rows": [[…], …]} or {"error": "…"}. Arguments: the jars' folder, the server, its S3. Keys come by the environment."""
import datetime
import decimal
import json
import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession

jars, server, s3 = sys.argv[1:]
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # the JVM's own warnings
AWS = {"io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "cache-enabled": "false", "client.region": "us-east-1"}
S3 = {"s3.endpoint": s3, "s3.path-style-access": "true"}
REST = {"type": "rest", "uri": server + "/iceberg"}
CATALOGS = {
    "glue": {"catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog", "glue.endpoint": server, "warehouse": "s3://spark/wh", **S3, **AWS},
    "rest": {**REST, "credential": os.environ["AWS_ACCESS_KEY_ID"] + ":" + os.environ["AWS_SECRET_ACCESS_KEY"],
             "oauth2-server-uri": server + "/iceberg/v1/oauth/tokens", **AWS},
    "sig": {**REST, "rest.sigv4-enabled": "true", "rest.signing-name": "glue", "rest.signing-region": "us-east-1", **AWS},
    "vended": {**REST, "rest.sigv4-enabled": "true", "rest.signing-name": "glue", "rest.signing-region": "us-east-1",
               "header.X-Iceberg-Access-Delegation": "vended-credentials", **AWS},
}

builder = SparkSession.builder.master("local[2]").config("spark.driver.extraClassPath", ":".join(map(str, Path(jars).glob("*.jar"))))
for key, value in {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "2", "spark.driver.memory": "1g", "spark.driver.bindAddress": "127.0.0.1",
                   "spark.driver.host": "127.0.0.1", "spark.sql.session.timeZone": "UTC", "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=160m",
                   "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"}.items():
    builder = builder.config(key, value)
for name, settings in CATALOGS.items():
    builder = builder.config("spark.sql.catalog." + name, "org.apache.iceberg.spark.SparkCatalog")
    for key, value in settings.items():
        builder = builder.config(f"spark.sql.catalog.{name}.{key}", value)
spark = builder.getOrCreate()
spark.sparkContext.setLogLevel("ERROR")


def plain(value):
    if isinstance(value, (datetime.datetime, datetime.date, decimal.Decimal)):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    return value


print("ready", file=answers, flush=True)
for line in sys.stdin:
    try:
        answer = {"rows": [plain(row) for row in spark.sql(json.loads(line)).collect()]}
    except Exception as e:
        answer = {"error": str(e)[:2000]}
    print(json.dumps(answer), file=answers, flush=True)
spark.stop()
