"""Literals mean what they say, in the unit that is asked for."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlspec.spec.units import UNITS, Quantity, UnitError, duration, milliseconds, plain, unit_of_name


@pytest.mark.parametrize(
    ("literal", "unit", "number"),
    [
        ("50ms", "seconds", "0.05"),
        ("50ms", "milliseconds", "50"),
        ("1.5h", "minutes", "90"),
        ("512MiB", "bytes", "536870912"),
        ("1.5GB", "bytes", "1500000000"),
        ("5%", "fraction", "0.05"),
        ("5%", "percent", "5"),
        ("0.05", "fraction", "0.05"),
        ("80%", "percent", "80"),
        ("7", "seconds", "7"),
        ("1_000", "number", "1000"),
        ("-3", "celsius", "-3"),
        ("2e-3", "seconds", "0.002"),
        ("10/s", "per_minute", "600"),
    ],
)
def test_a_literal_in_a_unit(literal: str, unit: str, number: str) -> None:
    assert plain(Quantity.parse(literal).to(UNITS[unit])) == number


@pytest.mark.parametrize(
    ("literal", "unit"), [("50ms", "fraction"), ("5%", "seconds"), ("1MiB", "number"), ("1s", "bytes")]
)
def test_a_literal_of_another_dimension_is_refused(literal: str, unit: str) -> None:
    with pytest.raises(UnitError, match="is asked for"):
        Quantity.parse(literal).to(UNITS[unit])


@pytest.mark.parametrize("text", ["", "ms", "5 parsecs", "1.2.3", "NaN", "inf", "1e9999", "0x10", "٣", "--1", "5%%"])
def test_what_is_no_literal(text: str) -> None:
    with pytest.raises(UnitError):
        Quantity.parse(text)


def test_no_float_noise() -> None:
    tenths = [Quantity.parse(f"{i}ms").to(UNITS["seconds"]) for i in (100, 200, 300, 700)]
    assert [plain(t) for t in tenths] == ["0.1", "0.2", "0.3", "0.7"]


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=9))
def test_plain_text_is_the_same_number(number: Decimal) -> None:
    text = plain(number)
    assert Decimal(text) == number
    assert "e" not in text.lower()


@given(st.integers(min_value=0, max_value=10**12))
def test_a_duration_is_read_as_it_is_written(ms: int) -> None:
    assert milliseconds(duration(ms)) == ms


@pytest.mark.parametrize(
    ("ms", "text"), [(90_000, "1m30s"), (86_400_000, "1d"), (1_209_600_000, "2w"), (1_296_000_000, "15d")]
)
def test_a_duration_is_written_as_prometheus_does(ms: int, text: str) -> None:
    assert duration(ms) == text


@pytest.mark.parametrize(
    ("metric", "unit"),
    [
        ("a_duration_seconds", "seconds"),
        ("a_seconds_total", "seconds"),
        ("a_timestamp_seconds", "timestamp"),
        ("a_bytes", "bytes"),
        ("a_ratio", "fraction"),
        ("a_total", "number"),
    ],
)
def test_a_name_tells_its_unit(metric: str, unit: str) -> None:
    assert unit_of_name(metric).name == unit
