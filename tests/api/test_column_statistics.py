"""Column statistics that clients give: all seven types, tables and partitions, errors of single columns."""
import datetime

import pytest
from test_catalog import db, g, name, refused, table_input  # noqa: F401 (fixtures)

WHEN = datetime.datetime(2024, 5, 6, 7, 8, 9, tzinfo=datetime.timezone.utc)
DATA = {
    "BOOLEAN": ("boolean", {"NumberOfTrues": 3, "NumberOfFalses": 4, "NumberOfNulls": 5}),
    "DATE": ("date", {"MinimumValue": WHEN, "MaximumValue": WHEN, "NumberOfNulls": 0, "NumberOfDistinctValues": 1}),
    "DECIMAL": ("decimal(10,2)", {"MinimumValue": {"UnscaledValue": b"\x01\x00", "Scale": 2}, "MaximumValue": {"UnscaledValue": b"\x7f", "Scale": 2},
                                  "NumberOfNulls": 1, "NumberOfDistinctValues": 2}),
    "DOUBLE": ("double", {"MinimumValue": -1.5, "MaximumValue": 1e300, "NumberOfNulls": 1, "NumberOfDistinctValues": 2}),
    "LONG": ("bigint", {"MinimumValue": -2 ** 63, "MaximumValue": 2 ** 63 - 1, "NumberOfNulls": 1, "NumberOfDistinctValues": 2}),
    "STRING": ("string", {"MaximumLength": 9, "AverageLength": 4.25, "NumberOfNulls": 1, "NumberOfDistinctValues": 2}),
    "BINARY": ("binary", {"MaximumLength": 9, "AverageLength": 4.25, "NumberOfNulls": 1}),
}


def statistics(kind, column=None):
    hive, data = DATA[kind]
    return {"ColumnName": column or f"c_{kind.lower()}", "ColumnType": hive, "AnalyzedTime": WHEN,
            "StatisticsData": {"Type": kind, f"{kind.title()}ColumnStatisticsData": data}}


@pytest.fixture
def table(g, db):
    columns = [{"Name": f"C_{kind}", "Type": hive} for kind, (hive, _) in DATA.items()]
    g.create_table(DatabaseName=db, TableInput=table_input("t", StorageDescriptor={"Columns": columns}))
    g.create_partition(DatabaseName=db, TableName="t", PartitionInput={"Values": ["1", "a"]})
    return {"DatabaseName": db, "TableName": "t"}


@pytest.mark.parametrize("of_partition", [False, True])
def test_all_seven_types(g, table, of_partition):
    update, get, delete = ((g.update_column_statistics_for_partition, g.get_column_statistics_for_partition, g.delete_column_statistics_for_partition)
                           if of_partition else
                           (g.update_column_statistics_for_table, g.get_column_statistics_for_table, g.delete_column_statistics_for_table))
    at = {**table, **({"PartitionValues": ["1", "a"]} if of_partition else {})}
    given = [statistics(kind) for kind in DATA]
    assert update(ColumnStatisticsList=given, **at)["Errors"] == []
    names = [s["ColumnName"] for s in given]
    got = get(ColumnNames=names + ["none"], **at)
    assert got["ColumnStatisticsList"] == given
    assert [(e["ColumnName"], e["Error"]["ErrorCode"]) for e in got["Errors"]] == [("none", "EntityNotFoundException")]
    other = {**statistics("LONG"), "StatisticsData": {"Type": "LONG", "LongColumnStatisticsData": {"NumberOfNulls": 7, "NumberOfDistinctValues": 8}}}
    update(ColumnStatisticsList=[other], **at)
    assert get(ColumnNames=["C_LONG"], **at)["ColumnStatisticsList"] == [other]
    delete(ColumnName="c_long", **at)
    refused("EntityNotFoundException", delete, ColumnName="c_long", **at)
    assert len(get(ColumnNames=names, **at)["ColumnStatisticsList"]) == 6
    # the other level is untouched
    if of_partition:
        assert g.get_column_statistics_for_table(ColumnNames=names, **table)["ColumnStatisticsList"] == []


def test_errors_of_single_columns(g, table):
    wrong = {**statistics("LONG", "c_double"), "StatisticsData": {"Type": "LONG", "DoubleColumnStatisticsData": DATA["DOUBLE"][1]}}
    both = {**statistics("LONG"), "StatisticsData": {**statistics("LONG")["StatisticsData"], "BooleanColumnStatisticsData": DATA["BOOLEAN"][1]}}
    errors = g.update_column_statistics_for_table(ColumnStatisticsList=[statistics("STRING", "nowhere"), wrong, statistics("BOOLEAN"), both], **table)["Errors"]
    assert [(e["ColumnStatistics"]["ColumnName"], e["Error"]["ErrorCode"]) for e in errors] == [
        ("nowhere", "EntityNotFoundException"), ("c_double", "InvalidInputException"), ("c_long", "InvalidInputException")]
    found = g.get_column_statistics_for_table(ColumnNames=["c_boolean", "c_double", "c_long"], **table)
    assert [s["ColumnName"] for s in found["ColumnStatisticsList"]] == ["c_boolean"] and len(found["Errors"]) == 2
    for call, more in ((g.update_column_statistics_for_table, {"ColumnStatisticsList": []}), (g.get_column_statistics_for_table, {"ColumnNames": []})):
        refused("EntityNotFoundException", call, DatabaseName=table["DatabaseName"], TableName="none", **more)
    refused("EntityNotFoundException", g.update_column_statistics_for_partition, PartitionValues=["9", "z"], ColumnStatisticsList=[], **table)
    refused("EntityNotFoundException", g.get_column_statistics_for_partition, PartitionValues=["9", "z"], ColumnNames=[], **table)
    refused("EntityNotFoundException", g.delete_column_statistics_for_partition, PartitionValues=["9", "z"], ColumnName="x", **table)
    refused("InvalidInputException", g.get_column_statistics_for_partition, PartitionValues=["9"], ColumnNames=[], **table)


def test_statistics_go_with_their_partition(g, table):
    at = {**table, "PartitionValues": ["1", "a"]}
    g.update_column_statistics_for_partition(ColumnStatisticsList=[statistics("LONG")], **at)
    g.delete_partition(**at)
    g.create_partition(PartitionInput={"Values": ["1", "a"]}, **table)
    assert g.get_column_statistics_for_partition(ColumnNames=["c_long"], **at)["ColumnStatisticsList"] == []
    g.update_column_statistics_for_table(ColumnStatisticsList=[statistics("LONG")], **table)
    g.delete_table(DatabaseName=table["DatabaseName"], Name="t")
    g.create_table(DatabaseName=table["DatabaseName"], TableInput=table_input("t", StorageDescriptor={"Columns": [{"Name": "c_long", "Type": "int"}]}))
    assert g.get_column_statistics_for_table(ColumnNames=["c_long"], **table)["ColumnStatisticsList"] == []
