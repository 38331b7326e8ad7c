"""An imported version is not promoted on what it brought, unless somebody says so."""

from __future__ import annotations

import json
import os
import shutil

import pytest

from scatd import keys, registry, tracking
from scatd.errors import InputError
from scatd.evaluation.standing import Rival, Standing
from scatd.evaluation.target_evidence import TargetEvidence
from scatd.keys import metric_names
from scatd.workflows.models import carried_evidence
from scatd.workflows.models.carried_evidence import CarriedEvidence
from scatd.workflows.models.promote import promote
from scatd.workflows.travel import bundle
from scatd.workflows.travel.export import export
from scatd.workflows.travel.receive import receive

NAME = "scatd-sf-docetaxel"


def standing(auroc, width=0.05, lead=0.03):
    rival = Rival("logistic_regression", auroc - lead, lead, lead - 0.01, lead + 0.01)
    return Standing(auroc, auroc - width, auroc + width, (rival,))


GOOD = CarriedEvidence((standing(0.8),), 150, 150, gate="minimum: ...", gate_passed=True)
AGAINST = TargetEvidence("far", standing(0.3), {"auroc": 0.3}, 60, 60)


@pytest.fixture(scope="module")
def exported(tiny_registry, tmp_path_factory):
    folder = tmp_path_factory.mktemp("carried")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
            patch.delenv(name)
        shutil.copy(tiny_registry / "mlflow.db", folder / "mlflow.db")
        patch.chdir(folder)
        export(f"{NAME}/1", folder / "bundle")
    return folder / "bundle"


@pytest.fixture
def bring(exported, store):
    """Import the model with this evidence, and return the version."""

    def arrive(carried):
        folder = shutil.copytree(exported, store / "arrived")
        (folder / "evidence.json").write_text(carried.to_json())
        said = json.loads((folder / "bundle.json").read_text())
        (folder / "bundle.json").unlink()
        bundle.seal(folder, **{n: said[n] for n in ("name", "simulated", "origin", "packages")})
        return receive(folder).ref

    return arrive


def evaluated(ref, auroc, n_cells=50, lead=0.03):
    """A finished run of scatd evaluate of this version."""
    words = {"metric": "auroc", "model": "logistic_regression"}
    values = {
        "auroc": auroc,
        "auroc_ci_low": auroc - 0.05,
        "auroc_ci_high": auroc + 0.05,
        metric_names.BASELINE.format(**words): auroc - lead,
        metric_names.BASELINE_LEAD.format(**words): lead,
        metric_names.BASELINE_LEAD_LOW.format(**words): lead - 0.01,
        metric_names.BASELINE_LEAD_HIGH.format(**words): lead + 0.01,
        **{metric_names.N_RESPONSE.format(response=word): n_cells for word in keys.RESPONSES},
    }
    tags = {
        keys.TAG_LEVEL: keys.LEVEL_EVALUATION,
        keys.TAG_MODEL: f"{ref.name}/{ref.version}",
        keys.TAG_MODEL_RUN: ref.run_id,
        keys.TAG_TRAINING_CELLS: "0",
        keys.TAG_SIMULATED: "false",
    }
    with tracking.parent_run("evaluate", name="e", tags=tags, settings={}) as run:
        run.log_metrics(values)
    return run.run_id


def in_production():
    return registry.production_versions().get(NAME)


def test_what_was_brought_does_not_count_by_itself(bring):
    bring(GOOD)
    with pytest.raises(InputError, match=r"came from scatd-sf-docetaxel version 1 of") as caught:
        promote("docetaxel")
    for text in ("no evaluation of this store can decide", "scatd evaluate", "--carried-evidence"):
        assert text in str(caught.value)
    assert in_production() is None


def test_accepted_evidence_is_judged_and_marked(bring):
    ref = bring(GOOD)
    result = promote("docetaxel", carried_evidence=True)
    assert in_production() == 1
    first = result.verdict.rules[0].sentence
    assert first.startswith("carried: the folds and the numbers of samples came with")
    move = registry.history(NAME).iloc[-1]
    assert move["reason"].startswith("carried: ")
    assert move["evidence"] == ref.run_id


@pytest.mark.parametrize(
    ("carried", "rule"),
    [
        (CarriedEvidence((standing(0.55),), 150, 150), "minimum: "),
        (CarriedEvidence((standing(0.8, lead=-0.05),), 150, 150), "baseline: "),
        (CarriedEvidence((standing(0.8),), 150, 15), "min_samples_per_class: "),
        (CarriedEvidence((standing(0.8),), 150, 150, (AGAINST,)), "target_auroc: "),
        (CarriedEvidence(), "minimum: auroc_mean is not known"),
    ],
)
def test_accepted_evidence_still_has_to_pass_the_gate(bring, carried, rule):
    bring(carried)
    with pytest.raises(InputError, match=rule):
        promote("docetaxel", carried_evidence=True)
    assert in_production() is None


def test_an_evaluation_of_this_store_decides(bring):
    run_id = evaluated(bring(GOOD), 0.8)
    result = promote("docetaxel")
    assert in_production() == 1
    said = {rule.name: rule for rule in result.verdict.rules}
    assert run_id in said["target_auroc"].sentence
    assert not said["minimum"].decides, "the carried folds do not decide"
    assert registry.history(NAME).iloc[-1]["evidence"] == run_id


def test_an_evaluation_against_it_decides_whatever_it_brought(bring):
    evaluated(bring(GOOD), 0.4)
    for accepts in (False, True):
        with pytest.raises(InputError, match="target_auroc"):
            promote("docetaxel", carried_evidence=accepts)
    assert in_production() is None


def test_too_few_cells_cannot_decide(bring):
    evaluated(bring(GOOD), 0.9, n_cells=15)
    with pytest.raises(InputError, match=r"can decide \(15 cells of the rarer response"):
        promote("docetaxel")
    assert in_production() is None


def test_carried_evidence_of_a_version_of_this_store_is_refused(copied_registry):
    with pytest.raises(InputError, match="was not imported, and carried no evidence"):
        promote("docetaxel", carried_evidence=True)


def test_evidence_is_carried_on_with_what_was_added_here(bring, store):
    told = TargetEvidence("far", standing(0.7), {"auroc": 0.7}, 60, 60)
    carried = CarriedEvidence(GOOD.folds, 150, 150, (told,), "minimum: ...", True)
    ref = bring(carried)
    run_id = evaluated(ref, 0.8)
    found = carried_evidence.gathered(ref)
    assert [shown.run_id for shown in found.targets] == [run_id, "far"]
    assert (found.n_sensitive, found.folds) == (150, GOOD.folds)
    assert (found.gate, found.gate_passed) == ("minimum: ...", True)
    export(f"{NAME}/1", store / "again")
    origin = json.loads((store / "again" / "bundle.json").read_text())["origin"]
    assert origin["earlier"].startswith(f"{NAME} version 1 of the local store")


def test_evidence_that_was_changed_in_the_store_is_refused(bring, store):
    bring(CarriedEvidence((standing(0.55),), 150, 150))
    (file,) = (store / "mlartifacts").rglob("evidence.json")
    file.write_text(GOOD.to_json())
    with pytest.raises(InputError, match=r"evidence\.json is damaged"):
        promote("docetaxel", carried_evidence=True)
    file.unlink()
    with pytest.raises(InputError, match="the evidence that it brought is gone"):
        promote("docetaxel", carried_evidence=True)
    assert in_production() is None
