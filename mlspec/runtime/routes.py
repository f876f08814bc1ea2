"""Which route template answered a request, on Starlette and FastAPI.

Routing leaves objects in the scope: `route`, `endpoint`, and on FastAPI from 0.137 on an effective route context that
alone knows the prefix of an included router. A table made from the application's routes translates them by identity;
only what is ambiguous (one route under two mounts) or unknown is matched again, path by path.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlspec import names

Scope = MutableMapping[str, Any]
DEEPEST = 10  # mounts in mounts, wrappers around applications
REREAD_AFTER = 1.0  # seconds between two looks for new routes
UNKNOWN = object()
STALE = ("fastapi", "route", "endpoint", "path_params")


@dataclass(frozen=True, slots=True)
class Way:
    """One way into the application: a template, its methods, and what it is likely to answer."""

    template: str
    methods: frozenset[str]
    status: int
    validates: bool  # whether it can refuse its input with 422
    hidden: bool  # whether it is left out of the schema, as the documentation pages are


@dataclass(slots=True)
class Table:
    """Templates by the identity of routing objects, which are held so that no identity is used twice.

    A template of None: the object only contains other routes. `kept` is the caller's: what it remembers by identity
    goes when the table goes.
    """

    templates: dict[int, str | None] = field(default_factory=dict)
    ambiguous: set[int] = field(default_factory=set)
    held: list[object] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    kept: dict[Any, Any] = field(default_factory=dict)

    def add(self, template: str | None, *things: object) -> None:
        """Remember what stands for `template`; with a second template it is ambiguous."""
        for thing in things:
            if thing is not None:
                self.held.append(thing)
                if self.templates.setdefault(id(thing), template) != template:
                    self.ambiguous.add(id(thing))


class Routes:
    """The routes of one application, read at start-up and again when an unknown one turns up."""

    def __init__(self, app: object) -> None:
        self._app = app
        self._read_at = -REREAD_AFTER
        self.table = Table()

    def read(self, scope: Mapping[str, Any] | None = None) -> None:
        """Make the table anew."""
        table = Table()
        self._read_at = time.monotonic()
        _enter_all(table, self._roots(scope or {}), "", 0)
        table.ways.sort(key=lambda way: way.hidden)
        old, self.table = self.table, table
        old.kept.clear()

    def template(self, scope: Scope, root_path: str, status: int) -> tuple[str, bool]:
        """The template that answered, and whether `routed(scope)` stands for it whenever it comes."""
        found = self._by_identity(scope)
        if found is None and self._is_news(scope):
            self.read(scope)
            found = self._by_identity(scope)
        if found is not None:
            return found
        if routed(scope) is None and (status == 404 or 300 <= status < 400):
            return names.NO_ROUTE, True
        clean = {key: value for key, value in scope.items() if key not in STALE}
        return _match(self._roots(scope), {**clean, "root_path": root_path}, "", 0) or names.NO_ROUTE, False

    def _by_identity(self, scope: Scope) -> tuple[str, bool] | None:
        """None if it takes a match. A mount as the last word means that nothing in it was reached."""
        thing, endpoint = routed(scope), scope.get("endpoint")
        template: object = UNKNOWN
        for candidate in (thing, endpoint):
            if id(candidate) in self.table.ambiguous:
                return None
            template = self.table.templates.get(id(candidate), UNKNOWN)
            if isinstance(template, str):
                return template, candidate is thing
        return (names.NO_ROUTE, False) if template is None else None

    def _is_news(self, scope: Scope) -> bool:
        unknown = routed(scope) is not None and id(routed(scope)) not in self.table.ambiguous
        return (unknown or not self.table.held) and time.monotonic() - self._read_at >= REREAD_AFTER

    def _roots(self, scope: Mapping[str, Any]) -> Sequence[Any]:
        return _routes_of(self._app) or _routes_of(scope.get("router")) or ()


def routed(scope: Scope) -> object | None:
    """The object that stands for the route that was reached, None if none was."""
    route = scope.get("route")
    fastapi = scope.get("fastapi")
    if fastapi:
        context = fastapi.get("effective_route_context")
        if context is not None and context.original_route is route:
            return context  # type: ignore[no-any-return]
    return scope.get("endpoint") if route is None else route


def _routes_of(app: object) -> Sequence[Any] | None:
    """The routes of an application, found through the wrappers around it."""
    for _ in range(DEEPEST):
        routes: Sequence[Any] | None = getattr(app, "routes", None)
        if routes:
            return routes
        app = getattr(app, "app", None)
    return None


def _effective(routes: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Each route that can be matched, and the FastAPI context that stands for it in the scope, if any."""
    for route in routes:
        contexts = getattr(route, "effective_route_contexts", None)
        if contexts is None:
            yield route, None
        else:
            for context in contexts():
                yield getattr(context, "starlette_route", None) or context, context


def _contains(route: Any) -> bool:
    return hasattr(route, "app") and not hasattr(route, "endpoint")


def _enter_all(table: Table, routes: Iterable[Any], prefix: str, depth: int) -> None:
    for route, context in _effective(routes) if depth < DEEPEST else ():
        path = prefix + (getattr(route, "path", None) or "")
        if _contains(route):
            inner = _routes_of(route.app)
            table.add(None if inner else path + "/{path}", route, context, route.app)
            _enter_all(table, inner or (), path, depth + 1)
        elif hasattr(route, "methods"):
            table.add(path, route, context, route.endpoint)
            table.ways.append(_way(route, path))


def _way(route: Any, template: str) -> Way:
    dependant = getattr(route, "dependant", None)
    given = (
        getattr(route, "body_field", None),
        *(getattr(dependant, f"{of}_params", None) for of in ("path", "query")),
    )
    return Way(
        template=template,
        methods=frozenset(route.methods or {"GET"}),
        status=getattr(route, "status_code", None) or 200,
        validates=any(given),
        hidden=not getattr(route, "include_in_schema", True),
    )


def _match(routes: Iterable[Any], scope: Mapping[str, Any], prefix: str, depth: int) -> str | None:
    """The template of the first full match, else of the first that matches but for the method."""
    partial: str | None = None
    for route, _ in _effective(routes) if depth < DEEPEST else ():
        match, child = route.matches(dict(scope))
        if match.name == "NONE":
            continue
        template: str | None = prefix + (getattr(route, "path", None) or "")
        if _contains(route):
            inner = _routes_of(route.app)
            template = _match(inner, {**scope, **child}, template or "", depth + 1) if inner else f"{template}/{{path}}"
        if template is not None and match.name == "FULL":
            return template
        partial = partial or template
    return partial
