"""Messages of the AWS Glue Schema Registry, from Python: Kafka, Kinesis and Lambda. Apache-2.0.

    from nikawa_serde import Serde
    serde = Serde(endpoint="http://127.0.0.1:4566", region="us-east-1", access_key=…, secret_key=…)
    schema = serde.register("orders", "AVRO", definition, auto_register=True)
    message = serde.encode(schema, {"id": 1, "customer": "Ada"}, compress=True)
    record = serde.decode(message)          # record.value == {"id": 1, "customer": "Ada"}

Avro values are dicts, lists and scalars; logical types are `datetime` and `Decimal` objects; in a union the first branch
that fits is taken, or ("full.name", value) names one. JSON values are what `json` gives. Protobuf values are bytes of a
message (or a message object, which is serialized); its full name comes with a decoded one. Without arguments the keys and
the endpoint come from the environment, as with the AWS SDKs.
"""

import datetime
import decimal
import json
import os
import uuid
from typing import NamedTuple, Optional

try:
    from . import _nikawa_serde as _serde
except ImportError:
    import _nikawa_serde as _serde

SerdeError = _serde.SerdeError
is_framed = _serde.is_framed

__all__ = ["Record", "Serde", "SerdeError", "is_framed"]

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_LOCAL_EPOCH = datetime.datetime(1970, 1, 1)
_DAY = datetime.date(1970, 1, 1).toordinal()
_MICROSECOND = datetime.timedelta(microseconds=1)


class Record(NamedTuple):
    """A decoded message."""

    value: object
    format: str
    schema_id: str
    message: Optional[str]  #: Protobuf: the message's full name


def _micros(value, unit):
    return datetime.timedelta(microseconds=value * unit)


def _count(delta, unit):
    return delta // _MICROSECOND // unit


def _time_to_raw(t, unit):
    if not isinstance(t, datetime.time):
        return t
    return ((t.hour * 60 + t.minute) * 60 + t.second) * 1000000 // unit + t.microsecond // unit


def _stamp_to_raw(t, unit, epoch):
    if not isinstance(t, datetime.datetime):
        return t
    if epoch.tzinfo and not t.tzinfo:
        raise TypeError("a timestamp needs a time zone")
    return _count((t if epoch.tzinfo else t.replace(tzinfo=None)) - epoch, unit)


def _decimal_to_raw(value, scale, size):
    if not isinstance(value, (decimal.Decimal, int)) or isinstance(value, bool):
        return value
    sign, digits, exponent = decimal.Decimal(value).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is no number")
    number = int("".join(map(str, digits)) or "0")
    shift = exponent + scale
    if shift < 0 and number % 10**-shift:
        raise ValueError(f"{value} has more than {scale} decimals")
    number = number * 10**shift if shift >= 0 else number // 10**-shift
    number = -number if sign else number
    width = size or (number + (number < 0)).bit_length() // 8 + 1
    return number.to_bytes(width, "big", signed=True)


# logical type: value to what is encoded, and back; each is given (value, scale, size)
_LOGICAL = {
    "date": (lambda v, s, n: v.toordinal() - _DAY if isinstance(v, datetime.date) and not isinstance(v, datetime.datetime) else v,
             lambda v, s, n: datetime.date.fromordinal(v + _DAY) if 0 < v + _DAY <= datetime.date.max.toordinal() else v),
    "time-millis": (lambda v, s, n: _time_to_raw(v, 1000), lambda v, s, n: (_LOCAL_EPOCH + _micros(v, 1000)).time()),
    "time-micros": (lambda v, s, n: _time_to_raw(v, 1), lambda v, s, n: (_LOCAL_EPOCH + _micros(v, 1)).time()),
    "timestamp-millis": (lambda v, s, n: _stamp_to_raw(v, 1000, _EPOCH), lambda v, s, n: _EPOCH + _micros(v, 1000)),
    "timestamp-micros": (lambda v, s, n: _stamp_to_raw(v, 1, _EPOCH), lambda v, s, n: _EPOCH + _micros(v, 1)),
    "local-timestamp-millis": (lambda v, s, n: _stamp_to_raw(v, 1000, _LOCAL_EPOCH), lambda v, s, n: _LOCAL_EPOCH + _micros(v, 1000)),
    "local-timestamp-micros": (lambda v, s, n: _stamp_to_raw(v, 1, _LOCAL_EPOCH), lambda v, s, n: _LOCAL_EPOCH + _micros(v, 1)),
    "decimal": (lambda v, s, n: _decimal_to_raw(v, s, n),
                lambda v, s, n: decimal.Decimal(int.from_bytes(v, "big", signed=True)).scaleb(-s)),
    "uuid": (lambda v, s, n: str(v) if isinstance(v, uuid.UUID) else v, lambda v, s, n: v),
}


