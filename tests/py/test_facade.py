"""What each call of the façade asks of the engine, and what it refuses by name."""

import json

import pytest

from awsglue import _paths
from awsglue.dynamicframe import DynamicFrame, DynamicFrameCollection, ResolveOption
from awsglue.gluetypes import (ArrayType, ChoiceType, DecimalType, Field, IntegerType, LongType,
                               MapType, StringType, StructType, mergeDataTypes)
from awsglue.transforms import (ApplyMapping, DropFields, DropNullFields, Filter, FlatMap, Join, Map,
                                MapToCollection, RenameField, Repartition, ResolveChoice, SelectFields,
                                SelectFromCollection, SplitFields, SplitRows, Union)


def last(recorder):
    return recorder.nodes[-1]


# ---- paths ----


@pytest.mark.parametrize("path,parts", [
    ("a", ["a"]), ("a.b", ["a", "b"]), ("`a.b`", ["a.b"]), ("`a.b`.c", ["a.b", "c"]),
    ("a b.`c`` d`", ["a b", "c` d"]), ("x[].y", ["x[]", "y"]), ("ü.ß", ["ü", "ß"])])
def test_paths(path, parts):
    assert _paths.parse(path) == parts


@pytest.mark.parametrize("path", ["", "a.", ".a", "a..b", "`a", "``"])
def test_bad_paths(path):
    with pytest.raises(ValueError):
        _paths.parse(path)


# ---- sources ----


def test_csv_source(glue, recorder):
    glue.create_dynamic_frame.from_options(
        "s3", {"paths": ["s3://b/in/"], "recurse": True, "exclusions": '["**.tmp"]', "groupFiles": "none"},
        "csv", {"withHeader": True, "separator": "\t", "quoteChar": -1, "escaper": "\\"}, "src")
    node = last(recorder)
    assert (node.kind, node.name) == ("S3CsvSource", "src")
    assert node.options == {"Paths": ["s3://b/in/"], "Recurse": True, "Exclusions": ["**.tmp"],
                            "WithHeader": True, "Separator": "tab", "QuoteChar": "disabled",
                            "Escaper": "\\"}


def test_csv_defaults_and_other_characters(glue, recorder):
    glue.create_dynamic_frame_from_options("s3", {"paths": "s3://b"}, "csv", {"separator": "^"})
    assert last(recorder).options == {"Paths": ["s3://b"], "Separator": "^", "QuoteChar": "quote"}


def test_json_and_parquet_sources(glue, recorder):
    glue.create_dynamic_frame_from_options("s3", {"paths": ["a"]}, "json",
                                           {"jsonPath": "$.rows[*]", "multiLine": "true"})
    assert last(recorder).kind == "S3JsonSource"
    assert last(recorder).options == {"Paths": ["a"], "JsonPath": "$.rows[*]", "Multiline": True}
    glue.create_dynamic_frame_from_options("parquet", {"paths": ["a"]})
    assert last(recorder).kind == "S3ParquetSource"


@pytest.mark.parametrize("options,format,format_options,error,word", [
    ({"paths": ["a"], "pathz": 1}, "csv", {}, ValueError, "pathz"),
    ({"paths": ["a"], "boundedFiles": "9"}, "csv", {}, NotImplementedError, "boundedFiles"),
    ({"paths": ["a"]}, "csv", {"headers": True}, ValueError, "headers"),
    ({"paths": ["a"]}, "csv", {"withHeader": "yes"}, ValueError, "withHeader"),
    ({"paths": ["a"]}, "csv", {"separator": "ab"}, ValueError, "separator"),
    ({"paths": ["a"]}, "json", {"withHeader": True}, ValueError, "withHeader"),
    ({"paths": ["a"]}, "excel", {}, NotImplementedError, "excel"),
    ({"paths": ["a"]}, None, {}, ValueError, "format"),
    ({}, "csv", {}, ValueError, "paths"),
    ({"paths": [1]}, "csv", {}, ValueError, "paths"),
])
def test_refused_source_options(glue, options, format, format_options, error, word):
    with pytest.raises(error, match=word):
        glue.create_dynamic_frame_from_options("s3", options, format, format_options)


