"""Job arguments and small helpers."""

import argparse
import sys
import traceback

__all__ = ["GlueArgumentError", "GlueArgumentParser", "getResolvedOptions", "makeOptions", "callsite"]

# Names that mean something to Glue itself; a script cannot ask for them.
RESERVED = ("job-bookmark-option", "job-bookmark-from", "job-bookmark-to", "continuation-option",
            "encryption-type", "enable-data-lineage", "JOB_ID", "JOB_RUN_ID", "SECURITY_CONFIGURATION")

_BOOKMARK = ("job-bookmark-enable", "job-bookmark-pause", "job-bookmark-disable")
_CONTINUATION = ("continuation-enabled", "continuation-readonly", "continuation-ignore")
_ENCRYPTION = ("sse-s3", "sse-kms", "cse-kms")


class GlueArgumentError(Exception):
    """A job argument is missing, reserved or malformed."""


class GlueArgumentParser(argparse.ArgumentParser):
    """Raises where argparse would end the process."""

    def error(self, msg):
        raise GlueArgumentError(msg)


def _underscored(name):
    return name.replace("-", "_")


def _bookmark_range(values):
    """from and to go together, and only with a paused bookmark."""
    start, end = values.get("job_bookmark_from"), values.get("job_bookmark_to")
    option = values["job_bookmark_option"]
    if option == "job-bookmark-pause":
        if (start is None) != (end is None):
            raise GlueArgumentError("job-bookmark-pause takes --job-bookmark-from and --job-bookmark-to"
                                    " together, or neither")
    elif start is not None or end is not None:
        raise GlueArgumentError("--job-bookmark-from and --job-bookmark-to need --job-bookmark-option"
                                " job-bookmark-pause, not %s" % option)


def getResolvedOptions(args, options, allow_abbrev=False):
    """Reads the named options out of a command line (sys.argv).

    args: the command line, its first item being the script. options: names without dashes; each must be
    given. Others on the command line are left alone. Keys of the result have underscores for dashes; it also
    holds Glue's own arguments that are there (job_bookmark_option always)."""
    wanted = []
    for name in options:
        if name in RESERVED or _underscored(name) in (_underscored(r) for r in RESERVED):
            raise GlueArgumentError("the argument name %s is reserved by Glue: use another" % name)
        if name not in wanted:
            wanted.append(name)

    parser = GlueArgumentParser(prog=args[0] if args else "script", add_help=False,
                                allow_abbrev=allow_abbrev)
    parser.add_argument("--job-bookmark-option", choices=_BOOKMARK, default="job-bookmark-disable")
    parser.add_argument("--job-bookmark-from")
    parser.add_argument("--job-bookmark-to")
    parser.add_argument("--continuation-option", choices=_CONTINUATION)
    parser.add_argument("--encryption-type", choices=_ENCRYPTION)
    parser.add_argument("--enable-data-lineage")
    for name in ("JOB_ID", "JOB_RUN_ID", "SECURITY_CONFIGURATION"):
        parser.add_argument("--" + name)
    for name in ("JOB_NAME", "TempDir", "RedshiftTempDir"):
        if name not in wanted:
            parser.add_argument("--" + name)
    for name in wanted:
        parser.add_argument("--" + name, dest=_underscored(name), required=True)

    found, _ = parser.parse_known_args(args[1:])
    values = {k: v for k, v in vars(found).items() if v is not None}
    _bookmark_range(values)
    # One stands for the other, whichever is given; both keys are always there.
    values.setdefault("TempDir", values.get("RedshiftTempDir", ""))
    values.setdefault("RedshiftTempDir", values["TempDir"])
    return values


def makeOptions(sc, py_obj):
    """Options as the engine takes them: here, a plain copy."""
    return dict(py_obj) if isinstance(py_obj, dict) else list(py_obj)


def callsite():
    """Where in the script the call in progress was made: file, line and function."""
    for frame in reversed(traceback.extract_stack()[:-1]):
        if "/awsglue/" not in frame.filename:
            return "%s:%s in %s" % (frame.filename, frame.lineno, frame.name)
    return sys.argv[0]
