"""Data contracts at the Confluent door: metadata and rule sets of versions, and the settings that add to them."""
import json
import random
import urllib.parse
import urllib.request

import pytest
from confluent_kafka.schema_registry import (ConfigCompatibilityLevel, Metadata, MetadataProperties, Rule, RuleKind, RuleMode, RuleParams, RuleSet, Schema, SchemaRegistryClient,
                                             ServerConfig)

from test_confluent import A1, A2, BAD, Rest, name, record, url_of


@pytest.fixture(scope="module")
def server(bare_server):
    return bare_server


@pytest.fixture
def client(server):
    return SchemaRegistryClient({"url": url_of(server), "basic.auth.user.info": f"{server.access_key}:{server.secret_key}"})


@pytest.fixture
def rest(server):
    return Rest(server)


def rule(n, mode="WRITE", **more):
    return {"name": n, "mode": mode, "type": "CEL", "kind": "CONDITION", **more}


def test_a_version_carries_its_contract(client, rest, server):
    s = name()
    metadata = Metadata(tags=None, properties=MetadataProperties(properties={"owner": "Ann", "level": "2"}), sensitive=None)
    rules = RuleSet(migration_rules=None, domain_rules=[Rule(name="positive", doc="a is positive", kind=RuleKind.CONDITION, mode=RuleMode.WRITE, type="CEL",
                                                             tags=None, params=RuleParams(params={"x": "1"}), expr="message.a > 0", on_success=None,
                                                             on_failure="ERROR", disabled=False)])
    number = client.register_schema(s, Schema(A1, "AVRO", [], metadata, rules))
    got = client.get_version(s, 1).schema
    assert (got.schema_str, got.metadata.properties, got.rule_set.domain_rules[0].expr) == (A1, metadata.properties, "message.a > 0")
    assert got.rule_set.domain_rules[0].params.params == {"x": "1"} and got.rule_set.migration_rules in (None, [])
    asked = rest("GET", f"/schemas/ids/{number}")[1]
    assert rest("GET", f"/schemas/ids/{number}")[1] == asked and asked["metadata"] == {"properties": {"owner": "Ann", "level": "2"}}
    want = {"name": "positive", "doc": "a is positive", "kind": "CONDITION", "mode": "WRITE", "type": "CEL", "params": {"x": "1"},
            "expr": "message.a > 0", "onFailure": "ERROR"}
    assert asked["ruleSet"] == {"domainRules": [want]}
    assert rest("GET", "/schemas/guids/" + asked["guid"])[1]["ruleSet"] == asked["ruleSet"]
    assert [v["ruleSet"] for v in rest("GET", f"/schemas?subjectPrefix={s}")[1]] == [asked["ruleSet"]]
    # the same again, whatever the order of its members; another contract is another version of another number
    again = {"schema": A1, "metadata": {"properties": {"level": "2", "owner": "Ann"}}, "ruleSet": {"domainRules": [dict(reversed(want.items()))], "migrationRules": []}}
    assert rest("POST", f"/subjects/{s}/versions", again)[1]["id"] == number
    assert rest("POST", f"/subjects/{s}", again)[1]["version"] == 1
    other = rest("POST", f"/subjects/{s}/versions", {"schema": A1, "metadata": {"properties": {"owner": "Bob"}}})[1]
    assert other["version"] == 2 and other["id"] != number
    assert rest("GET", f"/subjects/{s}/versions/2")[1]["ruleSet"] == asked["ruleSet"]  # not said: as the latest's
    # nothing said: the latest's contract; a definition alone is the latest one that is so, a contract alone is for the latest definition
    assert rest("POST", f"/subjects/{s}/versions", {"schema": A1})[1]["version"] == 2
    assert rest("POST", f"/subjects/{s}/versions", {"schema": A2})[1]["version"] == 3
    assert rest("GET", f"/subjects/{s}/versions/3")[1]["metadata"] == {"properties": {"owner": "Bob"}}
    assert rest("POST", f"/subjects/{s}/versions", {"metadata": {"properties": {"owner": "Cy"}}})[1]["version"] == 4
    four = rest("GET", f"/subjects/{s}/versions/4")[1]
    assert (four["schema"], four["metadata"]) == (A2, {"properties": {"owner": "Cy"}})
    rest.refused(42201, "POST", f"/subjects/{name()}/versions", {"metadata": {"properties": {"owner": "Cy"}}}, says="Empty schema")
    # an empty contract says that there is none
    five = rest("POST", f"/subjects/{s}/versions", {"schema": A2, "metadata": {}, "ruleSet": {}})[1]
    assert five["version"] == 5 and not {"metadata", "ruleSet"} & set(rest("GET", f"/subjects/{s}/versions/5")[1])
    # Glue's door: one history
    g, sid = server.client("glue"), {"RegistryName": "default-registry", "SchemaName": s}
    assert g.get_schema_version(SchemaVersionId=asked["guid"])["SchemaDefinition"] == A1
    assert g.register_schema_version(SchemaId=sid, SchemaDefinition=A2)["VersionNumber"] == 5
    rest("POST", f"/subjects/{s}/versions", {"schema": A2, "metadata": {"properties": {"owner": "Di"}}})
    assert g.register_schema_version(SchemaId=sid, SchemaDefinition=A2)["VersionNumber"] == 5
    six = g.register_schema_version(SchemaId=sid, SchemaDefinition=record(("a", "int"), ("x", "int", 1)))
    assert rest("GET", f"/subjects/{s}/versions/{six['VersionNumber']}")[1]["metadata"] == {"properties": {"owner": "Di"}}


