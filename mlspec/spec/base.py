"""What every shape of the language shares: strictness, and scalars that are read from text."""

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainSerializer

from mlspec.spec.units import Quantity, UnitError, milliseconds

T = TypeVar("T")


class Shape(BaseModel):
    """A mapping of the language: frozen, and no key beyond the declared ones."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


def _reader(read: Callable[[str], T], what: str) -> Callable[[Any], Any]:
    """A validator that reads a YAML scalar's text; anything else passes on only if it was read before."""

    def validate(value: Any) -> Any:
        if isinstance(value, str):
            return read(value)
        if isinstance(value, (dict, list)):
            found = "a mapping" if isinstance(value, dict) and value else "a list" if value else "an empty value"
            raise ValueError(f"expected {what}, found {found}")
        return value

    return validate


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?[0-9]{1,15}", text.strip()):
        raise ValueError(f"expected a whole number, found `{text}`")
    return int(text)


def _number(text: str) -> float:
    try:
        quantity = Quantity.parse(text)
    except UnitError as error:
        raise ValueError(f"expected a number, found `{text}`") from error
    if quantity.suffix:
        raise ValueError(f"expected a number without a unit, found `{text}`")
    return float(quantity.number)


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"expected `true` or `false`, found `{text}`")
    return text == "true"


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("expected some text, found none")
    if "\0" in text:
        raise ValueError("a zero (U+0000) stands in the text: no file or command could hold it")
    return text


def _matching(pattern: str, what: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"`{text}` is no {what}")
        return text

    return check


Integer = Annotated[int, BeforeValidator(_reader(_integer, "a whole number"))]
Number = Annotated[float, BeforeValidator(_reader(_number, "a number"))]
Boolean = Annotated[bool, BeforeValidator(_reader(_boolean, "`true` or `false`"))]
Text = Annotated[str, BeforeValidator(_reader(_text, "text"))]
Amount = Annotated[
    Quantity, BeforeValidator(_reader(Quantity.parse, "a number")), PlainSerializer(lambda q: q.text, return_type=str)
]
# A span of time, in milliseconds.
Duration = Annotated[int, BeforeValidator(_reader(milliseconds, "a duration such as `5m`"))]

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
Name = Annotated[
    Text,
    AfterValidator(
        _matching(r"[A-Za-z_][A-Za-z0-9_-]{0,99}", "name: letters, digits, `_` and `-`, not starting with a digit")
    ),
]
MetricName = Annotated[
    Text,
    AfterValidator(_matching(_NAME, "metric name: letters, digits and `_`, not starting with a digit")),
]
AlertName = Annotated[
    Text,
    AfterValidator(_matching(_NAME, "alert name: letters, digits and `_`, not starting with a digit")),
]
LabelName = Annotated[
    Text,
    AfterValidator(
        _matching(r"(?!__)" + _NAME, "label name: letters, digits and `_`, not starting with a digit or `__`")
    ),
]
ImportPath = Annotated[
    Text,
    AfterValidator(
        _matching(
            rf"{_NAME}(\.{_NAME})*:{_NAME}(\.{_NAME})*",
            "import string: write `package.module:attribute`",
        )
    ),
]
Port = Annotated[Integer, AfterValidator(lambda n: _within(n, 1, 65535, "port"))]


Count = Annotated[Integer, AfterValidator(lambda n: _within(n, 1, 1_000_000_000, "count"))]


def _within(number: int, low: int, high: int, what: str) -> int:
    if not low <= number <= high:
        raise ValueError(f"{number} is no {what}: write {low} to {high}")
    return number


def one_or_more(value: Any) -> Any:
    """A validator: a single value where a list may stand is a list of one."""
    return value if isinstance(value, (list, tuple)) else [value]


def duration_at_least(low: int, what: str) -> Callable[[int], int]:
    """A validator: a duration of at least `low` milliseconds."""

    def check(ms: int) -> int:
        if ms < low:
            raise ValueError(f"{what} must be at least {low} ms")
        return ms

    return check


PositiveDuration = Annotated[Duration, AfterValidator(duration_at_least(1, "it"))]
