"""The awsglue API for Python scripts, over Nikawa's engines.

The names and signatures are those of AWS Glue, so that a script runs here and there unchanged. What
cannot be done raises NotImplementedError with the call's name.
"""

from awsglue.dynamicframe import DynamicFrame

__all__ = ["DynamicFrame"]
