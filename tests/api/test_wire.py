"""The wire: refusals in AWS's words, HTTP's corners, limits, TLS."""
import datetime
import json
import socket
import subprocess
import threading
import time
import uuid

import boto3
import pytest
from botocore.exceptions import ClientError
from wire import Connection, address, ask, plain_context, raw, signed

TARGET = "AWSGlue.GetDatabases"
STS = "Action=GetCallerIdentity&Version=2011-06-15"
FORM = [("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
UTC = datetime.timezone.utc


def now():
    return datetime.datetime.now(UTC).replace(tzinfo=None)


def refused(reply, status, error, says):
    assert (reply.status, reply.error) == (status, error), reply
    assert says in reply.message, reply.message
    assert uuid.UUID(reply.headers["x-amzn-requestid"])
    return True


# ---- who asks ----

def test_no_signature(bare_server):
    with Connection(bare_server) as c:
        reply = c.ask(b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AWSGlue.GetTable\r\nContent-Length: 2\r\n\r\n{}")
        assert refused(reply, 400, "MissingAuthenticationTokenException", "Missing Authentication Token")
        assert reply.headers["x-amzn-errortype"] == "MissingAuthenticationTokenException"
        assert reply.headers["content-type"] == "application/x-amz-json-1.1" and reply.headers["date"]
        data = STS.encode()
        reply = c.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                      b"Content-Length: %d\r\n\r\n%s" % (len(data), data))
        assert (reply.status, reply.error) == (403, "MissingAuthenticationToken")


@pytest.mark.parametrize("how, code, sts_code, says", [
    (dict(key="AKIANOBODY"), "UnrecognizedClientException", "InvalidClientTokenId", "security token included"),
    (dict(secret="wrong"), "InvalidSignatureException", "SignatureDoesNotMatch", "does not match the signature you"),
    (dict(token="sometoken"), "UnrecognizedClientException", "InvalidClientTokenId", "security token included"),
    (dict(service="s3"), "InvalidSignatureException", "SignatureDoesNotMatch", "scoped to correct service"),
    (dict(region="Not A Region"), "InvalidSignatureException", "SignatureDoesNotMatch", "valid region"),
    (dict(now=-16), "InvalidSignatureException", "SignatureDoesNotMatch", "Signature expired"),
    (dict(now=16), "InvalidSignatureException", "SignatureDoesNotMatch", "Signature not yet current"),
])
def test_refusals_of_both_protocols(bare_server, how, code, sts_code, says):
    how = dict(how)
    if "now" in how:
        how["now"] = now() + datetime.timedelta(minutes=how["now"])
    assert refused(ask(bare_server, b"{}", TARGET, **how), 400, code, says)
    how.setdefault("service", "sts")
    reply = ask(bare_server, STS.encode(), headers=FORM, **how)
    assert (reply.status, reply.error) == (403, sts_code), reply
    assert says in reply.message and reply.headers["content-type"] == "text/xml"


def test_clock_skew_is_a_setting(new_server):
    s = new_server(lake=False, args=["--max-clock-skew", "60"])
    late = now() - datetime.timedelta(minutes=5)
    reply = ask(s, b"{}", TARGET, now=late)
    assert refused(reply, 400, "InvalidSignatureException", "- 1 min.)")
    assert late.strftime("%Y%m%dT%H%M%SZ") in reply.message
    wide = new_server(lake=False, args=["--max-clock-skew", "86400"])
    assert "Signature" not in ask(wide, b"{}", "AWSGlue.Nope", now=now() - datetime.timedelta(hours=1)).message


def test_presigned(bare_server):
    reply = ask(bare_server, method="GET", path="/?" + STS, service="sts", presign=60)
    assert reply.status == 200 and b"<Account>000000000000</Account>" in reply.body
    old = now() - datetime.timedelta(minutes=10)
    assert ask(bare_server, method="GET", path="/?" + STS, service="sts", presign=3600, now=old).status == 200
    reply = ask(bare_server, method="GET", path="/?" + STS, service="sts", presign=60, now=old)
    assert (reply.status, reply.error) == (403, "SignatureDoesNotMatch") and "Signature expired" in reply.message
    reply = ask(bare_server, method="GET", path="/?" + STS, service="sts", presign=700000)
    assert reply.status == 400 and "X-Amz-Expires" in reply.message


def test_presigned_by_boto3(bare_server):
    url = bare_server.client("sts").generate_presigned_url("get_caller_identity", HttpMethod="GET")
    out = subprocess.run(["curl", "-s", url], capture_output=True, text=True)
    assert "<Account>000000000000</Account>" in out.stdout


def test_unsigned_headers_that_matter(bare_server):
    request = signed(bare_server, b"{}", TARGET)
    with Connection(bare_server) as c:
        reply = c.ask(raw(request, extra=[("X-Amz-Extra", "1")]))
        assert refused(reply, 400, "InvalidSignatureException", "must be a 'SignedHeader'")
        reply = c.ask(raw(request, extra=[("X-Other", "1"), ("User-Agent", "x"), ("X-Amzn-Trace-Id", "Root=1")]))
        assert reply.error != "InvalidSignatureException"


def test_an_unsigned_payload_wants_tls(bare_server):
    headers = [("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"), *FORM]
    reply = ask(bare_server, STS.encode(), headers=headers, service="sts")
    assert (reply.status, reply.error) == (403, "SignatureDoesNotMatch")


def test_scope(bare_server):
    request = signed(bare_server, b"{}", TARGET)
    for old, new, says in [("aws4_request", "aws5_request", "valid terminator"),
                           ("/us-east-1/", "/us-east-1/x/", "exactly 5"),
                           ("Credential=", "Credentials=", "'Credential' parameter"),
                           ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", "Unsupported AWS 'algorithm'")]:
        again = signed(bare_server, b"{}", TARGET)
        value = request.headers["Authorization"].replace(old, new)
        del again.headers["Authorization"]
        again.headers["Authorization"] = value
        with Connection(bare_server) as c:
            reply = c.ask(raw(again))
            assert reply.status == 400 and says in reply.message, reply


def test_caller_identity(bare_server):
    got = bare_server.client("sts").get_caller_identity()
    assert (got["Account"], got["UserId"]) == ("000000000000", "000000000000")
    assert got["Arn"] == "arn:aws:iam::000000000000:root"
    with pytest.raises(ClientError) as e:
        bare_server.client("sts").get_session_token()
    assert e.value.response["Error"]["Code"] == "OperationNotSupportedException"
    assert "GetSessionToken" in str(e.value)
    reply = ask(bare_server, b"Action=Nope&Version=2011-06-15", headers=FORM, service="sts")
    assert (reply.status, reply.error) == (400, "InvalidAction") and "Nope" in reply.message


# ---- what is asked ----

def test_unknown_and_unwritten_operations(bare_server):
    assert ask(bare_server, b"{}", "AWSGlue.NoSuchThing").error == "UnknownOperationException"
    assert ask(bare_server, b"{}", "AmazonGlue.GetTable").error == "UnknownOperationException"
    assert ask(bare_server, b"{}", "GetTable").error == "UnknownOperationException"
    assert ask(bare_server, b"{}").error == "UnknownOperationException"
    reply = ask(bare_server, b"{}", "AWSGlue.CancelMLTaskRun")
    assert refused(reply, 400, "OperationNotSupportedException", "CancelMLTaskRun")
    assert refused(ask(bare_server, b"{}", service="dynamodb"), 400, "OperationNotSupportedException", "dynamodb")


def known_op():
    """Some operation of ours that takes a structure."""
    return "AWSGlue.CreateDatabase"


def has(bare_server, target):
    return ask(bare_server, b"{", target).error != "OperationNotSupportedException"


BROKEN = [b"{", b"[]", b"\"x\"", b"nope", b"{\"DatabaseInput\": }", b"{\"DatabaseInput\":{\"Name\":}}",
          b"{\"DatabaseInput\":{\"Name\":\"a\"}", b"{\"DatabaseInput\":{\"Name\":\"a\"}} x", b"\xff\xfe{}",
          b"{\"DatabaseInput\":\"text\"}", b"{\"DatabaseInput\":[1]}", b"{\"DatabaseInput\":{\"Name\":7}}",
          b"{\"DatabaseInput\":{\"Name\":{}}}", b"{\"DatabaseInput\":{\"Parameters\":[]}}",
          b"{\"DatabaseInput\":{\"Name\":\"\\ud800\xff\"}}", b"{'DatabaseInput':{}}", b"{\"a\":" * 100 + b"1" + b"}" * 100,
          b"[" * 5000, b"{\"x\":" + b"[" * 200 + b"]" * 200 + b"}"]


@pytest.mark.parametrize("body", BROKEN, ids=[repr(b[:24]) for b in BROKEN])
def test_broken_json(bare_server, body):
    if not has(bare_server, known_op()):
        pytest.skip("no operation takes a body yet")
    reply = ask(bare_server, body, known_op())
    assert reply.status == 400 and reply.error == "SerializationException", reply


def test_validation(bare_server):
    if not has(bare_server, known_op()):
        pytest.skip("no operation takes a body yet")
    reply = ask(bare_server, b"{}", known_op())
    assert refused(reply, 400, "ValidationException", "1 validation error detected")
    assert "databaseInput" in reply.message
    assert ask(bare_server, b"", known_op()).error == "ValidationException"
    reply = ask(bare_server, json.dumps({"DatabaseInput": {"Name": ""}}).encode(), known_op())
    assert refused(reply, 400, "ValidationException", "length")


# ---- HTTP ----

def test_keep_alive_and_pipelining(bare_server):
    data = [raw(signed(bare_server, b"{}", f"AWSGlue.Nope{i}")) for i in range(200)]
    with Connection(bare_server) as c:
        for d in data:
            assert c.ask(d).error == "UnknownOperationException"
        c.send(b"".join(data))
        seen = {c.read().headers["x-amzn-requestid"] for _ in data}
        assert len(seen) == len(data)


def test_chunked_body(bare_server):
    body = STS.encode() + b"&Padding=" + b"x" * 5000
    with Connection(bare_server) as c:
        reply = c.ask(raw(signed(bare_server, body, headers=FORM, service="sts"), chunked=True))
        assert reply.status == 200, reply


def test_expect_100_continue(bare_server):
    body = STS.encode()
    data = raw(signed(bare_server, body, headers=FORM, service="sts"), extra=[("Expect", "100-continue")])
    head = data[:-len(body)]
    with Connection(bare_server) as c:
        c.send(head)
        assert c.read().status == 100
        c.send(body)
        assert c.read().status == 200


def test_body_limit(new_server):
    s = new_server(lake=False, args=["--max-body", "1"])
    fits = b"{" + b" " * ((1 << 20) - 2) + b"}"
    assert ask(s, fits, "AWSGlue.Nope").error == "UnknownOperationException"
    for size in ((1 << 20) + 1, 3 << 20):
        for chunked in (False, True):
            with Connection(s) as c:
                reply = c.ask(raw(signed(s, b"{" + b" " * size, "AWSGlue.Nope"), chunked=chunked))
                assert refused(reply, 413, "RequestEntityTooLargeException", "larger than 1048576 bytes")
    with Connection(s) as c:  # told before it sends
        data = raw(signed(s, b"{}", "AWSGlue.Nope"), extra=[("Expect", "100-continue")], length=5 << 20)
        c.send(data[:data.index(b"\r\n\r\n") + 4])
        assert c.read().status == 413
    client = s.client("glue")
    with pytest.raises(ClientError) as e:
        client.create_database(DatabaseInput={"Name": "x", "Description": "y" * 2000, "Parameters": {"p": "z" * (2 << 20)}})
    assert e.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
    # as before for the next one
    assert s.client("sts").get_caller_identity()


def test_an_endless_body_is_cut(new_server):
    s = new_server(lake=False, args=["--max-body", "1"])
    with Connection(s) as c:
        c.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        piece = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        with pytest.raises((BrokenPipeError, ConnectionResetError, EOFError, socket.timeout)):
            for _ in range(4000):
                c.send(piece)
    assert s.client("sts").get_caller_identity()


def test_slow_client_is_dropped_and_holds_nobody_up(new_server):
    s = new_server(lake=False, args=["--idle-timeout", "1", "--threads", "1"])
    with Connection(s, timeout=20) as slow:
        slow.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nab")
        assert s.client("sts").get_caller_identity()
        with pytest.raises((EOFError, ConnectionResetError)):
            slow.read()


DRIPS = {  # what is sent at once, what then drips without end
    "first line": (b"", b"G"),
    "headers": (b"GET /health HTTP/1.1\r\nHost: x\r\n", b"X-Drip: 1\r\n"),
    "one header": (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Drip: ", b"x"),
    "body": (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"x"),
    "chunked body": (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
}


def test_a_dripping_client_is_ended(new_server):
    """Each byte begins the silence anew, but not the time for the whole."""
    s = new_server(lake=False, args=["--idle-timeout", "2", "--header-timeout", "1", "--request-timeout", "1", "--threads", "1"])
    dripping = {}
    for name, (at_once, drip) in DRIPS.items():
        for kept in (False, True):
            c = Connection(s)
            if kept:  # as the second request of its connection
                assert c.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
            c.send(at_once)
            c.sock.setblocking(False)
            dripping[name, kept] = (c, drip)
    end = time.monotonic() + 60
    while dripping:
        assert time.monotonic() < end, f"still held: {sorted(dripping)}"
        for what, (c, drip) in list(dripping.items()):
            try:
                c.send(drip)
                if c.sock.recv(100) == b"":
                    raise EOFError
            except BlockingIOError:
                continue
            except (EOFError, OSError):
                c.close()
                del dripping[what]
        assert s.client("sts").get_caller_identity()  # nobody else notices
        time.sleep(0.1)


def test_a_busy_connection_outlives_every_limit(new_server):
    s = new_server(lake=False, args=["--idle-timeout", "1", "--header-timeout", "1", "--request-timeout", "1"])
    with Connection(s) as c:
        for _ in range(8):  # three seconds together
            assert c.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
            time.sleep(0.4)


def test_a_huge_body_is_refused_before_it_comes(new_server):
    s = new_server(lake=False, args=["--max-body", "1"])
    with Connection(s) as c:
        data = raw(signed(s, b"{}", "AWSGlue.Nope"), length=1 << 40)
        c.send(data[:data.index(b"\r\n\r\n") + 4])  # not one byte of the body
        assert refused(c.read(), 413, "RequestEntityTooLargeException", "larger than 1048576 bytes")
        with pytest.raises((EOFError, ConnectionResetError)):
            c.read()


def resident_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def test_idle_connections_are_cheap(new_server):
    """64 kept-alive connections, each after a request with a body of a mebibyte: what they hold stays
    far below what they once sent."""
    s = new_server(lake=False, args=["--max-body", "4"], plain=True)
    body = b"{" + b" " * (1 << 20) + b"}"
    data = raw(signed(s, body, "AWSGlue.Nope"))
    with Connection(s) as c:
        assert c.ask(data).error == "UnknownOperationException"
    before, held = resident_kb(s.process.pid), []
    for _ in range(64):
        c = Connection(s)
        assert c.ask(data).error == "UnknownOperationException"
        held.append(c)
    grown = resident_kb(s.process.pid) - before
    for c in held:
        c.close()
    assert grown < 64 * 256, f"{grown} KiB for 64 connections at rest"


def test_connection_limit(new_server):
    s = new_server(lake=False, args=["--max-connections", "4", "--threads", "1", "--idle-timeout", "60"])
    held = [Connection(s) for _ in range(4)]
    for c in held:
        assert c.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
    with pytest.raises((EOFError, OSError)):
        with Connection(s, timeout=1) as c:
            c.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
    for c in held:
        c.close()
    end = time.monotonic() + 20
    while True:  # places are free again
        try:
            with Connection(s, timeout=2) as c:
                assert c.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status == 200
                break
        except (EOFError, OSError):
            assert time.monotonic() < end
            time.sleep(0.05)


GARBAGE = [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)), b"\r\n\r\n\r\n\r\n", b"GET\r\n\r\n",
           b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
           b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
           b"GET /" + b"a" * 100000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
           b"GET / HTTP/1.1\r\n" + b"X: " + b"y" * 100000 + b"\r\n\r\n",
           b"GET / HTTP/1.1\r\n" + b"".join(b"X%d: y\r\n" % i for i in range(5000)) + b"\r\n",
           b"GET /%00%zz?%&&=&=%=%%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"G\x00T / HTTP/1.1\r\nHost: x\r\n\r\n",
           b"GET /?X-Amz-Algorithm HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /?X-Amz-Algorithm=%00&X-Amz-Date HTTP/1.1\r\nHost: x\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 ,,,=,=,\r\n\r\n",
           b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: \r\nX-Amz-Date:\r\n\r\n"]


@pytest.mark.parametrize("data", GARBAGE, ids=[repr(g[:30]) for g in GARBAGE])
def test_garbage(bare_server, data):
    with Connection(bare_server, timeout=3) as c:
        try:
            c.send(data)
            c.sock.shutdown(socket.SHUT_WR)
            assert 400 <= c.read().status < 600
        except (EOFError, OSError):
            pass
    with Connection(bare_server) as c:
        assert c.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").status == 200


def test_health_and_other_paths(bare_server):
    with Connection(bare_server) as c:
        reply = c.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert reply.status == 200 and reply.json["status"] == "ok"
        assert c.ask(b"GET /healthy HTTP/1.1\r\nHost: x\r\n\r\n").error == "MissingAuthenticationTokenException"
        assert c.ask(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n").status == 400


def test_many_connections_at_once(bare_server):
    data = raw(signed(bare_server, STS.encode(), headers=FORM, service="sts"))
    bad = []

    def work():
        try:
            with Connection(bare_server) as c:
                for _ in range(50):
                    if c.ask(data).status != 200:
                        bad.append("status")
        except Exception as e:  # noqa: BLE001
            bad.append(repr(e))

    threads = [threading.Thread(target=work) for _ in range(32)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not bad


def test_half_sent_requests_leave_nothing(bare_server):
    for i in range(60):
        s = socket.create_connection(address(bare_server))
        s.sendall(raw(signed(bare_server, b"{}" * 20, TARGET))[:30 + 8 * i])
        s.close()
    assert bare_server.client("sts").get_caller_identity()


# ---- TLS ----

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    d = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", d / "key.pem", "-out",
                    d / "cert.pem", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
    return d


def test_tls(new_server, certificate):
    s = new_server(lake=False, args=["--tls-cert", str(certificate / "cert.pem"), "--tls-key", str(certificate / "key.pem")])
    assert s.url.startswith("https://")
    assert s.client("sts", verify=str(certificate / "cert.pem")).get_caller_identity()["Account"] == "000000000000"
    with pytest.raises(Exception, match="(?i)certificate|ssl"):
        boto3.client("sts", endpoint_url=s.url, region_name="us-east-1", aws_access_key_id="a",
                     aws_secret_access_key="b").get_caller_identity()
    with Connection(s, context=plain_context()) as c:  # keep-alive, and a large body in pieces of TLS
        for size in (10, 200000):
            body = STS.encode() + b"&P=" + b"x" * size
            assert c.ask(raw(signed(s, body, headers=FORM, service="sts"))).status == 200
        unsigned = [("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"), *FORM]
        request = signed(s, STS.encode(), headers=unsigned, service="sts")
        assert c.ask(raw(request)).status == 200
    with Connection(s) as c:
        try:
            c.ask(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            raise AssertionError("plain HTTP was answered on a TLS port")
        except (EOFError, OSError):
            pass


def test_bad_certificates(certificate, tmp_path):
    from conftest import binary

    def start(cert, key):
        return subprocess.run([binary(), "serve", "--no-lake", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0",
                               "--tls-cert", str(cert), "--tls-key", str(key)], capture_output=True, text=True, timeout=30)

    out = start(tmp_path / "none.pem", certificate / "key.pem")
    assert out.returncode == 1 and "none.pem" in out.stderr
    (tmp_path / "junk.pem").write_text("junk")
    out = start(tmp_path / "junk.pem", certificate / "key.pem")
    assert out.returncode == 1 and "certificate" in out.stderr
