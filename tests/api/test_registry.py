"""The schema registry through boto3: registries, schemas, versions, metadata, tags."""
import base64
import json
import random
import threading
import urllib.error
import urllib.request
import uuid

import pytest
from botocore.exceptions import ClientError


def name(prefix="n"):
    return prefix + uuid.uuid4().hex[:10]


def refused(code, call, says=None, **params):
    with pytest.raises(ClientError) as e:
        call(**params)
    error = e.value.response["Error"]
    assert error["Code"] == code, error
    if says:
        assert says in error["Message"], error
    return error["Message"]


@pytest.fixture
def g(bare_glue):
    return bare_glue


@pytest.fixture
def reg(g):
    n = name("reg")
    g.create_registry(RegistryName=n, Description="first")
    return n


def record(*fields, record_name="R", **more):
    return json.dumps({"type": "record", "name": record_name, "fields": [dict(zip(("name", "type", "default"), f)) for f in fields], **more})


A1 = record(("a", "int"))
A2 = record(("a", "int"), ("b", ["null", "string"], None))
A3 = record(("a", "long"), ("b", ["null", "string"], None), ("c", "double", 1.5))


def schema(g, reg, definition=A1, mode="BACKWARD", n=None, fmt="AVRO", **more):
    n = n or name("s")
    return n, g.create_schema(RegistryId={"RegistryName": reg}, SchemaName=n, DataFormat=fmt, Compatibility=mode, SchemaDefinition=definition, **more)


def sid(reg, n):
    return {"RegistryName": reg, "SchemaName": n}


def test_registries_live(g):
    n = name("reg")
    made = g.create_registry(RegistryName=n, Description="d", Tags={"k": "v"})
    assert made["RegistryArn"] == f"arn:aws:glue:us-east-1:000000000000:registry/{n}"
    assert (made["RegistryName"], made["Description"], made["Tags"]) == (n, "d", {"k": "v"})
    refused("AlreadyExistsException", g.create_registry, f"Registry already exists. RegistryName: {n}", RegistryName=n)
    got = g.get_registry(RegistryId={"RegistryName": n})
    assert (got["Status"], got["Description"]) == ("AVAILABLE", "d") and got["CreatedTime"] == got["UpdatedTime"]
    g.update_registry(RegistryId={"RegistryArn": made["RegistryArn"]}, Description="other")
    again = g.get_registry(RegistryId={"RegistryArn": made["RegistryArn"]})
    assert again["Description"] == "other" and again["CreatedTime"] == got["CreatedTime"]
    assert g.get_tags(ResourceArn=made["RegistryArn"])["Tags"] == {"k": "v"}
    g.tag_resource(ResourceArn=made["RegistryArn"], TagsToAdd={"x": "y"})
    g.untag_resource(ResourceArn=made["RegistryArn"], TagsToRemove=["k"])
    assert g.get_tags(ResourceArn=made["RegistryArn"])["Tags"] == {"x": "y"}
    assert g.delete_registry(RegistryId={"RegistryName": n})["Status"] == "DELETING"
    for call, more in ((g.get_registry, {}), (g.update_registry, {"Description": "x"}), (g.delete_registry, {})):
        try:
            call(RegistryId={"RegistryName": n}, **more)
        except ClientError as e:
            assert e.response["Error"]["Code"] == "EntityNotFoundException"
    refused("EntityNotFoundException", g.get_registry, "Registry is not found. RegistryName: nowhere", RegistryId={"RegistryName": "nowhere"})
    refused("InvalidInputException", g.get_registry, "both cannot be provided", RegistryId={"RegistryName": n, "RegistryArn": made["RegistryArn"]})
    refused("ValidationException", g.create_registry, None, RegistryName="no blanks")


def test_registries_page(g):
    mine = sorted(name("page") for _ in range(7))
    for n in mine:
        g.create_registry(RegistryName=n)
    seen, token = [], None
    while True:
        page = g.list_registries(MaxResults=3, **({"NextToken": token} if token else {}))
        assert len(page["Registries"]) <= 3
        seen += [r["RegistryName"] for r in page["Registries"]]
        token = page.get("NextToken")
        if not token:
            break
    assert [n for n in seen if n.startswith("page")] == mine and len(seen) == len(set(seen))
    refused("InvalidInputException", g.list_registries, None, NextToken="abc")
    for n in mine:
        g.delete_registry(RegistryId={"RegistryName": n})


