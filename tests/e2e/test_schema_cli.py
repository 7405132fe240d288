"""`nikawa schema`: definitions compared and registered from the shell."""
import json
import os
import pty
import subprocess
import uuid

import pytest

from conftest import binary


def record(*fields):
    return json.dumps({"type": "record", "name": "R", "fields": [dict(zip(("name", "type", "default"), f)) for f in fields]})


@pytest.fixture
def sh(tmp_path, bare_server):
    def run(*args, code=0, data=True, tty=False):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "NIKAWA_"))}
        command = [binary(), "schema", *args, *(["--data", str(bare_server.data)] if data else [])]
        if tty:
            parent, child = pty.openpty()
            r = subprocess.run(command, stdout=child, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env={**env, "TERM": "xterm"}, timeout=60)
            os.close(child)
            r.stdout = os.read(parent, 1 << 20).decode()
            os.close(parent)
        else:
            r = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=env, timeout=60)
        run.stderr = r.stderr
        assert r.returncode == code, (r.returncode, r.stdout, r.stderr)
        return r.stderr if code and not r.stdout else r.stdout
    run.dir = tmp_path
    run.glue = bare_server.client("glue")
    (tmp_path / "old.avsc").write_text(record(("a", "int"), ("k", "string")))
    (tmp_path / "wide.avsc").write_text(record(("a", "long"), ("k", "string"), ("n", ["null", "int"], None)))
    (tmp_path / "bad.avsc").write_text(record(("a", "int"), ("k", "string"), ("m", "int")))
    return run


def test_check_needs_no_server(sh):
    assert "may follow" in sh("check", "old.avsc", "wide.avsc", data=False)
    out = sh("check", "old.avsc", "bad.avsc", data=False, code=1)
    assert "READER_FIELD_MISSING_DEFAULT_VALUE" in out and 'field "m"' in out and '{"a":0,"k":""}' in out and "new /fields/2" in out
    answer = json.loads(sh("check", "--json", "--mode", "full", "old.avsc", "wide.avsc", data=False, code=1))
    assert answer["compatible"] is False
    assert [(d["rule"], d["direction"]) for d in answer["differences"] if d["breaks"]] == [("TYPE_MISMATCH", "FORWARD")]
    sh("check", "old.avsc", "nothing.avsc", data=False, code=2)
    assert "did you mean 'check'" in sh("chek", data=False, code=2)
    (sh.dir / "x.proto").write_text('syntax = "proto3"; message A { int32 a = 1; }')
    (sh.dir / "y.proto").write_text('syntax = "proto3"; message A { string a = 1; }')
    assert "a" in sh("check", "x.proto", "y.proto", data=False, code=1)
    assert "is AVRO" in sh("check", "old.avsc", "x.proto", data=False, code=2)


def test_links_to_files_beside(sh):
    (sh.dir / "acme.Home.avsc").write_text(json.dumps({"type": "record", "name": "acme.Home", "fields": [{"name": "zip", "type": "int"}]}))
    (sh.dir / "p.avsc").write_text(record(("h", "acme.Home")))
    assert "may follow" in sh("check", "p.avsc", "p.avsc", data=False)


def test_register_show_list_evolve(sh):
    n = "cli" + uuid.uuid4().hex[:8]
    assert f"{n} version 1 " in sh("register", n, "old.avsc", "--mode", "BACKWARD")
    assert json.loads(sh("show", n)) == json.loads((sh.dir / "old.avsc").read_text())
    assert any(line.split()[:5] == ["default-registry", n, "AVRO", "BACKWARD", "1"] for line in (x.replace("|", " ") for x in sh("list").splitlines()))
    assert "incompatible" in sh("register", n, "bad.avsc", code=1)
    out = sh("evolve", n, "wide.avsc")
    assert '+       "type": "long"' in out and '-       "type": "int"' in out and "TYPE_PROMOTED" in out and "Nothing was registered" in out
    assert sh.glue.get_schema(SchemaId={"RegistryName": "default-registry", "SchemaName": n})["LatestSchemaVersion"] == 1
    assert f"{n} version 2 " in sh("evolve", "--yes", n, "wide.avsc")
    assert json.loads(sh("show", f"{n}:1")) == json.loads((sh.dir / "old.avsc").read_text())
    assert "READER_FIELD" in sh("check", n, "bad.avsc", code=1)
    assert "Glue       backward yes  forward no   full no" in sh("diff", f"{n}:1", f"{n}:2")
    assert "not found" in sh("show", "nowhere", code=1)


def test_a_failed_version_is_told(sh, new_server):
    server, n = new_server(args=["--registry-failures", "keep"]), "cli" + uuid.uuid4().hex[:8]
    sh("register", n, "old.avsc", "--mode", "BACKWARD", "--data", str(server.data), data=False)
    out = sh("register", n, "bad.avsc", "--data", str(server.data), data=False, code=1)
    assert f"{n} version 2 " in out and "FAILURE" in out + sh.stderr
    assert json.loads(sh("show", f"{n}:2", "--data", str(server.data), data=False)) == json.loads((sh.dir / "bad.avsc").read_text())


def test_a_terminal_gets_colours(sh):
    assert "\033[31m" in sh("diff", "old.avsc", "bad.avsc", data=False, tty=True)
    assert "\033[" not in sh("diff", "old.avsc", "bad.avsc", data=False)
