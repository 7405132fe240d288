"""ApplyMapping"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["ApplyMapping"]


class ApplyMapping(GlueTransform):
    """Renames, casts, drops and reorders fields: (source, source type, target, target type)."""

    def __call__(self, frame, mappings, case_sensitive=False, transformation_ctx="", info="",
                 stageThreshold=0, totalThreshold=0):
        return frame.apply_mapping(mappings, case_sensitive, transformation_ctx, info, stageThreshold,
                                   totalThreshold)
