"""Functions, policies, settings, tags, catalogs, resource links and partition indexes through boto3."""
import base64
import hashlib
import json
import random

import pytest
from conftest import pages, wait_for
from test_catalog import db, g, holds, name, refused, table_input  # noqa: F401 (fixtures)

ACCOUNT = "000000000000"


def arn(resource, region="us-east-1"):
    return f"arn:aws:glue:{region}:{ACCOUNT}:{resource}"


# ---- user-defined functions ----

def function_input(n, **more):
    return {"FunctionName": n, "ClassName": "org.example.F", "OwnerName": "me", "OwnerType": "USER", "FunctionType": "REGULAR_FUNCTION",
            "ResourceUris": [{"ResourceType": "JAR", "Uri": "s3://b/f.jar"}], **more}


def test_function_round_trip(g, db):
    g.create_user_defined_function(DatabaseName=db, FunctionInput=function_input("Area", GovernanceMode="IAM_ONLY"))
    got = g.get_user_defined_function(DatabaseName=db, FunctionName="AREA")["UserDefinedFunction"]
    holds(got, {**function_input("area"), "DatabaseName": db, "CatalogId": ACCOUNT, "GovernanceMode": "IAM_ONLY"})
    refused("AlreadyExistsException", g.create_user_defined_function, DatabaseName=db, FunctionInput=function_input("area"))
    g.update_user_defined_function(DatabaseName=db, FunctionName="area", FunctionInput={"FunctionName": "area", "ClassName": "x.Y"})
    after = g.get_user_defined_function(DatabaseName=db, FunctionName="area")["UserDefinedFunction"]
    assert after["ClassName"] == "x.Y" and after["CreateTime"] == got["CreateTime"] and "OwnerName" not in after
    refused("InvalidInputException", g.update_user_defined_function, "cannot be changed", DatabaseName=db, FunctionName="area",
            FunctionInput={"FunctionName": "b"})
    g.delete_user_defined_function(DatabaseName=db, FunctionName="area")
    for call in (g.get_user_defined_function, g.delete_user_defined_function):
        refused("EntityNotFoundException", call, "Function area not found.", DatabaseName=db, FunctionName="area")
    refused("EntityNotFoundException", g.update_user_defined_function, DatabaseName=db, FunctionName="area",
            FunctionInput={"FunctionName": "area"})
    refused("InvalidInputException", g.create_user_defined_function, "FunctionName", DatabaseName=db, FunctionInput={"ClassName": "x"})


def test_functions_are_listed_by_pattern(g, db):
    other = name("other")
    g.create_database(DatabaseInput={"Name": other})
    for d in (db, other):
        for i in range(7):
            g.create_user_defined_function(DatabaseName=d, FunctionInput=function_input(
                f"f{i}", FunctionType="AGGREGATE_FUNCTION" if i % 2 else "REGULAR_FUNCTION"))
    names = [f["FunctionName"] for page in pages(g.get_user_defined_functions, "UserDefinedFunctions", DatabaseName=db, Pattern="*",
                                                 MaxResults=3) for f in page]
    assert names == [f"f{i}" for i in range(7)]
    for pattern, want in (("f1|F2", [1, 2]), (".*", range(7)), ("f.", range(7)), ("*5", [5]), ("g*", []), ("f*|x", range(7))):
        found = g.get_user_defined_functions(DatabaseName=db, Pattern=pattern)["UserDefinedFunctions"]
        assert [f["FunctionName"] for f in found] == [f"f{i}" for i in want], pattern
    aggregates = g.get_user_defined_functions(DatabaseName=db, Pattern="*", FunctionType="AGGREGATE_FUNCTION")["UserDefinedFunctions"]
    assert [f["FunctionName"] for f in aggregates] == ["f1", "f3", "f5"]
    everywhere = [(f["DatabaseName"], f["FunctionName"]) for page in pages(g.get_user_defined_functions, "UserDefinedFunctions",
                                                                             Pattern="f*", MaxResults=5) for f in page]
    assert {(d, f"f{i}") for d in (db, other) for i in range(7)} <= set(everywhere) and everywhere == sorted(everywhere)
    g.delete_database(Name=other)
    left = g.get_user_defined_functions(Pattern="f*")["UserDefinedFunctions"]
    assert not [f for f in left if f["DatabaseName"] == other]
    refused("EntityNotFoundException", g.get_user_defined_functions, DatabaseName=other, Pattern="*")