def test_other_connections_are_refused(glue):
    with pytest.raises(NotImplementedError, match="mysql"):
        glue.create_dynamic_frame_from_options("mysql", {"url": "x"})
    with pytest.raises(TypeError, match="nonsense"):
        glue.create_dynamic_frame_from_options("s3", {"paths": ["a"]}, "csv", nonsense=1)


def test_catalog_source(glue, recorder):
    frame = glue.create_dynamic_frame.from_catalog(
        database="db", table_name="t", push_down_predicate="y = 2013", transformation_ctx="c",
        additional_options={"catalogPartitionPredicate": "m > 3"})
    assert frame.name == "t"
    assert last(recorder).kind == "CatalogSource"
    assert last(recorder).options == {"Database": "db", "Table": "t",
                                      "PartitionPredicate": "(y = 2013) AND (m > 3)"}
    with pytest.raises(ValueError, match="table_name"):
        glue.create_dynamic_frame.from_catalog(database="db")


def test_get_source(glue, recorder):
    source = glue.getSource("s3", paths=["s3://b"], transformation_ctx="x")
    source.setFormat("csv", withHeader=True)
    source.getFrame()
    assert last(recorder).options["WithHeader"] is True


# ---- targets ----


def test_write(frame, glue, recorder):
    f = frame([{"a": 1}])
    assert glue.write_dynamic_frame.from_options(
        f, "s3", {"path": "s3://o/", "partitionKeys": ["y"], "compression": "gzip"}, "csv",
        {"separator": "|", "writeHeader": False}, "t") is f
    node = recorder.written[-1]
    assert node.kind == "S3DirectTarget" and node.runs == 1
    assert node.options == {"Path": "s3://o/", "PartitionKeys": ["y"], "Compression": "gzip",
                            "Format": "csv", "Separator": "pipe", "WriteHeader": False}


def test_sink_updates_the_catalogue(frame, glue, recorder):
    sink = glue.getSink(path="s3://o/", connection_type="s3", updateBehavior="UPDATE_IN_DATABASE",
                        partitionKeys=[], enableUpdateCatalog=True, transformation_ctx="s")
    sink.setCatalogInfo(catalogDatabase="d", catalogTableName="t")
    sink.setFormat("glueparquet", compression="snappy")
    f = frame([{"a": 1}])
    assert sink.writeFrame(f.repartition(4)).getNumPartitions() == 4
    node = recorder.written[-1]
    assert node.kind == "S3GlueParquetTarget"
    assert node.options == {
        "Path": "s3://o/", "PartitionKeys": [], "Compression": "snappy", "NumberTargetPartitions": "4",
        "SchemaChangePolicy": {"EnableUpdateCatalog": True, "UpdateBehavior": "UPDATE_IN_DATABASE",
                               "Database": "d", "Table": "t"}}


def test_sink_wants_a_table_and_a_format(frame, glue):
    sink = glue.getSink(path="p", connection_type="s3", enableUpdateCatalog=True)
    with pytest.raises(ValueError, match="format"):
        sink.writeFrame(frame())
    sink.setFormat("json")
    with pytest.raises(ValueError, match="setCatalogInfo"):
        sink.writeFrame(frame())
    with pytest.raises(NotImplementedError, match="orc"):
        sink.setFormat("orc")
    with pytest.raises(ValueError, match="paths"):
        glue.getSink(connection_type="s3", paths=["x"])
    with pytest.raises(ValueError, match="path"):
        glue.write_dynamic_frame.from_options(frame(), "s3", {}, "json")


def test_write_catalog(frame, glue, recorder):
    glue.write_dynamic_frame.from_catalog(frame(), "d", "t",
                                          additional_options={"partitionKeys": ["y"]})
    assert recorder.written[-1].kind == "CatalogTarget"
    glue.write_dynamic_frame.from_catalog(
        frame(), "d", "t", additional_options={"enableUpdateCatalog": True})
    assert recorder.written[-1].kind == "S3CatalogTarget"
    with pytest.raises(NotImplementedError, match="JDBC"):
        glue.write_dynamic_frame.from_jdbc_conf(frame(), "c")


