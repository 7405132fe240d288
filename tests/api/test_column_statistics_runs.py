"""Statistics that are computed: against Python's own arithmetic over the same random rows; runs, settings, schedules."""
import datetime
import decimal
import io
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import wait_for
from test_catalog import name, refused

COLUMNS = [("flag", "boolean", pa.bool_()), ("tiny", "tinyint", pa.int8()), ("big", "bigint", pa.int64()), ("dbl", "double", pa.float64()),
           ("amount", "decimal(12,3)", pa.decimal128(12, 3)), ("day", "date", pa.date32()), ("at", "timestamp", pa.timestamp("us")),
           ("text", "string", pa.string()), ("raw", "binary", pa.binary()), ("list", "array<int>", pa.list_(pa.int32()))]
PARQUET = {"InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
           "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
           "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"}}


@pytest.fixture(scope="module")
def s3(server):
    client = server.client("s3")
    client.create_bucket(Bucket="statistics")
    return client


@pytest.fixture
def db(glue):
    n = name("stats")
    glue.create_database(DatabaseInput={"Name": n})
    yield n
    glue.delete_database(Name=n)


def random_row(rng):
    def maybe(v):
        return None if rng.random() < 0.2 else v

    return {"flag": maybe(rng.random() < 0.3), "tiny": maybe(rng.randint(-128, 127)), "big": maybe(rng.randint(-2 ** 63, 2 ** 63 - 1)),
            "dbl": maybe(rng.choice([rng.uniform(-1e6, 1e6), 0.0, float("nan")])), "amount": maybe(decimal.Decimal(rng.randint(-10 ** 11, 10 ** 11)).scaleb(-3)),
            "day": maybe(datetime.date(1900, 1, 1) + datetime.timedelta(days=rng.randint(0, 80000))),
            "at": maybe(datetime.datetime(1960, 1, 1) + datetime.timedelta(seconds=rng.randint(0, 3 * 10 ** 9))),
            "text": maybe("".join(rng.choice("abäλ") for _ in range(rng.randint(0, 6)))), "raw": maybe(bytes(rng.randint(0, 255) for _ in range(rng.randint(0, 5)))),
            "list": maybe([1, 2])}


def put_parquet(s3, key, rows):
    schema = pa.schema([(n, t) for n, _, t in COLUMNS])
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), out)
    s3.put_object(Bucket="statistics", Key=key, Body=out.getvalue())


def make_table(glue, db, prefix, keys=()):
    glue.create_table(DatabaseName=db, TableInput={
        "Name": "t", "TableType": "EXTERNAL_TABLE", "Parameters": {"classification": "parquet"},
        "PartitionKeys": [{"Name": k, "Type": "string"} for k in keys],
        "StorageDescriptor": {"Columns": [{"Name": n, "Type": t} for n, t, _ in COLUMNS], "Location": f"s3://statistics/{prefix}", **PARQUET}})


def finished(glue, run_id):
    def look():
        run = glue.get_column_statistics_task_run(ColumnStatisticsTaskRunId=run_id)["ColumnStatisticsTaskRun"]
        return run if run["Status"] not in ("STARTING", "RUNNING") else None
    return wait_for(look, 60)


def number(d):
    return decimal.Decimal(int.from_bytes(d["UnscaledValue"], "big", signed=True)).scaleb(-d["Scale"])


def expected(rows):
    """Column → its statistics, by Python."""
    out = {}
    for n, hive, _ in COLUMNS:
        values = [r[n] for r in rows if r[n] is not None]
        nulls = len(rows) - len(values)
        if n == "flag":
            out[n] = {"NumberOfTrues": sum(values), "NumberOfFalses": len(values) - sum(values), "NumberOfNulls": nulls}
        elif n == "text":
            lengths = [len(v) for v in values]
            out[n] = {"MaximumLength": max(lengths), "AverageLength": sum(lengths) / len(lengths), "NumberOfNulls": nulls, "NumberOfDistinctValues": len(set(values))}
        elif n == "raw":
            lengths = [len(v) for v in values]
            out[n] = {"MaximumLength": max(lengths), "AverageLength": sum(lengths) / len(lengths), "NumberOfNulls": nulls}
        elif n != "list":
            real = [v for v in values if v == v]
            out[n] = {"MinimumValue": min(real), "MaximumValue": max(real), "NumberOfNulls": nulls,
                      "NumberOfDistinctValues": len({"nan" if v != v else v for v in values})}
    return out