def test_which_contracts_are_refused(rest):
    s = name()
    rules = [({"domainRules": [rule("a"), rule("a")]}, "duplicate name 'a'"), ({"domainRules": [rule("a")], "migrationRules": [rule("a", "UPGRADE")]}, "duplicate"),
             ({"domainRules": [rule("1a")]}, "1a"), ({"domainRules": [rule("a b")]}, "a b"), ({"domainRules": [rule("x" * 65)]}, "name"),
             ({"domainRules": [{"name": "a", "mode": "WRITE"}]}, "no type"), ({"domainRules": [rule("a", "UPGRADE")]}, "UPGRADE"),
             ({"migrationRules": [rule("a", "READ")]}, "READ"), ({"encodingRules": [rule("a", "UPDOWN")]}, "UPDOWN"), ({"domainRules": [rule("a", "SOMETIMES")]}, "mode"),
             ({"domainRules": [rule("a", kind="GUESS")]}, "kind"), ({"domainRules": [rule("a", onFailure="A,B")]}, "several actions"),
             ({"domainRules": [rule("a", params={"x": 1})]}, "params"), ({"domainRules": [rule("a", tags="x")]}, "tags"), ({"domainRules": [3]}, "domainRules"),
             ({"domainRules": {}}, "domainRules"), ({"enableAt": "NOWHERE"}, "enableAt"), ({"others": []}, "others"), ([], "ruleSet"), ({"domainRules": [rule("a", disabled="x")]}, "disabled")]
    for bad, says in rules:
        rest.refused(42210, "POST", f"/subjects/{s}/versions", {"schema": A1, "ruleSet": bad}, says=says)
        rest.refused(42210, "PUT", f"/config/{s}", {"overrideRuleSet": bad}, says=says)
    for bad, says in (([], "metadata"), ({"properties": {"a": 1}}, "properties"), ({"tags": {"a": "x"}}, "tags"), ({"sensitive": [1]}, "sensitive"),
                      ({"sensitive": "a"}, "sensitive"), ({"more": {}}, "more"), ({"properties": {str(i): "" for i in range(1001)}}, "1000"),
                      ({"properties": {"a": "x" * 66000}}, "longer")):
        rest.refused(42201, "POST", f"/subjects/{s}/versions", {"schema": A1, "metadata": bad}, says=says)
    rest.refused(40401, "GET", f"/subjects/{s}/versions")
    fine = {"domainRules": [rule("a", "WRITEREAD", onFailure="A,B", disabled=True, tags=["PII"]), rule("_b-1", "READ", doc=None)], "enableAt": "CLIENT",
            "migrationRules": [rule("c", "UPDOWN")], "encodingRules": [rule("é", "READ")]}
    assert rest("POST", f"/subjects/{s}/versions", {"schema": A1, "ruleSet": fine})[0] == 200
    fine["domainRules"][1].pop("doc")
    assert rest("GET", f"/subjects/{s}/versions/1")[1]["ruleSet"] == fine


# ---- merging, told again in Python ----


def merged_maps(a, b):
    return {**(a or {}), **(b or {})}