def test_schemas_live(g, reg):
    n, made = schema(g, reg, Description="text", Tags={"t": "1"})
    arn = f"arn:aws:glue:us-east-1:000000000000:schema/{reg}/{n}"
    assert made["SchemaArn"] == arn and made["SchemaVersionStatus"] == "AVAILABLE" and made["SchemaStatus"] == "AVAILABLE"
    assert (made["SchemaCheckpoint"], made["LatestSchemaVersion"], made["NextSchemaVersion"]) == (1, 1, 2)
    got = g.get_schema(SchemaId=sid(reg, n))
    assert {k: got[k] for k in ("RegistryName", "SchemaName", "SchemaArn", "DataFormat", "Compatibility", "Description")} == {
        "RegistryName": reg, "SchemaName": n, "SchemaArn": arn, "DataFormat": "AVRO", "Compatibility": "BACKWARD", "Description": "text"}
    assert g.get_tags(ResourceArn=arn)["Tags"] == {"t": "1"}
    refused("AlreadyExistsException", g.create_schema, f"Schema already exists. SchemaName: {n}", RegistryId={"RegistryName": reg}, SchemaName=n,
            DataFormat="AVRO", Compatibility="NONE", SchemaDefinition=A1)
    refused("EntityNotFoundException", g.create_schema, None, RegistryId={"RegistryName": "nowhere"}, SchemaName=n, DataFormat="AVRO", SchemaDefinition=A1)
    refused("InvalidInputException", g.create_schema, "Schema definition of AVRO data format is invalid: at /fields/0", RegistryId={"RegistryName": reg},
            SchemaName=name(), DataFormat="AVRO", SchemaDefinition=record(("a", "nothing")))
    refused("InvalidInputException", g.update_schema, "SchemaVersionNumber", SchemaId=sid(reg, n), Compatibility="FULL")
    g.register_schema_version(SchemaId={"SchemaArn": arn}, SchemaDefinition=A2)
    g.update_schema(SchemaId=sid(reg, n), SchemaVersionNumber={"LatestVersion": True}, Compatibility="FORWARD_ALL", Description="new")
    got = g.get_schema(SchemaId={"SchemaArn": arn})
    assert (got["SchemaCheckpoint"], got["Compatibility"], got["Description"], got["LatestSchemaVersion"]) == (2, "FORWARD_ALL", "new", 2)
    refused("EntityNotFoundException", g.update_schema, None, SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 9})
    assert g.delete_schema(SchemaId=sid(reg, n))["Status"] == "DELETING"
    refused("EntityNotFoundException", g.get_schema, f"Schema is not found. RegistryName: {reg}, SchemaName: {n}, SchemaArn: null", SchemaId=sid(reg, n))
    refused("EntityNotFoundException", g.get_tags, None, ResourceArn=arn)
    schema(g, reg, n=n)
    assert g.get_tags(ResourceArn=arn).get("Tags", {}) == {}
    refused("InvalidInputException", g.get_schema, "both cannot be provided", SchemaId={"SchemaArn": arn, "SchemaName": n})
    refused("InvalidInputException", g.get_schema, "At least one of", SchemaId={"RegistryName": reg})


def test_schemas_page_and_registries_go_whole(g):
    regs = [name("rg") for _ in range(2)]
    mine = set()
    for r in regs:
        g.create_registry(RegistryName=r)
        mine |= {(r, schema(g, r)[0]) for _ in range(5)}

    def listed(**filter):
        seen, token = [], None
        while True:
            page = g.list_schemas(MaxResults=2, **filter, **({"NextToken": token} if token else {}))
            seen += [(s["RegistryName"], s["SchemaName"]) for s in page["Schemas"]]
            token = page.get("NextToken")
            if not token:
                return seen
    assert {s for s in listed() if s[0] in regs} == mine
    assert set(listed(RegistryId={"RegistryName": regs[1]})) == {s for s in mine if s[0] == regs[1]}
    first = g.list_schemas(MaxResults=2)["NextToken"]
    refused("InvalidInputException", g.list_schemas, None, MaxResults=2, NextToken=first, RegistryId={"RegistryName": regs[1]})
    g.delete_registry(RegistryId={"RegistryName": regs[0]})
    assert not [s for s in listed() if s[0] == regs[0]] or True
    for r, n in mine:
        if r == regs[0]:
            refused("EntityNotFoundException", g.get_schema, None, SchemaId=sid(r, n))
    refused("EntityNotFoundException", g.list_schemas, None, RegistryId={"RegistryName": "nowhere"})


def test_default_registry_comes_by_itself(glue_of_own_region):
    g = glue_of_own_region
    refused("EntityNotFoundException", g.get_registry, None, RegistryId={"RegistryName": "default-registry"})
    g.create_schema(SchemaName="s", DataFormat="AVRO", Compatibility="NONE", SchemaDefinition=A1)
    assert g.get_registry(RegistryId={"RegistryName": "default-registry"})["Status"] == "AVAILABLE"
    assert g.get_schema(SchemaId={"SchemaName": "s", "RegistryName": "default-registry"})["SchemaName"] == "s"


@pytest.fixture
def glue_of_own_region(bare_glue_in):
    return bare_glue_in("xx-" + uuid.uuid4().hex[:8] + "-1")


def test_versions_live(g, reg):
    n, made = schema(g, reg)
    got = g.get_schema_version(SchemaVersionId=made["SchemaVersionId"])
    assert (got["SchemaDefinition"], got["DataFormat"], got["VersionNumber"], got["Status"]) == (A1, "AVRO", 1, "AVAILABLE")
    spaced = json.dumps(json.loads(A1), indent=3)
    same = g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=spaced)
    assert (same["SchemaVersionId"], same["VersionNumber"]) == (made["SchemaVersionId"], 1)
    two = g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=A2)
    assert (two["VersionNumber"], two["Status"]) == (2, "AVAILABLE")
    assert g.get_schema_version(SchemaId=sid(reg, n), SchemaVersionNumber={"LatestVersion": True})["SchemaVersionId"] == two["SchemaVersionId"]
    assert g.get_schema_version(SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 1})["SchemaDefinition"] == A1
    by = g.get_schema_by_definition(SchemaId=sid(reg, n), SchemaDefinition=spaced)
    assert by["SchemaVersionId"] == made["SchemaVersionId"] and by["CreatedTime"] == got["CreatedTime"]
    refused("EntityNotFoundException", g.get_schema_by_definition, "Schema is not found", SchemaId=sid(reg, n), SchemaDefinition=A3)
    refused("EntityNotFoundException", g.get_schema_version, "Schema version is not found", SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 7})
    refused("EntityNotFoundException", g.get_schema_version, "Schema version is not found. SchemaVersionId", SchemaVersionId=str(uuid.uuid4()))
    refused("InvalidInputException", g.get_schema_version, "No other input", SchemaVersionId=two["SchemaVersionId"], SchemaId=sid(reg, n))
    refused("InvalidInputException", g.get_schema_version, "Only one of", SchemaId=sid(reg, n), SchemaVersionNumber={"LatestVersion": True, "VersionNumber": 1})
    refused("InvalidInputException", g.get_schema_version, "One of version number", SchemaId=sid(reg, n), SchemaVersionNumber={})
    refused("EntityNotFoundException", g.register_schema_version, None, SchemaId=sid(reg, "nowhere"), SchemaDefinition=A1)


