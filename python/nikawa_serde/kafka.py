"""Serializers for confluent-kafka (and any client that takes a callable): the registry's messages on a topic."""

from . import Serde


class GlueSerializer:
    """value.serializer: GlueSerializer(serde, schema="orders", format="AVRO", definition=…, auto_register=True).

    schema: the schema's name, or None for the topic's, as AWS's Java serializer has it.
    """

    def __init__(self, serde: Serde, definition, format="AVRO", schema=None, registry=None, auto_register=False, compatibility=None,
                 compress=False, message=None):
        self._serde, self._schema = serde, schema
        self._how = dict(format=format, definition=definition, registry=registry, auto_register=auto_register,
                         compatibility=compatibility)
        self._compress, self._message = compress, message
        self._ids = {}

    def __call__(self, value, ctx=None):
        if value is None:
            return None
        name = self._schema or getattr(ctx, "topic", None)
        if not name:
            raise ValueError("no schema's name: give schema=, or a context that names the topic")
        if name not in self._ids:
            self._ids[name] = self._serde.register(name, **self._how)
        return self._serde.encode(self._ids[name], value, self._compress, self._message)


class GlueDeserializer:
    """value.deserializer: gives the value; `record=True`: the whole Record."""

    def __init__(self, serde: Serde, record=False):
        self._serde, self._record = serde, record

    def __call__(self, value, ctx=None):
        if value is None:
            return None
        record = self._serde.decode(value)
        return record if self._record else record.value
