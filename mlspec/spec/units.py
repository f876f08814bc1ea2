"""Units: what a number counts, how a literal such as `50ms` is read, and how one unit becomes another."""

import re
from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation
from typing import Final


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a metric or signal: its dimension, its size in the dimension's base unit, and Grafana's id for it."""

    name: str
    dimension: str
    size: Decimal
    grafana: str


UNITS: Final[dict[str, Unit]] = {
    unit.name: unit
    for unit in (
        Unit("seconds", "time", Decimal(1), "s"),
        Unit("milliseconds", "time", Decimal("0.001"), "ms"),
        Unit("microseconds", "time", Decimal("0.000001"), "µs"),
        Unit("minutes", "time", Decimal(60), "m"),
        Unit("hours", "time", Decimal(3600), "h"),
        Unit("timestamp", "timestamp", Decimal(1), "dateTimeFromNow"),
        Unit("bytes", "bytes", Decimal(1), "bytes"),
        Unit("fraction", "share", Decimal(1), "percentunit"),
        Unit("percent", "share", Decimal("0.01"), "percent"),
        Unit("number", "number", Decimal(1), "short"),
        Unit("per_second", "frequency", Decimal(1), "reqps"),
        Unit("per_minute", "frequency", 1 / Decimal(60), "reqpm"),
        Unit("per_hour", "frequency", 1 / Decimal(3600), "short"),
        Unit("bytes_per_second", "bytes per time", Decimal(1), "Bps"),
        Unit("celsius", "temperature", Decimal(1), "celsius"),
        Unit("kilometres_per_hour", "speed", Decimal(1), "velocitykmh"),
        Unit("metres_per_second", "speed", Decimal("3.6"), "velocityms"),
        Unit("volts", "voltage", Decimal(1), "volt"),
        Unit("joules", "energy", Decimal(1), "joule"),
        Unit("metres", "length", Decimal(1), "lengthm"),
        Unit("grams", "mass", Decimal(1), "massg"),
    )
}

_SUFFIX_UNITS: Final = {
    "_timestamp_seconds": "timestamp",
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_ratio": "fraction",
    "_percent": "percent",
    "_celsius": "celsius",
    "_volts": "volts",
    "_joules": "joules",
    "_meters": "metres",
    "_grams": "grams",
}

# What may follow a number: (dimension, size in the dimension's base unit).
_LITERALS: Final[dict[str, tuple[str, Decimal]]] = {
    "ns": ("time", Decimal("1e-9")),
    "us": ("time", Decimal("1e-6")),
    "µs": ("time", Decimal("1e-6")),
    "ms": ("time", Decimal("0.001")),
    "s": ("time", Decimal(1)),
    "m": ("time", Decimal(60)),
    "min": ("time", Decimal(60)),
    "h": ("time", Decimal(3600)),
    "d": ("time", Decimal(86400)),
    "w": ("time", Decimal(604800)),
    "B": ("bytes", Decimal(1)),
    "kB": ("bytes", Decimal(10) ** 3),
    "MB": ("bytes", Decimal(10) ** 6),
    "GB": ("bytes", Decimal(10) ** 9),
    "TB": ("bytes", Decimal(10) ** 12),
    "KiB": ("bytes", Decimal(2) ** 10),
    "MiB": ("bytes", Decimal(2) ** 20),
    "GiB": ("bytes", Decimal(2) ** 30),
    "TiB": ("bytes", Decimal(2) ** 40),
    "%": ("share", Decimal("0.01")),
    "/s": ("frequency", Decimal(1)),
    "/min": ("frequency", 1 / Decimal(60)),
    "/h": ("frequency", 1 / Decimal(3600)),
}

_DIGITS: Final = Context(prec=24)
_QUANTITY = re.compile(r"\s*([+-]?(?:\d[\d_]*)?(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*([^\s\d.][^\s]*)?\s*", re.ASCII)
_LARGEST = Decimal("1e300")


class UnitError(ValueError):
    """A text is no quantity, or a quantity is of another dimension."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A literal as the user wrote it: `50ms`, `5%`, `0.8`."""

    text: str
    number: Decimal
    suffix: str = ""

    @classmethod
    def parse(cls, text: str) -> "Quantity":
        """Read a literal; raises UnitError with what is expected."""
        match = _QUANTITY.fullmatch(text)
        if not match or not any(c.isdigit() for c in match[1]):
            raise UnitError(f"expected a number, with a unit if you like (`50ms`, `512MiB`, `5%`), found `{text}`")
        suffix = match[2] or ""
        if suffix and suffix not in _LITERALS:
            known = ", ".join(_LITERALS)
            raise UnitError(f"`{suffix}` in `{text}` is no unit; known are {known}")
        try:
            number = Decimal(match[1].replace("_", ""))
        except InvalidOperation as error:
            raise UnitError(f"`{match[1]}` is no number") from error
        if abs(number) > _LARGEST:
            raise UnitError(f"`{text}` is too large")
        return cls(text.strip(), number, suffix)

    def to(self, unit: Unit) -> Decimal:
        """This quantity as a number of `unit`; a bare number means the unit itself. Raises UnitError."""
        if not self.suffix:
            return self.number
        dimension, size = _LITERALS[self.suffix]
        if dimension != unit.dimension:
            raise UnitError(f"`{self.text}` is {_a(dimension)}, and {_a(unit.dimension)} is asked for ({unit.name})")
        return self.number * size / unit.size