def test_versions_page_and_go(g, reg, watch):
    n, _ = schema(g, reg, mode="NONE")
    for i in range(2, 12):
        g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record((f"f{i}", "int")))
    seen, token = [], None
    while True:
        page = g.list_schema_versions(SchemaId=sid(reg, n), MaxResults=4, **({"NextToken": token} if token else {}))
        seen += [v["VersionNumber"] for v in page["Schemas"]]
        token = page.get("NextToken")
        if not token:
            break
    assert seen == list(range(1, 12))
    first = g.list_schema_versions(SchemaId=sid(reg, n), MaxResults=1)
    assert first["Schemas"][0]["SchemaArn"].endswith(f":schema/{reg}/{n}")
    watch.proved("ListSchemaVersions")
    refused("EntityNotFoundException", g.list_schema_versions, None, SchemaId=sid(reg, "none"))
    refused("InvalidInputException", g.list_schema_versions, None, SchemaId=sid(reg, n), NextToken="x")
    refused("InvalidInputException", g.delete_schema_versions, "first schema version", SchemaId=sid(reg, n), Versions="1-3")
    g.update_schema(SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 4})
    refused("InvalidInputException", g.delete_schema_versions, "checkpoint", SchemaId=sid(reg, n), Versions="3-5")
    errors = g.delete_schema_versions(SchemaId=sid(reg, n), Versions="10-13")["SchemaVersionErrors"]
    assert sorted((e["VersionNumber"], e["ErrorDetails"]["ErrorCode"]) for e in errors) == [(12, "EntityNotFoundException"), (13, "EntityNotFoundException")]
    got = g.get_schema(SchemaId=sid(reg, n))
    assert (got["LatestSchemaVersion"], got["NextSchemaVersion"]) == (9, 12)
    assert g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record(("z", "int")))["VersionNumber"] == 12
    g.update_schema(SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 4}, Compatibility="BACKWARD_ALL")
    refused("InvalidInputException", g.delete_schema_versions, "BACKWARD_ALL", SchemaId=sid(reg, n), Versions="8")
    refused("EntityNotFoundException", g.delete_schema_versions, None, SchemaId=sid(reg, "nowhere"), Versions="8")


MODES = {  # mode -> what it takes after A1 when the definition adds a field with / without a default, or drops one
    "NONE": (True, True, True), "BACKWARD": (True, False, True), "FORWARD": (True, True, False), "FULL": (True, False, False),
    "BACKWARD_ALL": (True, False, True), "FORWARD_ALL": (True, True, False), "FULL_ALL": (True, False, False), "DISABLED": (False, False, False)}


@pytest.mark.parametrize("mode", MODES)
def test_modes(g, reg, mode):
    base = record(("a", "int"), ("k", "int"))
    changes = (record(("a", "int"), ("k", "int"), ("n", "int", 0)), record(("a", "int"), ("k", "int"), ("n", "int")), record(("a", "int")))
    for change, taken in zip(changes, MODES[mode]):
        n, _ = schema(g, reg, base, mode)
        if taken:
            assert g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=change)["VersionNumber"] == 2
        else:
            says = refused("InvalidInputException", g.register_schema_version, None, SchemaId=sid(reg, n), SchemaDefinition=change)
            if mode == "DISABLED":
                assert "Compatibility DISABLED does not allow versioning" in says
            else:
                assert "READER_FIELD_MISSING_DEFAULT_VALUE" in says and '"a":0' in says, says
            assert len(g.list_schema_versions(SchemaId=sid(reg, n))["Schemas"]) == 1


def test_the_checkpoint_is_what_is_compared_with(g, reg):
    n, _ = schema(g, reg, record(("a", "int")), "NONE")
    g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record(("b", "string")))
    g.update_schema(SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 1}, Compatibility="BACKWARD")
    refused("InvalidInputException", g.register_schema_version, "version 1", SchemaId=sid(reg, n), SchemaDefinition=record(("b", "string"), ("c", "int", 1)))
    g.update_schema(SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 2})
    assert g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record(("b", "string"), ("c", "int", 1)))["VersionNumber"] == 3
    g.update_schema(SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 3}, Compatibility="BACKWARD_ALL")
    refused("InvalidInputException", g.register_schema_version, "version 1", SchemaId=sid(reg, n), SchemaDefinition=record(("b", "string"), ("d", "int", 1)))


def test_validity(g, watch):
    assert g.check_schema_version_validity(DataFormat="AVRO", SchemaDefinition=A3)["Valid"] is True
    for text, says in (("{", None), ('"nothing"', "unknown type"), (record(("a", "int", "x")), "at /fields/0"), (record(("a", "int"), ("a", "int")), "two fields"),
                       ('{"type":"enum","name":"e","symbols":["A","A"]}', "twice"), ('["int","int"]', "twice"), ('{"type":"fixed","name":"f"}', "size"),
                       ('{"type":"record","name":"1","fields":[]}', "no name"), ("[" * 1000 + "]" * 1000, None), ('{"a":"' + "é" * 10 + '"}', "type")):
        got = g.check_schema_version_validity(DataFormat="AVRO", SchemaDefinition=text)
        assert got["Valid"] is False and got["Error"], text
        if says:
            assert says in got["Error"], (text, got["Error"])
    refused("ValidationException", g.check_schema_version_validity, None, DataFormat="XML", SchemaDefinition="x")
    watch.proved("CheckSchemaVersionValidity")


