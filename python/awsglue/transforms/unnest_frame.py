"""UnnestFrame"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["UnnestFrame"]


class UnnestFrame(GlueTransform):
    """Structs as dotted names."""

    def __call__(self, frame, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        return frame.unnest(transformation_ctx, info, stageThreshold, totalThreshold)
