"""Coalesce"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["Coalesce"]


class Coalesce(GlueTransform):
    """At most num_partitions files when the frame is written."""

    def __call__(self, frame, num_partitions, shuffle=False, transformation_ctx="", info="",
                 stageThreshold=0, totalThreshold=0):
        return frame.coalesce(num_partitions, shuffle, transformation_ctx, info, stageThreshold,
                              totalThreshold)