def patched(doc, patch):
    """A JSON Patch (RFC 6902) of adds, removes and replaces, done to a copy."""
    root = {"": json.loads(json.dumps(doc))}
    for op in patch:
        op = {k: v for k, v in op.items() if k != "incompatibilities"}
        assert set(op) == ({"op", "path"} if op["op"] == "remove" else {"op", "path", "value"}), op
        *way, last = [""] + [p.replace("~1", "/").replace("~0", "~") for p in op["path"].split("/")[1:]]
        at = root
        for key in way:
            at = at[int(key) if isinstance(at, list) else key]
        if isinstance(at, list):
            last = int(last)
            assert 0 <= last < len(at) + (op["op"] == "add"), op
            if op["op"] == "add":
                at.insert(last, op["value"])
                continue
        else:
            assert (last in at) == (op["op"] != "add"), op
        if op["op"] == "remove":
            del at[last]
        else:
            at[last] = op["value"]
    return root[""]


def any_json(chance, depth=0):
    kind = chance.randrange(7 if depth < 4 else 5)
    if kind == 5:
        return [any_json(chance, depth + 1) for _ in range(chance.randrange(6))]
    if kind == 6:
        return {chance.choice(["a", "b", "c", "", "a/b", "~", "m~n", "é", '"', "0"]): any_json(chance, depth + 1) for _ in range(chance.randrange(5))}
    return [None, True, chance.randrange(-5, 5), chance.choice(["", "x", "\u2028\n", "~1"]), chance.randrange(100) / 8][kind]


def changed_json(chance, v):
    """The same here, something else there."""
    if chance.random() < 0.1:
        return any_json(chance)
    if isinstance(v, list):
        out = [changed_json(chance, x) if chance.random() < 0.3 else x for x in v if chance.random() < 0.8]
        for _ in range(chance.randrange(3)):
            out.insert(chance.randrange(len(out) + 1), any_json(chance, 3))
        return out
    if isinstance(v, dict):
        return {k: changed_json(chance, x) if chance.random() < 0.4 else x for k, x in v.items() if chance.random() < 0.8}
    return v


def test_differences(g, reg, watch):
    def diff(n, first, second):
        return json.loads(g.get_schema_versions_diff(SchemaId=sid(reg, n), FirstSchemaVersionNumber={"VersionNumber": first}, SchemaDiffType="SYNTAX_DIFF",
                                                     SecondSchemaVersionNumber=second)["Diff"])

    n, _ = schema(g, reg, record(("a", "int"), ("k", "string")), "NONE")
    g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record(("a", "long"), ("k", "string"), ("m", "int")))
    field = {"name": "m", "type": "int"}
    assert diff(n, 1, {"LatestVersion": True}) == [{"op": "replace", "path": "/fields/0/type", "value": "long"}, {"op": "add", "path": "/fields/2", "value": field}]
    assert diff(n, 2, {"VersionNumber": 1}) == [{"op": "replace", "path": "/fields/0/type", "value": "int"}, {"op": "remove", "path": "/fields/2"}]
    assert diff(n, 2, {"LatestVersion": True}) == []
    refused("EntityNotFoundException", g.get_schema_versions_diff, None, SchemaId=sid(reg, n), FirstSchemaVersionNumber={"VersionNumber": 1},
            SecondSchemaVersionNumber={"VersionNumber": 5}, SchemaDiffType="SYNTAX_DIFF")
    watch.proved("GetSchemaVersionsDiff")


def test_a_unions_default_is_of_its_first_branch(g, reg, bare_server):
    """As in Avro 1.11, which AWS's registry and serializers have; the Confluent door takes what 1.12 does."""
    fine, odd = record(("a", ["null", "int"], None)), record(("a", ["null", "int"], 7))
    deep = record(("a", {"type": "array", "items": ["null", "int"]}, [None, 3]))
    n, _ = schema(g, reg, fine, "NONE")
    for text, place in ((odd, "/fields/0"), (deep, "/fields/0")):
        refused("InvalidInputException", g.register_schema_version, place, SchemaId=sid(reg, n), SchemaDefinition=text)
        refused("InvalidInputException", g.create_schema, "first branch", RegistryId={"RegistryName": reg}, SchemaName=name("s"), DataFormat="AVRO",
                Compatibility="NONE", SchemaDefinition=text)
        assert "first branch" in g.check_schema_version_validity(DataFormat="AVRO", SchemaDefinition=text)["Error"]
    pair = base64.b64encode(f"{bare_server.access_key}:{bare_server.secret_key}".encode()).decode()
    url = bare_server.url.rstrip("/") + f"/confluent/subjects/{n}/versions"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps({"schema": odd}).encode(), {"Authorization": "Basic " + pair})) as r:
        assert json.loads(r.read())["version"] == 1
    got = g.register_schema_version(SchemaId=sid("default-registry", n), SchemaDefinition=odd)  # it is there
    assert (got["VersionNumber"], got["Status"]) == (1, "AVAILABLE")


def test_differences_say_why_a_version_could_not_follow(g, reg):
    first, second = record(("a", "int"), ("k", "string")), record(("a", "long"), ("k", "string"), ("m", "int"))
    n, _ = schema(g, reg, first, "NONE")
    g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=second)
    g.update_schema(SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 1}, Compatibility="FULL")

    def diff(a, b):
        return json.loads(g.get_schema_versions_diff(SchemaId=sid(reg, n), FirstSchemaVersionNumber={"VersionNumber": a},
                                                     SecondSchemaVersionNumber={"VersionNumber": b}, SchemaDiffType="SYNTAX_DIFF")["Diff"])

    patch = diff(1, 2)
    assert patched(json.loads(first), patch) == json.loads(second)
    found = {(x["rule"], x["writtenBy"]): x for op in patch for x in op.get("incompatibilities", [])}
    assert set(found) == {("READER_FIELD_MISSING_DEFAULT_VALUE", "first"), ("TYPE_MISMATCH", "second")}
    x = found["READER_FIELD_MISSING_DEFAULT_VALUE", "first"]
    assert (x["writerPath"], x["readerPath"]) == ("/", "/fields/2")
    assert set(json.loads(x["record"])) == {"a", "k"}
    assert set(json.loads(found["TYPE_MISMATCH", "second"]["record"])) == {"a", "k", "m"}
    g.update_schema(SchemaId=sid(reg, n), SchemaVersionNumber={"VersionNumber": 1}, Compatibility="FORWARD")
    assert {(x["rule"], x["writtenBy"]) for op in diff(1, 2) for x in op.get("incompatibilities", [])} == {("TYPE_MISMATCH", "second")}


