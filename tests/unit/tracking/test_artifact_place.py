"""Files of a shared store go where every host can read them."""

from __future__ import annotations

import pytest
from mlflow.entities import Experiment, LifecycleStage

from scatd.errors import InputError
from scatd.tracking import artifact_place

SHARED = ("http://mlflow.example.org:5000", "postgresql+psycopg2://me:secret@db.example.org/mlflow")


def experiment(place):
    return Experiment("1", "lab", place, LifecycleStage.ACTIVE)


@pytest.mark.parametrize("uri", SHARED)
@pytest.mark.parametrize("place", ["./mlruns/1", "mlruns", "file:///home/x/1", "/home/x/1"])
def test_a_folder_in_a_shared_store_is_refused(uri, place, monkeypatch):
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    with pytest.raises(InputError) as refused:
        artifact_place.require_shared(uri, experiment(place))
    said = str(refused.value)
    assert f"the experiment 'lab' go to the folder '{place}'" in said
    assert "s3://BUCKET" in said
    assert "set MLFLOW_EXPERIMENT_NAME=lab" in said
    assert "secret" not in said


@pytest.mark.parametrize("uri", SHARED)
@pytest.mark.parametrize(
    "place", ["s3://lab/1", "mlflow-artifacts:/1", "gs://lab", "wasbs://a@b/c"]
)
def test_an_object_store_and_a_server_are_taken(uri, place):
    artifact_place.require_shared(uri, experiment(place))


def test_a_database_file_keeps_its_folder():
    artifact_place.require_shared("sqlite:////home/x/mlflow.db", experiment("file:///home/x/1"))


def test_an_absolute_folder_is_taken_where_the_user_names_the_experiment(monkeypatch):
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "lab")
    artifact_place.require_shared(SHARED[0], experiment("file:///shared/lab"))
    with pytest.raises(InputError, match="other hosts cannot read"):
        artifact_place.require_shared(SHARED[0], experiment("./mlruns/1"))


def test_a_new_experiment_is_made_only_where_its_place_is_known(tmp_path):
    def place(uri):
        return artifact_place.of_new_experiment(uri, tmp_path, "scatd")

    assert place(f"sqlite:///{tmp_path}/mlflow.db") == (tmp_path / "mlartifacts").as_uri()
    assert place(SHARED[0]) is None
    with pytest.raises(
        InputError, match=r"mlflow experiments create --experiment-name scatd"
    ) as no:
        place(SHARED[1])
    assert "secret" not in str(no.value)
