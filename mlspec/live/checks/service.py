"""Whether what answers is the service of this project and environment."""

from collections.abc import Iterator
from typing import Final

from mlspec import names
from mlspec.live.evidence import Evidence
from mlspec.live.result import Said

AREA: Final = "service"
NEEDS: Final = "exposed"


def another_stack(seen: Evidence) -> Iterator[Said]:
    """The service says that it belongs to another project or environment.

    Why: Everything that is found here would be said of the wrong one.
    Instead: Check the port, and that the service was started for this environment: `mlspec up` gives it its
        runtime.json.
    """
    exposed = seen.families
    environment = seen.environment
    wanted = {names.PROJECT: environment.spec.project, names.ENV: environment.name}
    family = exposed.get(names.BUILD_INFO)
    if family is None:
        yield Said("the service", f"it does not expose {names.BUILD_INFO}", ("service", "port"), "noted")
        return
    for sample in family.samples:
        found = {label: sample.labels.get(label, "") for label in wanted}
        if found != wanted:
            said = "/".join(found.values())
            yield Said("the service", f"it is {said}, asked as {'/'.join(wanted.values())}", ("service", "port"))