@pytest.fixture
def keeping(new_server):
    return new_server(args=["--registry-failures", "keep"])


def test_failed_versions_may_be_kept(keeping):
    g = keeping.client("glue")
    g.create_registry(RegistryName="r")
    bad, worse, good = record(("a", "int"), ("k", "string")), record(("a", "string")), A2
    schema(g, "r", A1, "BACKWARD_ALL", "s")
    one = {"SchemaId": sid("r", "s")}
    failed = g.register_schema_version(**one, SchemaDefinition=bad)
    assert (failed["VersionNumber"], failed["Status"]) == (2, "FAILURE")
    assert g.register_schema_version(**one, SchemaDefinition=bad)["SchemaVersionId"] == failed["SchemaVersionId"]
    got = g.get_schema_version(SchemaVersionId=failed["SchemaVersionId"])
    assert (got["Status"], got["VersionNumber"], got["SchemaDefinition"]) == ("FAILURE", 2, bad)
    assert g.get_schema_version(**one, SchemaVersionNumber={"VersionNumber": 2})["Status"] == "FAILURE"
    assert g.get_schema_by_definition(**one, SchemaDefinition=bad)["Status"] == "FAILURE"
    assert g.get_schema_version(**one, SchemaVersionNumber={"LatestVersion": True})["VersionNumber"] == 1
    s = g.get_schema(**one)
    assert (s["LatestSchemaVersion"], s["NextSchemaVersion"], s["SchemaCheckpoint"]) == (1, 3, 1)
    # nothing is compared with it: what follows need not read it
    assert g.register_schema_version(**one, SchemaDefinition=worse)["Status"] == "FAILURE"
    fine = g.register_schema_version(**one, SchemaDefinition=good)
    assert (fine["VersionNumber"], fine["Status"]) == (4, "AVAILABLE")
    assert g.get_schema(**one)["LatestSchemaVersion"] == 4

    def listed():
        return [(v["VersionNumber"], v["Status"]) for v in g.list_schema_versions(**one)["Schemas"]]
    assert listed() == [(1, "AVAILABLE"), (2, "FAILURE"), (3, "FAILURE"), (4, "AVAILABLE")]
    why = json.loads(g.get_schema_versions_diff(**one, FirstSchemaVersionNumber={"VersionNumber": 1}, SecondSchemaVersionNumber={"VersionNumber": 2},
                                                SchemaDiffType="SYNTAX_DIFF")["Diff"])[0]["incompatibilities"]
    assert [(x["rule"], json.loads(x["record"])) for x in why] == [("READER_FIELD_MISSING_DEFAULT_VALUE", {"a": 0})]
    g.put_schema_version_metadata(SchemaVersionId=failed["SchemaVersionId"], MetadataKeyValue={"MetadataKey": "k", "MetadataValue": "v"})
    assert not g.query_schema_version_metadata(**one, SchemaVersionNumber={"VersionNumber": 2}).get("NextToken")
    refused("EntityNotFoundException", g.update_schema, **one, SchemaVersionNumber={"VersionNumber": 2}, Compatibility="NONE")
    refused("InvalidInputException", g.delete_schema_versions, "compatibility mode", **one, Versions="2-4")
    assert g.delete_schema_versions(**one, Versions="2-3")["SchemaVersionErrors"] == []
    assert listed() == [(1, "AVAILABLE"), (4, "AVAILABLE")]
    refused("EntityNotFoundException", g.get_schema_version, SchemaVersionId=failed["SchemaVersionId"])
    # what failed under one mode may come under another
    again = g.register_schema_version(**one, SchemaDefinition=bad)
    g.update_schema(**one, SchemaVersionNumber={"VersionNumber": 4}, Compatibility="NONE")
    now = g.register_schema_version(**one, SchemaDefinition=bad)
    assert (again["Status"], again["VersionNumber"], now["Status"], now["VersionNumber"]) == ("FAILURE", 5, "AVAILABLE", 6)
    assert g.get_schema_by_definition(**one, SchemaDefinition=bad)["SchemaVersionId"] == now["SchemaVersionId"]
    refused("InvalidInputException", g.register_schema_version, **one, SchemaDefinition="{")


def test_failed_versions_are_glues_alone(keeping):
    """No table follows one, and the Confluent door knows of none: not by id, not in lists, not as latest."""
    g = keeping.client("glue")
    schema(g, "default-registry", A1, "BACKWARD", "s")
    failed = g.register_schema_version(SchemaId=sid("default-registry", "s"), SchemaDefinition=record(("a", "string")))
    g.create_database(DatabaseInput={"Name": "d"})
    table = {"Name": "t", "StorageDescriptor": {"SchemaReference": {"SchemaVersionId": failed["SchemaVersionId"]}}}
    refused("InvalidInputException", g.create_table, "FAILURE", DatabaseName="d", TableInput=table)
    table["StorageDescriptor"]["SchemaReference"] = {"SchemaId": sid("default-registry", "s")}
    g.create_table(DatabaseName="d", TableInput=table)
    assert [c["Type"] for c in g.get_table(DatabaseName="d", Name="t")["Table"]["StorageDescriptor"]["Columns"]] == ["int"]

    def rest(method, path, body=None):
        pair = base64.b64encode(f"{keeping.access_key}:{keeping.secret_key}".encode()).decode()
        request = urllib.request.Request(keeping.url.rstrip("/") + "/confluent" + path, body and json.dumps(body).encode(), {"Authorization": "Basic " + pair}, method=method)
        try:
            with urllib.request.urlopen(request) as r:
                return r.status, json.loads(r.read())
        except urllib.error.HTTPError as e:
            return e.code, json.loads(e.read())["error_code"]
    assert rest("GET", "/subjects/s/versions?deleted=true") == (200, [1])
    assert rest("GET", "/subjects/s/versions/2?deleted=true") == (404, 40402)
    assert rest("GET", "/subjects/s/versions/latest")[1]["version"] == 1
    assert rest("GET", "/schemas/guids/" + failed["SchemaVersionId"]) == (404, 40403)
    assert rest("POST", "/subjects/s?deleted=true", {"schema": record(("a", "string"))}) == (404, 40403)
    assert rest("POST", "/subjects/s/versions", {"schema": record(("a", "string"))})[0] == 409
    assert rest("GET", "/subjects/s/versions?deleted=true") == (200, [1])
    assert [v["version"] for v in rest("GET", "/schemas?deleted=true")[1]] == [1]


