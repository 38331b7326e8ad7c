"""Make the demo cohorts as AnnData, with their sizes and seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import anndata as ad
import numpy as np
import pandas as pd

from scatd import keys
from scatd.data.demo.clones import CLONE_DRUGS, Clones
from scatd.data.demo.cohorts import Shift, calibration, foreign, reference, source, target
from scatd.data.demo.features import make_feature_map
from scatd.data.demo.world import DRUGS, World, made_up_symbols, make_world
from scatd.ranges import Seed, check_fields

COHORTS = {
    "source": "labelled bulk samples",
    "reference": "unlabelled single cells",
    "target": "single cells with their truth",
    "target_raw": "the target with Ensembl ids, without features",
    "foreign": "single cells that run other programmes",
}


@dataclass(frozen=True)
class DemoSettings:
    """Size, seed and difficulty of the demo cohorts.

    Parameters
    ----------
    seed
        Decides which samples and cells are drawn. The biology is the same for every seed.
    n_genes
        Number of made-up genes; a panel replaces them.
    n_source, n_reference, n_target, n_foreign
        Numbers of bulk samples and of single cells.
    shift
        Distance of the target from the other cohorts, which do not change.
    world
        "biopsy": three drugs, and cells whose resistance varies from cell to cell. "clones": eight
        drugs, and clones that resist some of them (`scatd.data.demo.clones`).
    """

    seed: Seed = 0
    n_genes: int = 2000
    n_source: int = 400
    n_reference: int = 3000
    n_target: int = 800
    n_foreign: int = 400
    shift: Shift = field(default_factory=Shift)
    world: keys.DemoWorld = "biopsy"

    def __post_init__(self) -> None:
        """Refuse numbers outside their range."""
        check_fields(self)


def settings_of(seed: int = 0, *, quick: bool = False) -> DemoSettings:
    """Settings of the demo, or of the smaller one: what the gate and the domain just accept."""
    if not quick:
        return DemoSettings(seed)
    return DemoSettings(seed, n_source=240, n_reference=600, n_target=200, n_foreign=100)


def simulate(settings: DemoSettings, panel: Sequence[str] | None = None) -> dict[str, ad.AnnData]:
    """Simulate the cohorts that `COHORTS` names.

    Parameters
    ----------
    settings
        Sizes and seed; the same settings give the same cohorts.
    panel
        Gene symbols to use instead of made-up ones.

    Returns
    -------
    dict
        `X` holds raw counts, sparse float32 (n_obs, n_genes). `obsm` holds the simulated features,
        float32 (n_obs, 3072) and (n_obs, 512), except in `target_raw`. The responses of the source
        are in one column for each drug, those of the target in `truth_{drug_key}`.

    Raises
    ------
    InputError
        When there are too few genes.
    """
    clones = Clones.of_seed(settings.seed) if settings.world == "clones" else None
    drugs = DRUGS if clones is None else CLONE_DRUGS
    world = make_world(made_up_symbols(settings.n_genes) if panel is None else panel, drugs)
    features = make_feature_map(world, calibration(world))
    # Each cohort has its own random stream, so the size of one does not change the others.
    streams = np.random.default_rng(settings.seed).spawn(4)
    drawn = {
        "source": source(world, settings.n_source, streams[0]),
        "reference": reference(world, settings.n_reference, streams[1]),
        "target": target(world, settings.n_target, streams[2], settings.shift, clones),
        "foreign": foreign(world, settings.n_foreign, streams[3]),
    }
    var = pd.DataFrame({"ensembl_id": world.ensembl_ids}, index=world.symbols)
    cohorts = {}
    for name, (counts, obs) in drawn.items():
        cohorts[name] = ad.AnnData(
            X=counts,
            obs=obs,
            var=var.copy(),
            obsm=features(counts),
            uns=_uns(world, settings, clones),
        )
        cohorts[name].uns["simulation"]["features"] = "fixed random map of X, no foundation model"
    cells = cohorts["target"]
    cohorts["target_raw"] = ad.AnnData(
        X=cells.X.copy(),
        obs=cells.obs.copy(),
        var=pd.DataFrame({"gene_symbols": world.symbols}, index=world.ensembl_ids),
        uns=_uns(world, settings, clones),
    )
    return {name: cohorts[name] for name in COHORTS}


def _uns(world: World, settings: DemoSettings, clones: Clones | None) -> dict[str, object]:
    simulation: dict[str, object] = {"seed": settings.seed, "x": "raw counts"}
    if settings.shift != Shift():
        simulation["target_shift"] = asdict(settings.shift)
    if clones is not None:
        simulation["clones"] = clones.resisted(world.drug_keys)
    return {
        keys.UNS_SIMULATED: True,
        keys.UNS_CAUSAL_GENES: world.causal_symbols(),
        "simulation": simulation,
    }
