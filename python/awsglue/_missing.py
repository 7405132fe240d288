"""What is part of the public API and not there yet says so by name."""

import functools
import inspect

__all__ = ["not_implemented", "refuse"]


def refuse(what, hint=""):
    raise NotImplementedError("%s is not implemented%s" % (what, ": " + hint if hint else ""))


def not_implemented(hint=""):
    """Decorates a method that only has its signature."""

    def decorate(function):
        @functools.wraps(function)
        def missing(*args, **kwargs):
            inspect.signature(function).bind(*args, **kwargs)  # a wrong call is told as such
            refuse(function.__qualname__, hint)

        missing.__nikawa_missing__ = True
        return missing

    return decorate


