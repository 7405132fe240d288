"""Unbox"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["Unbox"]


class Unbox(GlueTransform):
    """Parses a string field."""

    def __call__(self, frame, path, format, transformation_ctx="", info="", stageThreshold=0,
                 totalThreshold=0, **options):
        return frame.unbox(path, format, transformation_ctx, info, stageThreshold, totalThreshold, **options)