def merged_metadata(a, b):
    if a is None or b is None:
        return b if a is None else a
    out = {"properties": merged_maps(a.get("properties"), b.get("properties")), "tags": merged_maps(a.get("tags"), b.get("tags")),
           "sensitive": sorted({*a.get("sensitive", []), *b.get("sensitive", [])})}
    return {k: v for k, v in out.items() if v}


def merged_rules(a, b):
    if a is None or b is None:
        return b if a is None else a
    out = {}
    for kind in ("domainRules", "migrationRules", "encodingRules"):
        new = b.get(kind, [])
        both = [r for r in a.get(kind, []) if r["name"] not in {n["name"] for n in new}] + new
        if both:
            out[kind] = both
    where = b.get("enableAt") or a.get("enableAt")
    return {**out, **({"enableAt": where} if where else {})}


def some_metadata(r):
    if r.random() < 0.3:
        return None
    out = {"properties": {k: str(r.randrange(3)) for k in r.sample("pqrs", r.randrange(4))}, "tags": {k: r.sample(["t", "u", "v"], 2) for k in r.sample("xyz", r.randrange(3))},
           "sensitive": r.sample("pqrs", r.randrange(3))}
    return {k: v for k, v in out.items() if v or r.random() < 0.2}


def some_rules(r):
    if r.random() < 0.3:
        return None
    names = r.sample(["a", "b", "c", "d", "e"], 5)
    out = {kind: [rule(names.pop(), r.choice(modes), expr=str(r.randrange(3))) for _ in range(r.randrange(3))]
           for kind, modes in (("domainRules", ["WRITE", "READ"]), ("migrationRules", ["UPGRADE"]), ("encodingRules", ["WRITEREAD"]))if len(names) > 1}
    if r.random() < 0.4:
        out["enableAt"] = r.choice(["ALL", "CLIENT", "NONE"])
    return {k: v for k, v in out.items() if v}


def tidy(m):
    if m is None:
        return None
    m = {k: sorted(v) if k == "sensitive" else v for k, v in m.items() if v}
    return m or None


def test_settings_go_under_and_over_contracts(rest):
    seed = random.randrange(1 << 30)
    print("seed", seed)
    r, differ = random.Random(seed), 0
    for i in range(25):
        s, config, latest = name(), {}, (None, None)
        for key, make in (("defaultMetadata", some_metadata), ("overrideMetadata", some_metadata), ("defaultRuleSet", some_rules), ("overrideRuleSet", some_rules)):
            value = make(r)
            if value is not None:
                config[key] = value
        rest("PUT", f"/config/{s}", {"compatibility": "NONE", **config})
        for k in range(3):
            said = some_metadata(r), some_rules(r)
            body = {"schema": record((f"f{k}", "int"), record_name=s)}
            body.update({key: v for key, v in zip(("metadata", "ruleSet"), said) if v is not None})
            version = rest("POST", f"/subjects/{s}/versions", body)[1]["version"]
            got = rest("GET", f"/subjects/{s}/versions/{version}")[1]
            mine = [v if v is not None else old for v, old in zip(said, latest)]
            want = (merged_metadata(merged_metadata(config.get("defaultMetadata"), mine[0]), config.get("overrideMetadata")),
                    merged_rules(merged_rules(config.get("defaultRuleSet"), mine[1]), config.get("overrideRuleSet")))
            assert (tidy(got.get("metadata")), tidy(got.get("ruleSet"))) == (tidy(want[0]), tidy(want[1])), (config, said, latest)
            assert rest("POST", f"/subjects/{s}", body)[1]["version"] == version
            assert rest("POST", f"/subjects/{s}/versions", body)[1]["version"] == version
            latest = got.get("metadata"), got.get("ruleSet")
            differ += (tidy(got.get("metadata")), tidy(got.get("ruleSet"))) != (tidy(said[0]), tidy(said[1]))
    assert differ > 20


