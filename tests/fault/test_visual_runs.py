"""What becomes of a visual job's run when it is stopped, or its worker, its server or its lake break."""
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "e2e"))
pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
from conftest import alive, binary, children_of, ended, started, wait_for  # noqa: E402
from visual import Visual  # noqa: E402


@pytest.fixture(scope="module")
def own():
    """A server of these tests' own, which they break and start again."""
    s = started()
    lab = Visual(s)
    lab.put_parquet("numbers/0.parquet", pa.table({"id": list(range(3000))}))
    yield lab
    ended(s)


ENDLESS = ("select count(*) as n from numbers a, numbers b, numbers c, numbers d, numbers e "
           "where a.id + b.id + c.id + d.id + e.id = 7777777")


def endless(lab, **more):
    """A job whose first target is written and whose second never ends."""
    nodes = {
        "s": {"S3ParquetSource": {"Name": "numbers", "Paths": [lab.uri("numbers/")]}},
        "q": {"SparkSQL": {"Name": "q", "Inputs": ["s"], "SqlQuery": ENDLESS, "SqlAliases": [{"From": "s", "Alias": "numbers"}]}},
        "first": {"S3DirectTarget": {"Name": "first", "Inputs": ["s"], "Path": lab.uri(lab.fresh()), "Format": "parquet"}},
        "o": {"S3DirectTarget": {"Name": "o", "Inputs": ["q"], "Path": lab.uri(lab.fresh()), "Format": "parquet"}}}
    return lab.create(nodes, **more), nodes["o"]["S3DirectTarget"]["Path"].partition(lab.bucket + "/")[2]


def engine_workers(lab):
    def is_one(pid):
        try:
            return b"\0worker\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False

    return [p for p in children_of(lab.server.pid) if is_one(p)]


def busy(lab, run):
    """Waits until the run's second target is at work; its worker's pid."""
    log = lab.server.data / "logs" / "jobs" / run / "output.log"
    wait_for(lambda: log.exists() and 'S3DirectTarget "first"' in log.read_text())
    wait_for(lambda: engine_workers(lab))
    return engine_workers(lab)[0]


def again(lab):
    lab.server.start()
    lab.s3, lab.glue = lab.server.client("s3"), lab.server.client("glue")


def finish(lab, name, run):
    lab.glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    return lab.wait(name, run)


def test_a_stop_ends_the_engine_and_leaves_nothing_half(own):
    name, out = endless(own)
    run = own.start(name)
    pid = busy(own, run)
    assert own.state(name, run)["JobRunState"] == "RUNNING"
    assert finish(own, name, run)["JobRunState"] == "STOPPED"
    wait_for(lambda: not alive(pid))
    assert not own.keys(out) and own.note(run)["engine"] == "plan"


def test_a_killed_worker_is_a_failure_and_is_retried(own):
    name, _ = endless(own, MaxRetries=1)
    run = own.start(name)
    os.kill(busy(own, run), signal.SIGKILL)
    retry = run + "_attempt_1"
    wait_for(lambda: any(r["Id"] == retry for r in own.glue.get_job_runs(JobName=name)["JobRuns"]))
    state = own.state(name, run)
    assert state["JobRunState"] == "RUNNING" and "killed by signal 9" in state["StateDetail"]
    os.kill(busy(own, retry), signal.SIGKILL)
    state = own.wait(name, run)
    assert state["JobRunState"] == "FAILED" and "killed by signal 9" in state["ErrorMessage"]
    assert own.note(retry)["engine"] == "plan"


def test_kill_9_of_the_server_in_mid_run(own):
    name, out = endless(own)
    run = own.start(name)
    pid = busy(own, run)
    own.server.kill()
    wait_for(lambda: not alive(pid))
    again(own)
    state = own.wait(name, run)
    assert state["JobRunState"] == "FAILED" and "server ended" in state["ErrorMessage"]
    assert not own.keys(out)


def test_sigterm_of_the_server_in_mid_run(own):
    name, _ = endless(own)
    run = own.start(name)
    pid = busy(own, run)
    own.server.stop()
    assert not alive(pid)
    again(own)
    assert own.wait(name, run)["JobRunState"] == "FAILED"


def test_a_missing_script_ends_the_run_although_its_nodes_are_there(own):
    """A run executes what lies at ScriptLocation, always."""
    name, _ = endless(own)
    own.s3.delete_object(Bucket=own.bucket, Key=f"scripts/{name}.py")
    state = own.run(name)
    assert state["JobRunState"] == "FAILED" and "There is no script at" in state["ErrorMessage"]


