"""The options that awsglue calls may carry: one row each, with what becomes of it here.

An option is read (its value becomes a member of the plan's node), accepted without effect (it tunes
something that is not there, and leaving it out gives the same rows), or refused by name. An option that
stands in no row is refused too: nothing is dropped silently.
"""

import json
from collections import namedtuple

__all__ = ["Option", "TABLES", "translate", "known"]

# to: the node's member; None = no effect. kind: how the value is read. refused: why, when it cannot be had.
Option = namedtuple("Option", "name kind to meaning refused", defaults=(None,))


def _effectless(name, kind, meaning):
    return Option(name, kind, None, meaning)


def _refused(name, why):
    return Option(name, "any", None, "", why)


_BOOKMARK = "job bookmarks are not there yet"
_S3_READ = [
    Option("paths", "strings", "Paths", "folders or files to read"),
    Option("exclusions", "globs", "Exclusions", "glob patterns of files to leave out"),
    Option("compressionType", "string", "CompressionType", "gzip, bzip2, zip, zstd, lz4 or snappy; else by the file's mark"),
    Option("recurse", "bool", "Recurse", "read the folders below, too"),
    _effectless("groupFiles", "string", "small files are read together anyway"),
    _effectless("groupSize", "string", "small files are read together anyway"),
    _effectless("useS3ListImplementation", "bool", "files are listed in pages anyway"),
    _effectless("maxBand", "int", "only matters to job bookmarks"),
    _effectless("maxFilesInBand", "int", "only matters to job bookmarks"),
    _refused("boundedFiles", _BOOKMARK),
    _refused("boundedSize", _BOOKMARK),
    _refused("isFailFast", "rows that do not fit become choices or text, they do not fail"),
    _refused("excludeStorageClasses", "the lake has one storage class"),
    _refused("jobBookmarkKeys", _BOOKMARK),
    _refused("jobBookmarkKeysSortOrder", _BOOKMARK),
    _refused("attachFilename", "the name of the source file cannot be attached yet"),
    _refused("attachTimestamp", "the time of the source file cannot be attached yet"),
]
_S3_WRITE = [
    Option("path", "string", "Path", "folder to write into"),
    Option("partitionKeys", "strings", "PartitionKeys", "columns that become folders key=value"),
    Option("compression", "string", "Compression", "codec of the files"),
    Option("enableUpdateCatalog", "bool", "SchemaChangePolicy.EnableUpdateCatalog",
           "create or update the catalogue's table while writing"),
    Option("updateBehavior", "string", "SchemaChangePolicy.UpdateBehavior", "UPDATE_IN_DATABASE or LOG"),
    _effectless("useS3ListImplementation", "bool", "files are listed in pages anyway"),
    _effectless("groupFiles", "string", "only matters to reading"),
]
_CSV = [
    Option("separator", "char", "Separator", "what stands between values"),
    Option("quoteChar", "quote", "QuoteChar", "what quotes values; -1 turns quoting off"),
]
_ATTACH = [
    _refused("attachFilename", "the name of the source file cannot be attached yet"),
    _refused("attachTimestamp", "the time of the source file cannot be attached yet"),
]
_PARQUET_WRITE = [
    Option("compression", "string", "Compression", "snappy, gzip, zstd or uncompressed"),
    _effectless("useGlueParquetWriter", "bool", "there is one writer, which takes schemas as they come"),
    _effectless("blockSize", "int", "row groups have the engine's size"),
    _effectless("pageSize", "int", "pages have the engine's size"),
]

