"""Read a card: each entry must be present, of the right type, finite and in range."""

from __future__ import annotations

import typing
from itertools import pairwise
from typing import Any

from scatd import keys
from scatd.cards.card import (
    About,
    AlignmentSaid,
    Band,
    Calibrated,
    Card,
    CohortUsed,
    DataUsed,
    DomainSaid,
    FeaturesRead,
    FewShot,
    GroupErrors,
    LabelsUsed,
    ModelKind,
    SeenCells,
)
from scatd.cards.fields import (
    Fields,
    among,
    flag,
    list_of,
    mapping,
    number,
    parse_json,
    text,
    whole,
)
from scatd.cards.scorers import anydrug, candidate, fold_candidate, regression
from scatd.cards.writing import SCHEMA_VERSION
from scatd.decision import Isotonic, Platt, Recalibration
from scatd.errors import InputError
from scatd.nn.domain import Role, TooFewCells
from scatd.nn.recognise import FAMILY_DESIGNS
from scatd.nn.residual_vae import Sizes
from scatd.wording import counted

_FIRST_SCHEMA = 1
_KINDS: tuple[ModelKind, ...] = ("backbone", "response", "anydrug")
_A_KIND = {"backbone": "a backbone", "anydrug": "a model of drugs never seen"}
_ROLES: tuple[Role, ...] = typing.get_args(Role)
_MOST = 1_000_000
_AS_GIVEN = "as given"
"""Scale of a student's expression when it was not counts."""


def read_card(content: str, where: str) -> Card:
    """Make a card from the text of `card.json`.

    Parameters
    ----------
    content
        The text.
    where
        The file, for error messages.

    Raises
    ------
    InputError
        When the text is not JSON, the schema is unknown, or an entry is missing, of a wrong type,
        not finite, out of range or in contradiction to another entry.
    """
    try:
        # Before 0.2, a metric that could not be computed was NaN. Required numbers are checked
        # below.
        found = parse_json(content, nan=True)
        if isinstance(found, dict) and found.get("schema_version") != _FIRST_SCHEMA:
            found = parse_json(content, nan=False)
    except (ValueError, RecursionError) as error:
        what = f"... is no card ({error})"
        raise InputError(what, where=where, expected="JSON as scatd writes it") from error
    fields = Fields(found, where)
    schema = fields.take("schema_version", whole(_FIRST_SCHEMA))
    if schema > SCHEMA_VERSION:
        what, expected = f"... has schema version {schema}", f"at most {SCHEMA_VERSION}"
        raise InputError(what, where=where, expected=expected, remedy="Update scatd to read it.")
    fields.take("use", text)
    family = fields.take("family", among(FAMILY_DESIGNS))
    kind = fields.take("kind", among(_KINDS))
    card = Card(
        kind=kind,
        family=family,
        design=fields.take("design", among(FAMILY_DESIGNS[family])),
        sizes=_sizes(fields, kind),
        simulated=fields.take("simulated", flag),
        threshold=_threshold(fields, kind),
        alignment=_alignment(fields),
        domain=_domain(fields),
        more_heads=fields.take("more_heads", whole(1), 0),
        fold_heads=fields.take("fold_heads", whole(1), 0),
        candidate=candidate(fields.inner("candidate")),
        fold_candidates=fields.take("fold_candidates", list_of(fold_candidate(where)), ()),
        regression=regression(fields.inner("regression")),
        complete=fields.take("complete", flag, True),  # noqa: FBT003
        scatd_version=fields.take("scatd_version", text),
        schema_version=schema,
        about=_about(fields, schema),
        anydrug=anydrug(fields.inner("anydrug")),
    )
    fields.require_all_taken()
    _require_agreement(card, where)
    return card


def _sizes(fields: Fields, kind: ModelKind) -> Sizes:
    sizes = fields.inner("sizes")
    if sizes is None:
        raise InputError("... has no entry 'sizes'", where=fields.where)
    found = Sizes(
        n_features=sizes.take("n_features", whole(1)),
        n_latent=sizes.take("n_latent", whole(1)),
        encoder_hidden=sizes.take("encoder_hidden", list_of(whole(1))),
        decoder_hidden=sizes.take("decoder_hidden", list_of(whole(1))),
    )
    sizes.require_all_taken()
    widths = (found.n_features, found.n_latent, *found.encoder_hidden, *found.decoder_hidden)
    has_layers = bool(found.encoder_hidden) != (kind == "anydrug")
    if not has_layers or max(widths) > _MOST or len(widths) > 100:
        raise InputError(f"sizes are {widths}", where=fields.where, expected="widths of layers")
    return found


def _threshold(fields: Fields, kind: ModelKind) -> float | None:
    if kind != "response":
        return None
    polarity = fields.take("polarity", mapping)
    if polarity != keys.POLARITY:
        what = f"polarity is {polarity}"
        raise InputError(what, where=fields.where, expected="sensitive 0, resistant 1")
    return fields.take("threshold", number(0, 1))


