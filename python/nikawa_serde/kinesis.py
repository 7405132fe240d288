"""Kinesis records, as boto3 and the KCL hand them over."""

from . import Serde


def data_of(record):
    """The bytes of a record: boto3's {"Data": …}, a KCL record (binary_data), or bytes."""
    if isinstance(record, dict):
        return record["Data"]
    for name in ("binary_data", "data"):
        if hasattr(record, name):
            return getattr(record, name)
    return record


def decode_records(serde: Serde, records):
    """(record, Record) for each record of GetRecords or of a KCL batch."""
    for record in records:
        yield record, serde.decode(data_of(record))


def put_record(serde: Serde, client, stream, schema_id, value, partition_key, compress=False, message=None):
    """Encodes and puts one record with a boto3 client; gives PutRecord's answer."""
    return client.put_record(StreamName=stream, PartitionKey=partition_key,
                             Data=serde.encode(schema_id, value, compress, message))