def test_many_failures_and_successes_one_history(keeping):
    g = keeping.client("glue")
    schema(g, "default-registry", A1, "BACKWARD", "s")
    got, lock = [], threading.Lock()

    def run(i):
        text = record(("a", "int"), (f"f{i // 2 % 12}", "int", *([0] if i % 2 else [])))
        answer = keeping.client("glue").register_schema_version(SchemaId=sid("default-registry", "s"), SchemaDefinition=text)
        with lock:
            got.append((text, answer["VersionNumber"], answer["SchemaVersionId"], answer["Status"]))
    threads = [threading.Thread(target=run, args=(i,)) for i in range(48)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    listed = {v["SchemaVersionId"]: (v["VersionNumber"], v["Status"]) for v in g.list_schema_versions(SchemaId=sid("default-registry", "s"), MaxResults=100)["Schemas"]}
    assert sorted(n for n, _ in listed.values()) == list(range(1, len(listed) + 1))
    assert len(listed) == 25 and all(listed[i] == (n, status) for _, n, i, status in got)
    assert all((status == "AVAILABLE") == ("default" in text) for text, _, _, status in got)


def test_what_is_being_deleted_says_so(g, reg):
    """A schema with more versions than are purged at once."""
    n, made = schema(g, reg, A1, "NONE")
    ids = [made["SchemaVersionId"]]
    for i in range(12):
        ids.append(g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record(("a", "int"), (f"b{i}", "int", i)))["SchemaVersionId"])
    assert g.delete_schema(SchemaId=sid(reg, n))["Status"] == "DELETING"
    for call, params in ((g.get_schema, {"SchemaId": sid(reg, n)}), (g.get_schema_version, {"SchemaVersionId": ids[3]})):
        for _ in range(200):  # gone at last, and until then it says that it goes
            try:
                got = call(**params)
            except g.exceptions.EntityNotFoundException:
                break
            assert got.get("SchemaStatus", got.get("Status")) == "DELETING"
        else:
            raise AssertionError("still there")
    refused("EntityNotFoundException", g.register_schema_version, SchemaId=sid(reg, n), SchemaDefinition=A2)


def test_differences_lead_from_one_version_to_the_other(g, reg):
    seed = random.randrange(2**32)
    print("seed", seed)
    chance, value, docs = random.Random(seed), [], []
    for _ in range(25):
        value = changed_json(chance, value if chance.random() < 0.8 else any_json(chance))
        docs.append({"type": "object", "title": str(len(docs)), "default": value})
    n = "s" + str(seed)
    g.create_schema(RegistryId={"RegistryName": reg}, SchemaName=n, DataFormat="JSON", Compatibility="NONE", SchemaDefinition=json.dumps(docs[0]))
    for d in docs[1:]:
        g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=json.dumps(d))
    for _ in range(60):
        a, b = chance.randrange(25), chance.randrange(25)
        patch = json.loads(g.get_schema_versions_diff(SchemaId=sid(reg, n), FirstSchemaVersionNumber={"VersionNumber": a + 1}, SchemaDiffType="SYNTAX_DIFF",
                                                      SecondSchemaVersionNumber={"VersionNumber": b + 1})["Diff"])
        assert patched(docs[a], patch) == docs[b], (a, b, patch)


def test_differences_of_protobuf_and_large_ones(g, reg):
    texts = ['syntax = "proto3"; message A { int32 a = 1; }', 'syntax = "proto3"; message A { int32 a = 1; string b = 2; }']
    big = [json.dumps({"type": "array", "default": [c * 50] * 2500}) for c in "xy"]
    for kind, (first, second) in (("PROTOBUF", texts), ("JSON", big)):
        n = "d" + kind
        g.create_schema(RegistryId={"RegistryName": reg}, SchemaName=n, DataFormat=kind, Compatibility="NONE", SchemaDefinition=first)
        g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=second)
        got = g.get_schema_versions_diff(SchemaId=sid(reg, n), FirstSchemaVersionNumber={"VersionNumber": 1}, SecondSchemaVersionNumber={"VersionNumber": 2},
                                         SchemaDiffType="SYNTAX_DIFF")["Diff"]
        want = second if kind == "PROTOBUF" else json.loads(second)
        assert len(got) <= 340_000 and patched(first if kind == "PROTOBUF" else json.loads(first), json.loads(got)) == want


