"""Repartition"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["Repartition"]


class Repartition(GlueTransform):
    """num_partitions files when the frame is written."""

    def __call__(self, frame, num_partitions, transformation_ctx="", info="", stageThreshold=0,
                 totalThreshold=0):
        return frame.repartition(num_partitions, transformation_ctx, info, stageThreshold, totalThreshold)
