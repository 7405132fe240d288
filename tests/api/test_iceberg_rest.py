"""The Iceberg REST catalogue: its protocol over plain HTTP, and PyIceberg and DuckDB on top of it."""
import base64
import concurrent.futures
import json
import os
import random
import urllib.parse
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from botocore.exceptions import ClientError
from conftest import wait_for

from iceberg_client import Refused, Rest, schema

pyiceberg = pytest.importorskip("pyiceberg")
from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg.exceptions import (CommitFailedException, NamespaceAlreadyExistsError, NamespaceNotEmptyError,  # noqa: E402
                                  NoSuchNamespaceError, NoSuchTableError, TableAlreadyExistsError)
from pyiceberg.expressions import EqualTo  # noqa: E402
from pyiceberg.types import IntegerType, LongType, StringType  # noqa: E402


def name(prefix="n"):
    return prefix + uuid.uuid4().hex[:10]


@pytest.fixture(scope="module")
def rest(server):
    return Rest(server)


@pytest.fixture
def ns(rest):
    n = name("ns")
    rest.post("namespaces", {"namespace": [n]})
    return n


@pytest.fixture(scope="module")
def catalog(server):
    return load_catalog(name(), type="rest", uri=server.url + "/iceberg",
                        credential=f"{server.access_key}:{server.secret_key}")


def refused(status, type_, call, *args, says=None):
    with pytest.raises(Refused) as e:
        call(*args)
    assert (e.value.status, e.value.type) == (status, type_), e.value
    if says:
        assert says in e.value.message, e.value
    return e.value


TABLE = {"name": "t", "schema": schema((1, "a", "long", True), (2, "b", "string"))}


def make(rest, ns, **more):
    return rest.post(f"namespaces/{ns}/tables", {**TABLE, **more})


def uuid_of(loaded):
    return {"type": "assert-table-uuid", "uuid": loaded["metadata"]["table-uuid"]}


# ---- who asks ----