def plain(n, data):
    got = dict(data)
    for k in {"MinimumValue", "MaximumValue"} & set(got):
        if n == "amount":
            got[k] = number(got[k])
        elif n == "day":
            got[k] = got[k].astimezone(datetime.timezone.utc).date()
        elif n == "at":
            got[k] = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=got[k])
    return got


def test_computed_statistics_are_pythons(glue, s3, db, watch):
    rng = random.Random()
    rows = [random_row(rng) for _ in range(rng.randint(200, 3000))]
    prefix = f"{db}/t/"
    for i in range(3):
        for p in ("x", "y"):
            put_parquet(s3, f"{prefix}p={p}/{i}.parquet", rows[i::6] if p == "x" else rows[i + 3::6])
    make_table(glue, db, prefix, ["p"])
    for p in ("x", "y"):
        glue.create_partition(DatabaseName=db, TableName="t", PartitionInput={
            "Values": [p], "StorageDescriptor": {"Columns": [{"Name": n, "Type": t} for n, t, _ in COLUMNS], "Location": f"s3://statistics/{prefix}p={p}/", **PARQUET}})
    run_id = glue.start_column_statistics_task_run(DatabaseName=db.upper(), TableName="T", Role="me")["ColumnStatisticsTaskRunId"]
    run = finished(glue, run_id)
    assert run["Status"] == "SUCCEEDED", run
    assert run["DatabaseName"] == db and run["TableName"] == "t" and run["SampleSize"] == 100 and run["Role"] == "me"
    assert run["CreationTime"] <= run["StartTime"] <= run["EndTime"] and run["DPUSeconds"] >= 0
    want = expected(rows)
    assert run["ColumnNameList"] == list(want)  # arrays have none
    got = glue.get_column_statistics_for_table(DatabaseName=db, TableName="t", ColumnNames=list(want) + ["list"])
    assert [e["ColumnName"] for e in got["Errors"]] == ["list"]
    for s in got["ColumnStatisticsList"]:
        n, kind = s["ColumnName"], s["StatisticsData"]["Type"]
        data = plain(n, s["StatisticsData"][f"{kind.title()}ColumnStatisticsData"])
        assert {k: pytest.approx(v, rel=1e-12) if isinstance(v, float) else v for k, v in want[n].items()} == data, n
        assert s["ColumnType"] == dict((c, t) for c, t, _ in COLUMNS)[n]
    assert glue.get_column_statistics_task_runs(DatabaseName=db, TableName="t")["ColumnStatisticsTaskRuns"] == [run]
    watch.proved("StartColumnStatisticsTaskRun")


def put_partition(glue, db, values, location):
    glue.create_partition(DatabaseName=db, TableName="t", PartitionInput={"Values": values, "StorageDescriptor": {
        "Columns": [{"Name": n, "Type": t} for n, t, _ in COLUMNS], "Location": location, **PARQUET}})


def of_partition(glue, db, values):
    """Column → what is stored of a partition."""
    names = [n for n, _, _ in COLUMNS]
    got = glue.get_column_statistics_for_partition(DatabaseName=db, TableName="t", PartitionValues=values, ColumnNames=names)
    return {s["ColumnName"]: plain(s["ColumnName"], s["StatisticsData"][f"{s['StatisticsData']['Type'].title()}ColumnStatisticsData"])
            for s in got["ColumnStatisticsList"]}


def near(want):
    return {n: {k: pytest.approx(v, rel=1e-12) if isinstance(v, float) else v for k, v in d.items()} for n, d in want.items()}


