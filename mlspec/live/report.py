"""What came of asking a running stack: for people, for programs, and for the exit code."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from mlspec.diagnostic import printable
from mlspec.live.result import AREAS, STATUSES, Result, Status

_LONGEST: Final = 400
_WIDEST: Final = 48
_WORST_FIRST: Final[tuple[Status, ...]] = ("failed", "waiting", "noted", "skipped")
_MARKS: Final = {"failed": "FAILED", "waiting": "waiting", "noted": "note", "skipped": "skipped"}


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one environment. `require_data`: that there was too little traffic is a failure too."""

    spec: str
    env: str
    results: tuple[Result, ...]
    require_data: bool = False
    unreachable: bool = False  # neither the service nor Prometheus could be asked

    @property
    def failed(self) -> bool:
        """Whether anything is not as it must be."""
        return self.unreachable or any(self._is_failure(result) for result in self.results)

    def as_text(self) -> str:
        """Counts for what is ok, a line for everything else with its place in the spec, and a summary."""
        if self.unreachable:
            return self._nothing_runs()
        return "\n".join([*self._lines(), self._summary()])

    def as_data(self) -> dict[str, Any]:
        """All results, and how many there are of each status."""
        counts = self._counts()
        return {
            "env": self.env,
            "failed": self.failed,
            "unreachable": self.unreachable,
            "require_data": self.require_data,
            "summary": {status: counts[status] for status in STATUSES},
            "results": [result.as_data() for result in self.results],
        }

    def _is_failure(self, result: Result) -> bool:
        return result.status == "failed" or (self.require_data and result.status == "waiting")

    def _counts(self) -> Counter[str]:
        return Counter(result.status for result in self.results)

    def _nothing_runs(self) -> str:
        told = [f"  {printable(r.message)}" for r in self.results if r.status == "failed"]
        start = f"start it with `mlspec up {self.spec} --env {self.env}`"
        return "\n".join([f"live: nothing of {self.spec} ({self.env}) runs; {start}", *told])

    def _lines(self) -> Iterator[str]:
        for area in AREAS:
            mine = [result for result in self.results if result.area == area]
            if not mine:
                continue
            fine = sum(result.status == "ok" for result in mine)
            yield f"{area:<12}  {fine} ok" if fine else area
            told = [result for status in _WORST_FIRST for result in mine if result.status == status]
            single = [result for result in told if result.status != "skipped"]
            width = min(_WIDEST, max((len(result.subject) for result in single), default=0))
            for _, alike in groupby(single, key=lambda result: (result.status, result.code)):
                yield from self._told(list(alike), width)
            yield from _skipped([result for result in told if result.status == "skipped"])

    def _told(self, alike: list[Result], width: int) -> Iterator[str]:
        """Results of one check: a line each, and once why it matters and what to do."""
        for result in alike:
            place = f"  {result.position.file}:{result.position.line}" if result.position else ""
            subject, message = f"{printable(result.subject):<{width}}", _short(result.message)
            yield f"  {_MARKS[result.status]:<7}  {subject}  {message}  [{result.code}]{place}"
        if self._is_failure(alike[0]):
            for word, texts in (("why", [r.why for r in alike]), ("instead", [r.instead for r in alike])):
                for text in dict.fromkeys(filter(None, texts)):
                    yield f"  {'':<7}  {word}: {_short(text)}"

    def _summary(self) -> str:
        counts = self._counts()
        shown = [f"{counts[s]} {_plural(s, counts[s])}" for s in STATUSES if counts[s] or s in ("ok", "failed")]
        strict = "; waiting is a failure here (--require-data)" if self.require_data and counts["waiting"] else ""
        return f"live: {', '.join(shown)}{strict}"


def _skipped(results: list[Result]) -> Iterator[str]:
    """What could not be asked, one line a reason."""
    for message, count in Counter(result.message for result in results).items():
        names = [printable(result.subject) for result in results if result.message == message]
        shown = ", ".join(names[:3]) + (f" and {count - 3} more" if count > 3 else "")
        yield f"  {_MARKS['skipped']:<7}  {shown}: {_short(message)}"


def _plural(status: str, count: int) -> str:
    return {"noted": "note" if count == 1 else "notes"}.get(status, status)


def _short(text: str) -> str:
    one_line = printable(" ".join(text.split()))
    return one_line if len(one_line) <= _LONGEST else f"{one_line[:_LONGEST]}…"
