"""Connections and their types through boto3: what is shown, what is kept, what lies on disk."""
import os
import re
import stat
from pathlib import Path

import pytest
from conftest import pages
from test_catalog import g, holds, name, refused  # noqa: F401 (fixtures)

SECRET = "S3cret-é-" + os.urandom(6).hex()


def jdbc(n, **more):
    return {"Name": n, "ConnectionType": "JDBC", "Description": "d", "MatchCriteria": ["x", "y"],
            "ConnectionProperties": {"JDBC_CONNECTION_URL": f"jdbc:postgresql://h/db?token={SECRET}", "USERNAME": "u", "PASSWORD": SECRET},
            "PhysicalConnectionRequirements": {"SubnetId": "s-1", "SecurityGroupIdList": ["sg"], "AvailabilityZone": "z"}, **more}


def test_connection_round_trip(g):
    n = name("Conn")
    assert g.create_connection(ConnectionInput=jdbc(n))["CreateConnectionStatus"] == "READY"
    got = g.get_connection(Name=n)["Connection"]
    holds(got, {**jdbc(n), "Status": "READY", "ConnectionSchemaVersion": 1})
    hidden = g.get_connection(Name=n, HidePassword=True)["Connection"]
    assert hidden["ConnectionProperties"] == {k: v for k, v in jdbc(n)["ConnectionProperties"].items() if k != "PASSWORD"}
    refused("AlreadyExistsException", g.create_connection, ConnectionInput=jdbc(n))
    changed = jdbc(n, Description="new", MatchCriteria=[])
    g.update_connection(Name=n, ConnectionInput=changed)
    after = g.get_connection(Name=n)["Connection"]
    assert after["Description"] == "new" and after["CreationTime"] == got["CreationTime"] and after["LastUpdatedTime"] >= got["LastUpdatedTime"]
    refused("InvalidInputException", g.update_connection, "cannot be changed", Name=n, ConnectionInput=jdbc(name()))
    g.delete_connection(ConnectionName=n)
    refused("EntityNotFoundException", g.get_connection, f"Connection {n} not found.", Name=n)
    refused("EntityNotFoundException", g.delete_connection, ConnectionName=n)
    refused("EntityNotFoundException", g.update_connection, Name=n, ConnectionInput=jdbc(n))


@pytest.mark.parametrize("properties, lacks", [
    ({"USERNAME": "u", "PASSWORD": "p"}, "JDBC_CONNECTION_URL"), ({"JDBC_CONNECTION_URL": "jdbc:x"}, "SECRET_ID"),
    ({"JDBC_CONNECTION_URL": "jdbc:x", "USERNAME": "u"}, "PASSWORD"), ({"HOST": "h", "PORT": "1", "SECRET_ID": "s"}, "JDBC_ENGINE")])
def test_what_a_connection_must_have(g, properties, lacks):
    message = refused("InvalidInputException", g.create_connection, "Validation for connection properties failed", ConnectionInput={
        "Name": name(), "ConnectionType": "JDBC", "ConnectionProperties": properties})
    assert lacks in message


@pytest.mark.parametrize("kind, properties, more", [
    ("JDBC", {"HOST": "h", "PORT": "1", "JDBC_ENGINE": "mysql", "SECRET_ID": "s"}, {}),
    ("KAFKA", {"KAFKA_BOOTSTRAP_SERVERS": "b:1", "KAFKA_SASL_SCRAM_PASSWORD": "x", "KAFKA_CLIENT_KEY_PASSWORD": "y"}, {}),
    ("MONGODB", {"CONNECTION_URL": "mongodb://h/d", "USERNAME": "u", "PASSWORD": "p"}, {}),
    ("NETWORK", {}, {"PhysicalConnectionRequirements": {"SubnetId": "s"}}),
    ("CUSTOM", {"CONNECTOR_TYPE": "Jdbc", "CONNECTOR_URL": "s3://b/j.jar", "CONNECTOR_CLASS_NAME": "x.Y"}, {}),
    ("POSTGRESQL", {"HOST": "h"}, {"SparkProperties": {"HOST": "spark-host", "a": "b"}}),
    ("SALESFORCE", {"ROLE_ARN": "r"}, {"AuthenticationConfiguration": {
        "AuthenticationType": "OAUTH2", "SecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:x",
        "OAuth2Properties": {"OAuth2GrantType": "CLIENT_CREDENTIALS", "TokenUrl": "https://x.example/token",
                             "OAuth2Credentials": {"AccessToken": "not-to-be-shown"}}}})])