# ---- the worker alone, with settings that a server would not give it ----


def worker(lab, nodes, **settings):
    """One task for `nikawa worker`: its exit code and the events that it sends."""
    ours, theirs = socket.socketpair()
    s = lab.server
    request = json.dumps({"op": "plan", "run_id": "jr_x", "job": "j", "nodes": nodes, "settings": {
        "endpoint": s.url, "region": "us-east-1", "access_key": s.access_key, "secret_key": s.secret_key,
        "s3_endpoint": s.s3_url, "temp_dir": str(s.data.parent / "spill"), "threads": 2, **settings}}).encode()
    p = subprocess.Popen([binary(), "worker"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                         close_fds=False, preexec_fn=lambda: os.dup2(theirs.fileno(), 3))
    theirs.close()
    ours.sendall(struct.pack("<I", len(request)) + request)
    data = b""
    while piece := ours.recv(65536):
        data += piece
    p.communicate(timeout=60)
    ours.close()
    events = []
    while data:
        n = struct.unpack("<I", data[:4])[0]
        events.append(json.loads(data[4:4 + n]))
        data = data[4 + n:]
    return p.returncode, events


def target(lab, node, out="alone/"):
    return {"S3DirectTarget": {"Name": "the target", "Inputs": [node], "Path": lab.uri(out), "Format": "parquet"}}


def numbers(lab):
    return {"S3ParquetSource": {"Name": "numbers", "Paths": [lab.uri("numbers/")]}}


def test_the_events_of_a_run(own):
    code, events = worker(own, {"s": numbers(own), "a": target(own, "s", "alone/a/"), "b": target(own, "s", "alone/b/")})
    assert code == 0 and [e["event"] for e in events] == ["started", "target", "target", "result"]
    assert [(e["node"], e["done"], e["of"], e["rows"]) for e in events[1:3]] == [("a", 1, 2, 3000), ("b", 2, 2, 3000)]
    assert all(own.keys(f"alone/{n}/") == [f.split("/", 3)[3] for f in t["files"]] for n, t in zip("ab", events[3]["targets"]))


def test_an_s3_endpoint_that_is_gone(own):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = "http://127.0.0.1:%d" % free.getsockname()[1]
    code, events = worker(own, {"s": numbers(own), "o": target(own, "s")}, s3_endpoint=gone)
    assert code == 1 and events[-1]["event"] == "error" and events[-1]["code"] == "NK_E_UNAVAILABLE", events
    assert "node o" in events[-1]["message"] and gone.rpartition("/")[2] in events[-1]["message"]


def test_a_memory_limit_is_told_with_what_to_do(own):
    sql = {"SparkSQL": {"Name": "big", "Inputs": ["s"], "SqlAliases": [{"From": "s", "Alias": "n"}],
                        "SqlQuery": "select distinct concat('%s', a.id, b.id) m from n a, n b order by 1" % ("x" * 3000)}}
    code, events = worker(own, {"s": numbers(own), "q": sql, "o": target(own, "q", "alone/big/")}, memory_limit_bytes=64 << 20,
                          temp_dir="")
    assert code == 1 and events[-1]["code"] == "NK_E_NOMEM", events[-1]
    assert "48 MB" in events[-1]["message"] and "WorkerType" in events[-1]["hint"]
    assert not own.keys("alone/big/")
    code, events = worker(own, {"s": numbers(own), "o": target(own, "s", "alone/small/")}, memory_limit_bytes=400 << 20)
    assert code == 0, events


@pytest.mark.parametrize("nodes, code, says", [
    ({}, "NK_E_INVALID", "no nodes"),
    ({"s": {"S3ParquetSource": {"Name": "s", "Paths": ["s3://b/x"]}}}, "NK_E_INVALID", "no target"),
    ({"s": {"RedshiftSource": {"Name": "s"}}}, "NK_E_UNSUPPORTED", "RedshiftSource"),
    ({"a": {"DropFields": {"Name": "a", "Inputs": ["b"], "Paths": [["x"]]}}, "b": {"DropFields": {"Name": "b", "Inputs": ["a"], "Paths": [["x"]]}}},
     "NK_E_INVALID", "circle"),
    ({"s": {"S3ParquetSource": {"Name": "s"}}}, "NK_E_INVALID", "Paths"),
])
def test_graphs_that_are_none(own, nodes, code, says):
    exit_code, events = worker(own, nodes)
    assert exit_code == 1 and events[-1]["code"] == code and says in events[-1]["message"], events