@pytest.mark.parametrize("hive", [True, False])
def test_statistics_of_each_partition_are_pythons(glue, s3, db, hive):
    """Folders k=v, and others; keys of several types; a value that SQL must quote, a null, and a partition without files."""
    rng = random.Random()
    keys = [("year", "int"), ("day_", "date"), ("who", "string")]
    texts = ["o'x\"y", "äλ", "a"] if not hive else ["b", "äλ", "a"]
    parts = {(str(y), d, w): [random_row(rng) for _ in range(rng.randint(30, 300))]
             for y in (2023, 2024) for d in ("2024-01-01", "2024-02-29") for w in texts}
    if not hive:
        parts[("2024", "__HIVE_DEFAULT_PARTITION__", "a")] = [random_row(rng) for _ in range(100)]
    glue.create_table(DatabaseName=db, TableInput={
        "Name": "t", "TableType": "EXTERNAL_TABLE", "Parameters": {"classification": "parquet"}, "PartitionKeys": [{"Name": k, "Type": t} for k, t in keys],
        "StorageDescriptor": {"Columns": [{"Name": n, "Type": t} for n, t, _ in COLUMNS], "Location": f"s3://statistics/{db}/h/", **PARQUET}})
    for i, (values, rows) in enumerate(parts.items()):
        at = f"{db}/h/" + "/".join(f"{k}={v}" for (k, _), v in zip(keys, values)) if hive else f"{db}/p{i}"
        for f in range(2):
            put_parquet(s3, f"{at}/{f}.parquet", rows[f::2])
        put_partition(glue, db, list(values), f"s3://statistics/{at}/")
    put_partition(glue, db, ["2030", "2030-01-01", "none"], f"s3://statistics/{db}/nothing/")
    run = finished(glue, glue.start_column_statistics_task_run(DatabaseName=db, TableName="t", Role="me")["ColumnStatisticsTaskRunId"])
    assert run["Status"] == "SUCCEEDED", run
    for values, rows in parts.items():
        assert of_partition(glue, db, list(values)) == near(expected(rows)), values
    empty = of_partition(glue, db, ["2030", "2030-01-01", "none"])
    assert empty["big"] == {"NumberOfNulls": 0, "NumberOfDistinctValues": 0} and empty["flag"] == {"NumberOfTrues": 0, "NumberOfFalses": 0, "NumberOfNulls": 0}
    put_partition(glue, db, ["2031", "2024-01-01", "late"], f"s3://statistics/{db}/nothing/")
    assert of_partition(glue, db, ["2031", "2024-01-01", "late"]) == {}


def test_more_partitions_than_a_batch_and_a_sample(glue, s3, db):
    rng = random.Random()
    count = 300  # a batch: 256
    make_table(glue, db, f"{db}/many/", ["p"])
    rows = {str(i): [{**random_row(rng), "big": k} for k in range(rng.randint(1, 4))] for i in range(count)}
    rows["7"] = [{**random_row(rng), "big": k} for k in range(8000)]
    for p, r in rows.items():
        put_parquet(s3, f"{db}/many/p={p}/0.parquet", r)
    names = list(rows)
    for at in range(0, count, 100):
        glue.batch_create_partition(DatabaseName=db, TableName="t", PartitionInputList=[{"Values": [p], "StorageDescriptor": {
            "Columns": [{"Name": n, "Type": t} for n, t, _ in COLUMNS], "Location": f"s3://statistics/{db}/many/p={p}/", **PARQUET}} for p in names[at:at + 100]])
    run = finished(glue, glue.start_column_statistics_task_run(DatabaseName=db, TableName="t", Role="me", ColumnNameList=["big", "text"])["ColumnStatisticsTaskRunId"])
    assert run["Status"] == "SUCCEEDED", run
    for p, r in rows.items():
        got, texts = of_partition(glue, db, [p]), {x["text"] for x in r} - {None}
        assert list(got) == ["big", "text"] and got["text"]["NumberOfDistinctValues"] == len(texts)
        assert got["big"] == {"MinimumValue": 0, "MaximumValue": len(r) - 1, "NumberOfNulls": 0, "NumberOfDistinctValues": len(r)}, p
    run = finished(glue, glue.start_column_statistics_task_run(DatabaseName=db, TableName="t", Role="me", ColumnNameList=["big"], SampleSize=25)["ColumnStatisticsTaskRunId"])
    assert run["Status"] == "SUCCEEDED", run
    assert 1400 < of_partition(glue, db, ["7"])["big"]["NumberOfDistinctValues"] < 2600  # 2,000, give or take 15 standard deviations


def test_columns_and_sample_are_honoured(glue, s3, db):
    rng = random.Random()
    rows = [{**random_row(rng), "big": i} for i in range(20000)]
    put_parquet(s3, f"{db}/s/1.parquet", rows)
    make_table(glue, db, f"{db}/s/")
    run = finished(glue, glue.start_column_statistics_task_run(DatabaseName=db, TableName="t", Role="me", ColumnNameList=["BIG"], SampleSize=25)["ColumnStatisticsTaskRunId"])
    assert run["Status"] == "SUCCEEDED" and run["ColumnNameList"] == ["big"] and run["SampleSize"] == 25
    got = glue.get_column_statistics_for_table(DatabaseName=db, TableName="t", ColumnNames=["big", "tiny"])
    assert [s["ColumnName"] for s in got["ColumnStatisticsList"]] == ["big"]
    seen = got["ColumnStatisticsList"][0]["StatisticsData"]["LongColumnStatisticsData"]["NumberOfDistinctValues"]
    assert 4000 < seen < 6000  # every value is distinct: 5,000 of 20,000, give or take 16 standard deviations