def test_connections_of_many_types(g, kind, properties, more):
    n = name()
    g.create_connection(ConnectionInput={"Name": n, "ConnectionType": kind, "ConnectionProperties": properties, **more})
    got = g.get_connection(Name=n)["Connection"]
    assert got["ConnectionType"] == kind and got["ConnectionProperties"] == properties
    assert got["ConnectionSchemaVersion"] == (2 if kind in ("POSTGRESQL", "SALESFORCE") else 1)
    assert "not-to-be-shown" not in str(got)
    hidden = g.get_connection(Name=n, HidePassword=True)["Connection"]["ConnectionProperties"]
    assert hidden == {k: v for k, v in properties.items() if "PASSWORD" not in k}
    if kind == "POSTGRESQL":
        assert g.get_connection(Name=n, ApplyOverrideForComputeEnvironment="SPARK")["Connection"]["ConnectionProperties"] == {"HOST": "spark-host"}
    # what has no connector says so
    message = refused("InvalidInputException", g.test_connection, "no connector", ConnectionName=n)
    assert kind in message
    g.delete_connection(ConnectionName=n)


def test_connections_are_listed_and_filtered(bare_glue_in):
    g = bare_glue_in("me-south-1")
    names = sorted(name() for _ in range(9))
    for i, n in enumerate(names):
        kind = {"ConnectionType": "KAFKA", "ConnectionProperties": {"KAFKA_BOOTSTRAP_SERVERS": "b:1"}} if i % 3 == 0 else {}
        g.create_connection(ConnectionInput={**jdbc(n, MatchCriteria=["even"] if i % 2 == 0 else ["odd", "more"]), **kind})
    found = pages(g.get_connections, "ConnectionList", MaxResults=4, HidePassword=True)
    assert [c["Name"] for p in found for c in p] == names and [len(p) for p in found] == [4, 4, 1]
    assert "PASSWORD" not in str([c["ConnectionProperties"].keys() for p in found for c in p])
    for want, picked in (({"ConnectionType": "KAFKA"}, names[::3]), ({"MatchCriteria": ["odd"]}, names[1::2]),
                         ({"MatchCriteria": ["odd", "even"]}, []), ({"ConnectionSchemaVersion": 2}, [])):
        got = [c["Name"] for p in pages(g.get_connections, "ConnectionList", Filter=want, MaxResults=2) for c in p]
        assert got == picked, want
    done = g.batch_delete_connection(ConnectionNameList=[names[0], "none", names[1]])
    assert done["Succeeded"] == names[:2] and done["Errors"]["none"]["ErrorCode"] == "EntityNotFoundException"
    assert len(g.get_connections()["ConnectionList"]) == 7
    refused("InvalidInputException", g.get_connections, NextToken="x")
    refused("ValidationException", g.batch_delete_connection, ConnectionNameList=["x" * 256])


def test_passwords_can_be_returned_encrypted(bare_glue_in):
    g = bare_glue_in("af-south-1")
    n = name()
    g.create_connection(ConnectionInput=jdbc(n))
    g.put_data_catalog_encryption_settings(DataCatalogEncryptionSettings={
        "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": True, "AwsKmsKeyId": "k"}})
    got = g.get_connection(Name=n)["Connection"]["ConnectionProperties"]
    assert "PASSWORD" not in got and got["ENCRYPTED_PASSWORD"] and SECRET not in got["ENCRYPTED_PASSWORD"]
    assert g.get_connection(Name=n)["Connection"]["ConnectionProperties"]["ENCRYPTED_PASSWORD"] != got["ENCRYPTED_PASSWORD"]