# ---- resource policies ----

def policy(action="glue:GetTable"):
    return json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": action, "Resource": arn("*")}]})


def test_resource_policy_is_guarded_by_its_hash(bare_glue_in, watch):
    g = bare_glue_in("eu-north-1")
    refused("EntityNotFoundException", g.get_resource_policy)
    refused("ConditionCheckFailureException", g.put_resource_policy, PolicyInJson=policy(), PolicyExistsCondition="MUST_EXIST")
    first = g.put_resource_policy(PolicyInJson=policy(), PolicyExistsCondition="NOT_EXIST")["PolicyHash"]
    assert first == base64.b64encode(hashlib.sha256(policy().encode()).digest()).decode()
    got = g.get_resource_policy()
    assert got["PolicyInJson"] == policy() and got["PolicyHash"] == first
    refused("ConditionCheckFailureException", g.put_resource_policy, PolicyInJson=policy("glue:*"), PolicyExistsCondition="NOT_EXIST")
    second = g.put_resource_policy(PolicyInJson=policy("glue:*"), PolicyHashCondition=first)["PolicyHash"]
    refused("ConditionCheckFailureException", g.put_resource_policy, PolicyInJson=policy(), PolicyHashCondition=first)
    refused("ConditionCheckFailureException", g.delete_resource_policy, PolicyHashCondition=first)
    own = arn("database/x", "eu-north-1")
    g.put_resource_policy(PolicyInJson=policy("glue:GetDatabase"), ResourceArn=own)
    listed = [p["PolicyHash"] for page in pages(g.get_resource_policies, "GetResourcePoliciesResponseList", MaxResults=1) for p in page]
    assert len(listed) == 2 and second in listed
    assert "GetDatabase" in g.get_resource_policy(ResourceArn=own)["PolicyInJson"]
    g.delete_resource_policy(PolicyHashCondition=second)
    g.delete_resource_policy(ResourceArn=own)
    refused("EntityNotFoundException", g.get_resource_policy)
    refused("EntityNotFoundException", g.delete_resource_policy)
    watch.proved("DeleteResourcePolicy")
    refused("InvalidInputException", g.get_resource_policies, NextToken="x")


@pytest.mark.parametrize("text", ["[]", "{}", "{not json}", '{"Statement":[{"Effect":"Maybe"}]}', '{"Statement":[{"Effect":"Allow"}]}',
                                  json.dumps({"Statement": [], "x": "y" * 11000})])
def test_malformed_policies_are_refused(g, text):
    refused("InvalidInputException", g.put_resource_policy, PolicyInJson=text)


# ---- settings ----

def test_encryption_settings_and_import(bare_glue_in, watch):
    g = bare_glue_in("eu-south-1")
    assert g.get_data_catalog_encryption_settings()["DataCatalogEncryptionSettings"] == {
        "EncryptionAtRest": {"CatalogEncryptionMode": "DISABLED"},
        "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": False}}
    settings = {"EncryptionAtRest": {"CatalogEncryptionMode": "SSE-KMS", "SseAwsKmsKeyId": "key-1"},
                "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": True, "AwsKmsKeyId": "key-2"}}
    g.put_data_catalog_encryption_settings(DataCatalogEncryptionSettings=settings)
    assert g.get_data_catalog_encryption_settings()["DataCatalogEncryptionSettings"] == settings
    refused("InvalidInputException", g.put_data_catalog_encryption_settings, "AwsKmsKeyId", DataCatalogEncryptionSettings={
        "ConnectionPasswordEncryption": {"ReturnConnectionPasswordEncrypted": True}})
    refused("InvalidInputException", g.get_data_catalog_encryption_settings, "Catalog", CatalogId="999999999999")
    assert g.get_catalog_import_status()["ImportStatus"] == {"ImportCompleted": True}
    g.import_catalog_to_glue()
    status = g.get_catalog_import_status()["ImportStatus"]
    assert status["ImportCompleted"] and status["ImportTime"] and status["ImportedBy"]
    for call, operation in ((g.import_catalog_to_glue, "ImportCatalogToGlue"), (g.get_catalog_import_status, "GetCatalogImportStatus")):
        refused("ValidationException", call, CatalogId="9" * 256)
        watch.proved(operation)