def test_collections_are_written_frame_by_frame(frame, glue, recorder):
    both = DynamicFrameCollection({"a": frame(), "b": frame()}, glue)
    glue.write_dynamic_frame.from_options(both, "s3", {"path": "p"}, "json")
    assert len(recorder.written) == 2
    with pytest.raises(NotImplementedError, match="list"):
        glue.write_dynamic_frame.from_options([], "s3", {"path": "p"}, "json")


# ---- transforms ----


def test_transforms_by_class_and_method(frame, recorder):
    f = frame()
    pairs = [
        (lambda: ApplyMapping.apply(frame=f, mappings=[("a", "int", "b.c", "string")],
                                    transformation_ctx="x"),
         lambda: f.apply_mapping([("a", "int", "b.c", "string")], transformation_ctx="x"),
         "ApplyMapping"),
        (lambda: SelectFields.apply(f, ["a", "b.c"]), lambda: f.select_fields(["a", "b.c"]),
         "SelectFields"),
        (lambda: DropFields.apply(f, "a"), lambda: f.drop_fields("a"), "DropFields"),
        (lambda: RenameField.apply(f, "a", "`b.c`"), lambda: f.rename_field("a", "`b.c`"),
         "RenameField"),
        (lambda: DropNullFields.apply(frame=f), lambda: f.dropNullFields(), "DropNullFields"),
        (lambda: ResolveChoice.apply(frame=f, choice="make_cols"),
         lambda: f.resolveChoice(choice="make_cols"), "ResolveChoice"),
        (lambda: Union.apply(f, frame()), lambda: f.union(frame()), "Union"),
        (lambda: Join.apply(f, frame(), ["a"], ["b"]), lambda: f.join(["a"], ["b"], frame()), "Join"),
    ]
    for by_class, by_method, kind in pairs:
        by_class()
        one = last(recorder)
        by_method()
        two = last(recorder)
        assert one.kind == two.kind == kind and one.options == two.options
        assert one.inputs[0] is f._jdf


def test_mapping_forms(frame, recorder):
    frame().apply_mapping([("a", "int", "x", "long"), ("b", "y"), ("c", "z", "string"),
                           ("`d.e`", "string", "`f.g`.h", "string")])
    assert last(recorder).options["Mapping"] == [
        {"FromPath": ["a"], "ToKey": "x", "FromType": "int", "ToType": "long"},
        {"FromPath": ["b"], "ToKey": "y"},
        {"FromPath": ["c"], "ToKey": "z", "ToType": "string"},
        {"FromPath": ["d.e"], "ToKey": "`f.g`.h", "FromType": "string", "ToType": "string"}]
    for bad in ([], ["ab"], [("a",)], [("a", "b", "c", "d", "e")]):
        with pytest.raises(ValueError, match="mapping"):
            frame().apply_mapping(bad)


def test_resolve_choice_forms(frame, recorder):
    f = frame()
    f.resolveChoice(specs=[("a", "cast:int"), ("b[].c", "make_struct")])
    assert last(recorder).options == {"Specs": [{"Path": "a", "Action": "cast:int"},
                                                {"Path": "b[].c", "Action": "make_struct"}]}
    f.resolveChoice(choice="match_catalog", database="d", table_name="t")
    assert last(recorder).options == {"Choice": "match_catalog", "Database": "d", "Table": "t"}
    for given in ({}, {"choice": "make_cols", "specs": [("a", "make_cols")]},
                  {"choice": "match_catalog"}):
        with pytest.raises(ValueError, match="resolveChoice"):
            f.resolveChoice(**given)


def test_split(frame, glue, recorder):
    both = SplitFields.apply(frame(), ["a"], "left", "right")
    assert list(both.keys()) == ["left", "right"]
    assert [both[k]._jdf.options["output"] for k in both.keys()] == [0, 1]
    assert SelectFromCollection.apply(dfc=both, key="right") is both["right"]
    with pytest.raises(KeyError, match="'left', 'right'"):
        SelectFromCollection.apply(dfc=both, key="middle")


