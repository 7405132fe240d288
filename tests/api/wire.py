"""HTTP by hand: what botocore's own client would not send, signed by botocore."""
import datetime
import json
import re
import socket
import ssl

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def address(server):
    host, port = server.url.split("://")[1].rsplit(":", 1)
    return host, int(port)


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The exception's name, of JSON or XML."""
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        if found:
            return found.group(1).decode()
        try:
            return self.json.get("__type")
        except ValueError:
            return None

    @property
    def message(self):
        found = re.search(rb"<Message>(.*?)</Message>", self.body, re.S)
        if found:
            return found.group(1).decode()
        return self.json.get("message") or self.json.get("Message")

    def __repr__(self):
        return f"<{self.status} {self.body[:300]!r}>"


class Connection:
    """One keep-alive connection; send() and read() may be pipelined."""

    def __init__(self, server, timeout=30, context=None):
        self.sock = socket.create_connection(address(server), timeout=timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def more(self):
        data = self.sock.recv(1 << 16)
        if not data:
            raise EOFError("the server closed the connection")
        self.buffer += data

    def read(self, head=False):
        while b"\r\n\r\n" not in self.buffer:
            self.more()
        text, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = text.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        headers = {k.strip().lower(): v.strip() for k, v in (line.split(":", 1) for line in lines[1:])}
        if status == 100:
            return Reply(100, headers, b"")
        n = 0 if head else int(headers.get("content-length", 0))
        while len(self.buffer) < n:
            self.more()
        body, self.buffer = self.buffer[:n], self.buffer[n:]
        return Reply(status, headers, body)

    def ask(self, data):
        self.send(data)
        return self.read()


def plain_context():
    return ssl._create_unverified_context()


def signed(server, body=b"", target=None, method="POST", path="/", headers=(), service="glue", region="us-east-1",
           key=None, secret=None, token=None, now=None, presign=None):
    """An AWSRequest signed by botocore. now: datetime (UTC) to sign at. presign: seconds."""
    host, port = address(server)
    request = AWSRequest(method=method, url=f"http://{host}:{port}{path}", data=body)
    for name, value in headers:
        request.headers.add_header(name, value)
    if target:
        request.headers["X-Amz-Target"] = target
    if body and "Content-Type" not in request.headers:
        request.headers["Content-Type"] = "application/x-amz-json-1.1"
    credentials = Credentials(key or server.access_key, secret or server.secret_key, token)
    auth = SigV4QueryAuth(credentials, service, region, expires=presign) if presign else \
        SigV4Auth(credentials, service, region)
    if now is None:
        auth.add_auth(request)
    else:
        import botocore.auth

        class Then(datetime.datetime):
            @classmethod
            def utcnow(cls):
                return now

            @classmethod
            def now(cls, tz=None):
                return now.replace(tzinfo=tz)

        real, botocore.auth.datetime = botocore.auth.datetime, type("m", (), {"datetime": Then, "timezone": datetime.timezone})
        helper = getattr(botocore.auth, "get_current_datetime", None)
        if helper:
            botocore.auth.get_current_datetime = lambda remove_tzinfo=True: now
        try:
            auth.add_auth(request)
        finally:
            botocore.auth.datetime = real
            if helper:
                botocore.auth.get_current_datetime = helper
    return request


def raw(request, chunked=False, extra=(), length=None):
    """The request as bytes. The target goes out exactly as it was signed."""
    rest = re.match(r"https?://([^/?]*)(.*)$", request.url, re.S)
    host, target = rest.group(1), rest.group(2) or "/"
    body = request.data or b""
    if isinstance(body, str):
        body = body.encode()
    lines = [f"{request.method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{k}: {v}" for k, v in request.headers.items() if k.lower() not in ("host", "content-length")]
    lines += [f"{k}: {v}" for k, v in extra]
    if chunked:
        lines.append("Transfer-Encoding: chunked")
        pieces = [body[i:i + 700] for i in range(0, len(body), 700)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"
    elif body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body) if length is None else length}")
    return "\r\n".join(lines).encode("utf-8") + b"\r\n\r\n" + body


def ask(server, *args, **kwargs):
    """One signed request on a connection of its own."""
    with Connection(server) as c:
        return c.ask(raw(signed(server, *args, **kwargs)))