def test_export_configuration(bare_glue_in, watch):
    g, other = bare_glue_in("ca-west-1"), bare_glue_in("mx-central-1")
    get, put = g.get_data_catalog_export_configuration, g.put_data_catalog_export_configuration
    kms = {"SseAlgorithm": "aws:kms", "KmsKeyArn": "arn:aws:kms:ca-west-1:000000000000:key/1"}
    refused("EntityNotFoundException", get)
    assert put(ExportSetting="DISABLED", EncryptionConfiguration=kms, ClientToken="one")["EncryptionConfiguration"] == kms
    first = get()
    assert (first["ExportSetting"], first["Status"], first["EncryptionConfiguration"]) == ("DISABLED", "DISABLED", kms)
    assert first["CreatedAt"] == first["UpdatedAt"] and "S3TableBucketArn" not in first
    put(ExportSetting="DISABLED", EncryptionConfiguration=kms, ClientToken="one")
    assert get()["UpdatedAt"] == first["UpdatedAt"]  # the same request once more
    refused("InvalidInputException", put, "another request", ExportSetting="ENABLED", ClientToken="one")
    put(ExportSetting="ENABLED", ClientToken="two")
    second = get()
    assert (second["ExportSetting"], second["Status"]) == ("ENABLED", "FAILED")  # there are no S3 Tables to export to
    assert "EncryptionConfiguration" not in second and second["CreatedAt"] == first["CreatedAt"] and second["UpdatedAt"] >= first["UpdatedAt"]
    for bad in ({"SseAlgorithm": "rot13"}, {}, {"SseAlgorithm": "aws:kms"}, {**kms, "SseAlgorithm": "AES256"}):
        refused("InvalidInputException", put, ExportSetting="ENABLED", EncryptionConfiguration=bad)
    refused("ValidationException", put, ExportSetting="MAYBE")
    refused("EntityNotFoundException", other.get_data_catalog_export_configuration)
    watch.proved("PutDataCatalogExportConfiguration")
    watch.proved("GetDataCatalogExportConfiguration")


def test_security_configurations(bare_glue_in):
    g = bare_glue_in("ca-central-1")
    kms = "arn:aws:kms:ca-central-1:000000000000:key/1"
    given = {"S3Encryption": [{"S3EncryptionMode": "SSE-KMS", "KmsKeyArn": kms}],
             "CloudWatchEncryption": {"CloudWatchEncryptionMode": "DISABLED"},
             "JobBookmarksEncryption": {"JobBookmarksEncryptionMode": "CSE-KMS", "KmsKeyArn": kms}}
    names = sorted(name("Sec") for _ in range(5))
    for n in names:
        assert g.create_security_configuration(Name=n, EncryptionConfiguration=given)["Name"] == n
    got = g.get_security_configuration(Name=names[0])["SecurityConfiguration"]
    assert got["Name"] == names[0] and got["EncryptionConfiguration"] == given
    listed = pages(g.get_security_configurations, "SecurityConfigurations", MaxResults=2)
    assert [c["Name"] for page in listed for c in page] == names and [len(p) for p in listed] == [2, 2, 1]
    refused("AlreadyExistsException", g.create_security_configuration, Name=names[0], EncryptionConfiguration=given)
    refused("InvalidInputException", g.create_security_configuration, "KmsKeyArn", Name=name(), EncryptionConfiguration={
        "S3Encryption": [{"S3EncryptionMode": "SSE-KMS"}]})
    refused("InvalidInputException", g.get_security_configurations, NextToken="x")
    g.delete_security_configuration(Name=names[0])
    for call in (g.get_security_configuration, g.delete_security_configuration):
        refused("EntityNotFoundException", call, Name=names[0])


# ---- tags ----

