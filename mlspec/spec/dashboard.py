"""Dashboards: rows of panels, each of which shows a signal."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mlspec.spec.base import Integer, LabelName, Name, PositiveDuration, Shape, Text, one_or_more
from mlspec.spec.signal import Matcher, QuantileNumber

PanelType = Literal["stat", "timeseries", "gauge", "bargauge", "pie", "table", "heatmap", "states", "text"]
PANEL_TYPES: tuple[PanelType, ...] = (
    "stat",
    "timeseries",
    "gauge",
    "bargauge",
    "pie",
    "table",
    "heatmap",
    "states",
    "text",
)
Calculation = Literal["mean", "max", "min", "last", "sum"]


def _uid(text: str) -> str:
    if len(text) > 40 or not all(c.isascii() and (c.isalnum() or c in "-_") for c in text):
        raise ValueError(f"`{text}` is no uid: at most 40 letters, digits, `-` and `_`")
    return text


class Panel(Shape):
    """A picture of a signal; it may re-slice it. Exactly one key names the picture."""

    stat: Name | None = None
    timeseries: Name | None = None
    gauge: Name | None = None
    bargauge: Name | None = None
    pie: Name | None = None
    table: Name | None = None
    heatmap: Name | None = None
    states: Name | None = None
    text: Text | None = Field(None, description="Markdown, instead of a signal.")
    title: Text | None = None
    description: Text | None = None
    by: Annotated[tuple[LabelName, ...], BeforeValidator(one_or_more)] | None = None
    where: dict[LabelName, Matcher] = {}
    over: PositiveDuration | None = None
    quantile: Annotated[tuple[QuantileNumber, ...], BeforeValidator(one_or_more)] | None = None
    legend: Annotated[tuple[Calculation, ...], BeforeValidator(one_or_more)] = Field(
        (), description="Figures in the legend."
    )
    series: Text | None = Field(None, description="Name of each series; `{label}` stands for the label's value.")
    width: Integer | None = Field(None, description="1 to 24.")
    height: Integer | None = Field(None, description="1 to 40.")

    @model_validator(mode="after")
    def _one_type(self) -> "Panel":
        named = [t for t in PANEL_TYPES if getattr(self, t) is not None]
        if len(named) != 1:
            found = " and ".join(f"`{t}`" for t in named) or "none"
            raise ValueError(f"a panel is one of {', '.join(PANEL_TYPES)}; found {found}")
        if self.width is not None and not 1 <= self.width <= 24:
            raise ValueError(f"width is {self.width}: write 1 to 24")
        if self.height is not None and not 1 <= self.height <= 40:
            raise ValueError(f"height is {self.height}: write 1 to 40")
        return self

    @property
    def type(self) -> PanelType:
        """The picture."""
        return next(t for t in PANEL_TYPES if getattr(self, t) is not None)

    @property
    def signal(self) -> str | None:
        """The signal's name; None for a text."""
        return None if self.type == "text" else getattr(self, self.type)


class Row(Shape):
    """A titled row of panels."""

    title: Text
    panels: tuple[Panel, ...]


class Dashboard(Shape):
    """A Grafana dashboard."""

    title: Text
    uid: Annotated[Text, AfterValidator(_uid)] | None = Field(None, description="Default: `<project>-<name>`.")
    description: Text | None = None
    rows: tuple[Row, ...]