def test_what_cannot_be_started(glue, s3, db):
    make_table(glue, db, f"{db}/none/")
    at = {"DatabaseName": db, "TableName": "t", "Role": "me"}
    refused("EntityNotFoundException", glue.start_column_statistics_task_run, DatabaseName=db, TableName="none", Role="me")
    refused("InvalidInputException", glue.start_column_statistics_task_run, "no column", ColumnNameList=["nowhere"], **at)
    refused("InvalidInputException", glue.start_column_statistics_task_run, "no statistics", ColumnNameList=["list"], **at)
    refused("InvalidInputException", glue.start_column_statistics_task_run, "SampleSize", SampleSize=0, **at)
    refused("EntityNotFoundException", glue.get_column_statistics_task_run, ColumnStatisticsTaskRunId="none")
    refused("ColumnStatisticsTaskNotRunningException", glue.stop_column_statistics_task_run, DatabaseName=db, TableName="t")
    refused("EntityNotFoundException", glue.stop_column_statistics_task_run, DatabaseName=db, TableName="none")
    s3.put_object(Bucket="statistics", Key=f"{db}/none/x.parquet", Body=b"this is no parquet file")
    run = finished(glue, glue.start_column_statistics_task_run(**at)["ColumnStatisticsTaskRunId"])
    assert run["Status"] == "FAILED" and "parquet" in run["ErrorMessage"].lower(), run
    assert glue.get_column_statistics_for_table(DatabaseName=db, TableName="t", ColumnNames=["big"])["ColumnStatisticsList"] == []


def test_one_run_of_a_table_at_a_time(glue, s3, db, watch):
    rng = random.Random()
    row = [random_row(rng) for _ in range(2000)]
    for i in range(40):
        put_parquet(s3, f"{db}/m/{i}.parquet", row * 10)
    make_table(glue, db, f"{db}/m/")
    at = {"DatabaseName": db, "TableName": "t"}
    first = glue.start_column_statistics_task_run(Role="me", **at)["ColumnStatisticsTaskRunId"]
    refused("ColumnStatisticsTaskRunningException", glue.start_column_statistics_task_run, Role="me", **at)
    try:
        glue.stop_column_statistics_task_run(**at)
        stopped = True
    except glue.exceptions.ColumnStatisticsTaskNotRunningException:
        stopped = False  # it was quicker
    assert finished(glue, first)["Status"] in (("STOPPED", "SUCCEEDED") if stopped else ("SUCCEEDED",))
    watch.proved("StopColumnStatisticsTaskRun")
    second = glue.start_column_statistics_task_run(Role="me", **at)["ColumnStatisticsTaskRunId"]
    assert finished(glue, second)["Status"] == "SUCCEEDED"
    runs = [r["ColumnStatisticsTaskRunId"] for r in glue.get_column_statistics_task_runs(**at)["ColumnStatisticsTaskRuns"]]
    assert runs == [second, first]
    assert glue.get_column_statistics_task_runs(MaxResults=1, **at)["ColumnStatisticsTaskRuns"][0]["ColumnStatisticsTaskRunId"] == second
    listed, token = [], None
    while True:
        page = glue.list_column_statistics_task_runs(MaxResults=1, **({"NextToken": token} if token else {}))
        listed += page["ColumnStatisticsTaskRunIds"]
        token = page.get("NextToken")
        if not token:
            break
    assert {first, second} <= set(listed) and len(listed) == len(set(listed))
    for call, given in ((glue.list_column_statistics_task_runs, {}), (glue.get_column_statistics_task_runs, {"DatabaseName": "d", "TableName": "t"})):
        with pytest.raises(glue.exceptions.ClientError, match="ValidationException"):
            call(MaxResults=1001, **given)


