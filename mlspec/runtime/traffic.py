"""The contract between `mlspec simulate` and a project's sample traffic.

A project names a function `requests(rng: random.Random, mix: Mix) -> Iterator[Request]`, which yields requests without
end. The same generator state and mix must give the same requests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the service. `json` is sent as the body, unless it is None."""

    method: str
    path: str
    json: object = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mix:
    """What the traffic should contain: shares from 0 to 1.

    `errors`: requests that the service should fail or refuse. `slow`: requests that take long. `drifted`: requests
    whose features are unlike the reference. `versions`: the share of each model version, where one can be chosen.
    """

    errors: float = 0.0
    slow: float = 0.0
    drifted: float = 0.0
    versions: Mapping[str, float] = field(default_factory=dict)
