"""The wine classifier: trained on scikit-learn's Wine data at the first start, then kept in a file."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

VERSION = "1"
SEED = 42


@dataclass(frozen=True)
class Answer:
    """A predicted cultivar, with the probability that the model gives to it."""

    cultivar: str
    probability: float


class ImpossibleMeasurementError(ValueError):
    """Values that no wine has."""


@dataclass(frozen=True)
class WineModel:
    """A trained classifier with its version."""

    version: str
    classifier: Any
    cultivars: tuple[str, ...]

    def predict(self, features: list[float]) -> Answer:
        """The cultivar of one wine, from its 13 measurements; raises ImpossibleMeasurementError."""
        if min(features) < 0:
            raise ImpossibleMeasurementError("a measurement is below zero")
        probabilities = self.classifier.predict_proba(np.asarray([features]))[0]
        best = int(probabilities.argmax())
        return Answer(self.cultivars[best], float(probabilities[best]))


def model_path() -> Path:
    """Where the model is kept: the folder that the stack gives, else beside this file."""
    return Path(os.environ.get("MLSPEC_DATA") or Path(__file__).parent / "data") / f"wine-{VERSION}.joblib"


def load_or_train() -> WineModel:
    """The kept model; the first time, a new one."""
    path = model_path()
    if path.exists():
        model: WineModel = joblib.load(path)
        return model
    model = train()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        joblib.dump(model, file)
    Path(file.name).replace(path)  # several workers may train at once: each file is whole
    return model


def train() -> WineModel:
    """Train on three quarters of the data, with a fixed seed."""
    data = load_wine()
    features, _, cultivars, _ = train_test_split(
        data.data, data.target, test_size=0.25, random_state=SEED, stratify=data.target
    )
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, random_state=SEED))
    classifier.fit(features, cultivars)
    return WineModel(VERSION, classifier, tuple(str(name) for name in data.target_names))
