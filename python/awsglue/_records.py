"""Row functions of a script (Filter, Map) as the engine calls them: over batches, with failing rows set
aside and counted, as Glue does, instead of ending the run."""

import sys
import threading
import traceback

from awsglue.gluetypes import DynamicRecord

__all__ = ["Stage", "StageThresholdExceeded"]


class StageThresholdExceeded(RuntimeError):
    """More rows failed in a transform than the script allows."""


class Stage:
    """One Filter or Map: the function, and how many rows it could not take."""

    def __init__(self, what, name, function, info="", stage_threshold=0, total_threshold=0, before=()):
        if not callable(function):
            raise TypeError("%s needs a function, not %r" % (what, function))
        self.what = what
        self.name = name
        self.function = function
        self.info = info
        self.stage_threshold = int(stage_threshold or 0)
        self.total_threshold = int(total_threshold or 0)
        self.before = tuple(before)  # stages upstream, whose errors count towards the total
        self.errors = 0
        self.first = None
        self.node = None  # the plan's node of this step
        self._lock = threading.Lock()
        self._told = False

    def begin(self):
        """A new evaluation. Map's rows are made once and kept, Filter is asked again each time."""
        if self.what == "Filter":
            with self._lock:
                self.errors = 0

    def count(self):
        """How many rows fail here, found by running the plan up to this step."""
        self.node.count()
        if self.what == "Filter":
            # The first time the engine may have begun anew, having learnt something of the data.
            self.begin()
            self.node.count()
        return self.errors

    def _failed(self, error):
        with self._lock:
            self.errors += 1
            if self.first is None:
                self.first = "%s: %s" % (type(error).__name__, error)
            told, self._told = self._told, True
            count, total = self.errors, self.errors + sum(s.errors for s in self.before)
        if not told:
            label = " (%s)" % self.info if self.info else ""
            print("nikawa: a row failed in %s %s%s and is left out; errorsCount() tells how many:"
                  % (self.what, self.name, label), file=sys.stderr)
            traceback.print_exception(type(error), error, error.__traceback__.tb_next)
            sys.stderr.flush()
        if 0 < self.stage_threshold <= count:
            raise StageThresholdExceeded("%s %s: %d row(s) failed, stageThreshold is %d (first: %s)" % (
                self.what, self.name, count, self.stage_threshold, self.first)) from error
        if 0 < self.total_threshold <= total:
            raise StageThresholdExceeded("%s %s: %d row(s) failed so far, totalThreshold is %d (first: %s)"
                                         % (self.what, self.name, total, self.total_threshold,
                                            self.first)) from error

    def filter_rows(self, rows):
        """rows -> one truth value a row; a row that fails is dropped."""
        function, kept = self.function, []
        for row in rows:
            try:
                kept.append(bool(function(DynamicRecord(row))))
            except Exception as error:  # whatever the script's function raises
                self._failed(error)
                kept.append(False)
        return kept

    def map_rows(self, rows):
        """rows -> one new row (a dict) a row; None for a row that fails."""
        function, out = self.function, []
        for row in rows:
            try:
                new = function(DynamicRecord(row))
                if not isinstance(new, dict):
                    raise TypeError("the function returned %s, not a record" % type(new).__name__)
                out.append(dict(new))
            except Exception as error:
                self._failed(error)
                out.append(None)
        return out
