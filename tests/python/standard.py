"""Holds events against the standard: the classes that its Python client generates from the official JSON schemas.

The schemas themselves come in no package. The classes have their members, types and formats: an unknown member, a
missing one, or one that is no URI, no UUID or no moment is an error.
"""

import importlib
import pkgutil
import types
import typing
import uuid

import attr
from openlineage.client import generated
from openlineage.client.generated import base

MODULES = [importlib.import_module(f"{generated.__name__}.{module.name}") for module in pkgutil.iter_modules(generated.__path__)]
CLASSES = {name: one for module in MODULES for name, one in vars(module).items() if isinstance(one, type) and attr.has(one)}
# What is ours is not the standard's to describe; its name says so.
OURS = "asof_"


def build(kind, value, at):
    """The value as that type; an error where it is none."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return build(next(one for one in arguments if one is not type(None)), value, at)
    if origin is list:
        assert isinstance(value, list), f"{at}: {value!r} is no list"
        return [build(arguments[0], one, at) for one in value]
    if origin is dict:
        assert isinstance(value, dict), f"{at}: {value!r} is no object"
        return {name: build(arguments[1], one, f"{at}.{name}") for name, one in value.items()}
    if isinstance(kind, type) and attr.has(kind):
        assert isinstance(value, dict), f"{at}: {value!r} is no object"
        hints = typing.get_type_hints(kind, {**vars(typing), **CLASSES, **vars(importlib.import_module(kind.__module__))})
        known = {field.name for field in attr.fields(kind) if field.init}
        members = {name: one for name, one in value.items() if name not in ("_producer", "_schemaURL", "_deleted")}
        assert set(members) <= known, f"{at}: {set(members) - known} is not of {kind.__name__}"
        return kind(**{name: build(hints[name], one, f"{at}.{name}") for name, one in members.items()})
    if kind in (str, bool, int, float):
        assert isinstance(value, (int, float) if kind is float else kind), f"{at}: {value!r} is not {kind}"
    return value


def facets(of, at):
    """Each facet is the class that its schema names, at that version, and says who says so."""
    for name, facet in of.items():
        assert facet["_producer"] and ":" in facet["_producer"], f"{at}.{name}"
        if name.startswith(OURS):
            continue
        kind = CLASSES[facet["_schemaURL"].rsplit("/", 1)[1]]
        assert facet["_schemaURL"] == kind._get_schema(), f"{at}.{name}: {facet['_schemaURL']}"
        build(kind, facet, f"{at}.{name}")


def dataset(one, at, more=()):
    assert set(one) <= {"namespace", "name", "facets", *more}, f"{at}: {set(one)}"
    assert one["namespace"] and one["name"], at
    for member in ("facets", *more):
        facets(one.get(member, {}), f"{at}.{member}")


def hold(event):
    """An error unless it is an event of a run, a job or a dataset as the standard has it."""
    shared = {"eventTime", "producer", "schemaURL"}
    if "run" in event:
        kind, members = base.RunEvent, {"eventType", "run", "job", "inputs", "outputs"}
        uuid.UUID(event["run"]["runId"])
        facets(event["run"]["facets"], "run")
        assert event["eventType"] in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
    elif "job" in event:
        kind, members = base.JobEvent, {"job", "inputs", "outputs"}
    else:
        kind, members = base.DatasetEvent, {"dataset"}
    assert set(event) == shared | members, set(event)
    assert event["schemaURL"] == kind._get_schema()
    base.BaseEvent(eventTime=event["eventTime"], producer=event["producer"])
    if "dataset" in event:
        return dataset(event["dataset"], "dataset")
    assert set(event["job"]) == {"namespace", "name", "facets"}
    facets(event["job"]["facets"], "job")
    for one in event["inputs"]:
        dataset(one, "inputs", ["inputFacets"])
    for one in event["outputs"]:
        dataset(one, "outputs", ["outputFacets"])
