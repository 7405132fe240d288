"""Servers and clients for the tests that go through the wire.

    def test_x(glue): ...                 a boto3 client of the session's server (with its lake)
    def test_x(bare_glue): ...            the same of a server without a lake: quicker to have
    def test_x(glue_in): glue_in("eu-west-1")     another region, which is another namespace
    def test_x(new_server): s = new_server(lake=False, args=["--max-body", "1"])    one of its own

The server is $NIKAWA_BIN, else build-asan/nikawa, else build/nikawa. When a test fails, the tail of its
server's log is shown. At the end every server must leave by SIGTERM with code 0, leave no process
behind and must have reported nothing to a sanitizer.

Every Glue client of a Server's is watched (check_shapes.py): a reply that the service model does not allow
fails the test that got it, and what was shown to work is written down for docs/coverage.md. A client made
otherwise joins by `watched(client)`.
"""
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "api"), str(ROOT / "tests/api")]  # the second: what tests of other folders share with those
from check_shapes import Watch  # noqa: E402

SANITIZER = re.compile(r"AddressSanitizer|LeakSanitizer|ThreadSanitizer|runtime error:|MHD_PANIC")
READY_SECONDS = 120
pytest_plugins = ["java_peers"]


@functools.cache
def binary():
    if os.environ.get("NIKAWA_BIN"):
        return os.environ["NIKAWA_BIN"]
    for build, verb in (("build-asan", "asan"), ("build", "build")):
        made = ROOT / build / "nikawa"
        if made.exists():
            newest = max((ROOT / "src").rglob("*.c"), key=lambda p: p.stat().st_mtime)
            if newest.stat().st_mtime > (ROOT / build / ".ninja_log").stat().st_mtime:
                pytest.exit(f"{build}/nikawa is older than {newest.relative_to(ROOT)}: run 'make {verb}', or say which to test by NIKAWA_BIN", 2)
            return str(made)
    pytest.exit("there is no build-asan/nikawa and no build/nikawa; run 'make asan'", 2)


def pages(call, key, **params):
    """What each page of a listing holds under the key."""
    found, token = [], None
    while True:
        page = call(**params, **({"NextToken": token} if token else {}))
        found.append(page[key])
        token = page.get("NextToken")
        if not token:
            return found


def every(call, key, **params):
    return [item for page in pages(call, key, **params) for item in page]


def processes_of(session):
    """Process ids whose session is this one (the server's own: it was started as a session leader)."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2:].split()
        if fields[0] != "Z" and int(fields[3]) == session:
            found.append(int(entry))
    return found


def children_of(pid):
    """Every living process below pid, by parent; found while the parents still live."""
    parents = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = Path(f"/proc/{entry}/stat").read_text()
        except OSError:
            continue
        fields = stat[stat.rindex(")") + 2:].split()
        parents.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        for child in parents.get(todo.pop(), []):
            found.append(child)
            todo.append(child)
    return found


def alive(pid):
    """One that is past its end (a zombie, or its memory given back already) is not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        return stat[stat.rindex(")") + 2] not in "ZX" and Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def wait_for(what, seconds=30, every=0.02):
    """Polls until what() is true; returns its value."""
    end = time.monotonic() + seconds
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(every)