def _to_raw(logical, value, scale, size):
    rule = _LOGICAL.get(logical)
    return rule[0](value, scale, size) if rule else value


def _from_raw(logical, raw, scale, size):
    rule = _LOGICAL.get(logical)
    try:
        return rule[1](raw, scale, size) if rule else raw
    except OverflowError:  # Python's calendar ends before Avro's does
        return raw


class Serde:
    """A serializer and deserializer with its cache of schemas; any number of threads may use one.

    endpoint, region, access_key, secret_key, session_token: the registry; each is taken from the environment when absent
    (AWS_ENDPOINT_URL_GLUE or AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID …).
    fetch: instead of a registry, a function that takes a version's id and gives (format, definition) or (format,
    definition, [(name, definition), …]) with what the definition refers to; None when there is none.
    message_max: bytes that a payload may have, opened; 64 MB unless said.
    """

    def __init__(self, endpoint=None, region=None, access_key=None, secret_key=None, session_token=None, fetch=None, message_max=0):
        env = os.environ
        if fetch is None:
            region = region or env.get("AWS_REGION") or env.get("AWS_DEFAULT_REGION") or "us-east-1"
            endpoint = (endpoint or env.get("AWS_ENDPOINT_URL_GLUE") or env.get("AWS_ENDPOINT_URL")
                        or f"https://glue.{region}.amazonaws.com")
            if access_key is None:
                access_key, secret_key = env.get("AWS_ACCESS_KEY_ID"), env.get("AWS_SECRET_ACCESS_KEY")
                session_token = env.get("AWS_SESSION_TOKEN")
        self._serde = _serde.Serde(_to_raw, _from_raw, fetch, endpoint, region, access_key, secret_key, session_token, message_max)

    def register(self, schema, format, definition, registry=None, auto_register=False, compatibility=None):
        """The id of the version of `schema` that has this definition; with auto_register it is made when there is none."""
        return self._serde.register(registry, schema, format, definition, auto_register, compatibility)

    def schema(self, schema_id):
        """(id, format, definition) of a version."""
        return self._serde.schema(schema_id)

    def add(self, schema_id, format, definition, references=()):
        """Makes a definition known without asking the registry."""
        self._serde.add(schema_id, (format, definition, list(references)))

    def encode(self, schema_id, value, compress=False, message=None):
        """A message. message: Protobuf: the message's full name; taken from a message object."""
        if hasattr(value, "SerializeToString") and hasattr(value, "DESCRIPTOR"):
            message = message or value.DESCRIPTOR.full_name
            value = value.SerializeToString()
        elif not isinstance(value, (bytes, bytearray, memoryview)) and self._serde.schema(schema_id)[1] == "JSON":
            value = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return self._serde.encode(schema_id, value, 5 if compress else 0, message)

    def decode(self, message, reader_id=None):
        """The Record that the bytes hold. SerdeError when they are none of the registry's, cut or corrupt.
        reader_id: a schema version as which an Avro value is read (fields by name and alias, defaults, promotions)."""
        schema_id, format_, value, name = self._serde.decode(message, reader_id)
        if format_ == "JSON":
            value = json.loads(value)
        return Record(value, format_, schema_id, name)