def test_secrets_lie_sealed_and_are_never_told(new_server):
    s = new_server(lake=False, args=["--log", "debug"])
    g = s.client("glue")
    g.create_connection(ConnectionInput=jdbc("c"))
    for broken in (jdbc("c"), jdbc("d", ConnectionProperties={"PASSWORD": SECRET * 60}),
                   jdbc("d", ConnectionProperties={"JDBC_CONNECTION_URL": "x", "PASSWORD": SECRET}),
                   jdbc("d", ConnectionProperties={"NO_SUCH_KEY": SECRET})):
        with pytest.raises(g.exceptions.ClientError) as e:
            g.create_connection(ConnectionInput=broken)
        assert SECRET not in str(e.value.response)
    assert g.get_connection(Name="c")["Connection"]["ConnectionProperties"]["PASSWORD"] == SECRET
    key = s.data / "catalog.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600 and key.stat().st_size == 32
    s.stop()
    seen = 0
    for path in [*s.data.rglob("*"), s.log]:
        if path.is_file():
            content = path.read_bytes()
            seen += 1
            assert SECRET.encode() not in content, path
            assert re.search(rb"jdbc:postgresql://h", content) is None, path
    assert seen > 2
    s.start()
    assert s.client("glue").get_connection(Name="c")["Connection"]["ConnectionProperties"]["PASSWORD"] == SECRET


def test_connection_types_are_described(g, watch):
    found = pages(g.list_connection_types, "ConnectionTypes", MaxResults=40)
    types = {t["ConnectionType"]: t for p in found for t in p}
    model = g.meta.service_model.shape_for("ConnectionType").enum
    assert set(types) == set(model) and len(found) == 3
    assert types["JDBC"]["Capabilities"]["SupportedDataOperations"] == ["READ", "WRITE"]
    got = g.describe_connection_type(ConnectionType="KAFKA")
    assert got["ConnectionType"] == "KAFKA" and got["Capabilities"] == types["KAFKA"]["Capabilities"]
    assert got["ConnectionProperties"]["KAFKA_BOOTSTRAP_SERVERS"]["Required"] is True
    assert got["ConnectionProperties"]["KAFKA_SASL_PLAIN_PASSWORD"]["PropertyTypes"] == ["SECRET"]
    refused("InvalidInputException", g.describe_connection_type, ConnectionType="WHEEL")
    refused("ValidationException", g.list_connection_types, NextToken="§")
    watch.proved("DescribeConnectionType")
    watch.proved("ListConnectionTypes")
    for t in model:
        assert g.describe_connection_type(ConnectionType=t)["ConnectionType"] == t


# ---- types that clients register ----

def prop(n, kind="USER_INPUT", required=False, **more):
    return {"Name": n, "Required": required, "PropertyType": kind, **more}


def rest_type(n, **more):
    """A connection type with a property of every sort, and each way to authenticate."""
    return {"ConnectionType": n, "IntegrationType": "REST", "Description": "of " + n,
            "ConnectionProperties": {
                "Url": prop("INSTANCE_URL", required=True),
                "AdditionalRequestParameters": [
                    prop("apiVersion", required=True, DefaultValue="v2", AllowedValues=["v1", "v2"], PropertyLocation="QUERY_PARAM", KeyOverride="api-version"),
                    prop("apiKey", "SECRET", required=True, PropertyLocation="HEADER", Format="Key {value}"), prop("trace", "READ_ONLY")]},
            "ConnectorAuthenticationConfiguration": {
                "AuthenticationTypes": ["BASIC", "OAUTH2", "CUSTOM"],
                "BasicAuthenticationProperties": {"Username": prop("user"), "Password": prop("word", "SECRET")},
                "CustomAuthenticationProperties": {"AuthenticationParameters": [prop("token", "SECRET", required=True)]},
                "OAuth2Properties": {"OAuth2GrantType": "CLIENT_CREDENTIALS", "ClientCredentialsProperties": {
                    "TokenUrl": prop("TOKEN_URL", DefaultValue="https://x.example/token"), "RequestMethod": "POST",
                    "ContentType": "URL_ENCODED", "ClientId": prop("id"), "TokenUrlParameters": [prop("audience")]}}},
            "RestConfiguration": {
                "GlobalSourceConfiguration": {"RequestMethod": "GET", "RequestPath": "/api", "ResponseConfiguration": {"ResultPath": "$.data"}},
                "EntityConfigurations": {"users": {"SourceConfiguration": {"RequestMethod": "GET", "RequestPath": "/users"},
                                                   "Schema": {"id": {"Name": "id", "FieldDataType": "INT"}}}}}, **more}