def test_tokens_vouch_for_the_key_pair(server, rest):
    granted = rest.login(server.access_key, server.secret_key)
    assert granted["token_type"] == "bearer" and granted["expires_in"] > 0
    assert Rest(server, granted["access_token"]).get("config")["overrides"]["prefix"] == "catalogs/000000000000"
    with pytest.raises(Refused) as e:
        rest.login(server.access_key, server.secret_key[:-1] + "x")
    assert e.value.status == 401 and e.value.error["error"] == "invalid_client"
    with pytest.raises(Refused) as e:
        rest.login(server.access_key, server.secret_key, grant_type="password")
    assert e.value.status == 400 and e.value.error["error"] == "unsupported_grant_type"
    basic = base64.b64encode(f"{server.access_key}:{server.secret_key}".encode()).decode()
    status, _, text = rest.raw("POST", "oauth/tokens", form={"grant_type": "client_credentials"},
                               headers={"Authorization": "Basic " + basic})
    assert status == 200 and json.loads(text)["access_token"]
    status, _, text = rest.raw("POST", "oauth/tokens", form={
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": granted["access_token"]})
    assert status == 200 and json.loads(text)["access_token"]


def test_no_other_token_is_taken(server, rest):
    key, expiry, mac = rest.token.split(".")
    for bad, status, type_ in [("", 401, "NotAuthorizedException"), ("x.y.z", 401, "NotAuthorizedException"),
                               (f"{key}.{int(expiry) + 1}.{mac}", 401, "NotAuthorizedException"),
                               (f"{key}.{expiry}.{mac[:-1]}{'0' if mac[-1] != '0' else '1'}", 401, "NotAuthorizedException"),
                               (f"other.{expiry}.{mac}", 401, "NotAuthorizedException")]:
        refused(status, type_, lambda: rest.call("GET", "namespaces", headers={"Authorization": "Bearer " + bad}))
    refused(401, "NotAuthorizedException", lambda: rest.call("GET", "namespaces", headers={"Authorization": ""}))


@pytest.mark.parametrize("service", ["glue", "s3tables", "execute-api"])
def test_signed_requests_are_taken_from_every_service_that_clients_sign_for(server, ns, service):
    signed = load_catalog(name(), type="rest", uri=server.url + "/iceberg", **{
        "rest.sigv4-enabled": "true", "rest.signing-name": service, "rest.signing-region": "us-east-1",
        "client.access-key-id": server.access_key, "client.secret-access-key": server.secret_key})
    assert (ns,) in signed.list_namespaces()
    with pytest.raises(NoSuchTableError):
        signed.load_table(f"{ns}.none")


def test_other_services_and_secrets_are_refused(server):
    for more, says in [({"rest.signing-name": "s3"}, "correct service"), ({"client.secret-access-key": "x" * 40}, "signature")]:
        with pytest.raises(Exception, match=says):
            load_catalog(name(), type="rest", uri=server.url + "/iceberg", **{
                "rest.sigv4-enabled": "true", "rest.signing-name": "glue", "rest.signing-region": "us-east-1",
                "client.access-key-id": server.access_key, "client.secret-access-key": server.secret_key, **more}).list_namespaces()


def test_a_region_is_a_namespace(server, glue_in, ns):
    there = name("eu")
    glue_in("eu-west-1").create_database(DatabaseInput={"Name": there})
    eu = load_catalog(name(), type="rest", uri=server.url + "/iceberg", **{
        "rest.sigv4-enabled": "true", "rest.signing-name": "glue", "rest.signing-region": "eu-west-1",
        "client.access-key-id": server.access_key, "client.secret-access-key": server.secret_key})
    seen = eu.list_namespaces()
    assert (there,) in seen and (ns,) not in seen


def test_prefixes(rest, ns):
    for prefix in ("", "catalogs/000000000000/", "catalogs%2F000000000000/"):
        assert rest.get(f"{prefix}namespaces/{ns}")["namespace"] == [ns]
    refused(404, "NotFoundException", rest.get, f"catalogs/111111111111/namespaces/{ns}", says="111111111111")
    refused(404, "NotFoundException", rest.get, "nowhere", says="No route")
    assert rest.get("config?warehouse=000000000000")["overrides"]["prefix"] == "catalogs/000000000000"
    refused(404, "NotFoundException", rest.get, "config?warehouse=other")
    endpoints = rest.get("config")["endpoints"]
    assert "POST /v1/{prefix}/transactions/commit" in endpoints and len(set(endpoints)) == len(endpoints)


def test_a_catalogue_of_its_own_is_a_prefix(server, rest, glue, ns):
    mine = name("cat")
    glue.create_catalog(Name=mine, CatalogInput={"Description": "apart"})
    id_ = f"000000000000:{mine}"
    assert rest.get(f"config?warehouse={id_}")["overrides"]["prefix"] == f"catalogs/{id_}"
    apart = load_catalog(name(), type="rest", uri=server.url + "/iceberg", warehouse=id_, credential=f"{server.access_key}:{server.secret_key}")
    apart.create_namespace("only")
    assert apart.list_namespaces() == [("only",)] and ("only",) not in [tuple(n) for n in rest.get("namespaces")["namespaces"]]
    t = apart.create_table("only.t", schema=pa.schema([("a", pa.int64())]))
    t.append(pa.table({"a": pa.array([1, 2], pa.int64())}))
    row = glue.get_table(CatalogId=id_, DatabaseName="only", Name="t")["Table"]
    assert row["Parameters"]["metadata_location"] == apart.load_table("only.t").metadata_location
    which = {"CatalogId": id_, "DatabaseName": "only", "TableName": "t", "Type": "compaction"}
    glue.create_table_optimizer(**which, TableOptimizerConfiguration={"enabled": True})
    wait_for(lambda: glue.get_table_optimizer(**which)["TableOptimizer"].get("lastRun", {}).get("eventType") == "completed", 60)
    apart.rename_table("only.t", "only.u")
    assert apart.list_tables("only") == [("only", "u")]
    apart.drop_table("only.u")
    apart.drop_namespace("only")
    assert apart.list_namespaces() == []


# ---- namespaces ----

def test_namespaces_are_databases(rest, glue):
    n = name("ns")
    made = rest.post("namespaces", {"namespace": [n], "properties": {"k": "v", "comment": "text", "location": "s3://bucket/x"}})
    assert made == {"namespace": [n], "properties": {"k": "v", "comment": "text", "location": "s3://bucket/x"}}
    db = glue.get_database(Name=n)["Database"]
    assert (db["Parameters"], db["Description"], db["LocationUri"]) == ({"k": "v"}, "text", "s3://bucket/x")
    refused(409, "AlreadyExistsException", rest.post, "namespaces", {"namespace": [n]})
    assert rest.head(f"namespaces/{n}") == 204 and rest.head(f"namespaces/{n}x") == 404
    changed = rest.post(f"namespaces/{n}/properties", {"removals": ["k", "none", "comment"], "updates": {"a": "1", "location": "s3://b/y"}})
    assert sorted(changed["updated"]) == ["a", "location"]
    assert sorted(changed["removed"]) == ["comment", "k"] and changed["missing"] == ["none"]
    assert rest.get(f"namespaces/{n}")["properties"] == {"a": "1", "location": "s3://b/y"}
    refused(422, "UnprocessableEntityException", rest.post, f"namespaces/{n}/properties", {"removals": ["a"], "updates": {"a": "2"}})
    rest.post(f"namespaces/{n}/properties", {"removals": ["location"]})
    make(rest, n)
    refused(409, "NamespaceNotEmptyException", rest.delete, f"namespaces/{n}")
    rest.delete(f"namespaces/{n}/tables/t")
    rest.delete(f"namespaces/{n}")
    refused(404, "NoSuchNamespaceException", rest.get, f"namespaces/{n}")
    refused(404, "NoSuchNamespaceException", rest.delete, f"namespaces/{n}")
    refused(404, "NoSuchNamespaceException", rest.post, f"namespaces/{n}/properties", {"updates": {"a": "b"}})


def test_nested_namespaces_are_refused(rest, ns):
    refused(400, "BadRequestException", rest.post, "namespaces", {"namespace": [ns, "b"]}, says="Nested")
    refused(404, "NoSuchNamespaceException", rest.get, f"namespaces/{ns}%1Fb")
    assert rest.get(f"namespaces?parent={ns}")["namespaces"] == []
    refused(404, "NoSuchNamespaceException", rest.get, "namespaces?parent=absent")


@pytest.mark.parametrize("body", ["", "[]", "{", '{"namespace":"x"}', '{"namespace":[]}', '{"namespace":[1]}', '{"namespace":["x"],"properties":{"a":1}}'])
def test_malformed_bodies(rest, body):
    refused(400, "BadRequestException", rest.post, "namespaces", body)


def test_listings_go_by_pages(rest, ns):
    names = sorted(name("t") for _ in range(7))
    for n in names:
        make(rest, ns, name=n)
    for size in (1, 3, 100):
        seen, token = [], ""
        while token is not None:
            page = rest.get(f"namespaces/{ns}/tables?pageSize={size}&pageToken={token.replace('+', '%2B').replace('/', '%2F').replace('=', '%3D')}")
            assert len(page["identifiers"]) <= size
            seen += [i["name"] for i in page["identifiers"]]
            assert all(i["namespace"] == [ns] for i in page["identifiers"])
            token = page.get("next-page-token")
        assert seen == names
    assert [i["name"] for i in rest.get(f"namespaces/{ns}/tables")["identifiers"]] == names
    refused(400, "BadRequestException", rest.get, f"namespaces/{ns}/tables?pageToken=zzzz")
    refused(400, "BadRequestException", rest.get, f"namespaces/{ns}/tables?pageSize=0")
    refused(404, "NoSuchNamespaceException", rest.get, "namespaces/absent/tables")
    first = rest.get("namespaces?pageSize=1&pageToken=")
    assert len(first["namespaces"]) == 1


# ---- tables ----

def test_create_load_drop(rest, ns, s3):
    made = make(rest, ns, properties={"p": "q"}, **{
        "partition-spec": {"fields": [{"source-id": 1, "transform": "bucket[8]", "name": "a_bucket"}]},
        "write-order": {"order-id": 1, "fields": [{"source-id": 2, "transform": "identity", "direction": "asc", "null-order": "nulls-last"}]}})
    m = made["metadata"]
    assert m["format-version"] == 2 and m["properties"] == {"p": "q"} and uuid.UUID(m["table-uuid"])
    assert m["partition-specs"][0]["fields"] == [{"source-id": 1, "transform": "bucket[8]", "name": "a_bucket", "field-id": 1000}]
    assert m["last-column-id"] == 2 and m["last-partition-id"] == 1000 and m["default-sort-order-id"] == 1
    bucket, key = made["metadata-location"].removeprefix("s3://").split("/", 1)
    assert json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read()) == m
    assert rest.get(f"namespaces/{ns}/tables/t")["metadata"] == m
    assert rest.head(f"namespaces/{ns}/tables/t") == 204 and rest.head(f"namespaces/{ns}/tables/x") == 404
    refused(409, "AlreadyExistsException", make, rest, ns)
    refused(404, "NoSuchNamespaceException", make, rest, "absent")
    rest.delete(f"namespaces/{ns}/tables/t")
    refused(404, "NoSuchTableException", rest.get, f"namespaces/{ns}/tables/t")
    refused(404, "NoSuchTableException", rest.delete, f"namespaces/{ns}/tables/t")


def test_ids_are_counted_anew(rest, ns):
    nested = {"type": "struct", "fields": [{"id": 90, "name": "x", "type": "int", "required": False}]}
    made = make(rest, ns, schema=schema((70, "m", {"type": "map", "key-id": 71, "key": "string", "value-id": 72, "value": nested, "value-required": False}),
                                        (5, "k", "long", True), identifiers=[5]),
                **{"partition-spec": {"fields": [{"source-id": 5, "transform": "identity", "name": "k"}]}})
    s = made["metadata"]["schemas"][0]
    assert [f["id"] for f in s["fields"]] == [1, 2] and s["identifier-field-ids"] == [2]
    m = s["fields"][0]["type"]
    assert (m["key-id"], m["value-id"], m["value"]["fields"][0]["id"]) == (3, 4, 5)
    assert made["metadata"]["partition-specs"][0]["fields"][0]["source-id"] == 2 and made["metadata"]["last-column-id"] == 5


@pytest.mark.parametrize("change, type_, says", [
    ({"schema": schema((1, "a", "longer"))}, "BadRequestException", "longer"),
    ({"schema": schema((1, "a", "long"), (1, "b", "long"))}, "BadRequestException", "multiple fields for id 1"),
    ({"schema": schema((1, "a", "long"), (2, "a", "long"))}, "BadRequestException", "multiple fields for name a"),
    ({"schema": schema((1, "a", "decimal(39, 2)"))}, "BadRequestException", "decimal"),
    ({"schema": schema((1, "a", "timestamp_ns"))}, "BadRequestException", "v3"),
    ({"schema": schema((1, "a", "double", True), identifiers=[1])}, "BadRequestException", "identifier"),
    ({"schema": {"type": "list"}}, "BadRequestException", "struct"),
    ({"schema": None}, "BadRequestException", "schema"),
    ({"name": ""}, "BadRequestException", "name"),
    ({"partition-spec": {"fields": [{"source-id": 9, "transform": "identity", "name": "z"}]}}, "ValidationException", "source column"),
    ({"partition-spec": {"fields": [{"source-id": 2, "transform": "day", "name": "z"}]}}, "ValidationException", "day"),
    ({"partition-spec": {"fields": [{"source-id": 1, "transform": "cube", "name": "z"}]}}, "BadRequestException", "cube"),
    ({"partition-spec": {"fields": [{"source-id": 1, "transform": "bucket[4]", "name": "b"}]}}, "ValidationException", "exists in schema"),
    ({"write-order": {"fields": [{"source-id": 1, "transform": "identity", "direction": "up", "null-order": "nulls-last"}]}}, "BadRequestException", "direction"),
    ({"properties": {"format-version": "4"}}, "BadRequestException", "v4"),
    ({"properties": {"a": 1}}, "BadRequestException", "string"),
    ({"location": "file:///x"}, "BadRequestException", "Invalid location"),
    ({"location": "s3://no-such-bucket-here/x"}, "BadRequestException", "does not exist"),
])
def test_create_refuses(rest, ns, change, type_, says):
    with pytest.raises(Refused) as e:
        make(rest, ns, **change)
    assert (e.value.status, e.value.type) == (400, type_) and says in e.value.message, e.value
    assert rest.head(f"namespaces/{ns}/tables/t") == 404


@pytest.mark.parametrize("version", [1, 2, 3])
def test_format_versions(rest, ns, s3, version):
    made = make(rest, ns, properties={"format-version": str(version)})
    m = made["metadata"]
    assert m["format-version"] == version and "format-version" not in m["properties"]
    assert ("schema" in m and "partition-spec" in m) == (version == 1)
    assert ("next-row-id" in m) == (version == 3)
    t = rest.post(f"namespaces/{ns}/tables/t", {"requirements": [], "updates": [{"action": "upgrade-format-version", "format-version": 3}]})
    assert t["metadata"]["format-version"] == 3 and t["metadata"]["next-row-id"] == 0
    refused(400, "BadRequestException", rest.post, f"namespaces/{ns}/tables/t",
            {"requirements": [], "updates": [{"action": "upgrade-format-version", "format-version": 2}]}, says="downgrade")


def test_what_a_catalogue_entry_says(rest, ns, glue):
    made = make(rest, ns, properties={"p": "q"})
    before = glue.get_table(DatabaseName=ns, Name="t")["Table"]
    assert before["Parameters"] == {"table_type": "ICEBERG", "metadata_location": made["metadata-location"], "p": "q"}
    assert [(c["Name"], c["Type"]) for c in before["StorageDescriptor"]["Columns"]] == [("a", "bigint"), ("b", "string")]
    assert before["StorageDescriptor"]["Location"] == made["metadata"]["location"]
    glue.update_table(DatabaseName=ns, TableInput={**{k: before[k] for k in ("Name", "StorageDescriptor", "TableType")},
                                                   "Parameters": {**before["Parameters"], "mine": "kept"}, "Owner": "me"})
    next_ = rest.post(f"namespaces/{ns}/tables/t", {"requirements": [uuid_of(made)], "updates": [
        {"action": "set-properties", "updates": {"r": "s"}}, {"action": "remove-properties", "removals": ["p"]},
        {"action": "add-schema", "schema": schema((1, "a", "long", True), (3, "c", "decimal(9, 2)"))}, {"action": "set-current-schema", "schema-id": -1}]})
    after = glue.get_table(DatabaseName=ns, Name="t")["Table"]
    assert after["Parameters"] == {"table_type": "ICEBERG", "metadata_location": next_["metadata-location"], "mine": "kept",
                                   "previous_metadata_location": made["metadata-location"], "r": "s"}
    assert after["Owner"] == "me"
    assert [(c["Name"], c["Type"], c["Parameters"]["iceberg.field.current"]) for c in after["StorageDescriptor"]["Columns"]] == [
        ("a", "bigint", "true"), ("c", "decimal(9,2)", "true"), ("b", "string", "false")]


def test_plain_tables_are_not_there(rest, ns, glue):
    glue.create_table(DatabaseName=ns, TableInput={"Name": "plain", "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}]}})
    assert rest.get(f"namespaces/{ns}/tables")["identifiers"] == []
    refused(404, "NoSuchTableException", rest.get, f"namespaces/{ns}/tables/plain")
    refused(409, "AlreadyExistsException", lambda: make(rest, ns, name="plain"))
    refused(404, "NoSuchTableException", rest.post, f"namespaces/{ns}/tables/plain", {"updates": []})


def test_credentials_and_tags(server, rest, ns):
    make(rest, ns)
    path = f"namespaces/{ns}/tables/t"
    plain = rest.get(path)
    assert plain["config"]["s3.endpoint"] == server.s3_url and "s3.secret-access-key" not in plain["config"]
    assert "storage-credentials" not in plain
    lent = rest.get(path, X_Iceberg_Access_Delegation="vended-credentials,remote-signing")
    assert lent["config"]["s3.access-key-id"] != server.access_key and lent["config"]["s3.secret-access-key"] != server.secret_key
    given = rest.get(path + "/credentials")["storage-credentials"]
    assert given == lent["storage-credentials"] and [g["prefix"] for g in given] == [plain["metadata"]["location"] + "/"]
    assert all(given[0]["config"][k] == lent["config"][k] for k in ("s3.access-key-id", "s3.secret-access-key", "s3.session-token-expires-at-ms"))
    status, headers, _ = rest.raw("GET", path)
    again, _, text = rest.raw("GET", path, headers={"If-None-Match": headers["ETag"]})
    assert (status, again, text) == (200, 304, b"")
    rest.post(path, {"requirements": [], "updates": [{"action": "set-properties", "updates": {"a": "b"}}]})
    assert rest.raw("GET", path, headers={"If-None-Match": headers["ETag"]})[0] == 200


def lent_client(server, config):
    import boto3
    return boto3.client("s3", region_name="us-east-1", endpoint_url=config["s3.endpoint"], aws_access_key_id=config["s3.access-key-id"],
                        aws_secret_access_key=config["s3.secret-access-key"])


def denied(call, **params):
    with pytest.raises(ClientError) as e:
        call(**params)
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403, e.value.response


def test_lent_keys_reach_the_table_and_no_more(server, rest, ns, s3):
    vended = {"X_Iceberg_Access_Delegation": "vended-credentials"}
    bucket = name("lent")
    s3.create_bucket(Bucket=bucket)
    for t in ("t", "t2"):
        make(rest, ns, name=t, location=f"s3://{bucket}/w/{t}", properties={"write.data.path": f"s3://{bucket}/data/{t}/"})
    config = rest.get(f"namespaces/{ns}/tables/t", **vended)["config"]
    c = lent_client(server, config)
    assert int(config["s3.session-token-expires-at-ms"]) > 0
    s3.put_object(Bucket=bucket, Key="w/t2/x", Body=b"theirs")
    for prefix in ("w/t/", "data/t/"):
        c.put_object(Bucket=bucket, Key=prefix + "x", Body=b"mine")
        assert c.get_object(Bucket=bucket, Key=prefix + "x")["Body"].read() == b"mine"
        assert prefix + "x" in [o["Key"] for o in c.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
        upload = c.create_multipart_upload(Bucket=bucket, Key=prefix + "m")["UploadId"]
        c.abort_multipart_upload(Bucket=bucket, Key=prefix + "m", UploadId=upload)
        c.delete_object(Bucket=bucket, Key=prefix + "x")
    for key in ("w/t2/x", "w/x", "w/t", "data/t2/x", "x"):
        denied(c.get_object, Bucket=bucket, Key=key)
        denied(c.put_object, Bucket=bucket, Key=key, Body=b"")
        denied(c.delete_object, Bucket=bucket, Key=key)
        denied(c.create_multipart_upload, Bucket=bucket, Key=key)
    for prefix in ("", "w/", "w/t2/"):
        denied(c.list_objects_v2, Bucket=bucket, Prefix=prefix)
    denied(c.copy_object, Bucket=bucket, Key="w/t/copy", CopySource=f"{bucket}/w/t2/x")
    denied(c.delete_bucket, Bucket=bucket)
    assert c.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "w/t2/x"}]})["Errors"][0]["Code"] == "AccessDenied"
    assert s3.get_object(Bucket=bucket, Key="w/t2/x")["Body"].read() == b"theirs"
    # the same for the same table, others for another; the pair is none of this server's own doors
    again = rest.get(f"namespaces/{ns}/tables/t", **vended)["config"]
    assert again["s3.access-key-id"] == config["s3.access-key-id"]
    theirs = rest.get(f"namespaces/{ns}/tables/t2", **vended)["config"]
    assert theirs["s3.access-key-id"] != config["s3.access-key-id"]
    lent_client(server, theirs).get_object(Bucket=bucket, Key="w/t2/x")
    with pytest.raises(Refused):
        rest.login(config["s3.access-key-id"], config["s3.secret-access-key"])
    # a name with a wildcard in it cannot be limited to: none are given
    odd = make(rest, ns, name="odd", location=f"s3://{bucket}/w/*")
    assert odd["metadata"]["location"].endswith("*") and "s3.access-key-id" not in rest.get(f"namespaces/{ns}/tables/odd", **vended)["config"]