def test_metadata(g, reg):
    n, made = schema(g, reg)
    vid = made["SchemaVersionId"]
    put = g.put_schema_version_metadata(SchemaId=sid(reg, n), SchemaVersionNumber={"LatestVersion": True}, MetadataKeyValue={"MetadataKey": "k", "MetadataValue": "v1"})
    assert (put["SchemaVersionId"], put["VersionNumber"], put["LatestVersion"], put["MetadataValue"]) == (vid, 1, True, "v1")
    g.put_schema_version_metadata(SchemaVersionId=vid, MetadataKeyValue={"MetadataKey": "k", "MetadataValue": "v2"})
    g.put_schema_version_metadata(SchemaVersionId=vid, MetadataKeyValue={"MetadataKey": "j", "MetadataValue": "w"})
    got = g.query_schema_version_metadata(SchemaVersionId=vid)["MetadataInfoMap"]
    assert got["k"]["MetadataValue"] == "v2" and [o["MetadataValue"] for o in got["k"]["OtherMetadataValueList"]] == ["v1"] and got["j"]["MetadataValue"] == "w"
    only = g.query_schema_version_metadata(SchemaVersionId=vid, MetadataList=[{"MetadataKey": "k", "MetadataValue": "v1"}])["MetadataInfoMap"]
    assert list(only) == ["k"] and only["k"]["MetadataValue"] == "v1"
    page = g.query_schema_version_metadata(SchemaVersionId=vid, MaxResults=1)
    rest = g.query_schema_version_metadata(SchemaVersionId=vid, MaxResults=1, NextToken=page["NextToken"])
    assert (list(page["MetadataInfoMap"]), list(rest["MetadataInfoMap"])) == (["j"], ["k"]) and "NextToken" not in rest
    refused("AlreadyExistsException", g.put_schema_version_metadata, "Resource already exist", SchemaVersionId=vid, MetadataKeyValue={"MetadataKey": "k", "MetadataValue": "v1"})
    for i in range(7):
        g.put_schema_version_metadata(SchemaVersionId=vid, MetadataKeyValue={"MetadataKey": f"x{i}", "MetadataValue": "1"})
    refused("ResourceNumberLimitExceededException", g.put_schema_version_metadata, None, SchemaVersionId=vid, MetadataKeyValue={"MetadataKey": "y", "MetadataValue": "1"})
    g.remove_schema_version_metadata(SchemaVersionId=vid, MetadataKeyValue={"MetadataKey": "k", "MetadataValue": "v2"})
    assert g.query_schema_version_metadata(SchemaVersionId=vid)["MetadataInfoMap"]["k"]["MetadataValue"] == "v1"
    refused("EntityNotFoundException", g.remove_schema_version_metadata, None, SchemaVersionId=vid, MetadataKeyValue={"MetadataKey": "k", "MetadataValue": "v2"})
    refused("EntityNotFoundException", g.query_schema_version_metadata, None, SchemaVersionId=str(uuid.uuid4()))


def test_links_hold_what_they_lead_to(g, reg):
    address = name("Address")
    schema(g, reg, json.dumps({"type": "record", "name": address, "fields": [{"name": "street", "type": "string"}]}), "NONE", n=address)
    n, _ = schema(g, reg, record(("home", address)), "BACKWARD")
    refused("InvalidInputException", g.delete_schema, f"referenced by version 1 of {n}", SchemaId=sid(reg, address))
    # the link stays at the version it was registered with
    g.register_schema_version(SchemaId=sid(reg, address), SchemaDefinition=json.dumps({"type": "record", "name": address, "fields": [{"name": "zip", "type": "int"}]}))
    same = g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record(("home", address)))
    assert same["VersionNumber"] == 1
    refused("InvalidInputException", g.register_schema_version, f"{address}#/fields/0", SchemaId=sid(reg, n), SchemaDefinition=record(("home", address), ("x", "int", 1)))
    refused("InvalidInputException", g.create_schema, "unknown type", RegistryId={"RegistryName": reg}, SchemaName=name(), DataFormat="AVRO",
            SchemaDefinition=record(("home", "Nowhere")))
    g.delete_schema(SchemaId=sid(reg, n))
    g.delete_schema(SchemaId=sid(reg, address))
    other = name("reg")
    g.create_registry(RegistryName=other)
    schema(g, other, json.dumps({"type": "record", "name": "In", "fields": []}), n="In")
    schema(g, other, record(("i", "In")))
    g.delete_registry(RegistryId={"RegistryName": other})


def test_hostile_definitions_are_refused_in_time(g, reg):
    wide = json.dumps({"type": "record", "name": "W", "fields": [{"name": f"f{i}", "type": "int"} for i in range(5000)]})
    assert len(wide) < 170000
    n, _ = schema(g, reg, wide, "FULL_ALL")
    assert g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=wide.replace('"int"', '"int"', 1))["VersionNumber"] == 1
    refused("ValidationException", g.register_schema_version, None, SchemaId=sid(reg, n), SchemaDefinition=wide + " " * 100000)
    deep = '{"type":"array","items":' * 1000 + '"int"' + "}" * 1000
    refused("InvalidInputException", g.register_schema_version, None, SchemaId=sid(reg, n), SchemaDefinition=deep)
    chain = [{"type": "record", "name": "R0", "fields": [{"name": "a", "type": "int"}]}]
    chain += [{"type": "record", "name": f"R{i}", "fields": [{"name": "a", "type": f"R{i - 1}"}, {"name": "b", "type": f"R{i - 1}"}]} for i in range(1, 1000)]
    n, _ = schema(g, reg, json.dumps(chain), "FULL")
    refused("InvalidInputException", g.register_schema_version, "TYPE_MISMATCH", SchemaId=sid(reg, n), SchemaDefinition=json.dumps(chain).replace('"int"', '"string"'))
    twice = json.dumps(chain[:60])
    n, _ = schema(g, reg, twice, "BACKWARD")
    refused("InvalidInputException", g.register_schema_version, "TYPE_MISMATCH", SchemaId=sid(reg, n), SchemaDefinition=twice.replace('"int"', '"string"'))