def test_settings_and_their_schedule(glue, s3, db, watch):
    put_parquet(s3, f"{db}/c/1.parquet", [random_row(random.Random()) for _ in range(50)])
    make_table(glue, db, f"{db}/c/")
    at = {"DatabaseName": db, "TableName": "t"}
    refused("EntityNotFoundException", glue.get_column_statistics_task_settings, **at)
    glue.create_column_statistics_task_settings(Role="me", ColumnNameList=["big"], SampleSize=50, **at)
    refused("AlreadyExistsException", glue.create_column_statistics_task_settings, Role="me", **at)
    got = glue.get_column_statistics_task_settings(**at)["ColumnStatisticsTaskSettings"]
    assert got == {"DatabaseName": db, "TableName": "t", "ColumnNameList": ["big"], "CatalogID": "000000000000", "Role": "me",
                   "SampleSize": 50.0, "ScheduleType": "AUTO", "SettingSource": "TABLE"}
    refused("InvalidInputException", glue.start_column_statistics_task_run_schedule, "no schedule", **at)
    refused("InvalidInputException", glue.stop_column_statistics_task_run_schedule, "no schedule", **at)
    refused("InvalidInputException", glue.update_column_statistics_task_settings, Schedule="cron(not cron)", **at)
    refused("InvalidInputException", glue.update_column_statistics_task_settings, "no column", ColumnNameList=["q"], **at)
    glue.update_column_statistics_task_settings(Schedule="cron(* * * * ? *)", Role="you", **at)
    got = glue.get_column_statistics_task_settings(**at)["ColumnStatisticsTaskSettings"]
    assert got["Schedule"] == {"ScheduleExpression": "cron(* * * * ? *)", "State": "SCHEDULED"} and got["Role"] == "you"
    attempt = wait_for(lambda: glue.get_column_statistics_task_settings(**at)["ColumnStatisticsTaskSettings"].get("LastExecutionAttempt"), 90, 0.5)
    assert attempt["Status"] == "STARTED", attempt
    run = finished(glue, attempt["ColumnStatisticsTaskRunId"])
    assert run["Status"] == "SUCCEEDED" and run["ColumnNameList"] == ["big"] and run["Role"] == "you"
    glue.stop_column_statistics_task_run_schedule(**at)
    assert glue.get_column_statistics_task_settings(**at)["ColumnStatisticsTaskSettings"]["Schedule"]["State"] == "NOT_SCHEDULED"
    glue.start_column_statistics_task_run_schedule(**at)
    assert glue.get_column_statistics_task_settings(**at)["ColumnStatisticsTaskSettings"]["Schedule"]["State"] == "SCHEDULED"
    for op in ("Create{}TaskSettings", "Update{}TaskSettings", "Start{}TaskRunSchedule", "Stop{}TaskRunSchedule"):
        watch.proved(op.format("ColumnStatistics"))
    glue.delete_column_statistics_task_settings(**at)
    for call in (glue.get_column_statistics_task_settings, glue.delete_column_statistics_task_settings, glue.update_column_statistics_task_settings,
                 glue.start_column_statistics_task_run_schedule, glue.stop_column_statistics_task_run_schedule):
        refused("EntityNotFoundException", call, **at)
    refused("EntityNotFoundException", glue.create_column_statistics_task_settings, DatabaseName=db, TableName="none", Role="me")


CATALOG = "000000000000"


def ask(glue, **properties):
    glue.update_catalog(CatalogId=CATALOG, CatalogInput={"CatalogProperties": {"CustomProperties": {f"ColumnStatistics.{k}": v for k, v in properties.items()}}})