def test_tags_of_every_kind_of_resource(g, db):
    n = name("T")
    g.create_connection(ConnectionInput={"Name": n, "ConnectionType": "NETWORK", "ConnectionProperties": {},
                                         "PhysicalConnectionRequirements": {"SubnetId": "s"}}, Tags={"made": "here"})
    g.create_job(Name=n, Role="r", Command={"Name": "glueetl", "ScriptLocation": "s3://b/s.py"}, Tags={"made": "here"})
    g.create_crawler(Name=n, Role="r", DatabaseName=db, Targets={"S3Targets": [{"Path": "s3://b/x/"}]}, Tags={"made": "here"})
    tagged = name("db")
    g.create_database(DatabaseInput={"Name": tagged}, Tags={"made": "here"})
    for resource in (f"connection/{n}", f"job/{n}", f"crawler/{n}", f"database/{tagged}"):
        a = arn(resource)
        assert g.get_tags(ResourceArn=a)["Tags"] == {"made": "here"}, resource
        g.tag_resource(ResourceArn=a, TagsToAdd={"made": "there", "empty": "", "ü": "é"})
        assert g.get_tags(ResourceArn=a)["Tags"] == {"made": "there", "empty": "", "ü": "é"}
        g.untag_resource(ResourceArn=a, TagsToRemove=["made", "never"])
        assert g.get_tags(ResourceArn=a)["Tags"] == {"empty": "", "ü": "é"}
    assert n in g.list_jobs(Tags={"ü": "é"})["JobNames"] and n not in g.list_jobs(Tags={"made": "there"})["JobNames"]
    assert n in g.list_crawlers(Tags={"empty": ""})["CrawlerNames"] and n not in g.list_crawlers(Tags={"made": "x"})["CrawlerNames"]
    g.delete_connection(ConnectionName=n)
    g.delete_job(JobName=n)
    g.delete_crawler(Name=n)
    g.delete_database(Name=tagged)
    for resource in (f"connection/{n}", f"job/{n}", f"crawler/{n}", f"database/{tagged}"):
        for call, more in ((g.get_tags, {}), (g.tag_resource, {"TagsToAdd": {"a": "b"}}), (g.untag_resource, {"TagsToRemove": ["a"]})):
            refused("EntityNotFoundException", call, ResourceArn=arn(resource), **more)
    g.create_database(DatabaseInput={"Name": tagged})
    assert g.get_tags(ResourceArn=arn(f"database/{tagged}"))["Tags"] == {}


def test_tags_have_limits(g, db):
    a = arn(f"database/{db}")
    refused("InvalidInputException", g.tag_resource, "reserved", ResourceArn=a, TagsToAdd={"aws:x": "v"})
    g.tag_resource(ResourceArn=a, TagsToAdd={f"k{i}": "v" for i in range(50)})
    refused("InvalidInputException", g.tag_resource, "at most 50", ResourceArn=a, TagsToAdd={"one more": "v"})
    refused("InvalidInputException", g.get_tags, "cannot be tagged", ResourceArn=arn("wheel/x"))
    refused("EntityNotFoundException", g.get_tags, ResourceArn=arn(f"database/{db}", "eu-west-1"))
    assert len(g.get_tags(ResourceArn=a)["Tags"]) == 50


# ---- catalogs ----

