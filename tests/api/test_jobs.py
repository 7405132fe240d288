"""Job definitions and runs, with boto3 against a real server and its lake."""
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

FINAL = {"SUCCEEDED", "FAILED", "STOPPED", "TIMEOUT", "ERROR"}


@pytest.fixture(scope="module")
def bucket(s3):
    name = "scripts-" + uuid.uuid4().hex[:12]
    s3.create_bucket(Bucket=name)
    return name


class Jobs:
    """Makes jobs out of scripts, and runs them."""

    def __init__(self, server, glue, s3, bucket):
        self.server, self.glue, self.s3, self.bucket = server, glue, s3, bucket

    def create(self, script="pass\n", kind="glueetl", **more):
        name = more.pop("Name", "job-" + uuid.uuid4().hex[:10])
        command = {"Name": kind, "ScriptLocation": self.put(name, script)}
        self.glue.create_job(Name=name, Role="arn:aws:iam::000000000000:role/r",
                             Command={**command, **more.pop("Command", {})}, **more)
        return name

    def put(self, name, script):
        self.s3.put_object(Bucket=self.bucket, Key=f"{name}.py", Body=script)
        return f"s3://{self.bucket}/{name}.py"

    def start(self, name, arguments=None, **more):
        return self.glue.start_job_run(JobName=name, Arguments=arguments or {}, **more)["JobRunId"]

    def get(self, name, run):
        return self.glue.get_job_run(JobName=name, RunId=run)["JobRun"]

    def until(self, name, run, states=FINAL, seconds=60):
        end = time.monotonic() + seconds
        while True:
            r = self.get(name, run)
            if r["JobRunState"] in states:
                return r
            assert r["JobRunState"] not in FINAL, r
            assert time.monotonic() < end, r
            time.sleep(0.02)

    def run(self, script, arguments=None, **more):
        name = self.create(script, **more)
        return self.until(name, self.start(name, arguments))

    def log(self, run, which="output"):
        run = run if isinstance(run, str) else run["Id"]
        return (self.server.data / "logs" / "jobs" / run / f"{which}.log").read_text()

    def marker(self, key):
        """Waits for an object that a script puts."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            if self.s3.list_objects_v2(Bucket=self.bucket, Prefix=key).get("KeyCount"):
                return self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read().decode()
            time.sleep(0.02)
        raise AssertionError(f"{key} did not come")


@pytest.fixture
def jobs(server, glue, s3, bucket):
    return Jobs(server, glue, s3, bucket)


def refusal(call, **arguments):
    with pytest.raises(ClientError) as e:
        call(**arguments)
    return e.value.response["Error"]["Code"], e.value.response["Error"]["Message"]


# ---- definitions ----


def test_a_job_reads_back_as_it_was_written(jobs, glue):
    given = {
        "Description": "nächtlich", "LogUri": "s3://logs/", "MaxRetries": 2, "Timeout": 77, "GlueVersion": "4.0",
        "WorkerType": "G.2X", "NumberOfWorkers": 3, "DefaultArguments": {"--a": "1", "--b": ""},
        "NonOverridableArguments": {"--c": "3"}, "ExecutionProperty": {"MaxConcurrentRuns": 5},
        "NotificationProperty": {"NotifyDelayAfter": 9}, "SecurityConfiguration": "sec",
        "Connections": {"Connections": ["one", "two"]}, "ExecutionClass": "FLEX", "JobMode": "NOTEBOOK",
        "JobRunQueuingEnabled": True, "MaintenanceWindow": "Sun:10",
    }
    name = jobs.create(Tags={"team": "x"}, **given)
    job = glue.get_job(JobName=name)["Job"]
    assert {k: job[k] for k in given} == given
    assert job["Command"]["Name"] == "glueetl" and job["Command"]["PythonVersion"] == "3"
    assert job["MaxCapacity"] == 6.0 and job["AllocatedCapacity"] == 6
    assert job["CreatedOn"] == job["LastModifiedOn"]
    assert glue.batch_get_jobs(JobNames=[name, "nobody"])["JobsNotFound"] == ["nobody"]
    assert glue.batch_get_jobs(JobNames=[name, "nobody"])["Jobs"] == [job]


@pytest.mark.parametrize("version, timeout", [("0.9", 2880), ("4.0", 2880), ("5.0", 480), ("5.1", 480), (None, 480)])
def test_the_default_timeout_goes_by_version(jobs, glue, version, timeout):
    job = glue.get_job(JobName=jobs.create(**({"GlueVersion": version} if version else {})))["Job"]
    assert job["Timeout"] == timeout
    assert job["GlueVersion"] == (version or "6.0")
    assert "MaxRetries" not in job
    assert job["ExecutionProperty"] == {"MaxConcurrentRuns": 1}
    assert job["JobMode"] == "SCRIPT" and job["JobRunQueuingEnabled"] is False


@pytest.mark.parametrize("given, expected", [
    ({}, ("G.1X", 10, 10.0, 10)),
    ({"WorkerType": "G.025X", "NumberOfWorkers": 4}, ("G.025X", 4, 1.0, 1)),
    ({"WorkerType": "G.8X", "NumberOfWorkers": 2}, ("G.8X", 2, 16.0, 16)),
    ({"MaxCapacity": 7.0}, (None, None, 7.0, 7)),
    ({"AllocatedCapacity": 4}, (None, None, 4.0, 4)),
    ({"GlueVersion": "1.0"}, (None, None, 10.0, 10)),
    ({"kind": "pythonshell"}, (None, None, 0.0625, 0)),
    ({"kind": "pythonshell", "MaxCapacity": 1.0}, (None, None, 1.0, 1)),
])
def test_capacity_is_filled_in(jobs, glue, given, expected):
    job = glue.get_job(JobName=jobs.create(**given))["Job"]
    assert tuple(job.get(k) for k in ("WorkerType", "NumberOfWorkers", "MaxCapacity", "AllocatedCapacity")) == expected


@pytest.mark.parametrize("given, words", [
    ({"MaxCapacity": 2.0, "WorkerType": "G.1X", "NumberOfWorkers": 2}, "Max Capacity"),
    ({"kind": "pythonshell", "MaxCapacity": 2.0}, "0.0625 or 1"),
    ({"kind": "pythonshell", "WorkerType": "G.1X", "NumberOfWorkers": 2}, "Python shell"),
    ({"kind": "gluemagic"}, "gluemagic"),
    ({"MaxRetries": 11}, "MaxRetries"),
    ({"Timeout": 10081}, "10080"),
    ({"NumberOfWorkers": 0, "WorkerType": "G.1X"}, "NumberOfWorkers"),
    ({"ExecutionProperty": {"MaxConcurrentRuns": 0}}, "MaxConcurrentRuns"),
])
def test_a_bad_job_is_refused(jobs, given, words):
    code, message = refusal(jobs.create, **given)
    assert code == "InvalidInputException" and words in message


def test_creating_twice(jobs, glue):
    name = jobs.create(Description="one")
    command = glue.get_job(JobName=name)["Job"]["Command"]
    role = "arn:aws:iam::000000000000:role/r"
    same = {"Name": name, "Role": role, "Description": "one",
            "Command": {"Name": "glueetl", "ScriptLocation": command["ScriptLocation"]}}
    assert glue.create_job(**same)["Name"] == name
    code, message = refusal(glue.create_job, **{**same, "Description": "two"})
    assert code == "IdempotentParameterMismatchException" and name in message
    assert glue.get_job(JobName=name)["Job"]["Description"] == "one"


def test_update_replaces_everything(jobs, glue):
    name = jobs.create(Description="old", MaxRetries=0, DefaultArguments={"--a": "1"}, Tags={"k": "v"})
    before = glue.get_job(JobName=name)["Job"]
    assert before["MaxRetries"] == 0
    update = {"Role": "r2", "Command": before["Command"], "MaxRetries": 5}
    assert glue.update_job(JobName=name, JobUpdate=update)["JobName"] == name
    job = glue.get_job(JobName=name)["Job"]
    assert job["Role"] == "r2" and job["MaxRetries"] == 5
    assert "Description" not in job and "DefaultArguments" not in job
    assert job["CreatedOn"] == before["CreatedOn"] and job["LastModifiedOn"] > before["LastModifiedOn"]
    del update["MaxRetries"]
    glue.update_job(JobName=name, JobUpdate=update)
    assert "MaxRetries" not in glue.get_job(JobName=name)["Job"]
    assert name in glue.list_jobs(Tags={"k": "v"})["JobNames"]


def test_names_that_are_not_there(jobs, glue):
    assert refusal(glue.get_job, JobName="nobody")[0] == "EntityNotFoundException"
    assert refusal(glue.update_job, JobName="nobody", JobUpdate={
        "Role": "r", "Command": {"Name": "glueetl", "ScriptLocation": "s3://b/k.py"}})[0] == "EntityNotFoundException"
    assert refusal(glue.start_job_run, JobName="nobody")[0] == "EntityNotFoundException"
    assert refusal(glue.get_job_runs, JobName="nobody")[0] == "EntityNotFoundException"
    assert refusal(glue.get_job_run, JobName="nobody", RunId="jr_1")[0] == "EntityNotFoundException"
    name = jobs.create()
    assert refusal(glue.get_job_run, JobName=name, RunId="jr_1")[0] == "EntityNotFoundException"
    assert glue.delete_job(JobName="nobody")["JobName"] == "nobody"
    assert glue.batch_stop_job_run(JobName="nobody", JobRunIds=["jr_1"])["Errors"][0]["ErrorDetail"]["ErrorCode"] == "EntityNotFoundException"


def test_what_the_model_forbids_is_a_validation_error(glue):
    too_long = "j" * 256
    for call, given in ((glue.delete_job, {"JobName": too_long}), (glue.batch_get_jobs, {"JobNames": [too_long]}),
                        (glue.batch_stop_job_run, {"JobName": too_long, "JobRunIds": ["jr_1"]})):
        code, message = refusal(call, **given)
        assert code == "ValidationException" and "less than or equal to 255" in message
    assert refusal(glue.list_jobs, NextToken="x")[0] == "InvalidInputException"


def test_pages_of_jobs(jobs, glue_in, s3, bucket, server):
    glue = glue_in("eu-central-1")
    there = Jobs(server, glue, s3, bucket)
    names = sorted(there.create(Name=f"page-{i:02}", Tags={"odd": str(i % 2)}) for i in range(23))
    seen, token, pages = [], None, 0
    while True:
        page = glue.list_jobs(MaxResults=5, **({"NextToken": token} if token else {}))
        seen += page["JobNames"]
        pages += 1
        token = page.get("NextToken")
        if not token:
            break
    assert seen == names and pages == 5
    assert [j["Name"] for page in glue.get_paginator("get_jobs").paginate(PaginationConfig={"PageSize": 7})
            for j in page["Jobs"]] == names
    odd = [n for page in glue.get_paginator("list_jobs").paginate(Tags={"odd": "1"}, PaginationConfig={"PageSize": 4})
           for n in page["JobNames"]]
    assert odd == [n for n in names if int(n[-2:]) % 2]
    assert refusal(glue.get_jobs, NextToken="nonsense")[0] == "InvalidInputException"


def test_a_region_is_a_namespace(jobs, glue_in):
    name = jobs.create()
    assert refusal(glue_in("ap-south-1").get_job, JobName=name)[0] == "EntityNotFoundException"


def test_a_deleted_job_takes_its_runs_along(jobs, glue):
    r = jobs.run("print(1)")
    name = r["JobName"]
    glue.delete_job(JobName=name)
    assert refusal(glue.get_job, JobName=name)[0] == "EntityNotFoundException"
    assert refusal(glue.get_job_run, JobName=name, RunId=r["Id"])[0] == "EntityNotFoundException"
    jobs.create(Name=name)
    assert glue.get_job_runs(JobName=name)["JobRuns"] == []


# ---- runs ----


def test_a_run_from_start_to_end(jobs, glue):
    r = jobs.run("import sys\nprint('päth', sys.argv[0].rsplit('/')[-1], sys.argv[1:])\nprint('bad', file=sys.stderr)",
                 {"--day": "2013-01-01", "--b": "run"}, DefaultArguments={"--a": "default", "--b": "default", "--c": "x"},
                 NonOverridableArguments={"--c": "fixed"}, Timeout=5, WorkerType="G.2X", NumberOfWorkers=2)
    assert r["JobRunState"] == "SUCCEEDED" and "ErrorMessage" not in r
    assert r["Id"].startswith("jr_") and len(r["Id"]) == 67 and r["Attempt"] == 0
    assert r["Arguments"] == {"--a": "default", "--b": "run", "--c": "fixed", "--day": "2013-01-01"}
    assert r["Timeout"] == 5 and r["WorkerType"] == "G.2X" and r["NumberOfWorkers"] == 2 and r["MaxCapacity"] == 4.0
    assert r["LogGroupName"] == "/aws-glue/jobs" and r["PredecessorRuns"] == []
    assert r["StartedOn"] <= r["LastModifiedOn"] == r["CompletedOn"]
    words = jobs.log(r)
    assert words.startswith(f"päth {r['JobName']}.py ['--JOB_NAME', '{r['JobName']}', '--JOB_ID', 'j_")
    for pair in (f"'--JOB_RUN_ID', '{r['Id']}'", "'--a', 'default'", "'--b', 'run'", "'--c', 'fixed'",
                 "'--TempDir', 's3://aws-glue-assets-000000000000-us-east-1/temporary/'"):
        assert pair in words
    assert jobs.log(r, "error") == "bad\n"
    assert glue.get_job_runs(JobName=r["JobName"])["JobRuns"] == [r]


def test_a_run_talks_to_this_server_only(jobs, bucket):
    r = jobs.run(f"""
