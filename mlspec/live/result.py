"""What a live check says, and the result that is made of it."""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from mlspec.diagnostic import Position

# ok: as declared. noted: worth a look, no failure. waiting: not enough traffic yet. skipped: could not be asked, for a
# reason that is told elsewhere or lies in the spec. failed: not as declared.
Status = Literal["ok", "noted", "waiting", "skipped", "failed"]
STATUSES: Final[tuple[Status, ...]] = ("ok", "waiting", "failed", "skipped", "noted")

Area = Literal["service", "metric", "prometheus", "target", "rule", "signal", "panel", "alertmanager"]
AREAS: Final[tuple[Area, ...]] = (
    "service",
    "metric",
    "prometheus",
    "target",
    "rule",
    "signal",
    "panel",
    "alertmanager",
)

At = tuple[str | int, ...]  # the path of a value in the spec


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that is looked at, by the name that people know; `detail` is said of it when nothing is wrong."""

    name: str
    at: At
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What a check yields of one subject; `instead` where the check knows better than its docstring."""

    subject: str
    message: str
    at: At
    status: Status = "failed"
    instead: str = ""
    area: Area | None = None  # default: its family's


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that was looked at, and how it was found. `why` and `instead` stand with what is not ok."""

    area: Area
    subject: str
    status: Status
    code: str
    message: str
    position: Position | None = None
    why: str = ""
    instead: str = ""

    def as_data(self) -> dict[str, Any]:
        """The result as plain values."""
        return asdict(self)