def test_catalogs_are_spaces_of_their_own(bare_glue_in):
    g = bare_glue_in("sa-east-1")
    names = sorted(name("cat") for _ in range(3))
    for n in names:
        g.create_catalog(Name=n.upper(), CatalogInput={"Description": n, "Parameters": {"a": "b"}}, Tags={"t": n})
    cid = f"{ACCOUNT}:{names[0]}"
    got = g.get_catalog(CatalogId=cid)["Catalog"]
    holds(got, {"Name": names[0], "CatalogId": cid, "Description": names[0], "Parameters": {"a": "b"},
                "ResourceArn": arn(f"catalog/{names[0]}", "sa-east-1")})
    assert g.get_tags(ResourceArn=arn(f"catalog/{names[0]}", "sa-east-1"))["Tags"] == {"t": names[0]}
    assert [c["Name"] for page in pages(g.get_catalogs, "CatalogList", MaxResults=2) for c in page] == names
    assert g.get_catalogs(IncludeRoot=True)["CatalogList"][0]["CatalogId"] == ACCOUNT
    assert g.get_catalog(CatalogId=ACCOUNT)["Catalog"]["Name"] == ACCOUNT
    refused("AlreadyExistsException", g.create_catalog, Name=names[0], CatalogInput={})
    refused("InvalidInputException", g.get_catalogs, NextToken="x")
    refused("InvalidInputException", g.create_catalog, "FederatedCatalog", Name=name(), CatalogInput={
        "FederatedCatalog": {"Identifier": "x", "ConnectionName": "y"}})
    refused("InvalidInputException", g.create_catalog, "own catalog", Name=name(), CatalogInput={"CatalogProperties": {
        "CustomProperties": {"ColumnStatistics.Enabled": "true"}}})
    g.update_catalog(CatalogId=cid, CatalogInput={"Description": "new"})
    after = g.get_catalog(CatalogId=cid)["Catalog"]
    assert after["Description"] == "new" and after["CreateTime"] == got["CreateTime"] and "Parameters" not in after
    refused("EntityNotFoundException", g.update_catalog, CatalogId=f"{ACCOUNT}:none", CatalogInput={})

    g.create_database(DatabaseInput={"Name": "d", "Description": "root"})
    g.create_database(CatalogId=cid, DatabaseInput={"Name": "d", "Description": "inner"}, Tags={"in": "ner"})
    assert g.get_database(Name="d", CatalogId=cid)["Database"]["Description"] == "inner"
    assert g.get_database(Name="d", CatalogId=cid)["Database"]["CatalogId"] == cid
    assert g.get_database(Name="d")["Database"]["Description"] == "root"
    assert g.get_tags(ResourceArn=arn(f"database/{names[0]}/d", "sa-east-1"))["Tags"] == {"in": "ner"}
    g.create_table(CatalogId=cid, DatabaseName="d", TableInput=table_input("t"))
    g.create_partition(CatalogId=cid, DatabaseName="d", TableName="t", PartitionInput={"Values": ["1", "x"]})
    part = g.get_partition(CatalogId=cid, DatabaseName="d", TableName="t", PartitionValues=["1", "x"])["Partition"]
    assert part["CatalogId"] == cid and g.get_table(CatalogId=cid, DatabaseName="d", Name="t")["Table"]["CatalogId"] == cid
    refused("EntityNotFoundException", g.get_table, DatabaseName="d", Name="t")
    assert [d["Name"] for d in g.get_databases(CatalogId=cid)["DatabaseList"]] == ["d"]
    refused("EntityNotFoundException", g.get_databases, "Catalog", CatalogId=f"{ACCOUNT}:{names[0]}x")
    g.delete_catalog(CatalogId=cid)
    refused("EntityNotFoundException", g.get_catalog, CatalogId=cid)
    refused("EntityNotFoundException", g.delete_catalog, CatalogId=cid)
    g.create_catalog(Name=names[0], CatalogInput={})
    assert g.get_databases(CatalogId=cid)["DatabaseList"] == []
    refused("InvalidInputException", g.delete_catalog, CatalogId=ACCOUNT)


# ---- resource links ----

def test_links_stand_for_their_targets(g, db):
    link, tlink = name("link"), name("tlink")
    g.create_table(DatabaseName=db, TableInput=table_input("t"))
    g.update_database(Name=db, DatabaseInput={"Name": db, "Description": "far", "Parameters": {"k": "v"}})
    g.create_database(DatabaseInput={"Name": link, "TargetDatabase": {"CatalogId": ACCOUNT, "DatabaseName": db}})
    got = g.get_database(Name=link)["Database"]
    holds(got, {"Name": link, "Description": "far", "Parameters": {"k": "v"},
                "TargetDatabase": {"CatalogId": ACCOUNT, "DatabaseName": db}})
    listed = {d["Name"]: d for d in g.get_databases(AttributesToGet=["NAME", "TARGET_DATABASE"])["DatabaseList"]}
    assert listed.get(link, {"Name": link, "TargetDatabase": got["TargetDatabase"]}) == {"Name": link, "TargetDatabase": got["TargetDatabase"]}
    # what stands in the target stands in the link
    assert [t["Name"] for t in g.get_tables(DatabaseName=link)["TableList"]] == ["t"]
    assert g.get_table(DatabaseName=link, Name="t")["Table"]["DatabaseName"] == db
    g.create_table(DatabaseName=link, TableInput={"Name": "made_through"})
    assert g.get_table(DatabaseName=db, Name="made_through")
    g.create_partition(DatabaseName=link, TableName="t", PartitionInput={"Values": ["1", "x"]})
    assert len(g.get_partitions(DatabaseName=db, TableName="t")["Partitions"]) == 1

    g.create_table(DatabaseName=db, TableInput={"Name": tlink, "TargetTable": {"CatalogId": ACCOUNT, "DatabaseName": db, "Name": "t"}})
    t = g.get_table(DatabaseName=db, Name=tlink)["Table"]
    far = g.get_table(DatabaseName=db, Name="t")["Table"]
    assert t["Name"] == tlink and t["TargetTable"]["Name"] == "t"
    for field in ("StorageDescriptor", "PartitionKeys", "Parameters", "TableType"):
        assert t[field] == far[field], field
    assert {x["Name"]: x for x in g.get_tables(DatabaseName=db)["TableList"]}[tlink] == t
    assert len(g.get_partitions(DatabaseName=db, TableName=tlink)["Partitions"]) == 1
    g.create_partition(DatabaseName=db, TableName=tlink, PartitionInput={"Values": ["2", "y"]})
    assert len(g.get_partitions(DatabaseName=db, TableName="t")["Partitions"]) == 2
    g.delete_table(DatabaseName=db, Name=tlink)
    g.delete_database(Name=link)
    assert g.get_table(DatabaseName=db, Name="t")

    g.create_database(DatabaseInput={"Name": link, "TargetDatabase": {"CatalogId": ACCOUNT, "DatabaseName": name("gone")}})
    refused("EntityNotFoundException", g.get_tables, DatabaseName=link)
    assert g.get_database(Name=link)["Database"]["Name"] == link
    g.delete_database(Name=link)
    refused("InvalidInputException", g.create_database, "DatabaseName", DatabaseInput={"Name": link, "TargetDatabase": {}})
    refused("InvalidInputException", g.create_table, "TargetTable", DatabaseName=db, TableInput={"Name": "l", "TargetTable": {"Name": "t"}})


