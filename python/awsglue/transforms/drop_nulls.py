"""DropNullFields"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["DropNullFields"]


class DropNullFields(GlueTransform):
    """Drops the fields that hold nothing but nulls."""

    def __call__(self, frame, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        return frame.dropNullFields(transformation_ctx, info, stageThreshold, totalThreshold)
