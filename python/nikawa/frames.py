"""Rows between the plan and Spark, as Arrow.

Small results travel inside the query; larger ones as a Parquet file in the run's own temporary folder,
which the run's Spark engine, being on the same machine, reads as it likes. Either way a frame is handed
over in batches, never as Python objects.
"""

import atexit
import os
import shutil
import tempfile

from nikawa import runtime

__all__ = ["to_spark", "from_spark"]

# Up to here rows go inside the query.
INLINE_BYTES_MAX = 4 << 20

_folder = None


def _scratch():
    """The run's folder for handed-over files; gone when the process ends."""
    global _folder
    if _folder is None:
        base = runtime.settings().get("temp_dir")
        _folder = tempfile.mkdtemp(prefix="nikawa-spark-", dir=base if base and os.path.isdir(base) else None)
        atexit.register(shutil.rmtree, _folder, True)
    return _folder


def _spark_type(t):
    """The Arrow type that Spark takes for t: plain strings and lists, timestamps as points in time."""
    import pyarrow as pa

    if pa.types.is_timestamp(t):
        return pa.timestamp("us", tz="UTC")
    if pa.types.is_null(t) or pa.types.is_large_string(t) or pa.types.is_string_view(t):
        return pa.string()
    if pa.types.is_large_binary(t) or pa.types.is_binary_view(t):
        return pa.binary()
    if pa.types.is_struct(t):
        return pa.struct([_spark_field(t.field(i)) for i in range(t.num_fields)])
    if pa.types.is_map(t):
        return pa.map_(_spark_type(t.key_type), _spark_type(t.item_type))
    if pa.types.is_list(t) or pa.types.is_large_list(t) or pa.types.is_fixed_size_list(t):
        return pa.list_(_spark_field(t.value_field))
    if pa.types.is_dictionary(t):
        return _spark_type(t.value_type)
    # Spark has signed numbers only.
    if pa.types.is_uint8(t):
        return pa.int16()
    if pa.types.is_uint16(t):
        return pa.int32()
    if pa.types.is_uint32(t):
        return pa.int64()
    if pa.types.is_uint64(t):
        return pa.decimal128(20, 0)
    if pa.types.is_float16(t):
        return pa.float32()
    return t


def _spark_field(field):
    import pyarrow as pa

    return pa.field(field.name, _spark_type(field.type), True)


def _batches(reader, schema):
    """The reader's batches, with the types of schema."""
    import pyarrow as pa

    same = reader.schema.equals(schema)
    for batch in reader:
        if batch.num_rows == 0:
            continue
        if same:
            yield batch
        else:
            yield from pa.Table.from_batches([batch]).cast(schema).to_batches()


def to_spark(node):
    """A node's rows as a Spark DataFrame."""
    import pyarrow as pa

    from nikawa import spark

    session = spark.session()
    reader = pa.RecordBatchReader.from_stream(node.arrow())
    schema = pa.schema([_spark_field(f) for f in reader.schema])
    batches, size = [], 0
    stream = _batches(reader, schema)
    for batch in stream:
        batches.append(batch)
        size += batch.nbytes
        if size > INLINE_BYTES_MAX:
            return _through_file(session, schema, batches, stream)
    if not batches:
        from pyspark.sql.pandas.types import from_arrow_schema

        return session.createDataFrame([], from_arrow_schema(schema))
    return session.createDataFrame(pa.Table.from_batches(batches, schema))


def _through_file(session, schema, head, rest):
    import pyarrow.parquet as pq

    handle, path = tempfile.mkstemp(suffix=".parquet", dir=_scratch())
    os.close(handle)
    with pq.ParquetWriter(path, schema, compression="lz4") as writer:
        for batch in head:
            writer.write_batch(batch)
        for batch in rest:
            writer.write_batch(batch)
    return session.read.parquet("file://" + path)


class _SparkRows:
    """A DataFrame as an Arrow stream. Each stream asked for runs the query anew, as Spark itself would."""

    def __init__(self, dataframe):
        self._dataframe = dataframe

    def __arrow_c_stream__(self, requested_schema=None):
        import pyarrow as pa
        from pyspark.sql.pandas.types import to_arrow_schema

        dataframe = self._dataframe
        schema = to_arrow_schema(dataframe.schema, timezone="UTC")
        schema = pa.schema([_spark_field(f) for f in schema])

        def rows():
            for table in _tables(dataframe):
                if table.num_rows:
                    yield from _as(table, schema).to_batches()

        return pa.RecordBatchReader.from_batches(schema, rows()).__arrow_c_stream__(requested_schema)


def _as(table, schema):
    """The table with the types of schema; columns go by place, since names may repeat."""
    return table.rename_columns(schema.names).cast(schema)


def _tables(dataframe):
    """The result in pieces as they come, where the client can; else at once."""
    import pyarrow as pa

    client = dataframe.sparkSession.client
    pieces = getattr(client, "to_table_as_iterator", None)
    if pieces is None:
        yield dataframe.toArrow()
        return
    for piece in pieces(dataframe._plan.to_proto(client), dataframe._plan.observations):
        if isinstance(piece, pa.Table):
            yield piece


def from_spark(dataframe):
    """An object with __arrow_c_stream__ over the rows of a Spark DataFrame."""
    if not hasattr(dataframe, "toArrow"):
        raise TypeError("DynamicFrame.fromDF takes a Spark DataFrame, not %s" % type(dataframe).__name__)
    return _SparkRows(dataframe)
