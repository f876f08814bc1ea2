"""The text of /metrics to families, by the names that a spec declares."""

import re
from collections.abc import Iterator
from typing import Final

from mlspec.live.evidence import Exposed, Family, Sample, Silence

_COUNTER: Final = re.compile(r"^# TYPE (\S+) counter$", re.MULTILINE)


def parse(text: str, url: str = "/metrics") -> Exposed | Silence:
    """The families of an exposition in Prometheus' text format; Silence for what is none."""
    families: dict[str, Family] = {}
    try:
        for family in _families(text):
            known = families.get(family.name)
            families[family.name] = _joined(known, family) if known else family
    except (ValueError, KeyError, IndexError, TypeError, RecursionError) as error:
        return Silence(url, f"it does not answer in Prometheus' text format: {error}")
    if not families:
        return Silence(url, "it answers, but without a single metric")
    return {name: family for name, family in families.items() if not _is_birthday(name, families)}


def _families(text: str) -> Iterator[Family]:
    """The parser takes `_total` off the name of each counter, and puts it on each of their samples."""
    from prometheus_client.parser import text_string_to_metric_families

    bare = {name for name in _COUNTER.findall(text) if not name.endswith("_total")}
    for parsed in text_string_to_metric_families(text):
        counter = parsed.type == "counter"
        name = f"{parsed.name}_total" if counter and parsed.name not in bare else parsed.name
        samples = tuple(Sample(name if counter else s.name, dict(s.labels), float(s.value)) for s in parsed.samples)
        yield Family(name, parsed.type, parsed.documentation, samples)


def _joined(one: Family, other: Family) -> Family:
    return Family(one.name, one.type, one.help, one.samples + other.samples)


def _is_birthday(name: str, families: dict[str, Family]) -> bool:
    """`x_created` tells when `x` was born: the client adds it to what is declared."""
    base = name.removesuffix("_created")
    return base != name and (base in families or f"{base}_total" in families)
