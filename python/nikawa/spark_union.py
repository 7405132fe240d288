"""DataFrame.union as Spark has it. The embedded engine gives both sides the first one's column types, or values that are
not of the type it announces; here both sides are cast to the type in which Spark lets them meet."""

from pyspark.sql import types as T

__all__ = ["patch", "wider"]

_LADDER = [T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.FloatType, T.DoubleType]
_DIGITS = {T.ByteType: 3, T.ShortType: 5, T.IntegerType: 10, T.LongType: 20}


def _wider_decimal(a, b):
    if T.FloatType in (type(a), type(b)) or T.DoubleType in (type(a), type(b)):
        return T.DoubleType()
    a, b = [x if isinstance(x, T.DecimalType) else T.DecimalType(_DIGITS[type(x)], 0) for x in (a, b)]
    scale, whole = max(a.scale, b.scale), max(a.precision - a.scale, b.precision - b.scale)
    return T.DecimalType(scale + whole, scale) if scale + whole <= 38 else None


def wider(a, b):
    """The type for values of both; None when there is none."""
    if a == b or isinstance(b, T.NullType):
        return a
    if isinstance(a, T.NullType):
        return b
    kinds = (type(a), type(b))
    if T.StringType in kinds:
        other = b if isinstance(a, T.StringType) else a
        met = isinstance(other, (T.NumericType, T.DateType, T.TimestampType, T.StringType))
        return T.StringType() if met else None
    if T.DecimalType in kinds and isinstance(a, T.NumericType) and isinstance(b, T.NumericType):
        return _wider_decimal(a, b)
    if kinds[0] in _LADDER and kinds[1] in _LADDER:
        return a if _LADDER.index(kinds[0]) > _LADDER.index(kinds[1]) else b
    if set(kinds) == {T.DateType, T.TimestampType}:
        return T.TimestampType()
    return None


def _as(frame, types):
    from pyspark.sql.functions import col

    names = frame.columns
    plain = ["c%d" % i for i in range(len(names))]
    return frame.toDF(*plain).select(*[col(c).cast(t) for c, t in zip(plain, types)]).toDF(*names)


def patch(frame_class):
    """Makes union, unionAll of this class cast first where the columns' types differ."""
    union = frame_class.unionAll  # union() calls it

    def typed_union(self, other):
        left, right = [[field.dataType for field in frame.schema] for frame in (self, other)]
        if len(left) == len(right) and left != right:
            types = [wider(a, b) for a, b in zip(left, right)]
            if None not in types:
                self, other = _as(self, types), _as(other, types)
        return union(self, other)

    frame_class.unionAll = typed_union
