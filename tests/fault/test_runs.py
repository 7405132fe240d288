"""What becomes of runs when the server, the workers or the lake break under them."""
import os
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from conftest import alive, binary, children_of, ended, started, wait_for  # noqa: E402
from test_jobs import Jobs  # noqa: E402

LOOP = """
import os, subprocess, sys, time
p = subprocess.Popen(['sleep', '600'], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(os.getpid(), p.pid)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def own():
    """A server of these tests' own, which they break and start again."""
    s = started()
    bucket = "b-" + uuid.uuid4().hex[:10]
    s.client("s3").create_bucket(Bucket=bucket)
    yield Jobs(s, s.client("glue"), s.client("s3"), bucket)
    ended(s)


def pids_of(jobs, run):
    """The script's process and its child, which the script prints."""
    path = jobs.server.data / "logs" / "jobs" / run / "output.log"
    wait_for(lambda: path.exists() and path.read_text().endswith("\n"))
    return [int(p) for p in path.read_text().split()]


def again(jobs):
    """The same server, started anew on the same data."""
    s = jobs.server
    s.start()
    jobs.glue, jobs.s3 = s.client("glue"), s.client("s3")
    return jobs


def zygote_of(jobs):
    for pid in children_of(jobs.server.pid):
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
            if b"nikawa.zygote" in Path(f"/proc/{pid}/cmdline").read_bytes() and int(status.rpartition(")")[2].split()[1]) == jobs.server.pid:
                return pid
        except OSError:
            pass
    return None


def test_kill_9_of_the_server_in_mid_run(own):
    once = own.create(LOOP, MaxRetries=0)
    more = own.create(LOOP, MaxRetries=1)
    runs = own.start(once), own.start(more)
    done = own.run("print('before')")
    waiting = own.start(once, JobRunQueuingEnabled=True)
    pids = pids_of(own, runs[0]) + pids_of(own, runs[1])
    own.server.kill()
    wait_for(lambda: not [p for p in pids if alive(p)])
    again(own)
    r = own.until(once, runs[0])
    assert r["JobRunState"] == "FAILED" and "server ended" in r["ErrorMessage"]
    assert own.get(done["JobName"], done["Id"]) == done
    retry = runs[1] + "_attempt_1"
    assert wait_for(lambda: own.get(more, retry)["JobRunState"] == "RUNNING")
    assert own.get(more, runs[1])["JobRunState"] == "RUNNING"
    assert wait_for(lambda: own.get(once, waiting)["JobRunState"] == "RUNNING"), "its turn has come"
    own.glue.batch_stop_job_run(JobName=more, JobRunIds=[runs[1]])
    own.glue.batch_stop_job_run(JobName=once, JobRunIds=[waiting])
    assert own.until(more, runs[1])["JobRunState"] == "STOPPED"
    assert own.until(more, retry)["JobRunState"] == "STOPPED"
    assert own.until(once, waiting)["JobRunState"] == "STOPPED"
    assert own.run("print('after')")["JobRunState"] == "SUCCEEDED"
    assert not list((own.server.data / "work").iterdir())


