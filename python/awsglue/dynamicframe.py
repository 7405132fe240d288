"""DynamicFrame: a step of the run's plan. Transforms only add steps; work is done when rows, a count, a
schema or a write is asked for."""

import json
import math

from awsglue import _paths
from awsglue._missing import not_implemented, refuse
from awsglue._records import Stage, StageThresholdExceeded
from awsglue.gluetypes import DataType, _from_plan
from nikawa import runtime

__all__ = ["DynamicFrame", "DynamicFrameCollection", "DynamicFrameReader", "DynamicFrameWriter",
           "ResolveOption"]

_TO_DF_ACTIONS = {"project": "project", "keepasstruct": "make_struct"}


class ResolveOption:
    """What toDF() does with one choice: path, action (Project or KeepAsStruct), target (an awsglue type)."""

    def __init__(self, path, action, target=None):
        self.path = path
        self.action = action
        self.target = target


class DynamicFrame:
    """jdf: the plan's node (from GlueContext or a transform). name: a label, kept."""

    def __init__(self, jdf, glue_ctx, name=""):
        self._jdf = jdf
        self.glue_ctx = glue_ctx
        self.name = name
        self._stages = ()
        self._partitions = None
        self._frame_schema = None

    # ---- building ----

    def _step(self, kind, options, ctx, more=(), name=None, stages=(), partitions=None):
        """A frame one step on. more: frames that the step reads beside this one."""
        inputs = [self] + list(more)
        node = runtime.engine().node(kind, ctx or "", json.dumps(options), [f._jdf for f in inputs])
        frame = DynamicFrame(node, self.glue_ctx, self.name if name is None else name)
        seen = []
        for f in inputs:
            seen.extend(s for s in f._stages if s not in seen)
        frame._stages = tuple(seen) + tuple(stages)
        for stage in stages:
            stage.node = node
        frame._partitions = partitions if partitions is not None else self._partitions
        return frame

    def _evaluated(self):
        """The node, about to be evaluated."""
        for stage in self._stages:
            stage.begin()
        return self._jdf

    def with_frame_schema(self, schema):
        """Remembers the schema the caller promises; returns this frame."""
        if not isinstance(schema, DataType):
            raise TypeError("schema must be an awsglue type, not %s" % type(schema).__name__)
        self._frame_schema = schema
        return self

    def schema(self):
        """The struct type of the records, as awsglue.gluetypes. Looks at the data when it must."""
        if self._frame_schema is not None:
            return self._frame_schema
        return _from_plan(json.loads(self._evaluated().schema()))

    def printSchema(self):
        print("\n".join(["root"] + self.schema()._tree(0)))

    def show(self, num_rows=20):
        """Prints records as JSON, one a line."""
        for row in self._evaluated().fetch(int(num_rows)):
            print(json.dumps(row, ensure_ascii=False, default=_json_value))

    def count(self):
        return self._evaluated().count()

    # ---- rows by function ----

    def filter(self, f, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        """Keeps the records for which f is true."""
        stage = Stage("Filter", transformation_ctx or self.name, f, info, stageThreshold, totalThreshold,
                      self._stages)
        number = runtime.engine().callable(stage.filter_rows)
        return self._step("PyFilter", {"callable": number}, transformation_ctx, stages=(stage,))

    def map(self, f, preservesPartitioning=False, transformation_ctx="", info="", stageThreshold=0,
            totalThreshold=0):
        """A record for each record, made by f. preservesPartitioning has no effect: rows are never moved."""
        stage = Stage("Map", transformation_ctx or self.name, f, info, stageThreshold, totalThreshold,
                      self._stages)
        number = runtime.engine().callable(stage.map_rows)
        return self._step("PyMap", {"callable": number}, transformation_ctx, stages=(stage,))

    @not_implemented("use map(), or toDF().mapInPandas()")
    def mapPartitions(self, f, preservesPartitioning=True, transformation_ctx="", info="", stageThreshold=0,
                      totalThreshold=0):
        pass

    @not_implemented("use map(), or toDF().mapInPandas()")
    def mapPartitionsWithIndex(self, f, preservesPartitioning=False, transformation_ctx="", info="",
                               stageThreshold=0, totalThreshold=0):
        pass

    # ---- Spark ----

    def toDF(self, options=None):
        """The records as a Spark DataFrame of this run's session. A choice is a struct with one field a type.
        options: ResolveOptions that settle choices on the way."""
        frame = self
        if options:
            specs = [self.glue_ctx.convert_resolve_option(o.path, o.action, o.target) for o in options]
            frame = self.resolveChoice(specs=specs)
        from nikawa import frames

        return frames.to_spark(frame._evaluated())

    @classmethod
    def fromDF(cls, dataframe, glue_ctx, name=""):
        """A Spark DataFrame as a frame. It is evaluated when the frame is."""
        from nikawa import frames

        engine = runtime.engine()
        number = engine.arrow(frames.from_spark(dataframe))
        node = engine.node("ArrowSource", name, json.dumps({"stream": number}), [])
        return cls(node, glue_ctx, name)

    # ---- fields ----

    def drop_fields(self, paths, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        return self._step("DropFields", {"Paths": _paths.parse_all(paths)}, transformation_ctx)

    def select_fields(self, paths, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        return self._step("SelectFields", {"Paths": _paths.parse_all(paths)}, transformation_ctx)

    def split_fields(self, paths, name1, name2, transformation_ctx="", info="", stageThreshold=0,
                     totalThreshold=0):
        """Two frames: one with the fields of paths, one with the others."""
        parsed = _paths.parse_all(paths)
        first = self._step("SplitFields", {"Paths": parsed, "output": 0}, transformation_ctx, name=name1)
        second = self._step("SplitFields", {"Paths": parsed, "output": 1}, transformation_ctx, name=name2)
        return DynamicFrameCollection({name1: first, name2: second}, self.glue_ctx)

    def split_rows(self, comparison_dict, name1, name2, transformation_ctx="", info="", stageThreshold=0,
                   totalThreshold=0):
        """Two frames: one with the records for which all comparisons hold, one with the others.
        comparison_dict: {field: {operator: value}}, operators <, <=, >, >=, =, !=."""
        kept, rest = _row_filters(comparison_dict)
        first = self._step("Filter", kept, transformation_ctx, name=name1)
        second = self._step("Filter", rest, transformation_ctx, name=name2)
        return DynamicFrameCollection({name1: first, name2: second}, self.glue_ctx)

    def rename_field(self, oldName, newName, transformation_ctx="", info="", stageThreshold=0,
                     totalThreshold=0):
        return self._step("RenameField", {"SourcePath": _paths.parse(oldName),
                                          "TargetPath": _paths.parse(newName)}, transformation_ctx)

    def applyMapping(self, *args, **kwargs):
        return self.apply_mapping(*args, **kwargs)

    def apply_mapping(self, mappings, case_sensitive=False, transformation_ctx="", info="",
                      stageThreshold=0, totalThreshold=0):
        """Renames, casts, drops and reorders. mappings: (source, source type, target, target type), or
        (source, target), or (source, target, target type); fields in none of them are dropped."""
        rows = [_mapping(m) for m in mappings]
        if not rows:
            raise ValueError("apply_mapping: mappings is empty")
        return self._step("ApplyMapping", {"Mapping": rows, "CaseSensitive": bool(case_sensitive)},
                          transformation_ctx)

    def resolveChoice(self, specs=None, choice="", database=None, table_name=None, transformation_ctx="",
                      info="", stageThreshold=0, totalThreshold=0, catalog_id=None):
        """Settles choices. specs: [(path, action)], or choice: one action for all; actions are cast:TYPE,
        project:TYPE, make_cols, make_struct, match_catalog (choice only; needs database and table_name)."""
        if specs and choice:
            raise ValueError("resolveChoice: give specs or choice, not both")
        if not specs and not choice:
            raise ValueError("resolveChoice: give specs or choice")
        options = {}
        if specs:
            options["Specs"] = [{"Path": path, "Action": _action(action)} for path, action in specs]
        else:
            options["Choice"] = _action(choice)
            if choice == "match_catalog":
                if not database or not table_name:
                    raise ValueError("resolveChoice: match_catalog needs database and table_name")
                options.update(Database=database, Table=table_name)
                if catalog_id:
                    options["CatalogId"] = catalog_id
        return self._step("ResolveChoice", options, transformation_ctx)

    def dropNullFields(self, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        """Drops the fields that hold nothing but nulls."""
        return self._step("DropNullFields", {}, transformation_ctx)

    drop_nulls = dropNullFields

    # ---- frames ----

    def join(self, paths1, paths2, frame2, transformation_ctx="", info="", stageThreshold=0,
             totalThreshold=0):
        """The pairs of records with equal keys."""
        keys1, keys2 = _paths.parse_all(paths1, "paths1"), _paths.parse_all(paths2, "paths2")
        if len(keys1) != len(keys2):
            raise ValueError("join: paths1 and paths2 must name as many fields")
        return self._step("Join", {"JoinType": "equijoin",
                                   "Columns": [{"From": "0", "Keys": keys1},
                                               {"From": "1", "Keys": keys2}]},
                          transformation_ctx, more=[frame2], name=self.name + frame2.name)

    def union(self, other_frame, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        """The records of both frames, duplicates kept."""
        return self._step("Union", {"UnionType": "ALL", "ByName": True}, transformation_ctx, more=[other_frame])

    def mergeDynamicFrame(self, stage_dynamic_frame, primary_keys, transformation_ctx="", options={},
                          info="", stageThreshold=0, totalThreshold=0):
        """The records of the staging frame, and those of this one whose keys the staging frame lacks."""
        if options:
            raise ValueError("mergeDynamicFrame: unknown option %s" % ", ".join(map(str, options)))
        keys = _paths.parse_all(primary_keys, "primary_keys")
        kept = self._step("Join", {"JoinType": "leftanti", "Columns": [{"From": "0", "Keys": keys},
                                                                       {"From": "1", "Keys": keys}]},
                          "", more=[stage_dynamic_frame])
        return stage_dynamic_frame._step("Union", {"UnionType": "ALL", "ByName": True}, transformation_ctx, more=[kept])

    # ---- partitions: how many files a write makes ----

    def getNumPartitions(self):
        """The number asked for by repartition() or coalesce(); 1 when none was: the plan has no
        partitions of its own, the engine divides the work as it runs."""
        return self._partitions or 1

    def repartition(self, num_partitions, transformation_ctx="", info="", stageThreshold=0,
                    totalThreshold=0):
        """The same records; a write makes num_partitions files."""
        count = _positive(num_partitions)
        frame = DynamicFrame(self._jdf, self.glue_ctx, self.name)
        frame._stages, frame._partitions = self._stages, count
        return frame

    def coalesce(self, num_partitions, shuffle=False, transformation_ctx="", info="", stageThreshold=0,
                 totalThreshold=0):
        """As repartition(), but never more than there are."""
        count = _positive(num_partitions)
        if self._partitions is not None and not shuffle:
            count = min(count, self._partitions)
        return self.repartition(count)

    # ---- errors ----

    def errorsCount(self):
        """How many records have failed on the way to this frame. Runs the plan up to each function of the
        script."""
        return sum(stage.count() for stage in self._stages)

    def stageErrorsCount(self):
        """How many records have failed in this frame's own step."""
        return sum(stage.count() for stage in self._stages if stage.node is self._jdf)

    def assertErrorThreshold(self):
        """Raises when any record has failed."""
        count = self.errorsCount()
        if count:
            first = next(s.first for s in self._stages if s.first)
            raise StageThresholdExceeded("%d record(s) failed (first: %s)" % (count, first))

    @not_implemented("errorsCount() tells how many; the first failing row is in the run's error log")
    def errorsAsDynamicFrame(self):
        pass

    # ---- writing ----

    def write(self, connection_type, connection_options={}, format=None, format_options={},
              accumulator_size=0):
        return self.glue_ctx.write_dynamic_frame_from_options(
            self, connection_type, connection_options, format, format_options)

    # ---- not there yet ----

    @not_implemented("parse the field in a map() function")
    def unbox(self, path, format, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0,
              **options):
        pass

    def spigot(self, path, options={}, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        """This frame; a sample of it is written to path as JSON: the first `topk` records, or those that
        are picked with the probability `prob`, or the first 10."""
        names = {"topk": "Topk", "prob": "Prob"}
        unknown = set(options) - set(names)
        if unknown:
            raise ValueError("spigot: unknown option %s; there are topk and prob" % ", ".join(sorted(unknown)))
        sample = self._step("SampleRows", {names[k]: v for k, v in options.items()}, transformation_ctx)
        self.glue_ctx.write_dynamic_frame_from_options(sample, "s3", {"path": path}, "json")
        return self

    @not_implemented("apply_mapping() takes nested fields out of structs")
    def unnest(self, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        pass

    @not_implemented("apply_mapping() takes nested fields out of structs; explode() on toDF() opens arrays")
    def relationalize(self, root_table_name, staging_path, options={}, transformation_ctx="", info="",
                      stageThreshold=0, totalThreshold=0):
        pass

    @not_implemented()
    def unnest_ddb_json(self, transformation_ctx="", info="", stageThreshold=0, totalThreshold=0):
        pass

    @not_implemented()
    def simplify_ddb_json(self):
        pass

    def __repr__(self):
        return "DynamicFrame(%r)" % self.name


class DynamicFrameCollection:
    """Frames by name, in order."""

    def __init__(self, dynamic_frames, glue_ctx):
        if not isinstance(dynamic_frames, dict):
            dynamic_frames = {f.name: f for f in dynamic_frames}
        self._frames = dict(dynamic_frames)
        self._glue_ctx = glue_ctx

    def __getitem__(self, key):
        return self._frames[key]

    def __len__(self):
        return len(self._frames)

    def __iter__(self):
        return iter(self._frames)

    def keys(self):
        return self._frames.keys()

    def values(self):
        return self._frames.values()

    def select(self, key, transformation_ctx=""):
        if key not in self._frames:
            raise KeyError("no frame %r in the collection; it has %s"
                           % (key, ", ".join(map(repr, self._frames))))
        return self._frames[key]

    def map(self, callable, transformation_ctx=""):
        """A collection of callable(frame, ctx), under the same names."""
        return DynamicFrameCollection({k: callable(f, transformation_ctx + k)
                                       for k, f in self._frames.items()}, self._glue_ctx)

    def flatmap(self, f, transformation_ctx=""):
        """A collection of all frames that f(frame, ctx) gives: one, or a collection each; the names of a
        collection's frames follow their origin's."""
        found = {}
        for key, frame in self._frames.items():
            result = f(frame, transformation_ctx + key)
            if isinstance(result, DynamicFrameCollection):
                for inner in result.keys():
                    found["%s_%s" % (key, inner)] = result[inner]
            else:
                found[key] = result
        return DynamicFrameCollection(found, self._glue_ctx)


class DynamicFrameReader:
    """glueContext.create_dynamic_frame"""

    def __init__(self, glue_context):
        self._glue_context = glue_context

    def from_rdd(self, data, name, schema=None, sampleRatio=None):
        return self._glue_context.create_dynamic_frame_from_rdd(data, name, schema, sampleRatio)

    def from_options(self, connection_type, connection_options={}, format=None, format_options={},
                     transformation_ctx="", push_down_predicate="", **kwargs):
        return self._glue_context.create_dynamic_frame_from_options(
            connection_type, connection_options, format, format_options, transformation_ctx,
            push_down_predicate, **kwargs)

    def from_catalog(self, database=None, table_name=None, redshift_tmp_dir="", transformation_ctx="",
                     push_down_predicate="", additional_options={}, catalog_id=None, **kwargs):
        return self._glue_context.create_dynamic_frame_from_catalog(
            database, table_name, redshift_tmp_dir, transformation_ctx, push_down_predicate,
            additional_options, catalog_id, **kwargs)


class DynamicFrameWriter:
    """glueContext.write_dynamic_frame"""

    def __init__(self, glue_context):
        self._glue_context = glue_context

    def from_options(self, frame, connection_type, connection_options={}, format=None, format_options={},
                     transformation_ctx=""):
        return self._glue_context.write_dynamic_frame_from_options(
            frame, connection_type, connection_options, format, format_options, transformation_ctx)

    def from_catalog(self, frame, database=None, table_name=None, redshift_tmp_dir="",
                     transformation_ctx="", additional_options={}, catalog_id=None, **kwargs):
        return self._glue_context.write_dynamic_frame_from_catalog(
            frame, database, table_name, redshift_tmp_dir, transformation_ctx, additional_options,
            catalog_id, **kwargs)

    def from_jdbc_conf(self, frame, catalog_connection, connection_options={}, redshift_tmp_dir="",
                       transformation_ctx=""):
        return self._glue_context.write_dynamic_frame_from_jdbc_conf(
            frame, catalog_connection, connection_options, redshift_tmp_dir, transformation_ctx)


# ---- what the methods above share ----


def _json_value(value):
    """A Python value that JSON lacks, as show() prints it."""
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    if hasattr(value, "isoformat"):
        return value.isoformat(" ") if hasattr(value, "hour") else value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return str(value)


def _positive(count):
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise ValueError("the number of partitions must be a positive integer, not %r" % (count,))
    return count


def _action(action):
    if not isinstance(action, str):
        raise TypeError("resolveChoice: an action must be a string, not %r" % (action,))
    return action


def _mapping(row):
    if isinstance(row, str) or not isinstance(row, (list, tuple)) or not 2 <= len(row) <= 4:
        raise ValueError("apply_mapping: a mapping is (source, source type, target, target type), not %r"
                         % (row,))
    if len(row) == 4:
        source, source_type, target, target_type = row
    else:
        source, target = row[0], row[1]
        source_type = None
        target_type = row[2] if len(row) == 3 else None
    mapping = {"FromPath": _paths.parse(source), "ToKey": ".".join(_quoted(p) for p in _paths.parse(target))}
    if source_type:
        mapping["FromType"] = source_type
    if target_type or source_type:
        mapping["ToType"] = target_type or source_type
    return mapping


def _quoted(part):
    return "`%s`" % part.replace("`", "``") if "." in part or "`" in part else part


_COMPARE = {"<": ("LT", False), "<=": ("LTE", False), ">": ("GT", False), ">=": ("GTE", False),
            "=": ("EQ", False), "==": ("EQ", False), "!=": ("EQ", True)}


def _row_filters(comparisons):
    """{field: {operator: value}} as two Filter nodes: all hold; not all hold (nulls are there)."""
    if not isinstance(comparisons, dict) or not comparisons:
        raise ValueError("split_rows: comparison_dict must be {field: {operator: value}}")
    kept, rest = [], []
    for field, tests in comparisons.items():
        parts = _paths.parse(field)
        column = {"Type": "COLUMNEXTRACTED", "Value": parts}
        for operator, value in tests.items():
            if operator not in _COMPARE:
                raise ValueError("split_rows: operator %r is not one of %s"
                                 % (operator, ", ".join(_COMPARE)))
            operation, negated = _COMPARE[operator]
            constant = {"Type": "CONSTANT", "Value": [str(value)]}
            kept.append({"Operation": operation, "Negated": negated, "Values": [column, constant]})
            rest.append({"Operation": operation, "Negated": not negated, "Values": [column, constant]})
        rest.append({"Operation": "ISNULL", "Negated": False, "Values": [column]})
    return ({"LogicalOperator": "AND", "Filters": kept}, {"LogicalOperator": "OR", "Filters": rest})


def _frames_of(frame_or_collection):
    """The frames to write: one, or all of a collection."""
    if isinstance(frame_or_collection, DynamicFrame):
        return [frame_or_collection]
    if isinstance(frame_or_collection, DynamicFrameCollection):
        return list(frame_or_collection.values())
    refuse("writing a %s" % type(frame_or_collection).__name__,
           "give a DynamicFrame (DynamicFrame.fromDF makes one of a DataFrame)")
