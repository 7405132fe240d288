"""Transforms of fields and rows."""

from awsglue.transforms.transform import GlueTransform

__all__ = ["RenameField", "DropFields", "SelectFields", "SplitFields", "SplitRows", "Join", "Spigot"]


class RenameField(GlueTransform):
    """Renames a field."""

    def __call__(self, frame, old_name, new_name, transformation_ctx="", info="",
                 stageThreshold=0, totalThreshold=0):
        return frame.rename_field(old_name, new_name, transformation_ctx, info, stageThreshold,
                                  totalThreshold)


class DropFields(GlueTransform):
    """Drops fields."""

    def __call__(self, frame, paths, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        return frame.drop_fields(paths, transformation_ctx, info, stageThreshold, totalThreshold)


class SelectFields(GlueTransform):
    """Keeps fields."""

    def __call__(self, frame, paths, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        return frame.select_fields(paths, transformation_ctx, info, stageThreshold, totalThreshold)


class SplitFields(GlueTransform):
    """Two frames: the fields of paths, and the others."""

    def __call__(self, frame, paths, name1=None, name2=None, transformation_ctx="", info="",
                 stageThreshold=0, totalThreshold=0):
        return frame.split_fields(paths, name1 or frame.name + "1", name2 or frame.name + "2",
                                  transformation_ctx, info, stageThreshold, totalThreshold)


class SplitRows(GlueTransform):
    """Two frames: the records for which all comparisons hold, and the others."""

    def __call__(self, frame, comparison_dict, name1="frame1", name2="frame2", transformation_ctx="",
                 info=None, stageThreshold=0, totalThreshold=0):
        return frame.split_rows(comparison_dict, name1, name2, transformation_ctx, info or "",
                                stageThreshold, totalThreshold)


class Join(GlueTransform):
    """The pairs of records with equal keys."""

    def __call__(self, frame1, frame2, keys1, keys2, transformation_ctx=""):
        return frame1.join(keys1, keys2, frame2, transformation_ctx)


class Spigot(GlueTransform):
    """Writes a sample of the records and passes all on."""

    def __call__(self, frame, path, options, transformation_ctx=""):
        return frame.spigot(path, options, transformation_ctx)