def test_pyiceberg_works_with_lent_keys_alone(server, rest, ns, monkeypatch):
    for k in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(k, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    catalog = load_catalog(name(), type="rest", uri=server.url + "/iceberg", credential=f"{server.access_key}:{server.secret_key}",
                           **{"header.X-Iceberg-Access-Delegation": "vended-credentials"})
    t = catalog.create_table(f"{ns}.lent", pa.schema([("id", pa.int64())]))
    t.append(pa.table({"id": [1, 2, 3]}))
    t = catalog.load_table(f"{ns}.lent")
    assert t.io.properties["s3.access-key-id"] != server.access_key and t.scan().to_arrow()["id"].to_pylist() == [1, 2, 3]


def test_lent_keys_end_in_time(new_server):
    """Each new pair works at once, old ones do not come back when later ones are told."""
    server = new_server(args=["--lent-key-life", "3"])
    rest = Rest(server)
    rest.post("namespaces", {"namespace": ["d"]})
    made = make(rest, "d")
    where, key = made["metadata-location"].removeprefix("s3://").split("/", 1)
    seen = []

    def works(config):
        try:
            return lent_client(server, config).get_object(Bucket=where, Key=key)["Body"].read() != b""
        except ClientError as e:
            assert e.response["ResponseMetadata"]["HTTPStatusCode"] == 403, e.response
            return False
    for _ in range(3):
        config = rest.get("namespaces/d/tables/t", X_Iceberg_Access_Delegation="vended-credentials")["config"]
        assert config["s3.access-key-id"] not in [s["s3.access-key-id"] for s in seen] and works(config)
        seen.append(config)
        wait_for(lambda: not works(seen[-1]), 30)
    assert [works(s) for s in seen] == [False] * 3 and server.client("s3").get_object(Bucket=where, Key=key)


def test_lent_keys_end_with_the_server(new_server):
    server = new_server()
    rest, s3 = Rest(server), server.client("s3")
    rest.post("namespaces", {"namespace": ["d"]})
    make(rest, "d")
    config = rest.get("namespaces/d/tables/t", X_Iceberg_Access_Delegation="vended-credentials")["config"]
    where, key = rest.get("namespaces/d/tables/t")["metadata-location"].removeprefix("s3://").split("/", 1)
    assert lent_client(server, config).get_object(Bucket=where, Key=key)["Body"].read()
    server.kill()
    server.start()
    lent_client_ = lent_client(server, {**config, "s3.endpoint": server.s3_url})
    wait_for(lambda: server.client("s3").list_buckets()["Buckets"], 60)

    def refused_now():
        try:
            lent_client_.get_object(Bucket=where, Key=key)
        except ClientError as e:
            return e.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    wait_for(refused_now, 60)
    new = Rest(server).get("namespaces/d/tables/t", X_Iceberg_Access_Delegation="vended-credentials")["config"]
    assert new["s3.access-key-id"] != config["s3.access-key-id"]
    assert lent_client(server, new).get_object(Bucket=where, Key=key)["Body"].read()


def test_staged_tables_are_made_by_their_commit(rest, ns):
    staged = make(rest, ns, **{"stage-create": True})
    assert "metadata-location" not in staged and staged["metadata"]["location"]
    refused(404, "NoSuchTableException", rest.get, f"namespaces/{ns}/tables/t")
    m = staged["metadata"]
    updates = [{"action": "assign-uuid", "uuid": m["table-uuid"]}, {"action": "upgrade-format-version", "format-version": 2},
               {"action": "add-schema", "schema": m["schemas"][0]}, {"action": "set-current-schema", "schema-id": -1},
               {"action": "add-spec", "spec": {"fields": []}}, {"action": "set-default-spec", "spec-id": -1},
               {"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}}, {"action": "set-default-sort-order", "sort-order-id": -1},
               {"action": "set-location", "location": m["location"]}]
    refused(404, "NoSuchTableException", rest.post, f"namespaces/{ns}/tables/t", {"requirements": [], "updates": updates})
    made = rest.post(f"namespaces/{ns}/tables/t", {"requirements": [{"type": "assert-create"}], "updates": updates})
    for key in ("table-uuid", "schemas", "partition-specs", "sort-orders", "location", "last-column-id"):
        assert made["metadata"][key] == m[key]
    refused(409, "CommitFailedException", rest.post, f"namespaces/{ns}/tables/t",
            {"requirements": [{"type": "assert-create"}], "updates": updates}, says="already exists")


def test_a_table_of_a_namespace_that_is_not_there(rest, ns):
    """NoSuchTable, not NoSuchNamespace: Spark looks for db.t.snapshots as a table of namespace db.t and then for db.t's own."""
    made = make(rest, ns)
    levels = urllib.parse.quote(f"{ns}\x1ft")
    for where in ("absent", levels):
        for path in (f"namespaces/{where}/tables/t", f"namespaces/{where}/tables/t/credentials"):
            refused(404, "NoSuchTableException", rest.get, path)
        refused(404, "NoSuchTableException", rest.delete, f"namespaces/{where}/tables/t")
        refused(404, "NoSuchTableException", rest.post, f"namespaces/{where}/tables/t", {"requirements": [uuid_of(made)], "updates": []})
        refused(404, "NoSuchViewException", rest.get, f"namespaces/{where}/views/t")
        refused(404, "NoSuchNamespaceException", rest.get, f"namespaces/{where}/tables")
        assert rest.head(f"namespaces/{where}/tables/t") == 404
    refused(404, "NoSuchNamespaceException", rest.post, "namespaces/absent/tables/t", {"requirements": [{"type": "assert-create"}], "updates": []})


def test_rename_and_register(rest, ns):
    other = name("other")
    rest.post("namespaces", {"namespace": [other]})
    made = make(rest, ns)
    move = {"source": {"namespace": [ns], "name": "t"}, "destination": {"namespace": [other], "name": "u"}}
    rest.post("tables/rename", move)
    assert rest.get(f"namespaces/{other}/tables/u")["metadata"] == made["metadata"]
    refused(404, "NoSuchTableException", rest.post, "tables/rename", move)
    make(rest, ns)
    refused(409, "AlreadyExistsException", rest.post, "tables/rename", move)
    refused(404, "NoSuchNamespaceException", rest.post, "tables/rename", {**move, "destination": {"namespace": ["absent"], "name": "u"}})
    body = {"name": "u", "metadata-location": made["metadata-location"]}
    refused(409, "AlreadyExistsException", rest.post, f"namespaces/{other}/register", body)
    rest.post(f"namespaces/{other}/tables/u", {"requirements": [], "updates": [{"action": "set-properties", "updates": {"a": "b"}}]})
    assert rest.post(f"namespaces/{other}/register", {**body, "overwrite": True})["metadata"] == made["metadata"]
    assert rest.get(f"namespaces/{other}/tables/u")["metadata-location"] == made["metadata-location"]
    rest.delete(f"namespaces/{other}/tables/u")
    assert rest.post(f"namespaces/{other}/register", body)["metadata"] == made["metadata"]
    refused(400, "BadRequestException", rest.post, f"namespaces/{other}/register", {"name": "v", "metadata-location": made["metadata-location"] + "x"})


def test_unregister_leaves_the_files(rest, ns, s3):
    made = make(rest, ns)
    path = f"namespaces/{ns}/tables/t"
    last = rest.post(path, {"requirements": [], "updates": [{"action": "set-properties", "updates": {"a": "b"}}]})
    gone = rest.call("POST", path + "/unregister")
    assert gone == {"metadata-location": last["metadata-location"], "metadata": last["metadata"]}
    refused(404, "NoSuchTableException", lambda: rest.call("POST", path + "/unregister"))
    refused(404, "NoSuchTableException", rest.post, path, {"requirements": [uuid_of(made)], "updates": []})
    assert rest.post(f"namespaces/{ns}/register", {"name": "again", "metadata-location": gone["metadata-location"]})["metadata"] == last["metadata"]


def test_register_refuses_what_is_no_metadata(rest, ns, s3):
    bucket = name("b")
    s3.create_bucket(Bucket=bucket)
    for key, text, status in [("a.json", "{}", 400), ("b.json", "no json", 422), ("c.json", '{"format-version":2}', 400), ("d.json", "[]", 422)]:
        s3.put_object(Bucket=bucket, Key=key, Body=text.encode())
        with pytest.raises(Refused) as e:
            rest.post(f"namespaces/{ns}/register", {"name": "v", "metadata-location": f"s3://{bucket}/{key}"})
        assert e.value.status == status and "metadata" in e.value.message.lower() or "version" in e.value.message, e.value


# ---- commits ----

def test_requirements(rest, ns):
    made = make(rest, ns)
    path = f"namespaces/{ns}/tables/t"
    good = [uuid_of(made), {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": None},
            {"type": "assert-last-assigned-field-id", "last-assigned-field-id": 2}, {"type": "assert-current-schema-id", "current-schema-id": 0},
            {"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 999}, {"type": "assert-default-spec-id", "default-spec-id": 0},
            {"type": "assert-default-sort-order-id", "default-sort-order-id": 0}]
    update = [{"action": "set-properties", "updates": {"a": "b"}}]
    assert rest.post(path, {"requirements": good, "updates": update})["metadata"]["properties"] == {"a": "b"}
    bad = [({"type": "assert-table-uuid", "uuid": str(uuid.uuid4())}, "UUID"), ({"type": "assert-create"}, "already exists"),
           ({"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 5}, "missing"),
           ({"type": "assert-last-assigned-field-id", "last-assigned-field-id": 3}, "field id"), ({"type": "assert-current-schema-id", "current-schema-id": 1}, "schema"),
           ({"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 1000}, "partition id"), ({"type": "assert-default-spec-id", "default-spec-id": 1}, "spec"),
           ({"type": "assert-default-sort-order-id", "default-sort-order-id": 1}, "sort order")]
    for requirement, says in bad:
        refused(409, "CommitFailedException", rest.post, path, {"requirements": [requirement], "updates": update}, says=says)
    refused(400, "BadRequestException", rest.post, path, {"requirements": [{"type": "assert-luck"}], "updates": update}, says="assert-luck")
    refused(400, "BadRequestException", rest.post, path, {"requirements": [], "updates": [{"action": "explode"}]}, says="explode")


def test_a_commit_that_changes_nothing_writes_nothing(rest, ns):
    made = make(rest, ns)
    same = rest.post(f"namespaces/{ns}/tables/t", {"requirements": [uuid_of(made)], "updates": [{"action": "set-default-spec", "spec-id": 0}]})
    assert same["metadata-location"] == made["metadata-location"]


def test_transactions_are_all_or_nothing(rest, ns):
    a, b = make(rest, ns, name="a"), make(rest, ns, name="b")

    def change(n, t, **more):
        return {"identifier": {"namespace": [ns], "name": n}, "requirements": [uuid_of(t)],
                "updates": [{"action": "set-properties", "updates": more}]}

    rest.post("transactions/commit", {"table-changes": [change("a", a, x="1"), change("b", b, x="2")]})
    seen = {n: rest.get(f"namespaces/{ns}/tables/{n}") for n in "ab"}
    assert {n: t["metadata"]["properties"] for n, t in seen.items()} == {"a": {"x": "1"}, "b": {"x": "2"}}
    refused(409, "CommitFailedException", rest.post, "transactions/commit",
            {"table-changes": [change("a", a, x="3"), {**change("b", b, x="4"), "requirements": [{"type": "assert-table-uuid", "uuid": "x"}]}]})
    assert rest.get(f"namespaces/{ns}/tables/a")["metadata-location"] == seen["a"]["metadata-location"]
    refused(404, "NoSuchTableException", rest.post, "transactions/commit", {"table-changes": [change("a", a, x="3"), change("none", b, x="4")]})
    refused(400, "BadRequestException", rest.post, "transactions/commit", {"table-changes": [change("a", a, x="3"), change("a", a, x="4")]})
    refused(400, "BadRequestException", rest.post, "transactions/commit", {"table-changes": [{"requirements": [], "updates": []}]})


def test_one_committer_a_base_wins(rest, ns):
    """Everyone changes the same schema: one wins each round, the others are told so, and nothing that was acknowledged is lost."""
    made = make(rest, ns)
    won = []
    for round_ in range(3):
        now = rest.get(f"namespaces/{ns}/tables/t")["metadata"]

        def commit(i):
            column = f"c{round_}_{i}"
            fields = now["schemas"][-1]["fields"] + [{"id": now["last-column-id"] + 1, "name": column, "type": "int", "required": False}]
            try:
                rest.post(f"namespaces/{ns}/tables/t", {
                    "requirements": [uuid_of(made), {"type": "assert-current-schema-id", "current-schema-id": now["current-schema-id"]}],
                    "updates": [{"action": "add-schema", "schema": {"type": "struct", "fields": fields}}, {"action": "set-current-schema", "schema-id": -1}]})
                return column
            except Refused as e:
                assert (e.status, e.type) == (409, "CommitFailedException"), e
                return None

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            winners = [c for c in pool.map(commit, range(8)) if c]
        assert len(winners) == 1
        won += winners
    last = rest.get(f"namespaces/{ns}/tables/t")["metadata"]
    assert [f["name"] for f in last["schemas"][-1]["fields"]] == ["a", "b"] + won
    assert len(last["metadata-log"]) == 3


def test_changes_that_do_not_collide_all_go_in(rest, ns):
    made = make(rest, ns)

    def commit(i):
        return rest.post(f"namespaces/{ns}/tables/t", {"requirements": [uuid_of(made)], "updates": [{"action": "set-properties", "updates": {f"k{i}": str(i)}}]})

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(commit, range(12)))
    assert rest.get(f"namespaces/{ns}/tables/t")["metadata"]["properties"] == {f"k{i}": str(i) for i in range(12)}


def test_old_metadata_is_logged_and_taken_away(rest, ns, s3):
    made = make(rest, ns, properties={"write.metadata.previous-versions-max": "2", "write.metadata.delete-after-commit.enabled": "true"})
    places = [made["metadata-location"]]
    for i in range(4):
        t = rest.post(f"namespaces/{ns}/tables/t", {"requirements": [], "updates": [{"action": "set-properties", "updates": {"i": str(i)}}]})
        places.append(t["metadata-location"])
    assert [e["metadata-file"] for e in t["metadata"]["metadata-log"]] == places[2:4]
    bucket, prefix = made["metadata"]["location"].removeprefix("s3://").split("/", 1)
    left = {f"s3://{bucket}/{o['Key']}" for o in s3.list_objects_v2(Bucket=bucket, Prefix=prefix + "/metadata/")["Contents"]}
    assert left == set(places[2:])
    assert [p.rsplit("/", 1)[1][:6] for p in places] == [f"{i:05}-" for i in range(5)]


def test_compressed_metadata(rest, ns, s3):
    import gzip
    made = make(rest, ns, properties={"write.metadata.compression-codec": "gzip"})
    assert made["metadata-location"].endswith(".gz.metadata.json")
    bucket, key = made["metadata-location"].removeprefix("s3://").split("/", 1)
    assert json.loads(gzip.decompress(s3.get_object(Bucket=bucket, Key=key)["Body"].read())) == made["metadata"]
    rest.delete(f"namespaces/{ns}/tables/t")
    assert rest.post(f"namespaces/{ns}/register", {"name": "t", "metadata-location": made["metadata-location"]})["metadata"] == made["metadata"]


def test_encryption_keys_are_for_version_3(rest, ns):
    make(rest, ns)
    key = {"action": "add-encryption-key", "encryption-key": {"key-id": "k", "encrypted-key-metadata": "bWV0YQ=="}}
    refused(400, "ValidationException", rest.post, f"namespaces/{ns}/tables/t", {"updates": [key]}, says="version 3")
    up = {"action": "upgrade-format-version", "format-version": 3}
    made = rest.post(f"namespaces/{ns}/tables/t", {"updates": [up, key]})
    assert made["metadata"]["encryption-keys"] == [key["encryption-key"]]
    gone = rest.post(f"namespaces/{ns}/tables/t", {"updates": [{"action": "remove-encryption-key", "key-id": "k"}]})
    assert gone["metadata"]["encryption-keys"] == []


def test_metrics_reports(rest, ns):
    make(rest, ns)
    report = {"report-type": "scan-report", "table-name": "t", "snapshot-id": 1, "filter": True, "schema-id": 0, "projected-field-ids": [],
              "projected-field-names": [], "metrics": {}}
    assert rest.post(f"namespaces/{ns}/tables/t/metrics", report) is None
    refused(404, "NoSuchTableException", rest.post, f"namespaces/{ns}/tables/x/metrics", report)
    refused(400, "BadRequestException", rest.post, f"namespaces/{ns}/tables/t/metrics", {"a": 1})


# ---- views ----

def version(sql, dialect="spark", **more):
    return {"version-id": 1, "timestamp-ms": 1700000000000, "schema-id": 0, "summary": {"engine-name": "test"}, "default-namespace": ["x"],
            "representations": [{"type": "sql", "sql": sql, "dialect": dialect}], **more}


def test_views(rest, ns, glue):
    path = f"namespaces/{ns}/views"
    body = {"name": "v", "schema": schema((1, "a", "int")), "view-version": version("select 1 as a"), "properties": {"k": "w"}}
    made = rest.post(path, body)
    m = made["metadata"]
    assert m["current-version-id"] == 1 and m["versions"][0]["representations"][0]["sql"] == "select 1 as a" and m["properties"] == {"k": "w"}
    refused(409, "AlreadyExistsException", rest.post, path, body)
    assert rest.get(path)["identifiers"] == [{"namespace": [ns], "name": "v"}] and rest.get(f"namespaces/{ns}/tables")["identifiers"] == []
    assert rest.get(path + "/v")["metadata"] == m and rest.head(path + "/v") == 204
    refused(404, "NoSuchTableException", rest.get, f"namespaces/{ns}/tables/v")
    row = glue.get_table(DatabaseName=ns, Name="v")["Table"]
    assert row["TableType"] == "VIRTUAL_VIEW" and row["ViewOriginalText"] == "select 1 as a"
    replaced = rest.post(path + "/v", {"requirements": [{"type": "assert-view-uuid", "uuid": m["view-uuid"]}], "updates": [
        {"action": "add-schema", "schema": schema((1, "b", "string"))}, {"action": "add-view-version", "view-version": version("select 'x' as b", **{"schema-id": -1})},
        {"action": "set-current-view-version", "view-version-id": -1}]})["metadata"]
    assert replaced["current-version-id"] == 2 and replaced["versions"][1]["schema-id"] == 1 and len(replaced["version-log"]) == 2
    refused(409, "CommitFailedException", rest.post, path + "/v", {"requirements": [{"type": "assert-view-uuid", "uuid": "no"}], "updates": []}, says="UUID")
    refused(400, "BadRequestException", rest.post, path + "/v", {"updates": [{"action": "add-snapshot", "snapshot": {}}]}, says="add-snapshot")
    twice = version("a")
    twice["representations"] *= 2
    refused(400, "BadRequestException", rest.post, path + "/v", {"updates": [{"action": "add-view-version", "view-version": twice}]}, says="dialect")
    rest.post("views/rename", {"source": {"namespace": [ns], "name": "v"}, "destination": {"namespace": [ns], "name": "w"}})
    refused(404, "NoSuchViewException", rest.get, path + "/v")
    at = rest.get(path + "/w")["metadata-location"]
    rest.delete(path + "/w")
    refused(404, "NoSuchViewException", rest.delete, path + "/w")
    assert rest.post(f"namespaces/{ns}/register-view", {"name": "again", "metadata-location": at})["metadata"] == replaced


def test_view_history_is_bounded(rest, ns):
    path = f"namespaces/{ns}/views"
    rest.post(path, {"name": "v", "schema": schema((1, "a", "int")), "view-version": version("select 0"), "properties": {"version.history.num-entries": "3"}})
    for i in range(1, 6):
        m = rest.post(path + "/v", {"updates": [{"action": "add-view-version", "view-version": version(f"select {i}")},
                                                {"action": "set-current-view-version", "view-version-id": -1}]})["metadata"]
    assert [v["version-id"] for v in m["versions"]] == [4, 5, 6] and m["current-version-id"] == 6


# ---- PyIceberg ----

def rows(table, *columns):
    return sorted(zip(*[table.column(c).to_pylist() for c in columns]), key=repr)


def test_pyiceberg_writes_and_evolves(catalog, ns, s3, server):
    rng = random.Random(7)
    data = pa.table({"id": pa.array(range(200), pa.int64()), "day": [f"d{rng.randrange(5)}" for _ in range(200)],
                     "v": [rng.choice([None, rng.random()]) for _ in range(200)]})
    t = catalog.create_table(f"{ns}.t", schema=data.schema)
    with t.update_spec() as spec:
        spec.add_identity("day")
    t.append(data)
    first = t.current_snapshot().snapshot_id
    with t.update_schema() as change:
        change.add_column("extra", IntegerType(), "said of the column")
        change.rename_column("v", "value")
    more = pa.table({"id": pa.array([1000, 1001], pa.int64()), "day": ["d1", "d9"], "value": [1.0, None], "extra": pa.array([5, None], pa.int32())})
    t.append(more)
    again = catalog.load_table(f"{ns}.t")
    want = rows(data, "id", "day", "v") + rows(more, "id", "day", "value")
    assert rows(again.scan().to_arrow(), "id", "day", "value") == sorted(want, key=repr)
    assert rows(again.scan(snapshot_id=first).to_arrow(), "id", "day", "v") == rows(data, "id", "day", "v")
    assert rows(again.scan(row_filter=EqualTo("day", "d1")).to_arrow(), "id") == sorted(((i,) for i, d, _ in want if d == "d1"), key=repr)
    again.overwrite(more)
    assert rows(catalog.load_table(f"{ns}.t").scan().to_arrow(), "id") == [(1000,), (1001,)]
    again.delete(EqualTo("id", 1001))
    # the data files, read without any catalogue
    final = catalog.load_table(f"{ns}.t")
    from pyarrow import fs
    lake = fs.S3FileSystem(endpoint_override=server.s3_url, access_key=server.access_key, secret_key=server.secret_key, scheme="http")
    files = [task.file.file_path for task in final.scan().plan_files()]
    read = pa.concat_tables([pq.read_table(f.removeprefix("s3://"), filesystem=lake).select(["id", "extra"]) for f in files])
    assert rows(read, "id", "extra") == [(1000, 5)]


def test_pyiceberg_meets_refusals(catalog, ns):
    with pytest.raises(NamespaceAlreadyExistsError):
        catalog.create_namespace(ns)
    with pytest.raises(NoSuchNamespaceError):
        catalog.list_tables("absent")
    with pytest.raises(NoSuchTableError):
        catalog.load_table(f"{ns}.absent")
    catalog.create_table(f"{ns}.t", schema=pa.schema([("a", pa.int64())]))
    with pytest.raises(TableAlreadyExistsError):
        catalog.create_table(f"{ns}.t", schema=pa.schema([("a", pa.int64())]))
    with pytest.raises(NamespaceNotEmptyError):
        catalog.drop_namespace(ns)
    catalog.rename_table(f"{ns}.t", f"{ns}.u")
    assert catalog.table_exists(f"{ns}.u") and not catalog.table_exists(f"{ns}.t")
    catalog.drop_table(f"{ns}.u")
    catalog.drop_namespace(ns)


def test_pyiceberg_appends_at_the_same_time(catalog, ns):
    catalog.create_table(f"{ns}.t", schema=pa.schema([("id", pa.int64())]))

    def append(i):
        for _ in range(40):
            t = catalog.load_table(f"{ns}.t")
            try:
                t.append(pa.table({"id": pa.array([i], pa.int64())}))
                return i
            except CommitFailedException:
                continue
        raise AssertionError("never got in")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = sorted(pool.map(append, range(8)))
    t = catalog.load_table(f"{ns}.t")
    assert sorted(t.scan().to_arrow().column("id").to_pylist()) == done == list(range(8))
    assert len(t.snapshots()) == 8


def test_pyiceberg_transactions_branches_and_tags(catalog, ns):
    t = catalog.create_table(f"{ns}.t", schema=pa.schema([("id", pa.int64())]))
    with t.transaction() as tx:
        tx.set_properties(a="1")
        tx.append(pa.table({"id": pa.array([1], pa.int64())}))
        tx.append(pa.table({"id": pa.array([2], pa.int64())}))
    t = catalog.load_table(f"{ns}.t")
    assert t.properties["a"] == "1" and sorted(t.scan().to_arrow().column("id").to_pylist()) == [1, 2]
    assert [e.snapshot_id for e in t.history()] == [t.current_snapshot().snapshot_id]
    with t.manage_snapshots() as m:
        m.create_tag(t.current_snapshot().snapshot_id, "then")
        m.create_branch(t.current_snapshot().snapshot_id, "side")
    t.append(pa.table({"id": pa.array([3], pa.int64())}), branch="side")
    t.append(pa.table({"id": pa.array([4], pa.int64())}))
    t = catalog.load_table(f"{ns}.t")
    assert set(t.refs()) == {"main", "then", "side"}
    assert sorted(t.scan().to_arrow().column("id").to_pylist()) == [1, 2, 4]
    assert sorted(t.scan(snapshot_id=t.refs()["side"].snapshot_id).to_arrow().column("id").to_pylist()) == [1, 2, 3]


def test_create_table_transaction(catalog, ns):
    with catalog.create_table_transaction(f"{ns}.t", schema=pa.schema([("id", pa.int64())])) as tx:
        tx.append(pa.table({"id": pa.array([1, 2], pa.int64())}))
    assert catalog.load_table(f"{ns}.t").scan().to_arrow().num_rows == 2


# ---- DuckDB ----

@pytest.fixture
def duck(server):
    duckdb = pytest.importorskip("duckdb")
    con = duckdb.connect()
    con.sql(f"set extension_directory='{os.environ['NIKAWA_DEPS']}/duckdb_extensions'")
    for extension in ("httpfs", "avro", "iceberg"):
        con.sql(f"load {extension}")
    con.sql(f"create secret (type iceberg, client_id '{server.access_key}', client_secret '{server.secret_key}', "
            f"oauth2_server_uri '{server.url}/iceberg/v1/oauth/tokens')")
    con.sql(f"attach '' as lake (type iceberg, endpoint '{server.url}/iceberg')")
    return con


def test_duckdb_attaches(duck, catalog, ns):
    duck.sql(f"create table lake.{ns}.t as select range as i, 'v' || range as v from range(100)")
    duck.sql(f"insert into lake.{ns}.t values (1000, 'x')")
    duck.sql(f"delete from lake.{ns}.t where i < 10")
    duck.sql(f"update lake.{ns}.t set v = 'new' where i = 50")
    want = sorted([(i, "new" if i == 50 else f"v{i}") for i in range(10, 100)] + [(1000, "x")])
    assert duck.sql(f"select i, v from lake.{ns}.t order by i").fetchall() == want
    assert sorted(rows(catalog.load_table(f"{ns}.t").scan().to_arrow(), "i", "v")) == want
    catalog.load_table(f"{ns}.t").append(pa.table({"i": pa.array([7], pa.int64()), "v": ["py"]}))
    assert duck.sql(f"select v from lake.{ns}.t where i = 7").fetchall() == [("py",)]
    duck.sql(f"drop table lake.{ns}.t")
    assert not catalog.table_exists(f"{ns}.t")
