"""Column functions that Glue adds to Spark's."""

from awsglue._missing import refuse

__all__ = ["replaceArrayElement", "namedStruct", "explodeWithIndex"]


def namedStruct(*cols):
    """A struct of the columns, under their names."""
    from pyspark.sql import functions

    return functions.struct(*cols)


def explodeWithIndex(col):
    """One row an element, with its index."""
    from pyspark.sql import functions

    return functions.posexplode(col)


def replaceArrayElement(srcCol, replaceCol, idx):
    refuse("awsglue.functions.replaceArrayElement", "use transform(col, (x, i) -> …) of Spark SQL")
