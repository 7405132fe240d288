"""Every public name of awsglue is there with AWS's signature; what is not implemented says its name."""

import importlib
import inspect
import json
import os

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(HERE, "awsglue_signatures.json")) as f:
    TABLE = json.load(f)

METHODS = [(module, cls, method, signature)
           for module, classes in TABLE["classes"].items()
           for cls, methods in classes.items()
           for method, signature in methods.items()]
FUNCTIONS = [(module, name, signature)
             for module, functions in TABLE["functions"].items()
             for name, signature in functions.items()]


def _text(function, bound):
    """A signature as text, without self or cls."""
    parameters = list(inspect.signature(function).parameters.values())
    if bound:
        parameters = parameters[1:]
    return str(inspect.Signature(parameters))


def _same(a, b):
    return a.replace('"', "'").replace(" ", "") == b.replace('"', "'").replace(" ", "")


@pytest.mark.parametrize("module,cls,method,signature", METHODS,
                         ids=["%s.%s" % (c, m) for _, c, m, _ in METHODS])
def test_method(module, cls, method, signature):
    owner = getattr(importlib.import_module(module), cls)
    raw = inspect.getattr_static(owner, method)
    function = raw.__func__ if isinstance(raw, (classmethod, staticmethod)) else getattr(owner, method)
    assert _same(_text(function, True), signature)


@pytest.mark.parametrize("module,name,signature", FUNCTIONS, ids=[n for _, n, _ in FUNCTIONS])
def test_function(module, name, signature):
    assert _same(_text(getattr(importlib.import_module(module), name), False), signature)


@pytest.mark.parametrize("name", TABLE["types"])
def test_type(name):
    assert inspect.isclass(getattr(importlib.import_module("awsglue.gluetypes"), name))


def test_table_is_whole():
    assert len(METHODS) > 120 and len(FUNCTIONS) == 11 and len(TABLE["types"]) == 26


def _missing_methods():
    for module, cls, method, _ in METHODS:
        function = getattr(getattr(importlib.import_module(module), cls), method)
        if getattr(function, "__nikawa_missing__", False):
            yield module, cls, method


@pytest.mark.parametrize("module,cls,method", list(_missing_methods()))
def test_missing_says_its_name(module, cls, method):
    owner = getattr(importlib.import_module(module), cls)
    function = getattr(owner, method)
    given = [object()] + ["x" for p in list(inspect.signature(function).parameters.values())[1:]
                          if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    with pytest.raises(NotImplementedError, match=r"%s\.%s is not implemented" % (cls, method)):
        function(*given)


def test_missing_still_checks_the_call():
    from awsglue.context import GlueContext

    with pytest.raises(TypeError):
        GlueContext.purge_s3_path(object())


def test_transform_lookup():
    from awsglue.transforms import describe_transform, get_transform, get_transforms

    assert len(get_transforms()) == 22
    assert get_transform("Join").name() == "Join"
    assert "keys1" in describe_transform("Join")
    with pytest.raises(ValueError, match="NoSuch"):
        get_transform("NoSuch")


def test_star_import_gives_the_transforms():
    names = {}
    exec("from awsglue.transforms import *", names)
    assert {"ApplyMapping", "ResolveChoice", "SelectFromCollection", "Union"} <= set(names)


@pytest.mark.parametrize("module,name", [("awsglueml.transforms", "FindMatches"),
                                         ("awsgluedq.transforms", "EvaluateDataQuality")])
def test_runtime_only_transforms_say_so(module, name):
    transform = getattr(importlib.import_module(module), name)
    parameters = [p for p in list(inspect.signature(transform.__call__).parameters.values())[1:]
                  if p.default is p.empty]
    with pytest.raises(NotImplementedError, match=name):
        transform.apply(*["x"] * len(parameters))


def test_data_integration_names():
    from awsgluedi import transforms

    assert len(transforms.__all__) == 13
    with pytest.raises(NotImplementedError, match="IpToInt"):
        transforms.IpToInt.apply(data_frame=None)