import boto3, os
print(boto3.client('sts').get_caller_identity()['Account'])
print(boto3.client('glue').get_job(JobName={jobs.create()!r})['Job']['Role'])
boto3.client('s3').put_object(Bucket={bucket!r}, Key='from-run', Body=b'x')
print(boto3.client('sqs').meta.endpoint_url == os.environ['AWS_ENDPOINT_URL_GLUE'])
""")
    assert r["JobRunState"] == "SUCCEEDED", (r, jobs.log(r, "error"))
    assert jobs.log(r).split() == ["000000000000", "arn:aws:iam::000000000000:role/r", "True"]
    assert jobs.marker("from-run") == "x"


@pytest.mark.parametrize("script, message", [
    ("raise ValueError('äh: bad')", "ValueError: äh: bad"),
    ("def f(x):\n    return x['k']\nf({})", "KeyError: 'k'"),
    ("import sys\nsys.exit(3)", "SystemExit: 3"),
    ("import sys\nsys.exit('no good')", "SystemExit: no good"),
    ("import os\nos._exit(9)", "The script ended with exit code 9."),
    ("import os\nos.kill(os.getpid(), 9)", "worker was killed by signal 9 (Killed)"),
    ("import os\nos.kill(os.getpid(), 11)", "worker was killed by signal 11 (Segmentation fault)"),
    ("x = (\nprint(1)\n", "SyntaxError: '(' was never closed"),
    ("import this_is_not_there", "ModuleNotFoundError: No module named 'this_is_not_there'"),
    (b"\xff\xfe bad bytes", "SyntaxError"),
])
def test_failures_say_why(jobs, script, message):
    r = jobs.run(script, MaxRetries=0)
    assert r["JobRunState"] == "FAILED" and r["ErrorMessage"].startswith(message)
    if "Error" in message:
        assert jobs.log(r, "error").rstrip().splitlines()[-1].split(":")[0] == message.split(":")[0]


@pytest.mark.parametrize("script", ["import sys\nsys.exit(0)", "import sys\nsys.exit()", "",
                                    "import threading, time\nthreading.Thread(target=time.sleep, args=(.2,)).start()"])
def test_quiet_ends_are_success(jobs, script):
    assert jobs.run(script)["JobRunState"] == "SUCCEEDED"


@pytest.mark.parametrize("retries, attempts", [(None, 4), (0, 1), (1, 2)])
def test_retries_by_count(jobs, glue, retries, attempts):
    more = {} if retries is None else {"MaxRetries": retries}
    r = jobs.run("1/0", **more)
    assert r["JobRunState"] == "FAILED" and r["ErrorMessage"] == "ZeroDivisionError: division by zero"
    runs = glue.get_job_runs(JobName=r["JobName"])["JobRuns"]
    assert [x["Attempt"] for x in runs] == list(range(attempts))[::-1]
    assert all(x["JobRunState"] == "FAILED" for x in runs)
    ids = [x["Id"] for x in runs][::-1]
    assert ids == [r["Id"]] + [f"{r['Id']}_attempt_{i}" for i in range(1, attempts)]
    assert [x.get("PreviousRunId") for x in runs][::-1] == [None] + ids[:-1]


def test_the_last_attempt_decides(jobs, glue, bucket):
    script = f"""