def test_split_rows(frame, recorder):
    both = SplitRows.apply(frame(), {"a": {">": 1, "!=": 5}}, "in", "out")
    kept, rest = both["in"]._jdf.options, both["out"]._jdf.options
    assert kept["LogicalOperator"] == "AND" and rest["LogicalOperator"] == "OR"
    assert [(f["Operation"], f["Negated"]) for f in kept["Filters"]] == [("GT", False), ("EQ", True)]
    assert [(f["Operation"], f["Negated"]) for f in rest["Filters"]] == [
        ("GT", True), ("EQ", False), ("ISNULL", False)]
    with pytest.raises(ValueError, match="~"):
        frame().split_rows({"a": {"~": 1}}, "x", "y")


def test_collections(frame, glue):
    both = DynamicFrameCollection({"a": frame([{"x": 1}]), "b": frame([{"x": 2}])}, glue)
    seen = []
    mapped = MapToCollection.apply(both, lambda f, ctx: seen.append(ctx) or f.rename_field("x", "y"))
    assert list(mapped.keys()) == ["a", "b"] and seen == ["a", "b"] and len(mapped) == 2
    flat = FlatMap.apply(both, SplitFields, "frame", paths=["x"], name1="1", name2="2")
    assert list(flat.keys()) == ["a_1", "a_2", "b_1", "b_2"]


def test_partitions(frame):
    f = frame()
    assert f.getNumPartitions() == 1
    assert f.repartition(8).getNumPartitions() == 8
    assert f.repartition(8).coalesce(3).getNumPartitions() == 3
    assert f.repartition(2).coalesce(5).getNumPartitions() == 2
    assert Repartition.apply(f, 3).select_fields(["a"]).getNumPartitions() == 3
    for bad in (0, -1, 1.5, True, "2"):
        with pytest.raises(ValueError):
            f.repartition(bad)


def test_join_refuses_uneven_keys(frame):
    with pytest.raises(ValueError, match="paths"):
        frame().join(["a", "b"], ["c"], frame())


# ---- row functions ----


def test_filter_and_map(frame):
    rows = [{"a": i, "n": {"k": i % 2}} for i in range(10)]
    f = Filter.apply(frame=frame(rows), f=lambda r: r["a"] > 4 and r.n.k == 1)
    assert [r["a"] for r in f._jdf.fetch(99)] == [5, 7, 9]

    def change(r):
        r["b"] = r.a * 2
        del r["n"]
        return r

    assert Map.apply(frame=f, f=change)._jdf.fetch(2) == [{"a": 5, "b": 10}, {"a": 7, "b": 14}]


def test_failing_rows_are_left_out_and_counted(frame, capsys):
    f = frame([{"a": 1}, {"a": None}, {"a": "x"}, {"a": 4}])
    m = f.map(lambda r: {"b": r["a"] + 1}).filter(lambda r: 10 / (r["b"] - 5) < 0)
    assert m.count() == 1
    assert m.errorsCount() == 3 and m.errorsCount() == 3  # counting twice does not add up
    assert m.stageErrorsCount() == 1 and m.select_fields(["b"]).stageErrorsCount() == 0
    with pytest.raises(RuntimeError, match="3 record"):
        m.assertErrorThreshold()
    text = capsys.readouterr().err
    assert text.count("a row failed in Map") == 1 and "TypeError" in text
    f.assertErrorThreshold()
    assert f.errorsCount() == 0


def test_thresholds(frame):
    bad = frame([{"a": 0}] * 5)
    with pytest.raises(RuntimeError, match="stageThreshold is 3"):
        bad.filter(lambda r: 1 / r["a"], stageThreshold=3).count()
    with pytest.raises(RuntimeError, match="totalThreshold is 5"):
        bad.union(frame()).filter(lambda r: 1 / r["a"], totalThreshold=5).count()
    assert bad.filter(lambda r: 1 / r["a"], stageThreshold=6).count() == 0


def test_functions_must_be_callable(frame):
    with pytest.raises(TypeError, match="Filter"):
        frame().filter("a > 1")
    assert frame([{"a": 1}]).map(lambda r: None).errorsCount() == 1


# ---- schema ----

