"""How the engine speaks to a person: through a reporter that is passed in, so that nothing below it prints."""

import sys
from collections.abc import Iterable
from typing import Protocol


class StackError(Exception):
    """What a person can act on: the message says what is wrong and what to do. The CLI exits with 2."""


class Reporter(Protocol):
    """Where the engine's sentences go."""

    def line(self, text: str) -> None:
        """A line of the result."""

    def warn(self, text: str) -> None:
        """Something that a person should know, and that stopped nothing."""

    def error(self, text: str) -> None:
        """Why the command failed."""

    def progress(self, text: str) -> None:
        """What is being waited for; on a terminal each replaces the one before, and "" removes it."""


class Terminal:
    """A reporter on stdout and stderr by click. Without a terminal a progress text is a plain line, said once."""

    def __init__(self) -> None:
        self._interactive = sys.stdout.isatty()
        self._shown = ""

    def line(self, text: str) -> None:
        """Print to stdout."""
        self._print(text, err=False)

    def warn(self, text: str) -> None:
        """Print to stderr."""
        self._print(f"warning: {text}", err=True)

    def error(self, text: str) -> None:
        """Print to stderr."""
        self._print(f"error: {text}", err=True)

    def progress(self, text: str) -> None:
        """Show `text` in the place of the last progress text, or print it if it is new and there is no terminal."""
        if text == self._shown:
            return
        if self._interactive:
            self._erase()
            self._echo(text, newline=False)
        elif text:
            self._echo(text)
        self._shown = text

    def _print(self, text: str, *, err: bool) -> None:
        if self._interactive:
            self._erase()
            self._shown = ""
        self._echo(text, err=err)

    def _erase(self) -> None:
        if self._shown:
            self._echo("\r\033[K", newline=False)

    @staticmethod
    def _echo(text: str, *, newline: bool = True, err: bool = False) -> None:
        import click

        click.echo(text, nl=newline, err=err)


def table(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of equal length as aligned plain text, one string a row."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