class Server:
    """One `nikawa serve`; start() returns when it is ready."""

    def __init__(self, data=None, lake=True, args=(), env=None, listen="127.0.0.1:0", plain=False):
        """plain: of the ordinary build, where a sanitizer's own memory would count."""
        self.binary = str(ROOT / "build/nikawa") if plain else binary()
        self.own_folder = data is None
        self.folder = Path(tempfile.mkdtemp(prefix="nikawa-test-")) if data is None else Path(data)
        self.data = self.folder / "data" if data is None else self.folder
        self.args = [] if lake else ["--no-lake"]
        self.args += list(args)
        self.lake = lake and "--s3-endpoint" not in self.args
        self.env = env or {}
        self.listen = listen
        self.process = None
        self.log = self.data.parent / (self.data.name + ".log")
        self.descendants = []

    def start(self, wait=True):
        env = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "NIKAWA_ACCESS", "NIKAWA_SECRET"))}
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
        env.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")
        # A sanitizer's runtime cannot be loaded into Python: scripts run on the extension of the ordinary build.
        env.setdefault("NIKAWA_PYTHONPATH", f"{ROOT}/python:{ROOT}/build/python")
        env.update(self.env)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.log_from = log.tell()
            self.process = subprocess.Popen(
                [self.binary, "serve", "--data", str(self.data), "--listen", self.listen, *self.args],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=env, start_new_session=True, text=True)
        return self.ready() if wait else self

    def ready(self):
        line = self.process.stdout.readline()
        match = re.search(r"https?://\S+", line)
        if not match:
            self.process.wait(30)
            raise AssertionError(f"no ready line but {line!r}\n{self.log_text()}")
        self.url = match.group(0)
        self.region, self.account = "us-east-1", "000000000000"
        credentials = dict(re.findall(r"^(\w+) = (.*)$", (self.data / "credentials").read_text(), re.M))
        self.access_key, self.secret_key = credentials["aws_access_key_id"], credentials["aws_secret_access_key"]
        s3 = re.search(r"^s3 =\n  endpoint_url = (\S+)", (self.data / "config").read_text(), re.M)
        self.s3_url = s3.group(1) if s3 else None
        return self

    @property
    def pid(self):
        return self.process.pid

    def log_text(self):
        return self.log.read_text(errors="replace")[self.log_from:] if self.log.exists() else ""

    def client(self, service, region=None, **more):
        import boto3
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1, "mode": "standard"},
                        connect_timeout=10, read_timeout=more.pop("read_timeout", 60)).merge(more.pop("config", Config()))
        client = boto3.client(service, region_name=region or self.region, aws_access_key_id=self.access_key,
                              aws_secret_access_key=self.secret_key,
                              endpoint_url=self.s3_url if service == "s3" else self.url, config=config, **more)
        return watched(client) if service == "glue" else client

    def stop(self, how=signal.SIGTERM, seconds=60):
        """Ends it and checks how it went."""
        if self.process is None:
            return
        process, self.process = self.process, None
        below = children_of(process.pid)
        process.send_signal(how)
        try:
            code = process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"still there {seconds} s after signal {how}\n{self.log_text()}") from None
        finally:
            process.stdout.close()
        text = self.log_text()
        assert not SANITIZER.search(text), text
        if how == signal.SIGKILL:
            wait_for(lambda: not [p for p in below if alive(p)], 20)
            return
        assert code == 0, f"exit code {code}\n{text}"
        left = [p for p in set(below + processes_of(process.pid)) if alive(p)]
        assert not left, f"left behind: {[Path(f'/proc/{p}/cmdline').read_bytes() for p in left]}"

    def kill(self):
        self.stop(signal.SIGKILL)

    def remove(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


running = []


def started(**how):
    s = Server(**how)
    running.append(s)
    try:
        return s.start()
    except BaseException:
        running.remove(s)
        s.remove()
        raise


def ended(s):
    try:
        s.stop()
    finally:
        if s in running:
            running.remove(s)
        s.remove()


@pytest.fixture(scope="session")
def server():
    """The session's server, with its embedded lake."""
    s = started()
    yield s
    ended(s)


@pytest.fixture(scope="session")
def bare_server():
    """The session's server without a lake."""
    s = started(lake=False)
    yield s
    ended(s)


@pytest.fixture
def new_server():
    """Makes servers that live as long as the test: new_server(lake=False, args=[…], env={…}, data=…)."""
    mine = []

    def make(**how):
        mine.append(started(**how))
        return mine[-1]

    yield make
    for s in mine:
        ended(s)


@functools.cache
def shared_watch():
    return Watch(record=str(Path(binary()).parent / "coverage.jsonl"))


def watched(client):
    """The client, with each of its replies checked against the service model and recorded."""
    return shared_watch().attach(client)


@pytest.fixture(autouse=True)
def replies_are_the_models():
    """Fails the test that was given a reply, or an error, that the service model does not allow."""
    yield
    if shared_watch.cache_info().currsize:
        shared_watch().assert_clean()


@pytest.fixture
def watch():
    """What checks and records replies: a test says by `watch.proved(operation)` what no text of a reply shows."""
    return shared_watch()


@pytest.fixture(scope="session")
def glue_in(server):
    """glue_in(region): a Glue client of the session's server in that region."""
    clients = {}

    def make(region="us-east-1"):
        if region not in clients:
            clients[region] = server.client("glue", region)
        return clients[region]

    return make


@pytest.fixture(scope="session")
def glue(glue_in):
    return glue_in("us-east-1")


@pytest.fixture(scope="session")
def sts(server):
    return server.client("sts")


@pytest.fixture(scope="session")
def s3(server):
    return server.client("s3")


@pytest.fixture(scope="session")
def bare_glue_in(bare_server):
    clients = {}

    def make(region="us-east-1"):
        if region not in clients:
            clients[region] = bare_server.client("glue", region)
        return clients[region]

    return make


@pytest.fixture(scope="session")
def bare_glue(bare_glue_in):
    return bare_glue_in("us-east-1")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed:
        for s in running:
            text = s.log_text()
            if text:
                report.sections.append((f"log of {s.data}", text[-6000:]))
