"""A Spark session on a Sail of its own: a statement a line in, {"rows": …} or {"error": …} a line out."""
import json
import sys

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

server = SparkConnectServer("127.0.0.1", 0)
server.start(background=True)
spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
for line in sys.stdin:
    try:
        print(json.dumps({"rows": [list(r) for r in spark.sql(json.loads(line)).collect()]}, default=str), flush=True)
    except Exception as error:
        print(json.dumps({"error": str(error)[:1000]}), flush=True)
