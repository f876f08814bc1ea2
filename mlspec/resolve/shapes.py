"""Data to the shapes of the language; what does not fit becomes findings with a place."""

import os
import re
import typing
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mlspec.diagnostic import Finding, SpecError, closest
from mlspec.load import At
from mlspec.resolve.merge import Layer
from mlspec.spec.base import Shape
from mlspec.spec.signal import KINDS, SignalBase, kind_of

S = typing.TypeVar("S", bound=Shape)

_PLUGINS: Final = "PYDANTIC_DISABLE_PLUGINS"
# How the choices between shapes name their branches in a path.
_TAGS: Final = frozenset({"<list>", "<rule>", *(f"<{kind}>" for kind in KINDS)})
_WHY: Final = {
    "unknown-key": "A key that is not read would be silently without effect.",
    "missing-key": "Nothing can stand in for it.",
    "wrong-value": "Each value has one meaning, and this one has none.",
}


def shaped(shape: type[S], data: Mapping[str, Any], layer: Layer) -> S:
    """Data as a shape; raises SpecError with a finding for each thing that does not fit."""
    try:
        with _without_plugins():
            return shape.model_validate(data)
    except ValidationError as error:
        raise SpecError(*(_finding(shape, details, data, layer) for details in error.errors())) from None


@contextmanager
def _without_plugins() -> Iterator[None]:
    """Pydantic would look for plugins in the metadata of every installed package."""
    before = os.environ.get(_PLUGINS)
    os.environ[_PLUGINS] = "__all__"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_PLUGINS]
        else:
            os.environ[_PLUGINS] = before


def _finding(shape: type[Shape], error: ErrorDetails, data: Mapping[str, Any], layer: Layer) -> Finding:
    loc = error["loc"]
    is_key = bool(loc) and loc[-1] == "[key]"
    at = _written(tuple(loc[:-1] if is_key else loc), data)
    if error["type"] == "extra_forbidden":
        known = _keys_at(shape, at[:-1], data)
        return Finding(
            "unknown-key",
            f"unknown key `{at[-1]}`" + (f" in `{'.'.join(map(str, at[:-1]))}`" if at[:-1] else ""),
            layer.position(*at, key=True),
            _WHY["unknown-key"],
            _second_kind(at, data) or closest(str(at[-1]), known),
        )
    if error["type"] == "missing" and isinstance(at[-1], str):
        return Finding(
            "missing-key",
            f"`{'.'.join(map(str, at[:-1])) or 'the document'}` needs `{at[-1]}`",
            layer.position(*at[:-1], key=True),
            _WHY["missing-key"],
            f"Add `{at[-1]}:`" + _hint(shape, at, data),
        )
    at = at[:-1] if error["type"] == "missing" else at
    where = f"`{'.'.join(map(str, at))}`: " if at else ""
    return Finding(
        "wrong-value",
        f"{where}{_message(error)}",
        layer.position(*at, key=is_key),
        _WHY["wrong-value"],
        _choice(error) or f"Correct `{_last_name(at)}`" + _hint(shape, at, data),
    )


def _written(at: At, data: Any) -> At:
    """A path without what stands in no file: the tags of choices, and the parts that a shorthand leaves out.

    These are `values` of a closed label, and the index of a lone value.
    """
    out: list[str | int] = []
    for part in at:
        tag = part in _TAGS and not _has(data, part)
        if tag or isinstance(data, str) or (isinstance(data, list) and isinstance(part, str)):
            continue
        out.append(part)
        data = data[part] if _has(data, part) else None
    return tuple(out)


def _second_kind(at: At, data: Any) -> str:
    """What to do about a signal that names two kinds."""
    if len(at) == 3 and at[0] == "signals" and at[-1] in KINDS:
        return f"A signal asks one thing: keep `{kind_of(data['signals'][at[1]])}` or `{at[-1]}`."
    return ""


def _choice(error: ErrorDetails) -> str:
    """A "did you mean" for one of a few words, or for the key that says what a signal asks."""
    found = error["input"]
    if error["type"] == "literal_error" and isinstance(found, str):
        return closest(found, re.findall(r"'([^']+)'", error.get("ctx", {})["expected"]))
    if error["type"] == "signal_kind" and isinstance(found, Mapping):
        near = [closest(str(key), KINDS) for key in found if key not in SignalBase.model_fields]
        return next((words for words in near if words.startswith("did you")), "As in `{rate: requests_total}`.")
    return ""


def _last_name(at: At) -> str:
    return next((part for part in reversed(at) if isinstance(part, str)), "the document")


def _message(error: ErrorDetails) -> str:
    kind, message, context = error["type"], error["msg"], error.get("ctx", {})
    found = _named(error["input"])
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        return f"expected {context['expected']}, found {found}".replace("'", "`")
    if kind == "signal_kind" and isinstance(error["input"], Mapping):
        return message
    if kind == "missing":
        return f"too few values, found {len(error['input'])}"
    if kind in ("model_type", "model_attributes_type", "dict_type", "signal_kind"):
        return f"expected a mapping, found {found}"
    if kind in ("tuple_type", "list_type"):
        return f"expected a list, found {found}"
    if kind in ("too_long", "too_short"):
        return (
            f"expected {context.get('max_length', context.get('min_length'))} values, found {context['actual_length']}"
        )
    if kind == "string_type":
        return f"expected text, found {found}"
    return f"{message[:1].lower()}{message[1:]}, found {found}"


def _named(value: object) -> str:
    if isinstance(value, str):
        return f"`{value}`"
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty value"
    if isinstance(value, Sequence):
        return "a list"
    return "nothing" if value is None else f"`{value}`"


def _hint(shape: type[Shape], at: At, data: Mapping[str, Any]) -> str:
    owner = _shape_at(shape, at[:-1], data)
    fields = owner.model_fields if owner and at else {}
    field = next((f for n, f in fields.items() if at[-1] in (n, f.alias)), None)
    return f": {field.description}" if field and field.description else "."


def _keys_at(shape: type[Shape], at: At, data: Mapping[str, Any]) -> list[str]:
    owner = _shape_at(shape, at, data)
    return [field.alias or name for name, field in owner.model_fields.items()] if owner else []


def _shape_at(shape: type[Shape], at: At, data: Any) -> type[BaseModel] | None:
    """The shape that the language has at a path of the data."""
    annotation: Any = shape
    for part in (*at, None):
        annotation = _unwrapped(annotation, data)
        if part is None:
            break
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            field = next((f for n, f in annotation.model_fields.items() if part in (n, f.alias)), None)
            annotation = field.annotation if field else None
        elif get_origin(annotation) in (dict, tuple, list):
            arguments = get_args(annotation)
            annotation = arguments[1] if get_origin(annotation) is dict else arguments[0]
        else:
            return None
        data = data[part] if _has(data, part) else None
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _has(data: Any, part: str | int) -> bool:
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list) and isinstance(part, int) and part < len(data)


def _unwrapped(annotation: Any, data: Any) -> Any:
    """Without Annotated and Optional; of the signal kinds, the one that the data names."""
    while True:
        if get_origin(annotation) is typing.Annotated:
            annotation = get_args(annotation)[0]
        elif get_origin(annotation) in (Union, UnionType):
            choices = [_unwrapped(c, data) for c in get_args(annotation) if c is not type(None)]
            if len(choices) == len(KINDS):
                return KINDS.get(kind_of(data) or "")
            shapes = [c for c in choices if isinstance(c, type) and issubclass(c, BaseModel)]
            return (shapes or choices)[0]
        else:
            return annotation