# (read|write, "s3"|format) -> rows
TABLES = {
    ("read", "s3"): _S3_READ,
    ("write", "s3"): _S3_WRITE,
    ("read", "csv"): _CSV + [
        Option("escaper", "char", "Escaper", "takes the special meaning from the character after it"),
        Option("multiLine", "bool", "Multiline", "quoted values may span lines"),
        Option("multiline", "bool", "Multiline", "quoted values may span lines"),
        Option("withHeader", "bool", "WithHeader", "the first line holds the names"),
        Option("skipFirst", "bool", "SkipFirst", "the first line is left out"),
        _effectless("writeHeader", "bool", "only matters to writing"),
        _effectless("optimizePerformance", "bool", "there is one reader, which keeps choices"),
    ] + _ATTACH,
    ("write", "csv"): _CSV + [
        Option("writeHeader", "bool", "WriteHeader", "write the names as the first line"),
        Option("compression", "string", "Compression", "codec of the files"),
        _refused("escaper", "Glue reads with it only"),
        _refused("strictCheckForQuoting", "values are quoted where they need it"),
    ],
    ("read", "json"): [
        Option("jsonPath", "string", "JsonPath", "where in a document the rows are"),
        Option("multiline", "bool", "Multiline", "documents may span lines"),
        Option("multiLine", "bool", "Multiline", "documents may span lines"),
        _effectless("optimizePerformance", "bool", "there is one reader, which keeps choices"),
        _refused("withSchema", "the schema is found in the data"),
    ] + _ATTACH,
    ("write", "json"): [
        Option("compression", "string", "Compression", "codec of the files"),
    ],
    ("read", "parquet"): _ATTACH,
    ("read", "avro"): [
        _effectless("version", "string", "files of every version are read"),
    ] + _ATTACH,
    ("read", "orc"): _ATTACH,
    ("read", "ion"): _ATTACH,
    ("read", "bson"): _ATTACH,
    ("read", "xml"): [
        Option("rowTag", "string", "RowTag", "which elements are rows"),
        Option("attributePrefix", "string", "AttributePrefix", "before the names of attributes, else _"),
        Option("valueTag", "string", "ValueTag", "name of the text beside attributes, else _VALUE"),
        Option("excludeAttribute", "bool", "ExcludeAttribute", "attributes are left out"),
        Option("treatEmptyValuesAsNulls", "bool", "TreatEmptyValuesAsNulls", "empty elements are null"),
        _effectless("encoding", "string", "the encoding that a file names, or UTF-8, is read"),
        _effectless("ignoreSurroundingSpaces", "bool", "blanks around values are left out anyway"),
        _refused("withSchema", "the schema is found in the data"),
    ] + _ATTACH,
    ("read", "grokLog"): [
        Option("logFormat", "string", "LogFormat", "the grok pattern of a line"),
        Option("customPatterns", "string", "CustomPatterns", "lines: NAME regular-expression"),
        Option("MISSING", "string", "Missing", "what stands for a missing value, else -"),
        Option("StrictMode", "bool", "StrictMode", "a line that does not match is an error"),
        _refused("LineCount", "a record is one line"),
    ] + _ATTACH,
    ("write", "parquet"): _PARQUET_WRITE,
    ("write", "glueparquet"): _PARQUET_WRITE,
    ("write", "avro"): [
        _effectless("version", "string", "timestamps are written as 1.8 does, in microseconds"),
    ],
    ("read", "catalog"): [
        Option("catalogPartitionPredicate", "string", "PartitionPredicate",
               "which partitions to read, decided by the catalogue"),
        _effectless("groupFiles", "string", "small files are read together anyway"),
        _effectless("groupSize", "string", "small files are read together anyway"),
        _effectless("useS3ListImplementation", "bool", "files are listed in pages anyway"),
        _effectless("useCatalogSchema", "bool", "the catalogue's schema is used anyway"),
        _effectless("mergeSchema", "bool", "partitions are read by their own schemas anyway"),
        _refused("boundedFiles", _BOOKMARK),
        _refused("boundedSize", _BOOKMARK),
        _refused("jobBookmarkKeys", _BOOKMARK),
        _refused("jobBookmarkKeysSortOrder", _BOOKMARK),
    ] + _ATTACH,
    ("write", "catalog"): [
        Option("partitionKeys", "strings", "PartitionKeys", "columns that become folders key=value"),
        Option("enableUpdateCatalog", "bool", "SchemaChangePolicy.EnableUpdateCatalog",
               "update the catalogue's table while writing"),
        Option("updateBehavior", "string", "SchemaChangePolicy.UpdateBehavior",
               "UPDATE_IN_DATABASE or LOG"),
        _effectless("useGlueParquetWriter", "bool", "there is one writer"),
    ],
}

_SEPARATORS = {",": "comma", "\x01": "ctrla", "|": "pipe", ";": "semicolon", "\t": "tab"}
_QUOTES = {'"': "quote", "\u00ab": "quillemet", "'": "single_quote"}


def known(use, what):
    """The names of the options that have an effect, for messages."""
    return [o.name for o in TABLES.get((use, what), ()) if o.to]


def _bool(where, name, value):
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise ValueError("%s: option %s must be true or false, not %r" % (where, name, value))


def _strings(where, name, value):
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("["):
            try:
                value = json.loads(text)
            except ValueError:
                value = None
        else:
            value = [value]
    if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
        raise ValueError("%s: option %s must be a list of strings" % (where, name))
    return list(value)


def _char(where, name, value):
    value = {"\\t": "\t", "\\u0001": "\x01", "\\001": "\x01"}.get(value, value)
    if not isinstance(value, str) or len(value) != 1:
        raise ValueError("%s: option %s must be one character, not %r" % (where, name, value))
    return value


def _value(where, option, value):
    if option.kind == "bool":
        return _bool(where, option.name, value)
    if option.kind == "strings":
        return _strings(where, option.name, value)
    if option.kind == "globs":
        return _strings(where, option.name, value)
    if option.kind == "char":
        char = _char(where, option.name, value)
        return _SEPARATORS.get(char, char) if option.to == "Separator" else char
    if option.kind == "quote":
        if value in (-1, "-1"):
            return "disabled"
        char = _char(where, option.name, value)
        return _QUOTES.get(char, char)
    if option.kind == "string":
        if not isinstance(value, str):
            raise ValueError("%s: option %s must be a string, not %r" % (where, option.name, value))
        return value
    return value


def translate(use, what, given, where, into=None):
    """given (a script's options) -> members of the plan's node. Raises ValueError or NotImplementedError
    naming the option; where says whose option it is."""
    members = {} if into is None else into
    rows = {o.name: o for o in TABLES[(use, what)]}
    for name, value in (given or {}).items():
        if value is None:
            continue
        option = rows.get(name)
        if option is None:
            raise ValueError("%s: unknown option %s; it understands %s"
                             % (where, name, ", ".join(known(use, what)) or "none"))
        if option.refused:
            if value is False or value == "":
                continue
            raise NotImplementedError("%s: option %s is not supported: %s"
                                      % (where, name, option.refused))
        if option.to is None:
            if option.kind == "bool":
                _bool(where, name, value)
            continue
        target = members
        *parents, last = option.to.split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
        target[last] = _value(where, option, value)
    return members
