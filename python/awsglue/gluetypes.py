"""Types of a DynamicFrame's fields."""

__all__ = ["ArrayType", "AtomicType", "BinaryType", "BooleanType", "ByteType", "ChoiceType", "DataType",
           "DateType", "DecimalType", "DoubleType", "DynamicRecord", "EntityType", "EnumType", "Field",
           "FloatType", "IntegerType", "LongType", "MapType", "NullType", "SetType", "ShortType",
           "StringType", "StructType", "TimestampNTZType", "TimestampType", "UnknownType",
           "mergeDataTypes"]


class DataType:
    """Any type. properties: a dict of strings that travels with it."""

    def __init__(self, properties=None):
        self.properties = dict(properties or {})

    @classmethod
    def typeName(cls):
        name = cls.__name__
        return (name[:-4] if name.endswith("Type") else name).lower()

    def simpleString(self):
        return self.typeName()

    def jsonValue(self):
        value = {"dataType": self.typeName()}
        if self.properties:
            value["properties"] = dict(self.properties)
        return value

    @classmethod
    def fromJsonValue(cls, json_value):
        return cls(json_value.get("properties"))

    def _parts(self):
        return ()

    def __eq__(self, other):
        return type(self) is type(other) and self._parts() == other._parts()

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash(str(self))

    def __repr__(self):
        return "%s(%s)" % (type(self).__name__, ", ".join(repr(p) for p in self._parts()))

    def _tree(self, indent):
        """Lines of printSchema below this type's own."""
        return []


class AtomicType(DataType):
    """A type without parts."""


class BinaryType(AtomicType):
    pass


class BooleanType(AtomicType):
    pass


class ByteType(AtomicType):
    pass


class DateType(AtomicType):
    pass


class DoubleType(AtomicType):
    pass


class FloatType(AtomicType):
    pass


class IntegerType(AtomicType):
    @classmethod
    def typeName(cls):
        return "int"


class LongType(AtomicType):
    pass


class NullType(AtomicType):
    pass


class ShortType(AtomicType):
    pass


class StringType(AtomicType):
    pass


class TimestampType(AtomicType):
    pass


class TimestampNTZType(AtomicType):
    @classmethod
    def typeName(cls):
        return "timestamp_ntz"


class UnknownType(AtomicType):
    pass


class DecimalType(AtomicType):
    def __init__(self, precision=10, scale=2, properties=None):
        super().__init__(properties)
        self.precision = precision
        self.scale = scale

    def simpleString(self):
        return "decimal(%d,%d)" % (self.precision, self.scale)

    def jsonValue(self):
        value = super().jsonValue()
        value.update(precision=self.precision, scale=self.scale)
        return value

    @classmethod
    def fromJsonValue(cls, json_value):
        return cls(json_value.get("precision", 10), json_value.get("scale", 2),
                   json_value.get("properties"))

    def _parts(self):
        return (self.precision, self.scale)


class EnumType(AtomicType):
    def __init__(self, options):
        super().__init__()
        self.options = list(options)

    def jsonValue(self):
        value = super().jsonValue()
        value["options"] = self.options
        return value

    @classmethod
    def fromJsonValue(cls, json_value):
        return cls(json_value["options"])

    def _parts(self):
        return (tuple(self.options),)


class ArrayType(DataType):
    def __init__(self, elementType=None, properties=None):
        super().__init__(properties)
        self.elementType = elementType if elementType is not None else UnknownType()

    def simpleString(self):
        return "%s<%s>" % (self.typeName(), self.elementType.simpleString())

    def jsonValue(self):
        value = super().jsonValue()
        value["elementType"] = self.elementType.jsonValue()
        return value

    @classmethod
    def fromJsonValue(cls, json_value):
        return cls(_from_json(json_value["elementType"]), json_value.get("properties"))

    def _parts(self):
        return (self.elementType,)

    def _tree(self, indent):
        return _tree_lines("element", self.elementType, indent)


