"""Signatures over the wire: 10,000 random requests signed by botocore are all let in, and each is refused with one
byte changed."""
import random
import string
from urllib.parse import quote

from botocore.utils import normalize_url_path
from wire import Connection, raw, signed

REFUSED = {"InvalidSignatureException", "IncompleteSignatureException", "MissingAuthenticationTokenException",
           "UnrecognizedClientException"}
LET_IN = {"UnknownOperationException", "OperationNotSupportedException"}
COUNT = 10000
BATCH = 40
ODD = string.ascii_letters + string.digits + " /._-~!$&'()*+,;=:@%#?[]{}|\\^`\"<>éß日😀\u00a0"


def word(rng, low=0, high=12, letters=ODD):
    return "".join(rng.choice(letters) for _ in range(rng.randint(low, high)))


def make(rng, server, number):
    """A random request, and whether its body goes out in chunks."""
    segments = [quote(word(rng), safe=rng.choice(["~", "~!$&'()*+,;=:@", "~@:"])) for _ in range(rng.randint(0, 5))]
    segments = [s if rng.random() < 0.9 else rng.choice([".", "..", ""]) for s in segments]
    path = "/" + "/".join(segments) + rng.choice(["", "/"] if segments else [""])
    params = [(word(rng, 1), word(rng)) for _ in range(rng.choice([0, 0, 1, 2, 5]))]
    query = "&".join(quote(k, safe="-_.~") + ("=" + quote(v, safe="-_.~") if v or rng.random() < 0.5 else "")
                     for k, v in params)
    presign = rng.randint(1, 604800) if rng.random() < 0.2 else None
    method = "GET" if presign else rng.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
    headers = []
    for i in range(rng.randint(0, 4)):
        gaps = [" " * rng.randint(1, 4) if rng.random() < 0.8 else "\t " for _ in range(4)]
        value = "".join(word(rng, 1, 5, string.ascii_letters + string.digits + ",;=\"'") + g for g in gaps)
        headers.append((rng.choice(["X-Odd", "x-amz-meta-x", "My-Header", "A"]) + str(i // 2), value))
    body = b""
    if method in ("POST", "PUT", "PATCH"):
        body = rng.randbytes(rng.choice([0, 1, 20, 300, 3000]))
    request = signed(server, body, path=path + ("?" + query if query else ""), method=method, headers=headers,
                     service=rng.choice(["glue", "databrew", "sts"]),
                     region=rng.choice(["us-east-1", "eu-west-1", "ap-southeast-2"]), presign=presign)
    return request, bool(body) and rng.random() < 0.3


def other(rng, c):
    return rng.choice([x for x in string.ascii_lowercase + string.digits if x != c.lower()])


def spots(text):
    return [i for i, c in enumerate(text) if c.isascii() and c.isalnum()]


def change(rng, request):
    """Changes one byte of what was signed, or of the signature itself; says where."""
    scheme, rest = request.url.split("://", 1)
    host, slash, rest = rest.partition("/")
    path, mark, query = (slash + rest).partition("?")
    kinds = ["method", "path", "query", "body", "header", "signature"]
    rng.shuffle(kinds)
    for kind in kinds:
        if kind == "method":
            request.method = {"GET": "GEX", "POST": "PAST", "PUT": "PUB"}.get(request.method, "XELETE")
            return kind
        if kind == "path" and spots(path):
            i = rng.choice(spots(path))
            new = path[:i] + other(rng, path[i]) + path[i + 1:]
            if normalize_url_path(new) == normalize_url_path(path):
                continue  # in a segment that '..' takes away
            request.url = f"{scheme}://{host}{new}{mark}{query}"
            return kind
        if kind == "query" and spots(query):
            i = rng.choice(spots(query))
            request.url = f"{scheme}://{host}{path}?{query[:i]}{other(rng, query[i])}{query[i + 1:]}"
            return kind
        if kind == "body" and request.data:
            i = rng.randrange(len(request.data))
            request.data = request.data[:i] + bytes([request.data[i] ^ 1 << rng.randrange(8)]) + request.data[i + 1:]
            return kind
        if kind == "header":
            names = [n for n in request.headers.keys() if n.lower() not in ("host", "authorization")]
            if not names:
                continue
            name = rng.choice(names)
            values = request.headers.get_all(name)
            at = rng.randrange(len(values))
            if not spots(values[at]):
                continue
            i = rng.choice(spots(values[at]))
            values[at] = values[at][:i] + other(rng, values[at][i]) + values[at][i + 1:]
            del request.headers[name]
            for v in values:
                request.headers.add_header(name, v)
            return f"header {name}"
        if kind == "signature" and "Authorization" in request.headers:
            value = request.headers["Authorization"]
            i = rng.choice(spots(value))
            del request.headers["Authorization"]
            request.headers["Authorization"] = value[:i] + other(rng, value[i]) + value[i + 1:]
            return kind
    raise AssertionError("nothing to change")


def test_ten_thousand_random_requests(bare_server):
    rng = random.Random(20150830)
    connection, batch, done, kinds = Connection(bare_server, timeout=120), [], 0, set()
    services = set()

    def flush():
        nonlocal done
        for data, _, _ in batch:
            connection.send(data)
        for data, good, what in batch:
            reply = connection.read()
            if good:
                assert reply.error in LET_IN | {"InvalidAction"}, (what, reply, data)
            else:
                assert reply.status in (400, 403) and reply.error in REFUSED, (what, reply, data)
            done += 1
        batch.clear()

    for number in range(COUNT):
        request, chunked = make(rng, bare_server, number)
        batch.append((raw(request, chunked), True, number))
        what = change(rng, request)
        kinds.add(what.split()[0])
        batch.append((raw(request, chunked), False, what))
        if len(batch) >= BATCH:
            flush()
    flush()
    connection.close()
    assert done == 2 * COUNT
    assert kinds == {"method", "path", "query", "body", "header", "signature"}