def _alignment(fields: Fields) -> AlignmentSaid | None:
    inner = fields.inner("alignment")
    if inner is None:
        return None
    found = AlignmentSaid(
        inner.take("method", among(typing.get_args(keys.AlignmentMethod))),
        inner.take("source_n_obs", whole(1), None),
        inner.take("reference_n_obs", whole(1), None),
    )
    inner.require_all_taken()
    has_both = None not in (found.source_n_obs, found.reference_n_obs)
    if found.method in keys.ALIGNED_BY_STATISTICS and not has_both:
        what = f"alignment '{found.method}' lacks statistics"
        raise InputError(what, where=fields.where, expected="those of source and reference")
    return found


def _domain(fields: Fields) -> DomainSaid | None:
    inner = fields.inner("domain")
    if inner is None:
        return None
    found = DomainSaid(inner.take("role", among(_ROLES)), inner.take("n_held_out", whole(1)))
    inner.require_all_taken()
    return found


def _too_few(fields: Fields | None) -> TooFewCells | None:
    if fields is None:
        return None
    found = TooFewCells(fields.take("role", among(_ROLES)), fields.take("n_cells", whole(1)))
    fields.require_all_taken()
    return found


def _about(fields: Fields, schema: int) -> About:
    scales = (*typing.get_args(keys.InputScale), _AS_GIVEN)
    return About(
        features=_features(fields),
        input_scale=fields.take("input_scale", among(scales), None),
        drug=fields.take("drug", text, None),
        drug_key=fields.take("drug_key", text, None),
        threshold_origin=fields.take("threshold_origin", text, About.threshold_origin),
        calibration=_calibration(fields),
        few_shot=_few_shot(fields),
        data=_data(fields),
        backbone=fields.take("backbone", text, None),
        teacher=fields.take("teacher", mapping, None),
        provenance=fields.take("provenance", mapping, None),
        fold=fields.take("fold", whole(1), None),
        select=fields.take("select", among(typing.get_args(keys.Select)), None),
        transductive=fields.take("transductive", flag, False),  # noqa: FBT003
        few_samples=fields.take("few_samples", flag, False),  # noqa: FBT003
        too_few_for_domain=_too_few(fields.inner("too_few_for_domain")),
        metrics=fields.take("metrics", mapping, {}),
        baselines=fields.take("baselines", list_of(_row), ()),
        finding=fields.take("finding", text, None),
        selection=fields.take("selection", mapping, {}),
        folds=fields.take("folds", mapping, None),
        weights=fields.take("weights", mapping, None),
        settings=fields.take("settings", mapping, None),
        versions=fields.take("versions", mapping, {}),
        run_id=fields.take("run_id", text, None),
        extra=fields.rest() if schema == _FIRST_SCHEMA else fields.take("extra", mapping, {}),
    )


def _row(value: Any) -> dict[str, Any]:
    row = mapping(value)
    if not isinstance(row.get("model"), str):
        msg = "rows that name their model"
        raise ValueError(msg)  # noqa: TRY004  (one kind of error for all readers)
    return row


def _features(fields: Fields) -> FeaturesRead | None:
    inner = fields.inner("features")
    if inner is None:
        return None
    found = FeaturesRead(
        n_features=inner.take("n_features", whole(1)),
        key=inner.take("key", text, ""),
        names=inner.take("names", list_of(text), None),
    )
    inner.require_all_taken()
    return found


def _cells(fields: Fields | None) -> SeenCells | None:
    if fields is None:
        return None
    return SeenCells(
        fields.take("ids", list_of(text), ()), fields.take("fingerprints", list_of(text), ())
    )


def _few_shot(fields: Fields) -> FewShot | None:
    inner = fields.inner("few_shot")
    if inner is None:
        return None
    found = FewShot(
        use=inner.take("use", among(typing.get_args(keys.FewShotUse))),
        n_per_class=inner.take("n_per_class", whole(1)),
        cells=_cells(inner) or SeenCells(),
        codes=inner.take("codes", list_of(among((0, 1))), ()),
    )
    inner.require_all_taken()
    return found


def _data(fields: Fields) -> DataUsed:
    inner = fields.inner("data")
    if inner is None:
        return DataUsed()
    found = DataUsed(
        source=_cohort(inner.inner("source")),
        labels=_labels(inner.inner("labels")),
        target_labels=_labels(inner.inner("target_labels")),
        reference=_cohort(inner.inner("reference")),
        ic50=_cohort(inner.inner("ic50")),
    )
    inner.require_all_taken()
    return found


def _labels(fields: Fields | None) -> LabelsUsed | None:
    if fields is None:
        return None
    return LabelsUsed(
        fields.take("file", text),
        fields.take("column", text),
        _label_kind(fields, "kind"),
    )


