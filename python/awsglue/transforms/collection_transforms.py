"""Transforms of collections of frames."""

from awsglue.transforms.transform import GlueTransform

__all__ = ["SelectFromCollection", "MapToCollection", "FlatMap"]


class SelectFromCollection(GlueTransform):
    """One frame out of a collection."""

    def __call__(self, dfc, key, transformation_ctx=""):
        return dfc.select(key, transformation_ctx)


class MapToCollection(GlueTransform):
    """callable(frame, ctx) of every frame of a collection."""

    def __call__(self, dfc, callable, transformation_ctx=""):
        return dfc.map(callable, transformation_ctx)


class FlatMap(GlueTransform):
    """A transform of every frame of a collection, all results in one collection. frame_name: which of the
    transform's arguments takes the frame."""

    def __call__(self, dfc, BaseTransform, frame_name, transformation_ctx="", **base_kwargs):
        def one(frame, ctx):
            return BaseTransform.apply(**{frame_name: frame, "transformation_ctx": ctx, **base_kwargs})

        return dfc.flatmap(one, transformation_ctx)