TYPE = {"type": "struct", "fields": [
    {"name": "id", "type": {"type": "long"}},
    {"name": "t", "type": {"type": "choice", "alternatives": [{"type": "int"}, {"type": "string"}]}},
    {"name": "d", "type": {"type": "decimal", "precision": 9, "scale": 3}},
    {"name": "l", "type": {"type": "array", "element": {
        "type": "struct", "fields": [{"name": "x", "type": {"type": "string"}}]}}},
    {"name": "m", "type": {"type": "map", "key": {"type": "string"}, "value": {"type": "double"}}}]}


def test_schema(frame, capsys):
    f = frame(type=TYPE)
    s = f.schema()
    assert s.field_map["id"].dataType == LongType()
    assert s["t"].dataType == ChoiceType([IntegerType(), StringType()])
    assert s["d"].dataType == DecimalType(9, 3)
    assert [x.name for x in s] == ["id", "t", "d", "l", "m"]
    f.printSchema()
    assert capsys.readouterr().out.split("\n") == [
        "root", "|-- id: long", "|-- t: choice", "|    |-- int", "|    |-- string",
        "|-- d: decimal(9,3)", "|-- l: array", "|    |-- element: struct",
        "|    |    |-- x: string", "|-- m: map", "|    |-- value: double", ""]
    from awsglue.gluetypes import _from_json

    assert _from_json(json.loads(json.dumps(s.jsonValue()))) == s


def test_merge_types():
    a = StructType([Field("x", IntegerType()), Field("l", ArrayType(IntegerType()))])
    b = StructType([Field("x", StringType()), Field("l", ArrayType(LongType())), Field("y", MapType())])
    merged = mergeDataTypes(a, b)
    assert merged["x"].dataType == ChoiceType([IntegerType(), StringType()])
    assert merged["l"].dataType == ArrayType(ChoiceType([IntegerType(), LongType()]))
    assert "y" in merged and mergeDataTypes(a, a) == a


def test_show_prints_json(frame, capsys):
    import datetime
    import decimal

    frame([{"a": 1, "b": None, "c": "ü", "d": decimal.Decimal("1.50"), "e": datetime.date(2020, 1, 2),
            "f": datetime.datetime(2020, 1, 2, 3, 4, 5)}]).show(1)
    assert json.loads(capsys.readouterr().out) == {
        "a": 1, "b": None, "c": "ü", "d": "1.50", "e": "2020-01-02", "f": "2020-01-02 03:04:05"}


# ---- the rest ----


def test_resolve_options_of_to_df(glue):
    assert glue.convert_resolve_option("a", "project", DecimalType(5, 1)) == (
        "a", "project:decimal(5,1)")
    assert glue.convert_resolve_option("a", "KeepAsStruct", None) == ("a", "make_struct")
    with pytest.raises(ValueError, match="Cast"):
        glue.convert_resolve_option("a", "Cast", StringType())
    with pytest.raises(ValueError, match="gluetypes"):
        glue.convert_resolve_option("a", "Project", int)
    assert ResolveOption("a", "Project", StringType()).path == "a"


def test_job(glue):
    from awsglue.job import Job

    job = Job(glue)
    assert not job.isInitialized()
    with pytest.raises(RuntimeError, match="init"):
        job.commit()
    job.init("name", {"job_bookmark_option": "job-bookmark-disable"})
    assert job.isInitialized()
    job.commit()
    with pytest.raises(NotImplementedError, match="job-bookmark-enable"):
        Job(glue).init("n", {"job_bookmark_option": "job-bookmark-enable"})


def test_logger(glue, capfd):
    glue.get_logger().warn("careful")
    glue.get_logger().info("well")
    err = capfd.readouterr().err
    assert err.count("careful") == 1 and "well" in err


def test_everything_is_lazy(glue, recorder):
    """The standard header and a chain of transforms start neither Spark nor a query."""
    from nikawa import spark

    f = glue.create_dynamic_frame.from_options("s3", {"paths": ["x"]}, "json")
    f.select_fields(["a"]).filter(lambda r: True).resolveChoice(choice="make_cols")
    assert glue.spark_session is not None and not spark.is_open() and spark._sail is None
    assert isinstance(f, DynamicFrame)
