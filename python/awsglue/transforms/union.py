"""Union"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["Union"]


class Union(GlueTransform):
    """The records of both frames."""

    def __call__(self, frame1, frame2, transformation_ctx="", info="", stageThreshold=0,
                 totalThreshold=0):
        return frame1.union(frame2, transformation_ctx, info, stageThreshold, totalThreshold)