import boto3, sys
s3 = boto3.client('s3')
n = s3.list_objects_v2(Bucket={bucket!r}, Prefix='tries/').get('KeyCount', 0)
s3.put_object(Bucket={bucket!r}, Key=f'tries/{{n}}', Body=b'')
print('try', n)
if n < 2: raise RuntimeError(f'not yet {{n}}')
"""
    name = jobs.create(script)
    run, states = jobs.start(name), []
    while not states or states[-1] not in FINAL:
        states.append(jobs.get(name, run)["JobRunState"])
    r = jobs.get(name, run)
    assert states[-1] == "SUCCEEDED" and "FAILED" not in states and "ErrorMessage" not in r
    assert "Attempt 2 of 4 failed: RuntimeError: not yet 1" in r["StateDetail"]
    runs = glue.get_job_runs(JobName=name)["JobRuns"]
    assert [(x["Attempt"], x["JobRunState"]) for x in runs] == [(2, "SUCCEEDED"), (1, "FAILED"), (0, "SUCCEEDED")]
    assert jobs.log(runs[0]) == "try 2\n"


def test_a_missing_script_is_named(jobs, glue, bucket):
    name = jobs.create(MaxRetries=0, Command={"ScriptLocation": f"s3://{bucket}/not/there.py"})
    r = jobs.until(name, jobs.start(name))
    assert r["JobRunState"] == "FAILED" and f"s3://{bucket}/not/there.py" in r["ErrorMessage"]
    name = jobs.create(MaxRetries=0, Command={"ScriptLocation": "s3://no-such-bucket-at-all/x.py"})
    assert "no-such-bucket-at-all" in jobs.until(name, jobs.start(name))["ErrorMessage"]
    name = jobs.create(MaxRetries=0, Command={"ScriptLocation": "/tmp/x.py"})
    assert "/tmp/x.py" in jobs.until(name, jobs.start(name))["ErrorMessage"]


def test_what_lies_at_the_location_is_what_runs(jobs):
    name = jobs.create("print('one')")
    assert jobs.log(jobs.until(name, jobs.start(name))) == "one\n"
    jobs.put(name, "print('two')")
    assert jobs.log(jobs.until(name, jobs.start(name))) == "two\n"
    other = jobs.put(name + "-other", "print('three')")
    assert jobs.log(jobs.until(name, jobs.start(name, {"--scriptLocation": other}))) == "three\n"


@pytest.mark.parametrize("option, value", [
    ("--job-bookmark-option", "job-bookmark-enable"), ("--job-bookmark-option", "job-bookmark-pause"),
    ("--extra-py-files", "s3://b/x.zip"), ("--additional-python-modules", "six==1.0"), ("--extra-jars", "s3://b/x.jar"),
    ("--job-language", "scala"), ("--extra-files", "s3://b/x"), ("--datalake-formats", "hudi"),
])
def test_what_is_not_there_is_named(jobs, glue, option, value):
    name = jobs.create("raise SystemExit('it ran')")
    r = jobs.until(name, jobs.start(name, {option: value}))
    assert r["JobRunState"] == "FAILED" and r["ErrorMessage"].startswith(f"{option} {value} is not supported yet")
    assert len(glue.get_job_runs(JobName=name)["JobRuns"]) == 1


@pytest.mark.parametrize("more, words", [
    ({"kind": "gluestreaming"}, "gluestreaming"), ({"kind": "glueray"}, "glueray"),
    ({"Connections": {"Connections": ["pg"]}}, "Connections pg"), ({"SecurityConfiguration": "sc"}, "SecurityConfiguration sc"),
])
def test_kinds_and_settings_that_are_not_there(jobs, more, words):
    r = jobs.run("print(1)", **more)
    assert r["JobRunState"] == "FAILED" and words in r["ErrorMessage"]


def test_harmless_options_are_noted(jobs):
    r = jobs.run("print(1)", {"--enable-metrics": "true", "--enable-spark-ui": "false",
                              "--job-bookmark-option": "job-bookmark-disable"})
    assert r["JobRunState"] == "SUCCEEDED"
    assert jobs.log(r, "error") == "nikawa: --enable-metrics has no effect here yet\n"


def test_a_python_shell_job(jobs):
    r = jobs.run("import sys, json\nprint(json.dumps(sys.argv[1:]))", {"--k": "v"}, kind="pythonshell")
    assert r["JobRunState"] == "SUCCEEDED" and r["LogGroupName"] == "/aws-glue/python-jobs" and r["MaxCapacity"] == 0.0625
    assert '"--k", "v"' in jobs.log(r)


# ---- concurrency, stop ----

WAIT = """
import boto3, time, sys
s3 = boto3.client('s3')
i = sys.argv[sys.argv.index('--JOB_RUN_ID') + 1]
s3.put_object(Bucket={bucket!r}, Key='started/' + i, Body=b'1')
while not s3.list_objects_v2(Bucket={bucket!r}, Prefix={go!r}).get('KeyCount'):
    time.sleep(.05)
