"""Specs for tests: a small valid document, and what resolves from a text."""

from pathlib import Path
from textwrap import dedent

from mlspec.load import parse
from mlspec.resolve import Project, resolve

SMALL = """\
mlspec: 1
project: shop
service: {app: shop.api:app, instrumentation: shop/monitoring.py}
"""


def resolved(text: str = "", small: str = SMALL) -> Project:
    """The project of the small document with `text` behind it."""
    return resolve(parse((small + dedent(text)).encode(), "shop.yaml"), Path())
