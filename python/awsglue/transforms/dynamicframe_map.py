"""Map"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["Map"]


class Map(GlueTransform):
    """A record for each record, made by f. A record that f fails on is left out and counted."""

    def __call__(self, frame, f, preservesPartitioning=False, transformation_ctx="", info="",
                 stageThreshold=0, totalThreshold=0):
        return frame.map(f, preservesPartitioning, transformation_ctx, info, stageThreshold, totalThreshold)
