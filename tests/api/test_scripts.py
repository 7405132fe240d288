"""CreateScript, GetDataflowGraph, GetMapping, GetPlan: scripts of graphs and graphs of scripts."""
import ast
import random

import pytest
from botocore.exceptions import ClientError


def node(name, kind, **args):
    return {"Id": name, "NodeType": kind, "Args": [{"Name": key, "Value": value, "Param": False} for key, value in args.items()]}


def edge(source, target, parameter="frame"):
    return {"Source": source, "Target": target, "TargetParameter": parameter}


NODES = [
    node("datasource0", "DataSource", database='"sales"', table_name='"orders, 2024"', transformation_ctx='"datasource0"'),
    node("datasource1", "DataSource", connection_type='"s3"', connection_options='{"paths": ["s3://b/x]y"]}', format='"json"'),
    node("mapped", "ApplyMapping", mappings='[("a", "int", "b.c", "long"), ("d", "string", "e", "string")]'),
    node("joined", "Join", keys1='["b"]', keys2='["id"]'),
    node("sink", "DataSink", connection_type='"s3"', connection_options='{"path": "s3://b/out/"}', format='"parquet"'),
]
EDGES = [edge("datasource0", "mapped"), edge("mapped", "joined", "frame1"), edge("datasource1", "joined", "frame2"), edge("joined", "sink")]


def shape(graph):
    nodes = {n["Id"]: (n["NodeType"], {a["Name"]: (a["Value"], a["Param"]) for a in n["Args"]}) for n in graph["DagNodes"]}
    return nodes, {(e["Source"], e["Target"], e["TargetParameter"]) for e in graph["DagEdges"]}


@pytest.mark.parametrize("seed", range(5))
def test_a_graph_survives_the_way_through_its_script(glue, seed):
    nodes, edges = list(NODES), list(EDGES)
    random.Random(seed).shuffle(nodes)
    script = glue.create_script(DagNodes=nodes, DagEdges=edges, Language="PYTHON")["PythonScript"]
    tree = ast.parse(script)
    names = [t.id for statement in tree.body if isinstance(statement, ast.Assign) for t in statement.targets]
    order = [name for name in names if name in {n["Id"] for n in NODES}]
    assert all(order.index(e["Source"]) < order.index(e["Target"]) for e in EDGES)
    graph = glue.get_dataflow_graph(PythonScript=script)
    assert shape(graph) == shape({"DagNodes": NODES, "DagEdges": EDGES})
    lines = script.splitlines()
    assert all(lines[n["LineNumber"] - 1].startswith(n["Id"] + " = ") for n in graph["DagNodes"])


def test_parameters_of_the_job_are_asked_for(glue):
    nodes = [{"Id": "s", "NodeType": "DataSource", "Args": [{"Name": "database", "Value": "from_db", "Param": True},
                                                            {"Name": "table_name", "Value": '"t"', "Param": False}]}]
    script = glue.create_script(DagNodes=nodes, DagEdges=[])["PythonScript"]
    assert 'getResolvedOptions(sys.argv, ["JOB_NAME", "from_db"])' in script
    assert 'database = args["from_db"]' in script
    args = glue.get_dataflow_graph(PythonScript=script)["DagNodes"][0]["Args"]
    assert args[0] == {"Name": "database", "Value": "from_db", "Param": True}


def test_a_script_without_annotations_has_no_graph(glue):
    graph = glue.get_dataflow_graph(PythonScript="print('hello')\n")
    assert graph["DagNodes"] == [] and graph["DagEdges"] == []


def test_no_script_is_refused(glue):
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.get_dataflow_graph()


@pytest.mark.parametrize("nodes, edges, says", [
    ([node("1x", "Join")], [], "1x"),
    ([node("class", "Join")], [], "class"),
    ([node("a", "NoSuch")], [], "NoSuch"),
    ([node("a", "Join"), node("a", "Join")], [], "called a"),
    ([node("a", "Join", keys1='x\nimport os')], [], "one line"),
    ([node("a", "Join")], [edge("a", "b")], "not there"),
    ([node("a", "Join"), node("b", "Join")], [edge("a", "b"), edge("b", "a")], "cycle"),
])
def test_a_graph_that_cannot_be_a_script_is_refused(glue, nodes, edges, says):
    with pytest.raises(ClientError) as refused:
        glue.create_script(DagNodes=nodes, DagEdges=edges)
    # the model's own patterns refuse some names before the operation sees them
    assert refused.value.response["Error"]["Code"] in ("InvalidInputException", "ValidationException")
    assert says in refused.value.response["Error"]["Message"]


def test_scala_is_refused_by_name(glue):
    with pytest.raises(ClientError) as refused:
        glue.create_script(DagNodes=NODES, DagEdges=EDGES, Language="SCALA")
    assert "SCALA" in str(refused.value)


@pytest.fixture
def tables(glue):
    glue.create_database(DatabaseInput={"Name": "scripts"})
    columns = [{"Name": "id", "Type": "bigint"}, {"Name": "who", "Type": "struct<name:string,age:int>"}, {"Name": "tags", "Type": "array<string>"}]
    glue.create_table(DatabaseName="scripts", TableInput={"Name": "source", "PartitionKeys": [{"Name": "day", "Type": "string"}],
                                                          "StorageDescriptor": {"Columns": columns, "Location": "s3://b/s/"}})
    glue.create_table(DatabaseName="scripts", TableInput={"Name": "target", "StorageDescriptor": {
        "Columns": [{"Name": "ID", "Type": "int"}, {"Name": "other", "Type": "string"}], "Location": "s3://b/t/"}})
    yield
    glue.delete_database(Name="scripts")


def test_a_mapping_lists_the_leaves_and_takes_the_sinks_types(glue, tables):
    source = {"DatabaseName": "scripts", "TableName": "source"}
    mapping = glue.get_mapping(Source=source)["Mapping"]
    assert [(m["SourcePath"], m["SourceType"], m["TargetPath"], m["TargetType"]) for m in mapping] == [
        ("id", "long", "id", "long"), ("who.name", "string", "who.name", "string"), ("who.age", "int", "who.age", "int"),
        ("tags", "array", "tags", "array"), ("day", "string", "day", "string")]
    mapping = glue.get_mapping(Source=source, Sinks=[{"DatabaseName": "scripts", "TableName": "target"}])["Mapping"]
    assert {m["TargetTable"] for m in mapping} == {"target"} and mapping[0]["TargetType"] == "int"


def test_a_plan_is_a_script_of_source_mapping_and_sink(glue, tables):
    source = {"DatabaseName": "scripts", "TableName": "source"}
    mapping = glue.get_mapping(Source=source)["Mapping"]
    script = glue.get_plan(Mapping=mapping, Source=source, Location={"S3": [
        {"Name": "path", "Value": '"s3://b/out/"'}, {"Name": "format", "Value": "json"}]})["PythonScript"]
    ast.parse(script)
    nodes, edges = shape(glue.get_dataflow_graph(PythonScript=script))
    assert [kind for kind, _ in nodes.values()] == ["DataSource", "ApplyMapping", "DataSink"]
    assert ast.literal_eval(nodes["applymapping1"][1]["mappings"][0])[0] == ("id", "long", "id", "long")
    assert nodes["datasink2"][1]["format"] == ('"json"', False)
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.get_mapping(Source={"DatabaseName": "scripts", "TableName": "nosuch"})
    with pytest.raises(glue.exceptions.InvalidInputException):
        glue.get_plan(Mapping=mapping, Source={"DatabaseName": "scripts", "TableName": "nosuch"}, Location={"S3": []})
