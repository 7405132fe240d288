"""`nikawa serve`, `env`, `stop`: the command contract."""
import json
import os
import signal
import socket
import stat
import subprocess
import time
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from conftest import Server, alive, binary, children_of, wait_for


def nikawa(*args, env=None, **more):
    return subprocess.run([binary(), *map(str, args)], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(env or {})}, **more)


def mode(path):
    return stat.S_IMODE(os.stat(path).st_mode)


def test_files_and_modes(bare_server):
    d = bare_server.data
    assert mode(d) == 0o700
    for name in ("credentials", "config", "server.json"):
        assert mode(d / name) == 0o600, name
    told = json.loads((d / "server.json").read_text())
    assert told["pid"] == bare_server.pid and told["url"] == bare_server.url


def test_profile_reaches_us(server, monkeypatch):
    monkeypatch.setenv("AWS_CONFIG_FILE", str(server.data / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(server.data / "credentials"))
    session = boto3.Session(profile_name="nikawa")
    assert session.region_name == "us-east-1"
    assert session.client("sts").get_caller_identity()["Account"] == "000000000000"
    for service in ("glue", "databrew", "sts"):
        assert session.client(service).meta.endpoint_url == server.url
    s3 = session.client("s3")
    assert s3.meta.endpoint_url == server.s3_url
    s3.create_bucket(Bucket="by-profile")
    s3.put_object(Bucket="by-profile", Key="k", Body=b"v")
    assert s3.get_object(Bucket="by-profile", Key="k")["Body"].read() == b"v"


def test_env_reaches_us(bare_server):
    out = nikawa("env", "--data", bare_server.data)
    assert out.returncode == 0, out.stderr
    script = out.stdout + '\naws sts get-caller-identity --query Account --output text'
    path = str(Path(os.environ.get("NIKAWA_DEPS") or Path.home() / ".cache/nikawa") / "venv/test/bin")
    env = {"PATH": path + ":" + os.environ["PATH"], "HOME": "/nonexistent", "AWS_PROFILE": "elsewhere"}
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, env=env, timeout=60)
    assert done.stdout.strip() == "000000000000", done.stderr


def test_keys_stay_and_can_be_given(new_server, tmp_path):
    first = new_server(lake=False, data=tmp_path / "d")
    pair = first.access_key, first.secret_key
    assert pair[0].startswith("AKIA") and len(pair[1]) == 40
    first.stop()
    again = new_server(lake=False, data=tmp_path / "d")
    assert (again.access_key, again.secret_key) == pair
    again.stop()
    given = new_server(lake=False, data=tmp_path / "d",
                       env={"NIKAWA_ACCESS_KEY_ID": "mine", "NIKAWA_SECRET_ACCESS_KEY": "s3cret+/="})
    assert (given.access_key, given.secret_key) == ("mine", "s3cret+/=")
    assert given.client("sts").get_caller_identity()["Account"] == "000000000000"


def test_half_a_pair_is_refused(tmp_path):
    out = nikawa("serve", "--no-lake", "--listen", "127.0.0.1:0", "--data", tmp_path,
                 env={"NIKAWA_ACCESS_KEY_ID": "x"})
    assert out.returncode == 1 and "go together" in out.stderr


def test_account_and_region(new_server):
    s = new_server(lake=False, args=["--account-id", "123456789012", "--region", "eu-north-1"])
    assert s.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::123456789012:root"
    assert "region = eu-north-1" in (s.data / "config").read_text()


def test_second_server_on_one_folder(bare_server):
    out = nikawa("serve", "--no-lake", "--data", bare_server.data, "--listen", "127.0.0.1:0")
    assert out.returncode == 1
    assert str(bare_server.pid) in out.stderr and "nikawa stop" in out.stderr
    assert json.loads((bare_server.data / "server.json").read_text())["pid"] == bare_server.pid
    assert bare_server.client("sts").get_caller_identity()


def test_lock_of_a_killed_server_is_no_hindrance(new_server, tmp_path):
    s = new_server(lake=False, data=tmp_path / "d")
    s.kill()
    assert (tmp_path / "d" / "server.json").exists()
    assert nikawa("env", "--data", tmp_path / "d").returncode == 1  # it is not running
    again = new_server(lake=False, data=tmp_path / "d")
    assert again.client("sts").get_caller_identity()


def test_port_taken(bare_server, tmp_path):
    port = bare_server.url.rsplit(":", 1)[1]
    out = nikawa("serve", "--no-lake", "--data", tmp_path, "--listen", f"127.0.0.1:{port}")
    assert out.returncode == 1 and "in use" in out.stderr and port in out.stderr


def test_stop_ends_everything(tmp_path):
    s = Server(data=tmp_path / "d").start()
    below = children_of(s.pid)
    assert below, "the lake is a child of the server"
    out = nikawa("stop", "--data", tmp_path / "d")
    assert out.returncode == 0 and str(s.pid) in out.stdout
    assert s.process.wait(20) == 0
    s.process.stdout.close()
    assert not [p for p in below if alive(p)]
    assert not (tmp_path / "d" / "server.json").exists()
    again = nikawa("stop", "--data", tmp_path / "d")
    assert again.returncode == 0 and "no server" in again.stdout


