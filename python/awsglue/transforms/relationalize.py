"""Relationalize"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["Relationalize"]


class Relationalize(GlueTransform):
    """Nested data as flat tables."""

    def __call__(self, frame, staging_path=None, name="roottable", options=None,
                 transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        return frame.relationalize(name, staging_path, options or {}, transformation_ctx, info, stageThreshold,
                                   totalThreshold)