def _a(dimension: str) -> str:
    said = {"bytes": "size", "number": "plain number", "bytes per time": "rate of bytes"}.get(dimension, dimension)
    return f"an {said}" if said[0] == "e" else f"a {said}"


def unit_of_name(metric: str) -> Unit:
    """The unit that a metric's name tells by its suffix (Prometheus' naming conventions), else `number`."""
    base = metric.removesuffix("_total")
    for suffix, unit in _SUFFIX_UNITS.items():
        if base.endswith(suffix):
            return UNITS[unit]
    return UNITS["number"]


def per(unit: Unit, time: str) -> Unit:
    """The unit of a rate of something counted in `unit`, per `second`, `minute` or `hour`."""
    if unit.name == "number":
        return UNITS[f"per_{time}"]
    if unit.name == "bytes" and time == "second":
        return UNITS["bytes_per_second"]
    if unit.dimension == "time" and time == "second":
        return UNITS["fraction"]  # seconds per second, as of a CPU
    return UNITS["number"]


def plain(number: Decimal) -> str:
    """The shortest plain decimal text of a number: `0.05`, `100`, never `1E+2`, rounded to 24 digits."""
    rounded = number if number == number.to_integral_value() else _DIGITS.plus(number)
    text = format(rounded, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


_DURATION = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_DURATION_PART = re.compile(r"(\d+)(ms|[smhdwy])")
_DURATION_SIZES: Final = {
    "y": 31_536_000_000,
    "w": 604_800_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1000,
    "ms": 1,
}


def milliseconds(text: str) -> int:
    """A Prometheus duration (`5m`, `1h30m`) in milliseconds; raises UnitError."""
    if not _DURATION.fullmatch(text):
        raise UnitError(f"expected a duration such as `30s`, `5m` or `1h`, found `{text}`")
    total = sum(int(n) * _DURATION_SIZES[unit] for n, unit in _DURATION_PART.findall(text))
    if total > 100 * _DURATION_SIZES["y"]:
        raise UnitError(f"`{text}` is longer than a hundred years")
    return total


def duration(ms: int) -> str:
    """Milliseconds as the duration that Prometheus prints: the largest units first, none that is zero."""
    if ms == 0:
        return "0s"
    out = ""
    for unit, size in _DURATION_SIZES.items():
        whole_only = unit in ("y", "w")  # as Prometheus prints: 8d, not 1w1d
        if ms >= size and not (whole_only and ms % size):
            out += f"{ms // size}{unit}"
            ms %= size
    return out
