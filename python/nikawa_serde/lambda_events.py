"""What a Lambda function is called with: events of Kinesis, MSK and self-managed Kafka, decoded.

    serde = Serde()                                    # outside the handler: its cache outlives a call

    def handler(event, context):
        for item in decode_event(serde, event):
            print(item.source, item.position, item.value)
"""

import base64
from typing import NamedTuple, Optional

from . import Serde, is_framed


class Item(NamedTuple):
    """One record of an event."""

    source: str      #: the stream's ARN, or the topic
    partition: str   #: shard or partition
    position: str    #: sequence number or offset
    key: object      #: decoded when it is a message of the registry, else bytes (Kinesis: the partition key)
    value: object    #: decoded when it is a message of the registry, else bytes; None for a tombstone
    schema_id: Optional[str]
    record: dict     #: as it came


def _open(serde, text):
    if text is None:
        return None, None
    data = base64.b64decode(text)
    if not is_framed(data):
        return data, None
    record = serde.decode(data)
    return record.value, record.schema_id


def _kinesis(serde, event):
    for r in event["Records"]:
        k = r["kinesis"]
        value, schema = _open(serde, k["data"])
        shard = r.get("eventID", "").split(":")[0]
        yield Item(r.get("eventSourceARN", ""), shard, k["sequenceNumber"], k["partitionKey"], value, schema, r)


def _kafka(serde, event):
    for records in event["records"].values():
        for r in records:
            key, _ = _open(serde, r.get("key"))
            value, schema = _open(serde, r.get("value"))
            yield Item(r["topic"], str(r["partition"]), str(r["offset"]), key, value, schema, r)


def decode_event(serde: Serde, event):
    """The Items of an event; ValueError when it comes from elsewhere."""
    if event.get("eventSource") in ("aws:kafka", "SelfManagedKafka"):
        return _kafka(serde, event)
    records = event.get("Records")
    if isinstance(records, list) and all("kinesis" in r for r in records):
        return _kinesis(serde, event)
    raise ValueError("an event of Kinesis, MSK or self-managed Kafka is wanted")