"""


def test_the_concurrency_limit(jobs, glue, s3, bucket):
    go = "go-" + uuid.uuid4().hex
    name = jobs.create(WAIT.format(bucket=bucket, go=go), ExecutionProperty={"MaxConcurrentRuns": 2})
    runs = [jobs.start(name), jobs.start(name)]
    assert refusal(glue.start_job_run, JobName=name)[0] == "ConcurrentRunsExceededException"
    waiting = [jobs.start(name, JobRunQueuingEnabled=True) for _ in range(2)]
    assert [jobs.get(name, w)["JobRunState"] for w in waiting] == ["WAITING"] * 2
    for run in runs:
        jobs.marker("started/" + run)
    gone = jobs.start(name, JobRunQueuingEnabled=True)
    assert glue.batch_stop_job_run(JobName=name, JobRunIds=[gone])["SuccessfulSubmissions"]
    assert jobs.get(name, gone)["JobRunState"] == "STOPPED"
    s3.put_object(Bucket=bucket, Key=go, Body=b"")
    for run in runs + waiting:
        assert jobs.until(name, run)["JobRunState"] == "SUCCEEDED"
    assert jobs.get(name, gone)["JobRunState"] == "STOPPED"


def test_stop(jobs, glue, bucket):
    name = jobs.create(WAIT.format(bucket=bucket, go="never"))
    run = jobs.start(name)
    jobs.marker("started/" + run)
    assert jobs.get(name, run)["JobRunState"] == "RUNNING"
    over = jobs.run("print(1)")
    answer = glue.batch_stop_job_run(JobName=name, JobRunIds=[run, "jr_nobody", over["Id"]])
    assert answer["SuccessfulSubmissions"] == [{"JobName": name, "JobRunId": run}]
    assert [(e["JobRunId"], e["ErrorDetail"]["ErrorCode"]) for e in answer["Errors"]] == [
        ("jr_nobody", "EntityNotFoundException"), (over["Id"], "EntityNotFoundException")]
    r = jobs.until(name, run)
    assert r["JobRunState"] == "STOPPED" and r["CompletedOn"]
    assert len(glue.get_job_runs(JobName=name)["JobRuns"]) == 1, "a stopped run is not retried"
    again = glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    assert again["Errors"][0]["ErrorDetail"]["ErrorCode"] == "JobRunInvalidStateTransitionException"


def test_a_script_that_will_not_stop_is_killed(jobs, glue, bucket):
    name = jobs.create("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                       + WAIT.format(bucket=bucket, go="never"))
    run = jobs.start(name)
    jobs.marker("started/" + run)
    glue.batch_stop_job_run(JobName=name, JobRunIds=[run])
    assert jobs.until(name, run)["JobRunState"] == "STOPPED"


def test_running_again_by_hand(jobs, glue):
    name = jobs.create("import sys\nprint(sys.argv[-1])")
    first = jobs.start(name, {"--x": "7"})
    jobs.until(name, first)
    r = jobs.until(name, jobs.start(name, JobRunId=first))
    assert r["PreviousRunId"] == first and r["Arguments"] == {"--x": "7"} and jobs.log(r) == "7\n"
    assert refusal(glue.start_job_run, JobName=name, JobRunId="jr_nobody")[0] == "EntityNotFoundException"


def test_pages_of_runs_newest_first(jobs, glue):
    name = jobs.create("pass", ExecutionProperty={"MaxConcurrentRuns": 20})
    ids = [jobs.start(name) for _ in range(11)]
    for i in ids:
        jobs.until(name, i)
    pages = list(glue.get_paginator("get_job_runs").paginate(JobName=name, PaginationConfig={"PageSize": 4}))
    assert [r["Id"] for p in pages for r in p["JobRuns"]] == ids[::-1]
    assert [len(p["JobRuns"]) for p in pages] == [4, 4, 3]


def test_fifty_at_once(jobs, glue):
    name = jobs.create("import sys\nprint(sys.argv[-1])", ExecutionProperty={"MaxConcurrentRuns": 60})
    with ThreadPoolExecutor(10) as pool:
        ids = list(pool.map(lambda i: jobs.start(name, {"--n": str(i)}), range(50)))
    for i, run in enumerate(ids):
        assert jobs.until(name, run, seconds=120)["JobRunState"] == "SUCCEEDED"
        assert jobs.log(run) == f"{i}\n"


def test_much_output(jobs):
    r = jobs.run("for i in range(200000): print('line', i, 'x' * 50)")
    assert r["JobRunState"] == "SUCCEEDED"
    lines = jobs.log(r).splitlines()
    assert len(lines) == 200000 and lines[-1].startswith("line 199999 ")


def test_arguments_have_a_limit(jobs, glue):
    name = jobs.create()
    assert refusal(glue.start_job_run, JobName=name, Arguments={"--a": "x" * 270000})[0] == "InvalidInputException"


def test_memory_goes_by_the_type(jobs):
    """Python shell at 1/16 DPU has a gigabyte; the whole tree counts."""
    r = jobs.run("import subprocess, sys\n"
                 "c = 'import time; x = bytearray(b\"y\") * (700 << 20); time.sleep(60)'\n"
                 "p = [subprocess.Popen([sys.executable, '-c', c]) for _ in range(2)]\n"
                 "[x.wait() for x in p]\n", kind="pythonshell", MaxRetries=0)
    assert r["JobRunState"] == "FAILED" and r["ErrorMessage"].startswith("out of memory") and "1.00 GB" in r["ErrorMessage"]