def _label_kind(fields: Fields, name: str) -> keys.LabelKind:
    """Take what labels say; a card from before labels had kinds does not tell."""
    return fields.take(name, among(typing.get_args(keys.LabelKind)), keys.UNSAID)


def _cohort(fields: Fields | None) -> CohortUsed | None:
    if fields is None:
        return None
    found = CohortUsed(
        file=fields.take("file", text),
        sha256=fields.take("sha256", text, None),
        n_obs=fields.take("n_obs", whole(1), None),
        cells=_cells(fields.inner("cells")),
    )
    fields.require_all_taken()
    return found


def _calibration(fields: Fields) -> Calibrated | None:
    inner = fields.inner("calibration")
    if inner is None:
        return None
    found = Calibrated(
        from_version=inner.take("from_version", whole(1), None),
        goals=inner.take("threshold", list_of(text), ()),
        data=inner.take("data", mapping, {}),
        cells=_cells(inner.inner("cells")),
        probability=_recalibration(inner.inner("probability")),
        abstain=_band(inner.inner("abstain")),
        run_id=inner.take("run_id", text, ""),
        label_kind=_label_kind(inner, "label_kind"),
        group_errors=_group_errors(inner.inner("group_errors")),
    )
    inner.require_all_taken()
    return found


def _group_errors(fields: Fields | None) -> GroupErrors | None:
    if fields is None:
        return None
    found = GroupErrors(fields.take("sd", number(0)), fields.take("n_groups", whole(2)))
    fields.require_all_taken()
    return found


def _recalibration(fields: Fields | None) -> Recalibration | None:
    if fields is None:
        return None
    method = fields.take("method", among(("platt", "isotonic")))
    if method == "platt":
        curve = Platt(fields.take("slope", number()), fields.take("intercept", number()))
        if curve.slope <= 0:
            raise InputError(f"slope is {curve.slope}", where=fields.where, expected="more than 0")
        fields.require_all_taken()
        return curve
    shares = list_of(number(0, 1))
    line = Isotonic(fields.take("own", shares), fields.take("calibrated", shares))
    fields.require_all_taken()
    if not line.own or len(line.own) != len(line.calibrated):
        what = f"... has {len(line.own)} and {counted(len(line.calibrated), 'knot')}"
        raise InputError(what, where=fields.where, expected="as many of both")
    if any(a > b for knots in (line.own, line.calibrated) for a, b in pairwise(knots)):
        raise InputError("its knots fall", where=fields.where, expected="a line that never falls")
    return line


def _band(fields: Fields | None) -> Band | None:
    if fields is None:
        return None
    low, high = (fields.take(name, number(0, 1)) for name in ("low", "high"))
    if low > high:
        what = f"... runs from {low} to {high}"
        raise InputError(what, where=fields.where, expected="the lower end first")
    return Band(low, high, fields.rest())


def _require_agreement(card: Card, where: str) -> None:
    """Refuse entries that contradict each other."""
    about, features = card.about, card.about.features
    fault = ""
    if features is not None and features.n_features != card.sizes.n_features:
        fault = (
            f"reads {counted(features.n_features, 'feature')}, and its network "
            f"{card.sizes.n_features}"
        )
    elif about.genes is not None and len(about.genes) != card.sizes.n_features:
        fault = (
            f"names {counted(len(about.genes), 'feature')}, and its network reads "
            f"{card.sizes.n_features}"
        )
    elif about.genes is not None and len(set(about.genes)) != len(about.genes):
        fault = "names a feature twice"
    elif card.kind == "backbone" and not card.sizes.decoder_hidden:
        fault = "is a backbone without a decoder"
    elif (card.kind == "anydrug") != (card.anydrug is not None):
        fault = "is of one kind, and holds the drugs of another"
    elif card.kind != "response" and (
        card.more_heads
        or card.fold_heads
        or card.fold_candidates
        or card.candidate.name != "network"
        or card.regression is not None
        or about.calibration
    ):
        fault = f"is {_A_KIND[card.kind]} with the heads or the calibration of a response model"
    elif card.more_heads and card.candidate.name != "network":
        fault = f"has further heads beside its candidate, {card.candidate.name}"
    elif card.domain is not None and about.too_few_for_domain is not None:
        fault = "has a training domain, and too few cells for one"
    elif card.family in keys.BACKENDS and about.input_scale is not None:
        fault = f"is of family {card.family}, and reads expression ({about.input_scale})"
    else:
        band = card.decision.abstain
        if band is not None and not band[0] <= card.decision.threshold <= band[1]:
            fault = f"abstains from {band[0]} to {band[1]}, around {card.decision.threshold}"
    if fault:
        raise InputError(f"... contradicts itself: it {fault}", where=where)
