"""The wine API: the cultivar of a wine from its 13 measurements."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field, FiniteFloat
from starlette.concurrency import run_in_threadpool

from examples.wine import monitoring
from examples.wine.model import ImpossibleMeasurementError, WineModel, load_or_train


class _State:
    model: WineModel | None = None


state = _State()


def model_is_loaded() -> bool:
    """What the probe asks."""
    return state.model is not None


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Load the model, or train it the first time."""
    state.model = await run_in_threadpool(load_or_train)
    monitoring.live(model_version=state.model.version)
    yield
    state.model = None


app = FastAPI(title="Wine cultivar classifier", lifespan=lifespan)
monitoring.instrument(app)


class Wine(BaseModel):
    """The measurements of one wine, in the order of scikit-learn's Wine data."""

    features: Annotated[list[FiniteFloat], Field(min_length=13, max_length=13)]


class Prediction(BaseModel):
    """The predicted cultivar."""

    cultivar: str
    probability: float
    model_version: str


@app.post("/predict")
def predict(wine: Wine) -> Prediction:
    """The cultivar of one wine."""
    model = state.model
    if model is None:
        raise HTTPException(503, "No model is loaded yet.")
    try:
        with monitoring.prediction(model_version=model.version) as measured:
            answer = model.predict(wine.features)
            measured.confidence = answer.probability
    except ImpossibleMeasurementError as error:
        raise HTTPException(422, f"{error}") from error
    monitoring.wine_predicted_total.labels(
        cultivar=answer.cultivar,  # type: ignore[arg-type]  # the model's classes are the declared ones
        model_version=model.version,
    ).inc()
    return Prediction(cultivar=answer.cultivar, probability=answer.probability, model_version=model.version)


@app.get("/health")
def health() -> dict[str, object]:
    """Whether the service can predict."""
    if not model_is_loaded():
        raise HTTPException(503, "No model is loaded yet.")
    return {"status": "ok", "model_loaded": True}
