"""Transforms that AWS ships in its runtime beside awsglue."""

from awsglue import _paths
from awsglue._missing import refuse
from awsglue.transforms.transform import GlueTransform

__all__ = ["FillMissingValues", "FindMatches", "FindIncrementalMatches", "EntityDetector"]


class FillMissingValues(GlueTransform):
    """Puts an estimate where missing_values_column is null or empty, into output_column."""

    def __call__(self, frame, missing_values_column, output_column="", transformation_ctx="", info="",
                 stageThreshold=0, totalThreshold=0):
        options = {"ImputedPath": _paths.parse(missing_values_column)}
        options["FilledPath"] = [output_column or missing_values_column + "_filled"]
        return frame._step("FillMissingValues", options, transformation_ctx)


class FindMatches(GlueTransform):
    def __call__(self, frame, transformId, transformation_ctx="", info="", stageThreshold=0,
                 totalThreshold=0, enforcedMatches=None, computeMatchConfidenceScores=None):
        refuse("FindMatches", "there are no trained ML transforms here")


class FindIncrementalMatches(GlueTransform):
    def __call__(self, existingFrame, incrementalFrame, transformId, transformation_ctx="", info="",
                 stageThreshold=0, totalThreshold=0, enforcedMatches=None):
        refuse("FindIncrementalMatches", "there are no trained ML transforms here")


class EntityDetector:
    def detect(self, frame, entityTypesToDetect, *args, **kwargs):
        refuse("EntityDetector.detect")

    def classify_columns(self, frame, entityTypes, sampleFraction, thresholdFraction):
        refuse("EntityDetector.classify_columns")