class SetType(ArrayType):
    pass


class MapType(DataType):
    def __init__(self, valueType=None, properties=None):
        super().__init__(properties)
        self.keyType = StringType()
        self.valueType = valueType if valueType is not None else UnknownType()

    def simpleString(self):
        return "map<string,%s>" % self.valueType.simpleString()

    def jsonValue(self):
        value = super().jsonValue()
        value["valueType"] = self.valueType.jsonValue()
        return value

    @classmethod
    def fromJsonValue(cls, json_value):
        return cls(_from_json(json_value["valueType"]), json_value.get("properties"))

    def _parts(self):
        return (self.valueType,)

    def _tree(self, indent):
        return _tree_lines("value", self.valueType, indent)


class Field:
    """A named part of a struct."""

    def __init__(self, name, dataType, properties=None):
        self.name = name
        self.dataType = dataType
        self.properties = dict(properties or {})

    def jsonValue(self):
        value = {"name": self.name, "container": self.dataType.jsonValue()}
        if self.properties:
            value["properties"] = dict(self.properties)
        return value

    @classmethod
    def fromJsonValue(cls, json_value):
        return cls(json_value["name"], _from_json(json_value["container"]),
                   json_value.get("properties"))

    def __eq__(self, other):
        return (isinstance(other, Field) and self.name == other.name
                and self.dataType == other.dataType)

    def __hash__(self):
        return hash((self.name, self.dataType))

    def __repr__(self):
        return "Field(%r, %r)" % (self.name, self.dataType)


class StructType(DataType):
    def __init__(self, fields=None, properties=None):
        super().__init__(properties)
        self.fields = []
        self.field_map = {}
        for field in fields or ():
            self.add(field)

    def add(self, field):
        self.fields.append(field)
        self.field_map[field.name] = field
        return self

    def __iter__(self):
        return iter(self.fields)

    def __len__(self):
        return len(self.fields)

    def __getitem__(self, key):
        return self.field_map[key] if isinstance(key, str) else self.fields[key]

    def __contains__(self, name):
        return name in self.field_map

    def simpleString(self):
        return "struct<%s>" % ",".join("%s:%s" % (f.name, f.dataType.simpleString())
                                       for f in self.fields)

    def jsonValue(self):
        value = super().jsonValue()
        value["fields"] = [f.jsonValue() for f in self.fields]
        return value

    @classmethod
    def fromJsonValue(cls, json_value):
        return cls([Field.fromJsonValue(f) for f in json_value["fields"]],
                   json_value.get("properties"))

    def _parts(self):
        return tuple(self.fields)

    def _tree(self, indent):
        return [line for f in self.fields for line in _tree_lines(f.name, f.dataType, indent)]


class EntityType(StructType):
    def __init__(self, base_type=None, properties=None):
        super().__init__(base_type.fields if base_type is not None else None, properties)


class ChoiceType(DataType):
    """A field whose values are of several types."""

    def __init__(self, choices=None, properties=None):
        super().__init__(properties)
        self.choices = {}
        for choice in choices or ():
            self.add(choice)

    def add(self, choice):
        self.choices[choice.typeName()] = choice
        return self

    def simpleString(self):
        return "choice<%s>" % ",".join(c.simpleString() for c in self.choices.values())

    def jsonValue(self):
        value = super().jsonValue()
        value["choices"] = [c.jsonValue() for c in self.choices.values()]
        return value

    @classmethod
    def fromJsonValue(cls, json_value):
        return cls([_from_json(c) for c in json_value["choices"]], json_value.get("properties"))

    def _parts(self):
        return tuple(self.choices.values())

    def _tree(self, indent):
        lines = []
        for choice in self.choices.values():
            lines.append("%s|-- %s" % ("|    " * indent, choice.simpleString()
                                       if not choice._tree(0) else choice.typeName()))
            lines.extend(choice._tree(indent + 1))
        return lines


