"""Random requests for every operation of the model, on the wire: sound ones are never a validation error and
nothing is ever a 500; broken ones get AWS's ValidationException, word for word what the codec says."""
import http.client
import json
import re
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from check_shapes import check, may_give

ROOT = Path(__file__).resolve().parent.parent.parent
PER_OPERATION = 8


def dumped():
    """(operation, the codec's verdict, request body) of the codec's own generator."""
    for build in ("build-asan", "build"):
        program = ROOT / build / "tests/unit/model/dump_codec"
        if program.exists():
            break
    else:
        pytest.skip("dump_codec is not built; run 'make asan'")
    text = subprocess.run([program], capture_output=True, check=True).stdout.decode()
    seen = {}
    for line in text.split("\n"):
        if not line:
            continue
        operation, side, verdict, body = line.split("\t", 3)
        if side != "in":
            continue
        seen[operation] = seen.get(operation, 0) + 1
        if seen[operation] <= PER_OPERATION:
            yield operation, verdict, body


@pytest.fixture(scope="module")
def call():
    """call(operation, body) → (status, decoded reply), signed, on one connection of a server of its own."""
    from conftest import ended, started

    server = started(lake=False)
    signer = SigV4Auth(Credentials(server.access_key, server.secret_key), "glue", "us-east-1")
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=60)

    def send(operation, body):
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"AWSGlue.{operation}"}
        request = AWSRequest("POST", server.url + "/", headers, body.encode())
        signer.add_auth(request)
        connection.request("POST", "/", body.encode(), dict(request.headers))
        reply = connection.getresponse()
        text = reply.read()
        return reply.status, json.loads(text), reply.headers

    yield send
    connection.close()
    ended(server)


@pytest.fixture(scope="module")
def model():
    return botocore.session.get_session().get_service_model("glue")


def judge(op, verdict, status, reply, headers):
    """What is wrong with an answer; None when nothing is."""
    if not headers["x-amzn-RequestId"]:
        return "no request id"
    if status == 200:
        if verdict != "ok":
            return f"taken, though {verdict}"
        return "; ".join(check(op.output_shape, reply)) or None
    code, message = reply["__type"].split("#")[-1], reply.get("message", reply.get("Message"))
    if status >= 500 or not message:
        return "a server's error, or no message"
    if code not in {s.name for s in op.error_shapes} and not may_give(code, message):
        return "not an error of this operation"
    if code == "EntityNotFoundException" and message.startswith("Catalog "):
        return None
    if code == "OperationNotSupportedException":
        return None if op.name in message else "does not say what is not supported"
    if verdict == "ok":
        unsound = code == "SerializationException" or re.match(r"\d+ validation error", message)
        return "a sound request was refused" if unsound else None
    if code != "ValidationException":
        return f"ValidationException is due: {verdict}"
    return None if re.sub("[\x00-\x1f]", " ", message) == verdict else f"the message should be: {verdict}"


def test_random_requests_are_answered_as_the_model_says(call, model):
    wrong, replies, requests = [], 0, 0
    for operation, verdict, body in dumped():
        op = model.operation_model(operation)
        status, reply, headers = call(operation, body)
        requests += 1
        replies += status == 200
        what = judge(op, verdict, status, reply, headers)
        if what:
            wrong.append(f"{operation}: {what}\n    {body[:300]}\n    {status} {str(reply)[:300]}")
    assert requests > 2000
    assert not wrong, f"{len(wrong)} of {requests}:\n" + "\n".join(wrong[:40])


def test_wrong_types_are_a_serialization_exception(call, model):
    for operation in model.operation_names:
        members = model.operation_model(operation).input_shape.members
        for name, shape in list(members.items())[:2]:
            body = json.dumps({name: {"x": 1} if shape.type_name in ("string", "integer", "list", "boolean") else 17})
            if getattr(shape, "is_document_type", False) or shape.type_name in ("timestamp", "double", "long"):
                continue
            status, reply, _ = call(operation, body)
            code = reply["__type"].split("#")[-1]
            assert status == 400, (operation, body, reply)
            assert code in ("SerializationException", "OperationNotSupportedException"), (operation, body, reply)


@pytest.mark.parametrize("body", ["", "{", "[]", "17", "null", '{"Name": "x"} x', "\x00", '{"Name": "\ud800"}'.encode(
    "utf-8", "surrogatepass").decode("latin-1"), "[" * 100 + "]" * 100, '{"a":' * 100 + "1" + "}" * 100])
def test_broken_json_is_refused(call, body):
    status, reply, _ = call("GetJob", body)
    assert status == 400 and reply["__type"].split("#")[-1] in ("SerializationException", "ValidationException"), reply
