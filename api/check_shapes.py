"""Checks what a server answers against the service model, and records which operations proved themselves.

    watch = Watch(record="build/coverage.jsonl")   # record is optional
    watch.attach(client)                           # any boto3/botocore client of a JSON service
    ...
    watch.assert_clean()                           # AssertionError that lists every deviation

A reply must hold only members that the output shape knows, of the shape's types, with the required ones
and with the model's enum values. An error must be one that the operation declares or one that every
operation may give.

For docs/coverage.md each call leaves a line in the record file. An operation is *shown* when a test read
back what it wrote: a reply holds a text that an earlier call of another operation was the first to send
(both operations are then shown: the one that kept the text and the one that gave it back), or a call
that names a deleted thing is told that it is gone. `watch.proved("StopCrawler")` says so by hand where
the effect is no text (a test that has asserted the effect itself).

One Watch serves clients on any number of threads.
"""

import fcntl
import json
import os
import sys
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from generate import OPEN_ENUMS  # noqa: E402

COMMON_ERRORS = {
    "ValidationException",
    "SerializationException",
    "AccessDeniedException",
    "ThrottlingException",
    "UnknownOperationException",
    "OperationNotSupportedException",
    "ResourceNumberLimitExceededException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
    "ServiceUnavailableException",
    "RequestEntityTooLargeException",
}
GONE = {"EntityNotFoundException", "CrawlerNotRunningException"}


def may_give(code, message):
    """Is this an error that an operation may give though its model does not list it?"""
    no_catalog = code == "EntityNotFoundException" and message.startswith("Catalog ")
    return no_catalog or code in COMMON_ERRORS


def in_enum(shape, value):
    return value in shape.metadata["enum"] or (shape.name in OPEN_ENUMS and value.startswith(OPEN_ENUMS[shape.name]))


def check(shape, value, path="", out=None):
    """Every deviation of a decoded JSON value from a botocore shape, as a list of texts."""
    out = [] if out is None else out
    kind = shape.type_name
    if value is None:
        out.append(f"{path}: null")
    elif getattr(shape, "is_document_type", False):
        pass
    elif kind == "structure":
        if not isinstance(value, dict):
            out.append(f"{path}: {type(value).__name__} instead of {shape.name}")
            return out
        wires = {m.serialization.get("name", n): (n, m) for n, m in shape.members.items()}
        for key, v in value.items():
            if key not in wires:
                out.append(f"{path}.{key}: {shape.name} has no such member")
            else:
                check(wires[key][1], v, f"{path}.{key}", out)
        for n in shape.required_members:
            wire = shape.members[n].serialization.get("name", n)
            if wire not in value:
                out.append(f"{path}.{wire}: required member of {shape.name} is missing")
    elif kind == "list":
        if not isinstance(value, list):
            out.append(f"{path}: {type(value).__name__} instead of a list")
            return out
        for i, v in enumerate(value):
            check(shape.member, v, f"{path}[{i}]", out)
    elif kind == "map":
        if not isinstance(value, dict):
            out.append(f"{path}: {type(value).__name__} instead of a map")
            return out
        for k, v in value.items():
            check(shape.value, v, f"{path}.{k}", out)
    elif kind in ("string", "character", "blob"):
        if not isinstance(value, str):
            out.append(f"{path}: {value!r} instead of a string")
        elif shape.metadata.get("enum") and not in_enum(shape, value):
            out.append(f"{path}: {value!r} is not one of {shape.name}")
    elif kind == "boolean":
        if not isinstance(value, bool):
            out.append(f"{path}: {value!r} instead of a boolean")
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            out.append(f"{path}: {value!r} instead of an integer")
        elif kind == "integer" and not -(2**31) <= value < 2**31:
            out.append(f"{path}: {value} does not fit 32 bits")
    elif kind in ("float", "double"):
        if isinstance(value, bool) or not (isinstance(value, (int, float)) or value in ("NaN", "Infinity", "-Infinity")):
            out.append(f"{path}: {value!r} instead of a number")
    elif kind == "timestamp":
        iso = shape.serialization.get("timestampFormat") == "iso8601"
        good = isinstance(value, str) if iso else isinstance(value, (int, float)) and not isinstance(value, bool)
        if not good:
            out.append(f"{path}: {value!r} is no timestamp")
    return out


def texts(value, into=None):
    """All texts of a value that are long enough to be no accident."""
    into = set() if into is None else into
    if isinstance(value, str):
        if len(value) >= 3:
            into.add(value)
    elif isinstance(value, dict):
        for k, v in value.items():
            texts(k, into)
            texts(v, into)
    elif isinstance(value, (list, tuple)):
        for v in value:
            texts(v, into)
    return into