class DynamicRecord(dict):
    """A record as Filter and Map functions see it: a dict whose keys are attributes, too."""

    __slots__ = ()

    def __getattr__(self, name):
        try:
            value = self[name]
        except KeyError:
            raise AttributeError(name) from None
        return DynamicRecord(value) if type(value) is dict else value

    def __setattr__(self, name, value):
        self[name] = value

    def __delattr__(self, name):
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None


def _tree_lines(name, data_type, indent):
    below = data_type._tree(indent + 1)
    text = data_type.typeName() if below else data_type.simpleString()
    return ["%s|-- %s: %s" % ("|    " * indent, name, text)] + below


_BY_NAME = {t.typeName(): t for t in (
    ArrayType, BinaryType, BooleanType, ByteType, ChoiceType, DateType, DecimalType, DoubleType,
    EntityType, EnumType, FloatType, IntegerType, LongType, MapType, NullType, SetType, ShortType,
    StringType, StructType, TimestampNTZType, TimestampType, UnknownType)}
# Other spellings, as the catalogue and Spark have them.
_BY_NAME.update({"integer": IntegerType, "bigint": LongType, "smallint": ShortType, "tinyint": ByteType,
                 "bool": BooleanType, "varchar": StringType, "char": StringType, "void": NullType,
                 "numeric": DecimalType, "real": FloatType})


def _from_json(json_value):
    return _BY_NAME[json_value["dataType"]].fromJsonValue(json_value)


def _deserialize_json_string(json_str):
    import json

    return _from_json(json.loads(json_str))


def _from_plan(node):
    """The plan's JSON type tree as types."""
    kind = node["type"]
    if kind == "struct":
        return StructType([Field(f["name"], _from_plan(f["type"])) for f in node.get("fields", ())])
    if kind == "choice":
        return ChoiceType([_from_plan(c) for c in node["alternatives"]])
    if kind == "array":
        return ArrayType(_from_plan(node.get("element") or node.get("elem") or {"type": "unknown"}))
    if kind == "map":
        return MapType(_from_plan(node.get("value") or node.get("elem") or {"type": "unknown"}))
    if kind in ("decimal", "numeric"):
        return DecimalType(node.get("precision", 38), node.get("scale", 18))
    if kind.startswith("decimal("):
        precision, scale = kind[8:-1].split(",")
        return DecimalType(int(precision), int(scale))
    return _BY_NAME[kind.split("(")[0]]()


def mergeDataTypes(s1, s2):
    """One type for both: the same, a struct with the fields of both, else a choice."""
    if s1 == s2 or isinstance(s2, (NullType, UnknownType)):
        return s1
    if isinstance(s1, (NullType, UnknownType)):
        return s2
    if isinstance(s1, StructType) and isinstance(s2, StructType):
        merged = StructType(properties=s1.properties)
        for field in s1.fields:
            other = s2.field_map.get(field.name)
            merged.add(field if other is None
                       else Field(field.name, mergeDataTypes(field.dataType, other.dataType)))
        for field in s2.fields:
            if field.name not in s1.field_map:
                merged.add(field)
        return merged
    if isinstance(s1, ArrayType) and type(s1) is type(s2):
        return type(s1)(mergeDataTypes(s1.elementType, s2.elementType), s1.properties)
    if isinstance(s1, MapType) and isinstance(s2, MapType):
        return MapType(mergeDataTypes(s1.valueType, s2.valueType), s1.properties)
    choice = ChoiceType()
    for side in (s1, s2):
        for one in side.choices.values() if isinstance(side, ChoiceType) else (side,):
            name = one.typeName()
            choice.choices[name] = (mergeDataTypes(choice.choices[name], one)
                                    if name in choice.choices and isinstance(one, (StructType, ArrayType, MapType))
                                    else one)
    return choice if len(choice.choices) > 1 else next(iter(choice.choices.values()))
