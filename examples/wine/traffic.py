"""Sample traffic: wines like those of the training data, and some that the API must refuse."""

import random
from collections.abc import Iterator

from sklearn.datasets import load_wine

from mlspec.runtime.traffic import Mix, Request


def requests(rng: random.Random, mix: Mix) -> Iterator[Request]:
    """Endless requests to /predict; `mix.errors` of them are wrong, `mix.drifted` come from another vineyard."""
    rows = [[float(value) for value in row] for row in load_wine().data]
    while True:
        features = [round(value * rng.uniform(0.98, 1.02), 3) for value in rng.choice(rows)]
        if rng.random() < mix.drifted:
            features = [round(value * 1.4, 3) for value in features]
        if rng.random() < mix.errors:
            features = _wrong(rng, features)
        yield Request("POST", "/predict", {"features": features})


def _wrong(rng: random.Random, features: list[float]) -> list[float]:
    """One value too few, which the validation refuses, or one below zero, which the model refuses."""
    return features[:-1] if rng.random() < 0.5 else [-features[0], *features[1:]]
