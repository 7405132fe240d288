"""Data quality transforms; not there yet."""

from awsglue._missing import refuse
from awsglue.transforms.transform import GlueTransform

__all__ = ["EvaluateDataQuality"]


class EvaluateDataQuality(GlueTransform):
    def __call__(self, frame, ruleset, publishing_options={}):
        refuse("EvaluateDataQuality.apply", "data quality rules are not there yet")

    def process_rows(self, frame, ruleset, publishing_options={}, additional_options={}):
        refuse("EvaluateDataQuality.process_rows", "data quality rules are not there yet")