def test_views_are_kept_word_for_word(g, db):
    sql = {"originalSql": "SELECT a, 'ü' FROM t", "catalog": "awsdatacatalog", "schema": db, "columns": [{"name": "a", "type": "integer"}]}
    presto = "/* Presto View: " + base64.b64encode(json.dumps(sql).encode()).decode() + " */"
    g.create_table(DatabaseName=db, TableInput={
        "Name": "v", "TableType": "VIRTUAL_VIEW", "ViewOriginalText": presto, "ViewExpandedText": "/* Presto View */",
        "Parameters": {"presto_view": "true", "comment": "Presto View"},
        "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}], "Location": "", "SerdeInfo": {}}})
    got = g.get_table(DatabaseName=db, Name="v")["Table"]
    assert got["ViewOriginalText"] == presto and got["ViewExpandedText"] == "/* Presto View */" and got["TableType"] == "VIRTUAL_VIEW"
    assert json.loads(base64.b64decode(got["ViewOriginalText"].split(": ")[1].split(" */")[0])) == sql
    assert got["IsRegisteredWithLakeFormation"] is False and got["StorageDescriptor"]["Columns"] == [{"Name": "a", "Type": "int"}]
    brief = g.get_table(DatabaseName=db, Name="v", AttributesToGet=["NAME", "TABLE_TYPE"])["Table"]
    assert brief == {"Name": "v", "TableType": "VIRTUAL_VIEW"}
    refused("InvalidInputException", g.get_table, "NAME", DatabaseName=db, Name="v", AttributesToGet=["TABLE_TYPE"])


# ---- partition indexes ----

def test_partition_indexes_live_and_end(g, db):
    keys = [{"Name": "y", "Type": "int"}, {"Name": "m", "Type": "string"}]
    g.create_table(DatabaseName=db, TableInput=table_input("t", PartitionKeys=keys),
                   PartitionIndexes=[{"IndexName": "first", "Keys": ["y"]}])
    made = g.get_partition_indexes(DatabaseName=db, TableName="t")["PartitionIndexDescriptorList"]
    assert made == [{"IndexName": "first", "Keys": [{"Name": "y", "Type": "int"}], "IndexStatus": "ACTIVE"}]
    rows = [[str(i), random.choice("ab")] for i in range(1200)]
    for i in range(0, len(rows), 100):
        assert not g.batch_create_partition(DatabaseName=db, TableName="t", PartitionInputList=[{"Values": r} for r in rows[i:i + 100]])["Errors"]
    g.create_partition_index(DatabaseName=db, TableName="t", PartitionIndex={"IndexName": "both", "Keys": ["Y", "m"]})

    def status(n):
        found = {i["IndexName"]: i for i in g.get_partition_indexes(DatabaseName=db, TableName="t")["PartitionIndexDescriptorList"]}
        return found[n] if found[n]["IndexStatus"] != "CREATING" else None

    both = wait_for(lambda: status("both"))
    assert both["IndexStatus"] == "ACTIVE" and [k["Name"] for k in both["Keys"]] == ["y", "m"]
    refused("AlreadyExistsException", g.create_partition_index, DatabaseName=db, TableName="t", PartitionIndex={"IndexName": "both", "Keys": ["m"]})
    refused("AlreadyExistsException", g.create_partition_index, DatabaseName=db, TableName="t", PartitionIndex={"IndexName": "x", "Keys": ["y"]})
    refused("InvalidInputException", g.create_partition_index, "no partition key", DatabaseName=db, TableName="t",
            PartitionIndex={"IndexName": "x", "Keys": ["a"]})
    # values that cannot be read as their keys' type are told
    g.batch_create_partition(DatabaseName=db, TableName="t", PartitionInputList=[{"Values": ["not a number", "z"]}, {"Values": ["__HIVE_DEFAULT_PARTITION__", "z"]}])
    g.delete_partition_index(DatabaseName=db, TableName="t", IndexName="both")
    g.create_partition_index(DatabaseName=db, TableName="t", PartitionIndex={"IndexName": "again", "Keys": ["m", "y"]})
    again = wait_for(lambda: status("again"))
    assert again["IndexStatus"] == "FAILED"
    assert again["BackfillErrors"] == [{"Code": "INVALID_PARTITION_TYPE_DATA_ERROR", "Partitions": [{"Values": ["not a number", "z"]}]}]
    g.create_partition_index(DatabaseName=db, TableName="t", PartitionIndex={"IndexName": "third", "Keys": ["m"]})
    refused("ResourceNumberLimitExceededException", g.create_partition_index, DatabaseName=db, TableName="t",
            PartitionIndex={"IndexName": "fourth", "Keys": ["y", "m"]})
    refused("EntityNotFoundException", g.delete_partition_index, DatabaseName=db, TableName="t", IndexName="none")
    refused("EntityNotFoundException", g.get_partition_indexes, DatabaseName=db, TableName="none")
    # an update of the table leaves them
    g.update_table(DatabaseName=db, TableInput=table_input("t", PartitionKeys=keys, Description="new"))
    assert len(g.get_partition_indexes(DatabaseName=db, TableName="t")["PartitionIndexDescriptorList"]) == 3


# ---- what engines read ----

def test_unfiltered_metadata(g, db):
    g.create_table(DatabaseName=db, TableInput=table_input("t"))
    for i in range(5):
        g.create_partition(DatabaseName=db, TableName="t", PartitionInput={"Values": [str(i), "m"], "StorageDescriptor": {"Location": f"s3://x/{i}"}})
    common = {"CatalogId": ACCOUNT, "DatabaseName": db, "SupportedPermissionTypes": ["COLUMN_PERMISSION"]}
    got = g.get_unfiltered_table_metadata(Name="t", **common)
    assert got["Table"] == g.get_table(DatabaseName=db, Name="t")["Table"]
    assert got["AuthorizedColumns"] == ["a", "b", "y", "m"] and got["Permissions"] == ["ALL"] and got["CellFilters"] == []
    one = g.get_unfiltered_partition_metadata(TableName="t", PartitionValues=["3", "m"], **common)
    assert one["Partition"]["StorageDescriptor"]["Location"] == "s3://x/3" and one["AuthorizedColumns"] == ["a", "b", "y", "m"]
    found = pages(g.get_unfiltered_partitions_metadata, "UnfilteredPartitions", TableName="t", Expression="y >= 1", MaxResults=3, **common)
    assert [[p["Partition"]["Values"][0] for p in page] for page in found] == [["1", "2", "3"], ["4"]]
    refused("EntityNotFoundException", g.get_unfiltered_table_metadata, Name="none", **common)
    refused("EntityNotFoundException", g.get_unfiltered_partition_metadata, TableName="t", PartitionValues=["9", "m"], **common)
    refused("InvalidInputException", g.get_unfiltered_partitions_metadata, TableName="t", Expression="q = 1", **common)
    refused("InvalidInputException", g.get_unfiltered_table_metadata, "Region", Name="t", Region="eu-west-9", **common)
