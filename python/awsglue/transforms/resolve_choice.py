"""ResolveChoice"""

from awsglue.transforms.transform import GlueTransform

__all__ = ["ResolveChoice"]


class ResolveChoice(GlueTransform):
    """Settles choices: cast:TYPE, project:TYPE, make_cols, make_struct, match_catalog."""

    def __call__(self, frame, specs=None, choice="", database=None, table_name=None,
                 transformation_ctx="", info="", stageThreshold=0, totalThreshold=0, catalog_id=None):
        return frame.resolveChoice(specs, choice, database, table_name, transformation_ctx, info,
                                   stageThreshold, totalThreshold, catalog_id)
