"""Every kind of signal, as a rule and as a panel, gives on real Prometheus what was worked out by hand."""

import pytest

from mlspec.promql import Query, compile_signal

from .cases import CASES, Case, Want
from .lab import PAST_SAMPLE, STEP, Server, grafana, spec_text, view_of

pytestmark = pytest.mark.e2e

FORMS = {"rule": False, "panel": True}
ASKED = [
    pytest.param(case, panel, id=f"{case.name}-{form}")
    for case in CASES
    for form, panel in FORMS.items()
    if case.wanted(panel) is not None
]


def test_names_are_unique() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("case", "panel"), ASKED)
def test_answer(server: Server, case: Case, panel: bool) -> None:
    view = view_of(spec_text(case.project, {"asked": case.signal, **(case.beside or {})}), panel)
    query = compile_signal(view, view.spec.signals["asked"])
    found = server.vector(grafana(query.expr) if panel else query.expr, case.at + PAST_SAMPLE / STEP)
    assert _told(found, query, panel, case) == pytest.approx(dict(case.wanted(panel) or {}), rel=1e-9, abs=0), (
        query.expr
    )


def _told(found: list[tuple[dict[str, str], float]], query: Query, panel: bool, case: Case) -> Want:
    """A result by its labels, as the cases write them; it must have the labels that the query promises."""
    told = {}
    for labels, value in found:
        own = {k: v for k, v in labels.items() if k not in ("__name__", "project", "env")}
        if query.labels is not None:
            assert set(own) <= set(query.labels)
            if not panel and not case.signal.startswith("{up:"):
                assert own.get("job") == "api"
            own.pop("job", None)
        key = ",".join(f"{k}={v}" for k, v in sorted(own.items()))
        assert key not in told
        told[key] = value
    return told
