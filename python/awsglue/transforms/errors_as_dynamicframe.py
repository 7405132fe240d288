"""ErrorsAsDynamicFrame"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["ErrorsAsDynamicFrame"]


class ErrorsAsDynamicFrame(GlueTransform):
    """The failed records as a frame."""

    def __call__(self, frame):
        return frame.errorsAsDynamicFrame()
