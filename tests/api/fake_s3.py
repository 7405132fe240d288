"""A small S3 for listings and objects that a real one cannot hold: any key, any content, a million of them. No signatures are checked.

    with FakeS3({"bucket": {"any//key": b"bytes"}}) as s3: s3.url
`deny` are keys and prefixes ("bucket/key") that answer AccessDenied; `credentials`, when set, the only access key that is known; after
`last` requests every connection is broken off.
A value may be bytes, or (size, function(start, end) -> bytes) for what is made on the fly."""
import bisect
import re
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, body=b"", headers=(), length=None):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status, code):
        self.answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode(), [("Content-Type", "application/xml")])

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path, _, query = self.path.partition("?")
        bucket, _, key = path[1:].partition("/")
        key = urllib.parse.unquote(key)
        q = {k: v[0] for k, v in urllib.parse.parse_qs(query, keep_blank_values=True).items()}
        fake = self.server.fake
        with fake.lock:
            fake.requests += 1
            gone = fake.last is not None and fake.requests > fake.last
        if gone:
            self.close_connection = True
            return self.connection.close()
        if fake.credentials and f"Credential={fake.credentials}/" not in self.headers.get("Authorization", ""):
            return self.error(403, "InvalidAccessKeyId")
        asked = f"{bucket}/{key or q.get('prefix', '')}"
        if any(asked.startswith(d) for d in fake.deny):
            return self.error(403, "AccessDenied")
        if bucket not in fake.buckets:
            return self.error(404, "NoSuchBucket")
        if not key:
            return self.list(fake, bucket, q) if self.command == "GET" else self.answer(200)
        value = fake.buckets[bucket].get(key)
        if value is None:
            return self.error(404, "NoSuchKey")
        size = len(value) if isinstance(value, bytes) else value[0]
        start, end = 0, size
        match = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if match:
            start, end = int(match.group(1)), min(int(match.group(2)) + 1 if match.group(2) else size, size)
            if start >= size:
                return self.error(416, "InvalidRange")
        if self.command == "HEAD":
            return self.answer(200, length=size, headers=[("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")])
        body = value[start:end] if isinstance(value, bytes) else value[1](start, end)
        with fake.lock:
            fake.bytes += len(body)
        return self.answer(206 if match else 200, body, [("Last-Modified", "Mon, 01 Jan 2024 00:00:00 GMT")])

    def list(self, fake, bucket, q):
        """ListObjectsV2, with its encoding-type."""
        prefix, delimiter = q.get("prefix", ""), q.get("delimiter", "")
        after = q.get("continuation-token") or q.get("start-after", "")
        limit = int(q.get("max-keys", 1000))
        keys = fake.sorted_keys(bucket)
        i = bisect.bisect_right(keys, after) if after else bisect.bisect_left(keys, prefix)
        i = max(i, bisect.bisect_left(keys, prefix))
        enc = (lambda s: urllib.parse.quote(s, safe="/")) if q.get("encoding-type") == "url" else escape
        out, prefixes, last = [], [], None
        while i < len(keys) and keys[i].startswith(prefix) and len(out) + len(prefixes) < limit:
            key = last = keys[i]
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            if at >= 0:
                common = key[:at + len(delimiter)]
                prefixes.append(f"<CommonPrefixes><Prefix>{enc(common)}</Prefix></CommonPrefixes>")
                last = common + "\U0010ffff"
                i = bisect.bisect_left(keys, last)
                continue
            value = fake.buckets[bucket][key]
            size = len(value) if isinstance(value, bytes) else value[0]
            out.append(f"<Contents><Key>{enc(key)}</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified><Size>{size}</Size></Contents>")
            i += 1
        more = i < len(keys) and keys[i].startswith(prefix)
        token = f"<NextContinuationToken>{escape(last)}</NextContinuationToken>" if more else ""
        self.answer(200, (f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult>{'<EncodingType>url</EncodingType>' if q.get('encoding-type') == 'url' else ''}<IsTruncated>{str(more).lower()}</IsTruncated>{token}"
                          + "".join(out) + "".join(prefixes) + "</ListBucketResult>").encode(), [("Content-Type", "application/xml")])


class FakeS3:
    def __init__(self, buckets):
        self.buckets, self.lock, self.requests, self.bytes = buckets, threading.Lock(), 0, 0
        self.keys, self.deny, self.credentials, self.last = {}, (), None, None

    def sorted_keys(self, bucket):
        with self.lock:
            if bucket not in self.keys or len(self.keys[bucket]) != len(self.buckets[bucket]):
                self.keys[bucket] = sorted(self.buckets[bucket])
            return self.keys[bucket]

    def __enter__(self):
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.fake = self
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
