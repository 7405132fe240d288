"""The transforms, as classes with apply(…)."""

from awsglue.transforms.apply_mapping import ApplyMapping
from awsglue.transforms.coalesce import Coalesce
from awsglue.transforms.collection_transforms import FlatMap, MapToCollection, SelectFromCollection
from awsglue.transforms.drop_nulls import DropNullFields
from awsglue.transforms.dynamicframe_filter import Filter
from awsglue.transforms.dynamicframe_map import Map
from awsglue.transforms.errors_as_dynamicframe import ErrorsAsDynamicFrame
from awsglue.transforms.field_transforms import (DropFields, Join, RenameField, SelectFields, Spigot,
                                                 SplitFields, SplitRows)
from awsglue.transforms.relationalize import Relationalize
from awsglue.transforms.repartition import Repartition
from awsglue.transforms.resolve_choice import ResolveChoice
from awsglue.transforms.transform import GlueTransform
from awsglue.transforms.unbox import Unbox
from awsglue.transforms.union import Union
from awsglue.transforms.unnest_frame import UnnestFrame

_ALL = (ApplyMapping, Coalesce, DropFields, DropNullFields, ErrorsAsDynamicFrame, Filter, FlatMap, Join,
        Map, MapToCollection, Relationalize, RenameField, Repartition, ResolveChoice, SelectFields,
        SelectFromCollection, Spigot, SplitFields, SplitRows, Unbox, Union, UnnestFrame)

__all__ = ["GlueTransform", "get_transforms", "get_transform", "describe_transform"]
__all__ += [t.__name__ for t in _ALL]


def get_transforms():
    """All transform classes."""
    return set(_ALL)


def get_transform(name):
    """The transform class of that name."""
    for transform in _ALL:
        if transform.__name__ == name:
            return transform
    raise ValueError("there is no transform %s; there are %s"
                     % (name, ", ".join(t.__name__ for t in _ALL)))


def describe_transform(name):
    """What a transform does and takes, as text."""
    import inspect

    transform = get_transform(name)
    return "%s%s\n%s" % (name, inspect.signature(transform.__call__),
                         inspect.getdoc(transform) or "")