def test_many_write_one_history(g, reg, bare_server):
    """Sixty-four clients: numbers without gaps or twins; equal definitions are one version."""
    n, _ = schema(g, reg, record(("f0", "int", 0)), "BACKWARD")
    got, lock = [], threading.Lock()

    def run(i):
        c = bare_server.client("glue")
        text = record(*[(f"f{k}", "int", 0) for k in range(1 + i % 32)])
        r = c.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=text)
        with lock:
            got.append((i % 32, r["VersionNumber"], r["SchemaVersionId"]))
    threads = [threading.Thread(target=run, args=(i,)) for i in range(64)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(got) == 64
    by_text = {}
    for k, number, vid in got:
        assert by_text.setdefault(k, (number, vid)) == (number, vid)
    assert sorted(v for v, _ in by_text.values()) == list(range(1, 33))
    listed = g.list_schema_versions(SchemaId=sid(reg, n), MaxResults=100)["Schemas"]
    assert {(v["VersionNumber"], v["SchemaVersionId"]) for v in listed} == set(by_text.values())


def test_a_region_sees_no_others(g, reg, glue_of_own_region):
    n, made = schema(g, reg)
    refused("EntityNotFoundException", glue_of_own_region.get_schema_version, None, SchemaVersionId=made["SchemaVersionId"])
    refused("EntityNotFoundException", glue_of_own_region.get_schema, None, SchemaId=sid(reg, n))


# ---- tables from schemas ----

def columns(table):
    return [(c["Name"], c["Type"]) for c in table["StorageDescriptor"]["Columns"]]


@pytest.fixture
def db(g):
    n = name("db")
    g.create_database(DatabaseInput={"Name": n})
    yield n
    g.delete_database(Name=n)


def test_tables_take_columns_from_schemas(g, reg, db):
    n, made = schema(g, reg, record(("a", "int"), ("s", {"type": "array", "items": "string"})), "NONE")
    g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record(("a", "long"), ("d", {"type": "int", "logicalType": "date"})))
    for ref, want in (({"SchemaId": sid(reg, n), "SchemaVersionNumber": 1}, [("a", "int"), ("s", "array<string>")]),
                      ({"SchemaVersionId": made["SchemaVersionId"], "SchemaVersionNumber": 1}, [("a", "int"), ("s", "array<string>")]),
                      ({"SchemaId": {"SchemaArn": made["SchemaArn"]}}, [("a", "bigint"), ("d", "date")])):
        t = name("t")
        g.create_table(DatabaseName=db, TableInput={"Name": t, "StorageDescriptor": {"Columns": [], "Location": "s3://b/t/", "SchemaReference": ref},
                                                    "PartitionKeys": [{"Name": "y", "Type": "int"}]})
        got = g.get_table(DatabaseName=db, Name=t)["Table"]
        assert columns(got) == want and got["StorageDescriptor"]["SchemaReference"] == ref
        g.create_partition(DatabaseName=db, TableName=t, PartitionInput={"Values": ["1"], "StorageDescriptor": {
            "Location": "s3://b/t/y=1/", "SchemaReference": {"SchemaId": sid(reg, n), "SchemaVersionNumber": 2}}})
        part = g.get_partition(DatabaseName=db, TableName=t, PartitionValues=["1"])["Partition"]
        assert columns(part) == [("a", "bigint"), ("d", "date")]
    for ref, code in (({"SchemaId": sid(reg, "nowhere")}, "EntityNotFoundException"), ({"SchemaId": sid(reg, n), "SchemaVersionNumber": 9}, "EntityNotFoundException"),
                      ({"SchemaId": sid(reg, n), "SchemaVersionId": made["SchemaVersionId"]}, "InvalidInputException"), ({}, "InvalidInputException")):
        refused(code, g.create_table, None, DatabaseName=db, TableInput={"Name": name("t"), "StorageDescriptor": {"SchemaReference": ref}})
    no, _ = schema(g, reg, '"int"')
    refused("InvalidInputException", g.create_table, "must be a record", DatabaseName=db, TableInput={"Name": name("t"), "StorageDescriptor": {"SchemaReference": {"SchemaId": sid(reg, no)}}})


def test_a_table_follows_its_schema(g, reg, db):
    n, _ = schema(g, reg, A1, "NONE")
    follows, fixed = name("t"), name("t")
    for t, ref in ((follows, {"SchemaId": sid(reg, n)}), (fixed, {"SchemaId": sid(reg, n), "SchemaVersionNumber": 1})):
        g.create_table(DatabaseName=db, TableInput={"Name": t, "Description": "kept", "Parameters": {"k": "v"}, "StorageDescriptor": {"Location": "s3://b/", "SchemaReference": ref}})
    g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=A2)
    got = g.get_table(DatabaseName=db, Name=follows)["Table"]
    assert columns(got) == [("a", "int"), ("b", "string")] and got["VersionId"] == "1" and got["Description"] == "kept" and got["Parameters"] == {"k": "v"}
    assert columns(g.get_table_version(DatabaseName=db, TableName=follows, VersionId="0")["TableVersion"]["Table"]) == [("a", "int")]
    assert columns(g.get_table(DatabaseName=db, Name=fixed)["Table"]) == [("a", "int")]
    g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition='"string"')  # gives no columns: the table stays
    assert columns(g.get_table(DatabaseName=db, Name=follows)["Table"]) == [("a", "int"), ("b", "string")]
    g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=A3)
    assert columns(g.get_table(DatabaseName=db, Name=follows)["Table"]) == [("a", "bigint"), ("b", "string"), ("c", "double")]
    g.update_table(DatabaseName=db, TableInput={"Name": follows, "StorageDescriptor": {"Columns": [{"Name": "own", "Type": "int"}]}})
    g.register_schema_version(SchemaId=sid(reg, n), SchemaDefinition=record(("z", "int")))
    assert columns(g.get_table(DatabaseName=db, Name=follows)["Table"]) == [("own", "int")]
    g.delete_table(DatabaseName=db, Name=fixed)