def test_the_lake_dies_with_a_killed_server(new_server):
    s = new_server()
    below = children_of(s.pid)
    assert below
    s.kill()  # waits until none of them lives


def test_the_lake_comes_back(new_server):
    s = new_server()
    s3 = s.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="k", Body=b"still here")
    weed = children_of(s.pid)[0]
    os.kill(weed, signal.SIGKILL)
    wait_for(lambda: not alive(weed))

    def back():
        try:
            return s3.get_object(Bucket="kept", Key="k")["Body"].read()
        except Exception:
            return None

    assert wait_for(back, 60, 0.2) == b"still here"
    assert "starting it again" in s.log_text()


def test_lake_data_stays(new_server, tmp_path):
    s = new_server(data=tmp_path / "d")
    s.client("s3").create_bucket(Bucket="first")
    s.client("s3").put_object(Bucket="first", Key="a/b", Body=b"x" * 100000)
    s.stop()
    s = new_server(data=tmp_path / "d")
    assert s.client("s3").get_object(Bucket="first", Key="a/b")["Body"].read() == b"x" * 100000


def test_lake_listens_on_loopback_and_wants_our_keys(server):
    port = int(server.s3_url.rsplit(":", 1)[1])
    bad = boto3.client("s3", endpoint_url=server.s3_url, aws_access_key_id="no", aws_secret_access_key="no",
                       region_name="us-east-1")
    with pytest.raises(ClientError):
        bad.list_buckets()
    listening = subprocess.run(["ss", "-Hltn"], capture_output=True, text=True).stdout
    if listening:
        lines = [l.split()[3] for l in listening.splitlines() if l.split()[3].endswith(f":{port}")]
        assert lines == [f"127.0.0.1:{port}"]
    assert mode(server.data / "lake-identities.json") == 0o600


def test_some_other_s3(new_server, server):
    env = {"NIKAWA_S3_ACCESS_KEY_ID": server.access_key, "NIKAWA_S3_SECRET_ACCESS_KEY": server.secret_key}
    s = new_server(args=["--s3-endpoint", server.s3_url], env=env)
    assert s.s3_url == server.s3_url
    assert not [pid for pid in children_of(s.pid) if "weed" in Path(f"/proc/{pid}/cmdline").read_text()]
    assert "[nikawa-s3]" in (s.data / "credentials").read_text()


def test_no_weed_says_what_to_do(tmp_path):
    out = nikawa("serve", "--data", tmp_path / "d", "--listen", "127.0.0.1:0", "--weed", "/nonexistent/weed")
    assert out.returncode == 1 and "/nonexistent/weed" in out.stderr


@pytest.mark.parametrize("args, says", [
    (["--listne", "x"], "--listen"),
    (["--listen", "nowhere"], "HOST:PORT"),
    (["--listen", "127.0.0.1:99999"], "HOST:PORT"),
    (["--account-id", "12"], "12 digits"),
    (["--max-clock-skew", "soon"], "whole number"),
    (["--max-clock-skew", "0"], "from 1"),
    (["--max-body"], "wants MIB"),
    (["--region", "US East"], "us-east-1"),
    (["--tls-cert", "/x"], "go together"),
    (["--no-lake", "--s3-endpoint", "http://x"], "do not go together"),
    (["--no-lake=1"], "no value"),
    (["--log", "loud"], "debug"),
    (["extra"], "extra"),
])
def test_wrong_calls(args, says, tmp_path):
    out = nikawa("serve", "--data", tmp_path / "d", *args)
    assert out.returncode in (1, 2) and says in out.stderr, out.stderr
    assert "\033" not in out.stderr


def test_help_everywhere():
    top = nikawa("--help")
    assert top.returncode == 0
    for command in ("serve", "stop", "env"):
        assert command in top.stdout
        out = nikawa(command, "--help")
        assert out.returncode == 0 and "examples:" in out.stdout and "--data" in out.stdout
    assert nikawa("--version").stdout.startswith("nikawa ")
    wrong = nikawa("srve")
    assert wrong.returncode == 2 and "did you mean 'serve'" in wrong.stderr


def test_ctrl_c(new_server):
    s = new_server(lake=False)
    s.stop(signal.SIGINT)


def test_sigterm_lets_a_request_end_and_does_not_wait_for_idle_connections(new_server):
    s = new_server(lake=False)
    host, port = s.url.removeprefix("http://").split(":")
    idle = socket.create_connection((host, int(port)))
    half = socket.create_connection((host, int(port)))
    half.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
    began = time.monotonic()
    s.stop()
    assert time.monotonic() - began < 20
    idle.close()
    half.close()


def test_memory_of_an_idle_server(new_server):
    status = Path(f"/proc/{new_server(lake=False, plain=True).process.pid}/status").read_text()
    assert int(status.split("VmRSS:")[1].split()[0]) < 60 * 1024