def test_a_catalog_asks_for_its_tables(new_server):
    server = new_server()
    glue, s3 = server.client("glue"), server.client("s3")
    s3.create_bucket(Bucket="statistics")
    columns = [{"Name": n, "Type": t} for n, t, _ in COLUMNS]

    def make(table, **more):
        glue.create_table(DatabaseName="d", TableInput={"Name": table, "Parameters": {"classification": "parquet"}, "StorageDescriptor": {
            "Columns": columns, "Location": f"s3://statistics/{table}/", **PARQUET}, **more})

    def settings(table):
        return glue.get_column_statistics_task_settings(DatabaseName="d", TableName=table)["ColumnStatisticsTaskSettings"]

    def none(*tables):
        for t in tables:
            refused("EntityNotFoundException", settings, None, table=t)

    glue.create_database(DatabaseInput={"Name": "d"})
    make("before")
    refused("InvalidInputException", ask, "RoleArn", glue=glue, Enabled="true")
    refused("InvalidInputException", ask, "true or false", glue=glue, Enabled="perhaps", RoleArn="r")
    refused("InvalidInputException", ask, "Other", glue=glue, Other="1")
    refused("InvalidInputException", glue.create_catalog, "own catalog", Name="c", CatalogInput={"CatalogProperties": {
        "CustomProperties": {"ColumnStatistics.Enabled": "true", "ColumnStatistics.RoleArn": "r"}}})
    ask(glue, Enabled="true", RoleArn="first")
    assert glue.get_catalog(CatalogId=CATALOG)["Catalog"]["CatalogProperties"]["CustomProperties"] == {
        "ColumnStatistics.Enabled": "true", "ColumnStatistics.RoleArn": "first"}
    rng = random.Random()
    rows = [{**random_row(rng), "big": i} for i in range(10000)]
    put_parquet(s3, "new/1.parquet", rows)
    make("new")
    make("own")
    make("stopped")
    make("lists", StorageDescriptor={"Columns": [{"Name": "l", "Type": "array<int>"}], "Location": "s3://statistics/l/", **PARQUET})
    none("before", "lists")
    got = settings("new")
    expression = got.pop("Schedule")
    assert expression["State"] == "SCHEDULED" and expression["ScheduleExpression"].startswith("cron(")
    assert got == {"DatabaseName": "d", "TableName": "new", "CatalogID": CATALOG, "Role": "first", "SampleSize": 50.0, "ScheduleType": "AUTO", "SettingSource": "CATALOG"}
    minute, hour, _, _, weekday, _ = expression["ScheduleExpression"][5:-1].split()
    made = glue.get_table(DatabaseName="d", Name="new")["Table"]["CreateTime"].astimezone(datetime.timezone.utc)
    first = {(t.minute, t.hour, t.isoweekday() % 7 + 1) for t in (made + datetime.timedelta(minutes=m) for m in (1, 2))}
    assert (int(minute), int(hour), int(weekday)) in first  # once a week, the first time soon
    table = glue.get_table(DatabaseName="d", Name="before")["Table"]
    glue.update_table(DatabaseName="d", TableInput={k: table[k] for k in ("Name", "Parameters", "StorageDescriptor")})
    assert settings("before")["SettingSource"] == "CATALOG"  # changed tables, too
    # the table's own win, whichever way they came
    glue.create_column_statistics_task_settings(DatabaseName="d", TableName="own", Role="mine", SampleSize=7)
    refused("AlreadyExistsException", glue.create_column_statistics_task_settings, DatabaseName="d", TableName="own", Role="mine")
    glue.update_column_statistics_task_settings(DatabaseName="d", TableName="before", SampleSize=9)
    glue.stop_column_statistics_task_run_schedule(DatabaseName="d", TableName="stopped")
    ask(glue, Enabled="true", RoleArn="second")
    assert settings("new")["Role"] == "second" and settings("own")["Role"] == "mine"
    assert settings("before") == {**settings("before"), "SettingSource": "TABLE", "SampleSize": 9.0, "Role": "first"}
    assert settings("stopped")["Schedule"]["State"] == "NOT_SCHEDULED" and settings("stopped")["SettingSource"] == "CATALOG"
    attempt = wait_for(lambda: settings("new").get("LastExecutionAttempt"), 150, 0.5)
    assert attempt["Status"] == "STARTED", attempt
    run = finished(glue, attempt["ColumnStatisticsTaskRunId"])
    assert run["Status"] == "SUCCEEDED" and run["SampleSize"] == 50 and run["Role"] == "second", run
    big = glue.get_column_statistics_for_table(DatabaseName="d", TableName="new", ColumnNames=["big"])["ColumnStatisticsList"][0]
    assert 4200 < big["StatisticsData"]["LongColumnStatisticsData"]["NumberOfDistinctValues"] < 5800  # 5,000, give or take 16 standard deviations
    server.kill()
    server.start()
    glue = server.client("glue")
    assert settings("new")["Role"] == "second"
    ask(glue, Enabled="false", RoleArn="second")
    none("new", "stopped", "lists")
    assert settings("own")["SampleSize"] == 7 and settings("before")["SettingSource"] == "TABLE"
    ask(glue, Enabled="true", RoleArn="third")
    none("new")  # until it is changed
    make("later")
    assert settings("later")["Role"] == "third"