def test_settings_as_one_object(new_server):
    server = new_server(lake=False)
    rest = Rest(server)
    s, more = name(), {"alias": "t", "normalize": True, "compatibilityGroup": "major", "validateRules": True, "validateNewSchemas": False,
                       "defaultMetadata": {"properties": {"a": "1"}}, "overrideRuleSet": {"domainRules": [rule("x")]}}
    rest.refused(42203, "PUT", f"/config/{s}", {})
    assert rest("PUT", f"/config/{s}", more) == (200, more)
    assert rest("GET", f"/config/{s}") == (200, {**more, "compatibilityLevel": "BACKWARD"})
    assert rest("PUT", f"/config/{s}", {"compatibility": "FULL", "alias": None, "normalize": False})[0] == 200
    want = {**more, "compatibilityLevel": "FULL", "normalize": False}
    want.pop("alias")
    assert rest("GET", f"/config/{s}") == (200, want)
    server.kill()
    server.start()
    rest = Rest(server)
    assert rest("GET", f"/config/{s}") == (200, want)
    rest("PUT", "/config", {"defaultRuleSet": {"domainRules": [rule("all")]}, "compatibilityGroup": "other"})
    assert rest("GET", f"/config/{s}?defaultToGlobal=true") == (200, {**want, "defaultRuleSet": {"domainRules": [rule("all")]}})
    # they stay when the subject comes to be, and apply to it
    rest("POST", f"/subjects/{s}/versions", {"schema": A1})
    assert rest("GET", f"/config/{s}") == (200, want)
    assert rest("GET", f"/subjects/{s}/versions/1")[1]["ruleSet"] == {"domainRules": [rule("all"), rule("x")]}
    assert rest("DELETE", f"/config/{s}") == (200, want)
    rest.refused(40408, "GET", f"/config/{s}")
    for key, value in (("compatibilityPolicy", "LENIENT"), ("validateFields", True), ("aliasForDeks", "x"), ("nonsense", 1)):
        rest.refused(42201, "PUT", "/config", {key: value}, says=key)
    rest.refused(400, "PUT", "/config", {"normalize": "yes"}, says="normalize")
    rest.refused(400, "PUT", "/config", {"alias": 1}, says="alias")
    client = SchemaRegistryClient({"url": url_of(server), "basic.auth.user.info": f"{server.access_key}:{server.secret_key}"})
    client.set_config(s, ServerConfig(compatibility=ConfigCompatibilityLevel.FORWARD, compatibility_group="g"))
    assert (client.get_config(s).compatibility_group, client.get_compatibility(s)) == ("g", "FORWARD")


def test_groups_are_compared_within(rest):
    s = name()
    rest("PUT", f"/config/{s}", {"compatibility": "BACKWARD_TRANSITIVE", "compatibilityGroup": "major"})

    def put(text, major):
        return rest("POST", f"/subjects/{s}/versions", {"schema": text, "metadata": {"properties": {"major": major}}})[0]
    assert [put(A1, "1"), put(BAD, "1"), put(BAD, "2"), put(A2, "1")] == [200, 409, 200, 200]
    assert put(record(("zz", "string")), "2") == 409
    check = {"schema": record(("zz", "string")), "metadata": {"properties": {"major": "3"}}}
    assert rest("POST", f"/compatibility/subjects/{s}/versions", check)[1] == {"is_compatible": True}
    assert rest("POST", f"/compatibility/subjects/{s}/versions", {**check, "metadata": {"properties": {"major": "1"}}})[1] == {"is_compatible": False}
    rest("PUT", f"/config/{s}", {"compatibility": "BACKWARD"})  # with the latest of the group
    assert [put(record(("a", "int"), ("c", "string"), ("d", "int", 0)), "2"), put(record(("n", "string")), "2")] == [200, 409]
    rest("PUT", f"/config/{s}", {"compatibilityGroup": None})
    assert put(record(("a", "int"), ("b", "string")), "9") == 409


def test_an_alias_stands_for_a_subject(rest):
    s, t = name(), name("alias")
    rest("POST", f"/subjects/{s}/versions", {"schema": A1})
    rest("PUT", f"/config/{t}", {"alias": s})
    assert rest("GET", f"/subjects/{t}/versions") == (200, [1])
    assert rest("GET", f"/subjects/{t}/versions/latest")[1]["subject"] == s
    assert rest("POST", f"/subjects/{t}", {"schema": A1})[1]["subject"] == s
    assert rest("POST", f"/subjects/{t}/versions", {"schema": A2})[1]["version"] == 2
    rest.refused(409, "POST", f"/subjects/{t}/versions", {"schema": BAD})
    assert rest("GET", f"/subjects/{s}/versions")[1] == [1, 2] and t not in rest("GET", "/subjects")[1]
    assert rest("GET", f"/config/{t}")[1] == {"alias": s, "compatibilityLevel": "BACKWARD"}
    other = urllib.parse.quote(f":.ctx{s}:x", safe="")
    rest("PUT", f"/config/{other}", {"alias": "y"})
    rest("POST", f"/subjects/{other}/versions", {"schema": A1})
    assert rest("GET", "/subjects?subjectPrefix=" + urllib.parse.quote(f":.ctx{s}:"))[1] == [f":.ctx{s}:y"]
    assert rest("DELETE", f"/subjects/{t}/versions/2") == (200, 2)
    rest("DELETE", f"/config/{t}")
    rest.refused(40401, "GET", f"/subjects/{t}/versions")