def test_a_registered_type_reads_back_and_goes(g, watch):
    n = name("REST-")
    arn = g.register_connection_type(**rest_type(n, Tags={"team": "x"}))["ConnectionTypeArn"]
    assert arn == f"arn:aws:glue:us-east-1:000000000000:connectionType:{n}"
    assert g.get_tags(ResourceArn=arn)["Tags"] == {"team": "x"}
    g.tag_resource(ResourceArn=arn, TagsToAdd={"more": "y"})
    assert g.get_tags(ResourceArn=arn)["Tags"] == {"team": "x", "more": "y"}
    given = rest_type(n)
    got = g.describe_connection_type(ConnectionType=n)
    assert got["ConnectionType"] == n and got["Description"] == "of " + n and got["RestConfiguration"] == given["RestConfiguration"]
    assert got["Capabilities"] == {"SupportedAuthenticationTypes": ["BASIC", "OAUTH2", "CUSTOM"], "SupportedDataOperations": ["READ"],
                                   "SupportedComputeEnvironments": ["SPARK"]}
    version = got["ConnectionProperties"]["apiVersion"]
    assert (version["DefaultValue"], version["AllowedValues"], version["PropertyLocation"], version["KeyOverride"], version["Required"]) == (
        "v2", [{"Value": "v1"}, {"Value": "v2"}], "QUERY_PARAM", "api-version", True)
    assert {k: p["PropertyTypes"] for k, p in got["ConnectionProperties"].items()} == {
        "INSTANCE_URL": ["USER_INPUT"], "apiVersion": ["USER_INPUT"], "apiKey": ["SECRET"], "trace": ["READ_ONLY"]}
    auth = got["AuthenticationConfiguration"]
    assert [v["Value"] for v in auth["AuthenticationType"]["AllowedValues"]] == ["BASIC", "OAUTH2", "CUSTOM"]
    assert [sorted(auth[k]) for k in ("OAuth2Properties", "BasicAuthenticationProperties", "CustomAuthenticationProperties")] == [
        ["TOKEN_URL", "audience", "id"], ["user", "word"], ["token"]]
    refused("InvalidInputException", g.register_connection_type, "already exists", **given)
    refused("InvalidInputException", g.delete_connection_type, "built in", ConnectionType="JDBC")
    g.delete_connection_type(ConnectionType=n)
    refused("EntityNotFoundException", g.delete_connection_type, ConnectionType=n)
    refused("InvalidInputException", g.describe_connection_type, ConnectionType=n)
    refused("EntityNotFoundException", g.get_tags, ResourceArn=arn)
    g.register_connection_type(**given)
    assert g.get_tags(ResourceArn=arn)["Tags"] == {}
    g.delete_connection_type(ConnectionType=n)


def test_registered_types_are_listed_after_the_built_in_ones(bare_glue_in):
    g, other = bare_glue_in("me-south-1"), bare_glue_in("eu-south-1")
    built_in = g.meta.service_model.shape_for("ConnectionType").enum
    names = sorted(f"REST-{i}{name()}" for i in range(7)) + ["REST-z" + "y" * 249]
    for n in names:
        g.register_connection_type(**rest_type(n))
    for size in (1, 3, len(built_in), 100):
        found = [t for p in pages(g.list_connection_types, "ConnectionTypes", MaxResults=size) for t in p]
        assert [t["ConnectionType"] for t in found] == built_in + names, size
    assert [t.get("DisplayName") for t in found[-2:]] == [names[-2], None]
    assert not [t for p in pages(other.list_connection_types, "ConnectionTypes") for t in p if t["ConnectionType"].startswith("REST-")]
    refused("InvalidInputException", other.describe_connection_type, ConnectionType=names[0])


@pytest.mark.parametrize("says, change", [
    ("REST-", {"ConnectionType": "WHEEL"}), ("REST-", {"ConnectionType": "REST-"}), ("names no type", {"AuthenticationTypes": []}),
    ("BASIC, OAUTH2 or CUSTOM", {"AuthenticationTypes": ["IAM"]}), ("needs OAuth2Properties", {"OAuth2Properties": None}),
    ("lacks the properties of JWT_BEARER", {"OAuth2Properties": {"OAuth2GrantType": "JWT_BEARER"}}),
    ("needs CustomAuthenticationProperties", {"CustomAuthenticationProperties": None}),
    ("two properties with the name a", {"AdditionalRequestParameters": [prop("a"), prop("a")]}),
    ("not one of its allowed", {"AdditionalRequestParameters": [prop("a", DefaultValue="x", AllowedValues=["y"])]}),
    ("1 to 128", {"Url": prop("u", AllowedValues=["x" * 129])})])
