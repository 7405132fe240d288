"""What the benchmarks share: a server on a core of its own, requests signed in advance, peers, a table."""
import contextlib
import configparser
import datetime
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DEPS = Path(os.environ.get("NIKAWA_DEPS") or Path.home() / ".cache/nikawa")
NIKAWA = ROOT / "build" / "nikawa"
REGION = "us-east-1"
SERVER_CORE, CLIENT_CORE = "0", "1"


def on_core(core):
    """The beginning of a command that is to have a core to itself: held there, and ahead of the machine's other work
    (round robin among its own threads) where the user may do so."""
    return [*([] if subprocess.run(["chrt", "-r", "1", "true"], capture_output=True).returncode else ["chrt", "-r", "1"]), "taskset", "-c", core]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_port(port, process, seconds=60):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} does not listen on {port}")


def end(process, seconds=20):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def tree(pid):
    """pid and all below it."""
    found = [pid]
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError):
            fields = path.read_text().rsplit(")", 1)[1].split()
            if int(fields[1]) == pid:
                found += tree(int(path.parent.name))
    return found


def rss_mb(pid):
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) / 1024
    return 0.0


def peak_mb(pid):
    """The most that was ever resident."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return 0.0


def pss_mb(pids):
    """What the processes occupy together: a page that several share is counted once."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def cpu_s(pid):
    """Seconds of processor that the process has used, kernel included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def fsyncs_a_second(folder, count=200):
    """What the disk does on its own: 4 KiB appended and made durable, one after the other."""
    with tempfile.NamedTemporaryFile(dir=folder) as out:
        began = time.monotonic()
        for _ in range(count):
            os.write(out.fileno(), bytes(4096))
            os.fdatasync(out.fileno())
        return count / (time.monotonic() - began)


class Server:
    """nikawa serve in a folder of its own; core pins it (None = all cores)."""

    def __init__(self, core=None, lake=False, folder=None, args=()):
        self.folder = Path(folder or tempfile.mkdtemp(prefix="nikawa-bench-"))
        self.keep = folder is not None
        command = [str(NIKAWA), "serve", "--data", str(self.folder), "--listen", "127.0.0.1:0"]
        command += args
        if not lake and "--s3-endpoint" not in args:
            command.append("--no-lake")
        if core is not None:
            command = [*on_core(core), *command]
        self.log = open(self.folder / "bench.log", "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.process.stdout.readline()
        self.ready_s = time.monotonic() - began
        if not line:
            raise RuntimeError("the server did not start: " + (self.folder / "bench.log").read_text()[-2000:])
        self.url = json.loads((self.folder / "server.json").read_text())["url"]
        self.host, port = urllib.parse.urlsplit(self.url).netloc.split(":")
        self.port = int(port)
        keys = configparser.ConfigParser()
        keys.read(self.folder / "credentials")
        self.access = keys["nikawa"]["aws_access_key_id"]
        self.secret = keys["nikawa"]["aws_secret_access_key"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.process)
        self.log.close()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def env(self):
        env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        return dict(env, AWS_CONFIG_FILE=str(self.folder / "config"), AWS_PROFILE="nikawa",
                    AWS_SHARED_CREDENTIALS_FILE=str(self.folder / "credentials"))

    def client(self, service):
        import boto3
        import botocore.config
        endpoint = self.url
        if service == "s3":
            endpoint = self.s3_endpoint
        return boto3.client(service, endpoint_url=endpoint, region_name=REGION, aws_access_key_id=self.access,
                            aws_secret_access_key=self.secret,
                            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}))

    @property
    def s3_endpoint(self):
        section = ""
        for line in (self.folder / "config").read_text().splitlines():
            if not line.startswith(" "):
                section = line.strip()
            elif section == "s3 =" and "endpoint_url" in line:
                return line.split("=", 1)[1].strip()
        raise RuntimeError("no S3 endpoint in " + str(self.folder / "config"))


class Signer:
    """Whole HTTP requests of AWS JSON 1.1, signed now; about 30,000 a second."""

    def __init__(self, host, port, access, secret, service="glue", target="AWSGlue"):
        self.host, self.access, self.service, self.target = f"{host}:{port}", access, service, target
        now = datetime.datetime.now(datetime.timezone.utc)
        self.time, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
        self.scope = f"{day}/{REGION}/{service}/aws4_request"
        key = ("AWS4" + secret).encode()
        for part in (day, REGION, service, "aws4_request"):
            key = hmac.digest(key, part.encode(), "sha256")
        self.key = key

    def request(self, operation, body):
        body = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
        target = f"{self.target}.{operation}"
        canonical = (f"POST\n/\n\ncontent-type:application/x-amz-json-1.1\nhost:{self.host}\nx-amz-date:{self.time}\n"
                     f"x-amz-target:{target}\n\ncontent-type;host;x-amz-date;x-amz-target\n"
                     + hashlib.sha256(body).hexdigest())
        text = f"AWS4-HMAC-SHA256\n{self.time}\n{self.scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.digest(self.key, text.encode(), "sha256").hex()
        head = (f"POST / HTTP/1.1\r\nHost: {self.host}\r\nContent-Type: application/x-amz-json-1.1\r\n"
                f"X-Amz-Date: {self.time}\r\nX-Amz-Target: {target}\r\nAuthorization: AWS4-HMAC-SHA256 "
                f"Credential={self.access}/{self.scope}, SignedHeaders=content-type;host;x-amz-date;x-amz-target, "
                f"Signature={signature}\r\nContent-Length: {len(body)}\r\n\r\n")
        return head.encode() + body


class Script:
    """A file of requests for the load generator."""

    def __init__(self):
        self.parts = []

    def add(self, connection, request, expect=b""):
        self.parts.append(struct.pack("<III", connection, len(request), len(expect)) + request + expect)

    def play(self, host, port, core=CLIENT_CORE, check=True, rate=None, pid=None):
        """rate: requests a second, evenly; pid: a process whose processor time is counted ("rps_cpu")."""
        binary = build_loadgen()
        with tempfile.NamedTemporaryFile(prefix="nikawa-load-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as out:
            out.write(b"".join(self.parts))
            out.flush()
            used = cpu_s(pid) if pid else 0
            done = subprocess.run([*on_core(core), str(binary), host, str(port), out.name, *([str(rate)] if rate else [])],
                                  text=True, capture_output=True)
            used = cpu_s(pid) - used if pid else 0
        if not done.stdout:
            raise RuntimeError(done.stderr)
        result = json.loads(done.stdout)
        result["rps_cpu"] = result["requests"] / used if used else 0
        if check and result["wrong"]:
            raise RuntimeError(f"{result['wrong']} of {result['requests']} answers were wrong, the first: {result['first_wrong']}")
        return result


def build_loadgen():
    binary = ROOT / "build" / "loadgen"
    source = ROOT / "bench" / "loadgen.c"
    if not binary.exists() or binary.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", "-o", str(binary), str(source)], check=True)
    return binary


@contextlib.contextmanager
def bare_loop(size, core=SERVER_CORE):
    """A server that does nothing but answer so many bytes; gives its port."""
    port = free_port()
    process = subprocess.Popen([*on_core(core), str(build_loadgen()), "answer", str(port), str(size)], stdin=subprocess.PIPE)
    try:
        wait_port(port, process)
        yield port
    finally:
        process.stdin.close()
        process.wait(20)


@contextlib.contextmanager
def apicurio(core=SERVER_CORE):
    """An Apicurio Registry that keeps all in memory, on one core; gives its port and process id. None when it is not installed."""
    packed = next((DEPS / "maven/apicurio").glob("*.tar.gz"), None) if (DEPS / "maven/apicurio").is_dir() else None
    if not packed or not shutil.which("java"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="nikawa-apicurio-") as work:
        subprocess.run(["tar", "-xzf", str(packed), "-C", work], check=True)
        port, jar = free_port(), next(Path(work).glob("*-runner.jar"))
        with open(Path(work) / "log", "wb") as log:
            process = subprocess.Popen([*on_core(core), "java", "-Xmx1g", "-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}", "-jar", str(jar)],
                                       stdout=log, stderr=log, cwd=work)
            try:
                wait_port(port, process, 120)
                yield port, process.pid
            finally:
                end(process)


@contextlib.contextmanager
def moto(core=SERVER_CORE):
    """A moto_server on one core; gives its port."""
    port = free_port()
    process = subprocess.Popen([*on_core(core), str(DEPS / "venv/bench/bin/moto_server"), "-H", "127.0.0.1", "-p", str(port)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_port(port, process)
        yield port
    finally:
        end(process)


class Table:
    """Rows of figures: what, its goal, what was measured, how far from the goal, how it was measured."""

    def __init__(self):
        self.rows = []

    def add(self, what, goal, measured, how, at_least=None, at_most=None):
        """at_least, at_most: lists of (value, limit). The room is how many times better than its goal the worst of
        them is: below 1 the goal was missed."""
        rooms = [value / limit for value, limit in at_least or []] + [limit / max(value, 1e-9) for value, limit in at_most or []]
        room = min(rooms) if rooms else None
        self.rows.append((what, goal, measured, "" if room is None else f"{room:.2f}×", "" if room is None else "yes" if room >= 1 else "**no**", how))
        print(f"  {what}: {measured}  (goal {goal})", file=sys.stderr, flush=True)

    @property
    def missed(self):
        return [row[0] for row in self.rows if row[4] == "**no**"]

    def markdown(self):
        lines = ["| figure | goal | measured | against the goal | met | how |", "|---|---|---|---|---|---|"]
        return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in self.rows])


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * share))]


def median(values):
    return statistics.median(values)