def test_versions_are_found_by_their_metadata(rest):
    s = name()
    rest("PUT", f"/config/{s}", {"compatibility": "NONE"})
    for i in range(6):
        properties = {"major": str(i // 2), "minor": str(i % 2), "a b": "c&d"}
        rest("POST", f"/subjects/{s}/versions", {"schema": record((f"f{i}", "int")), "metadata": {"properties": properties}})

    def find(*pairs, more=""):
        query = "&".join(f"key={urllib.parse.quote(k)}&value={urllib.parse.quote(v)}" for k, v in pairs)
        return rest("GET", f"/subjects/{s}/metadata?{query}{more}")
    assert find(("major", "1"))[1]["version"] == 4 and find(("major", "1"), ("minor", "0"))[1]["version"] == 3
    assert find(("a b", "c&d"))[1]["version"] == 6 and find(("major", "0"))[1]["metadata"]["properties"]["minor"] == "1"
    assert find(("major", "9"))[0] == 404 and find(("major", "1"), ("minor", "x"))[1]["error_code"] == 40403
    rest("DELETE", f"/subjects/{s}/versions/4")
    assert find(("major", "1"))[1]["version"] == 3 and find(("major", "1"), more="&deleted=true")[1]["version"] == 4
    rest.refused(40401, "GET", f"/subjects/{name()}/metadata?key=a&value=b")


def test_normalize_and_contexts_and_pages(rest):
    s, text = name(), '{"fields": [ {"type": {"type": "int"}, "name": "a"}], "name": "N", "type":"record"}'
    rest("POST", f"/subjects/{s}/versions?normalize=true", {"schema": text})
    kept = rest("GET", f"/subjects/{s}/versions/1/schema")[1]
    assert kept == {"type": "record", "name": "N", "fields": [{"name": "a", "type": "int"}]}
    assert rest("POST", f"/subjects/{s}", {"schema": text})[1]["version"] == 1
    t = name()
    rest("PUT", f"/config/{t}", {"normalize": True})
    rest("POST", f"/subjects/{t}/versions", {"schema": text})
    assert json.loads(rest("GET", f"/subjects/{t}/versions/1")[1]["schema"]) == kept
    ctx = name("ctx")
    sub = urllib.parse.quote(f":.{ctx}:x", safe="")
    rest("POST", f"/subjects/{sub}/versions", {"schema": A1})
    assert f".{ctx}" in rest("GET", f"/contexts?contextPrefix=.{ctx[:6]}")[1] and rest("GET", "/contexts?contextPrefix=.zzz")[1] == ["."]
    rest.refused(42211, "DELETE", f"/contexts/.{ctx}")
    rest("DELETE", f"/subjects/{sub}")
    rest.refused(42211, "DELETE", f"/contexts/.{ctx}")
    rest("DELETE", f"/subjects/{sub}?permanent=true")
    request = urllib.request.Request(rest.url + f"/contexts/:.{ctx}:", headers=rest.headers, method="DELETE")
    with urllib.request.urlopen(request) as answer:
        assert (answer.status, answer.read()) == (204, b"")
    rest.refused(40401, "DELETE", f"/contexts/.{ctx}")
    base, users = name(), []
    rest("POST", f"/subjects/{base}/versions", {"schema": record(("a", "int"), record_name="B")})
    for i in range(5):
        body = {"schema": record(("b", "B"), record_name=f"U{i}"), "references": [{"name": "B", "subject": base, "version": 1}]}
        users.append(rest("POST", f"/subjects/{name()}/versions", body)[1]["id"])
    assert rest("GET", f"/subjects/{base}/versions/1/referencedby?offset=1&limit=2")[1] == sorted(users)[1:3]
    assert rest("POST", "/", {})[1] == {}