def test_types_that_cannot_be_are_refused(g, says, change):
    given = rest_type(name("REST-"))
    for part in (given, given["ConnectionProperties"], given["ConnectorAuthenticationConfiguration"]):
        for k in list(part):
            if k in change:
                part[k] = change[k]
                if change[k] is None:
                    del part[k]
    refused("InvalidInputException", g.register_connection_type, says, **given)


def test_connections_of_a_registered_type(g):
    kind, n = name("REST-"), name()
    g.register_connection_type(**rest_type(kind))

    def connection(properties, auth={"AuthenticationType": "BASIC"}):
        return {"Name": n, "ConnectionType": kind, "ConnectionProperties": properties, **({"AuthenticationConfiguration": auth} if auth else {})}

    good = {"INSTANCE_URL": "https://x.example", "apiKey": SECRET}
    secret = {"AuthenticationType": "CUSTOM", "SecretArn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:x"}
    for says, bad in [("needs INSTANCE_URL", connection({"apiKey": SECRET})), ("needs apiKey", connection({"INSTANCE_URL": "x"})),
                      ("PORT is no property", connection({**good, "PORT": "1"})), ("trace is no property", connection({**good, "trace": "1"})),
                      ("not one that its type allows", connection({**good, "apiVersion": "v3"})), ("AuthenticationConfiguration", connection(good, None)),
                      ("cannot authenticate by IAM", connection(good, {"AuthenticationType": "IAM"})),
                      ("granted by CLIENT_CREDENTIALS", connection(good, {"AuthenticationType": "OAUTH2", "OAuth2Properties": {"OAuth2GrantType": "JWT_BEARER"}}))]:
        refused("InvalidInputException", g.create_connection, says, ConnectionInput=bad)
    refused("InvalidInputException", g.create_connection, "Unknown connection type", ConnectionInput={**connection(good), "ConnectionType": "REST-none"})
    refused("InvalidInputException", g.create_connection, "Unknown connection property", ConnectionInput={
        "Name": n, "ConnectionType": "NETWORK", "ConnectionProperties": {"apiKey": "x"}})
    g.create_connection(ConnectionInput=connection({"INSTANCE_URL": "x"}, secret))
    g.update_connection(Name=n, ConnectionInput=connection(good))
    got = g.get_connection(Name=n)["Connection"]
    assert got["ConnectionType"] == kind and got["ConnectionProperties"] == good and got["CompatibleComputeEnvironments"] == ["SPARK"]
    assert g.get_connection(Name=n, HidePassword=True)["Connection"]["ConnectionProperties"] == {"INSTANCE_URL": "https://x.example"}
    assert [c["Name"] for c in g.get_connections(Filter={"ConnectionType": kind})["ConnectionList"]] == [n]
    refused("InvalidInputException", g.test_connection, "no connector", ConnectionName=n)
    refused("InvalidInputException", g.delete_connection_type, f"connection {n}", ConnectionType=kind)
    assert g.describe_connection_type(ConnectionType=kind)["ConnectionType"] == kind
    g.delete_connection(ConnectionName=n)
    g.delete_connection_type(ConnectionType=kind)


def test_registered_types_survive_a_kill(new_server):
    server = new_server(lake=False)
    g = server.client("glue")
    given = rest_type(name("REST-"), Tags={"a": "b"})
    arn = g.register_connection_type(**given)["ConnectionTypeArn"]
    g.put_data_catalog_export_configuration(ExportSetting="DISABLED", EncryptionConfiguration={"SseAlgorithm": "AES256"})
    server.kill()
    g = server.start().client("glue")
    assert g.describe_connection_type(ConnectionType=given["ConnectionType"])["RestConfiguration"] == given["RestConfiguration"]
    assert g.get_tags(ResourceArn=arn)["Tags"] == {"a": "b"}
    assert g.get_data_catalog_export_configuration()["EncryptionConfiguration"] == {"SseAlgorithm": "AES256"}