def test_a_stop_survives_the_server(own):
    name = own.create("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + LOOP)
    run = own.start(name)
    pids = pids_of(own, run)
    own.glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    own.server.kill()
    wait_for(lambda: not [p for p in pids if alive(p)])
    again(own)
    assert own.until(name, run)["JobRunState"] == "STOPPED"


def test_sigterm_of_the_server_in_mid_run(own):
    name = own.create(LOOP, MaxRetries=0)
    run = own.start(name)
    pids = pids_of(own, run)
    own.server.stop()
    assert not [p for p in pids if alive(p)]
    again(own)
    assert own.until(name, run)["JobRunState"] == "FAILED"


def test_a_killed_worker_costs_its_run_only(own):
    first, second = own.create(LOOP, MaxRetries=0), own.create(LOOP, MaxRetries=0)
    a, b = own.start(first), own.start(second)
    victim, other = pids_of(own, a), pids_of(own, b)
    os.kill(victim[0], signal.SIGKILL)
    r = own.until(first, a)
    assert r["JobRunState"] == "FAILED" and r["ErrorMessage"] == "worker was killed by signal 9 (Killed)"
    assert not alive(victim[1]), "what it started goes with it"
    assert own.get(second, b)["JobRunState"] == "RUNNING" and alive(other[0])
    own.glue.batch_stop_job_run(JobName=second, JobRunIds=[b])
    assert own.until(second, b)["JobRunState"] == "STOPPED"
    assert not alive(other[1])


def test_a_killed_zygote_costs_nothing(own):
    name = own.create(LOOP, MaxRetries=0)
    run = own.start(name)
    pids = pids_of(own, run)
    os.kill(zygote_of(own), signal.SIGKILL)
    for _ in range(5):
        assert own.run("print('still')")["JobRunState"] == "SUCCEEDED"
    assert own.get(name, run)["JobRunState"] == "RUNNING" and alive(pids[0])
    own.glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    own.until(name, run)


def test_a_killed_lake_comes_back(own):
    script = """
import boto3, time, sys
print('ready')
bucket = sys.argv[-1]
for i in range(600):
    try:
        boto3.client('s3').put_object(Bucket=bucket, Key='survived', Body=b'x')
        if sys.stdin is None or i > 20: break
    except Exception as e:
        print(type(e).__name__)
    time.sleep(.1)
"""
    name = own.create(script, MaxRetries=0)
    run = own.start(name, {"--bucket": own.bucket})
    path = own.server.data / "logs" / "jobs" / run / "output.log"
    wait_for(lambda: path.exists() and "ready" in path.read_text())
    for pid in children_of(own.server.pid):
        if b"weed" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    assert own.until(name, run)["JobRunState"] == "SUCCEEDED"
    assert own.run("print(1)")["JobRunState"] == "SUCCEEDED"


def test_too_much_memory(own):
    """10 GB, as fast as it goes, in a run that may have one."""
    name = own.create("x = []\nwhile len(x) < 100: x.append(bytearray(b'y') * (100 << 20))\n", kind="pythonshell",
                      MaxRetries=0)
    other = own.create(LOOP)
    keeps = own.start(other)
    pids = pids_of(own, keeps)
    r = own.until(name, own.start(name))
    assert r["JobRunState"] == "FAILED"
    assert re.match(r"out of memory: the run used \d\.\d\d GB, its limit is 1\.00 GB", r["ErrorMessage"])
    assert own.get(other, keeps)["JobRunState"] == "RUNNING" and alive(pids[0])
    own.glue.batch_stop_job_run(JobName=other, JobRunIds=[keeps])
    own.until(other, keeps)


def test_a_swarm_of_processes_ends_with_its_run(own):
    name = own.create("""
import os, time
for i in range(60):
    if os.fork() == 0:
        os.setsid()
        if os.fork(): os._exit(0)
        time.sleep(600)
print('swarm')
time.sleep(600)
""", MaxRetries=0)
    run = own.start(name)
    path = own.server.data / "logs" / "jobs" / run / "output.log"
    wait_for(lambda: path.exists() and "swarm" in path.read_text())
    before = len(children_of(own.server.pid))
    own.glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    assert own.until(name, run)["JobRunState"] == "STOPPED"
    assert len(children_of(own.server.pid)) <= before - 60


# ---- nikawa logs and nikawa run ----


def command(*words, **more):
    return subprocess.run([binary(), *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, **more)


def test_following_a_run(own):
    name = own.create("import time, sys\nfor i in range(5):\n    print('tick', i)\n    time.sleep(.2)\n"
                      "print('oops', file=sys.stderr)\nif '_attempt_1' not in ' '.join(sys.argv): 1/0\n", MaxRetries=1)
    run = own.start(name)
    shown = command("logs", "--data", own.server.data, "-f", run)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("tick 4") == 2 and shown.stdout.count("oops") == 2
    assert f"{run} FAILED: ZeroDivisionError: division by zero" in shown.stderr
    assert f"{run}_attempt_1 SUCCEEDED" in shown.stderr
    assert own.get(name, run)["JobRunState"] == "SUCCEEDED"
    assert command("logs", "--data", own.server.data, name).stdout == shown.stdout
    assert run in command("logs", "--data", own.server.data).stdout
    missing = command("logs", "--data", own.server.data, "nobody")
    assert missing.returncode == 1 and "nobody" in missing.stderr


def test_following_ends_when_the_server_does(own):
    name = own.create(LOOP)
    run = own.start(name)
    pids_of(own, run)
    follower = subprocess.Popen([binary(), "logs", "--data", str(own.server.data), "-f", run], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
    own.server.kill()
    assert follower.wait(30) != 0
    assert "no server" in follower.stderr.read()
    again(own)


def test_run_with_a_server(own, tmp_path):
    script = tmp_path / "job.py"
    script.write_text("import sys, boto3\nprint(sys.argv[1:])\nprint(len(boto3.client('glue').get_jobs()['Jobs']))\nsys.exit(5)")
    own.create(Name="known")
    known = sum(len(p["Jobs"]) for p in own.glue.get_paginator("get_jobs").paginate())
    done = command("run", "--data", own.server.data, script, "--x", "1 2")
    assert done.returncode == 5, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "['--JOB_NAME', 'job.py', '--TempDir', 's3://aws-glue-assets-000000000000-us-east-1/temporary/', '--x', '1 2']"
    assert lines[1] == str(known)


def test_run_without_a_server(tmp_path):
    script = tmp_path / "job.py"
    script.write_text("import boto3, os\ns3 = boto3.client('s3')\ns3.create_bucket(Bucket='abc')\n"
                      "print(s3.list_buckets()['Buckets'][-1]['Name'], os.getcwd())\nraise ValueError('x')")
    env = {k: v for k, v in os.environ.items() if k != "NIKAWA_DATA"}
    before = set(os.listdir("/tmp"))
    done = command("run", script, env=env, cwd=tmp_path)
    assert done.returncode == 1
    assert str(tmp_path) in done.stdout and done.stderr.rstrip().endswith("ValueError: x")
    assert not [n for n in set(os.listdir("/tmp")) - before if n.startswith("nikawa-run-")]


def test_ctrl_c_of_run_leaves_nothing(tmp_path):
    script = tmp_path / "job.py"
    script.write_text("import time\nprint('on', flush=True)\ntime.sleep(600)")
    env = {k: v for k, v in os.environ.items() if k != "NIKAWA_DATA"}
    p = subprocess.Popen([binary(), "run", str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
                         start_new_session=True, cwd=tmp_path)
    assert p.stdout.readline() == "on\n"
    below = children_of(p.pid)
    assert len(below) >= 2
    os.killpg(p.pid, signal.SIGINT)
    assert p.wait(60) == 130 or p.returncode == 1
    wait_for(lambda: not [x for x in below if alive(x)])


def test_run_of_nothing():
    done = command("run", "/nonexistent/job.py")
    assert done.returncode == 1 and "/nonexistent/job.py" in done.stderr
    assert command("run").returncode == 2