def sent_texts(shape, value, into=None):
    """Texts of a request that the model leaves to the sender: no member names, no enum values."""
    into = set() if into is None else into
    if shape is None or value is None:
        return into
    kind = shape.type_name
    if kind == "structure" and isinstance(value, dict):
        for n, v in value.items():
            sent_texts(shape.members.get(n), v, into)
    elif kind == "list" and isinstance(value, (list, tuple)):
        for v in value:
            sent_texts(shape.member, v, into)
    elif kind == "map" and isinstance(value, dict):
        for k, v in value.items():
            texts(k, into)
            sent_texts(shape.value, v, into)
    elif kind == "string" and isinstance(value, str) and not shape.metadata.get("enum") and len(value) >= 3:
        into.add(value)
    return into


class Watch:
    def __init__(self, record=None):
        self.record = record
        self.lock = threading.RLock()  # over all that follows
        self.deviations = []
        self.test = None
        self.first = {}  # text -> the operation that was the first to send it, in this test
        self.deletes = []  # (operation, texts it named), in this test
        self.seen = set()  # lines written, in this test

    # -- hooks ------------------------------------------------------------
    def attach(self, client):
        service = client.meta.service_model.service_name
        events = client.meta.events
        events.register_last(f"before-call.{service}", self._before)
        events.register_last(f"before-parse.{service}", self._reply)
        events.register_last(f"after-call.{service}", self._after)
        return client

    def _before(self, model, params, context, **_):
        # the parameters as the user gave them are gone here; the body holds them
        context["nikawa_sent"] = params.get("body")

    def _reply(self, operation_model, response_dict, **_):
        """Before botocore parses it: what it cannot parse is to be named here, not there."""
        name, body = operation_model.name, response_dict["body"]
        try:
            value = json.loads(body) if body else {}
        except ValueError:
            self._deviate(name, f"the reply is no JSON: {body[:80]!r}")
            return
        if response_dict["status_code"] < 300 and operation_model.output_shape is not None:
            for d in check(operation_model.output_shape, value):
                self._deviate(name, d)

    def _after(self, http_response, parsed, model, context, **_):
        try:
            value = json.loads(http_response.content or b"{}")
        except ValueError:
            return
        try:
            sent = json.loads(context.get("nikawa_sent") or b"{}")
        except ValueError:
            sent = {}
        mine = sent_texts(model.input_shape, sent)
        with self.lock:
            self._turn()
            if http_response.status_code >= 300:
                self._error(model, parsed, mine)
            else:
                self._answer(model.name, value, mine)

    def _answer(self, name, value, mine):
        self._write(name, "call")
        for t in texts(value):
            writer = self.first.get(t)
            if writer and writer != name:
                self._write(name, "read")
                self._write(writer, "wrote")
        for t in mine:
            self.first.setdefault(t, name)
        if name.startswith(("Delete", "BatchDelete", "Untag", "Remove")):
            self.deletes.append((name, mine))

    def _error(self, model, parsed, mine):
        error = parsed.get("Error", {})
        code = error.get("Code", "")
        declared = {s.name for s in model.error_shapes}
        if code not in declared and not may_give(code, error.get("Message", "")):
            self._deviate(model.name, f"error {code!r} is not one of its own")
        self._write(model.name, "error", code, code in declared)
        if code in GONE:
            for name, named in self.deletes:
                if mine & named:
                    self._write(name, "wrote")

    # -- records ----------------------------------------------------------
    def proved(self, operation):
        """A test has asserted this operation's effect itself."""
        with self.lock:
            self._turn()
            self._write(operation, "wrote")

    def _turn(self):
        test = os.environ.get("PYTEST_CURRENT_TEST", "").split(" ")[0]
        if test != self.test:
            self.test, self.first, self.deletes, self.seen = test, {}, [], set()

    def _deviate(self, operation, text):
        with self.lock:
            self.deviations.append(f"{operation}{': ' if not text.startswith(('.', '[')) else ''}{text}")

    def _write(self, operation, kind, error=None, declared=None):
        if not self.record or (operation, kind, error) in self.seen:
            return
        self.seen.add((operation, kind, error))
        line = {"operation": operation, "kind": kind, "test": self.test}
        if error:
            line.update(error=error, declared=declared)
        with open(self.record, "a", encoding="utf-8") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            f.write(json.dumps(line) + "\n")

    def assert_clean(self):
        """Fails with every deviation since the last time."""
        with self.lock:
            found, self.deviations = self.deviations, []
        assert not found, "replies that the model does not allow:\n  " + "\n  ".join(dict.fromkeys(found))
