"""Apache Spark for `test_one_meaning`: runs in Spark's own environment.

    spark_child.py TABLES CASES.json OUT      a view for each TABLES/*.parquet; OUT/KEY.parquet or OUT/KEY.error a case
"""
import json
import sys
from pathlib import Path

from pyspark.sql import SparkSession

folder, cases, out = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3])
spark = (SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.sql.ansi.enabled", "false")
         .config("spark.sql.session.timeZone", "UTC").config("spark.sql.shuffle.partitions", "2")
         .config("spark.driver.bindAddress", "127.0.0.1").config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
         .config("spark.sql.parquet.datetimeRebaseModeInRead", "CORRECTED").config("spark.sql.parquet.datetimeRebaseModeInWrite", "CORRECTED")
         .config("spark.sql.warehouse.dir", str(out / "warehouse")).getOrCreate())
spark.sparkContext.setLogLevel("ERROR")
for path in folder.glob("*.parquet"):
    spark.read.parquet(str(path)).createOrReplaceTempView(path.stem)
for key, text in cases.items():
    if (out / (key + ".names")).exists() or (out / (key + ".error")).exists():
        continue
    try:
        frame = spark.sql(text)
        # names such as `sum(x)` cannot be written as they are, nor can the type of nothing
        names = frame.columns
        frame = frame.toDF(*["c%d" % i for i in range(len(names))])
        frame.coalesce(1).write.parquet(str(out / (key + ".parquet")), mode="overwrite")
        (out / (key + ".names")).write_text(json.dumps(names))
    except Exception as error:
        (out / (key + ".error")).write_text(str(error)[:2000])
spark.stop()
