"""Check labels and samples before training, and list the findings.

Nothing is repaired and no label is flipped. A finding names the problem, its place and the remedy.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import binom

from scatd.evaluation.confounding import confounding, gram_matrix, sample_rows
from scatd.evaluation.copies import equal_rows, exact_copies, near_copies
from scatd.wording import all_of, counted, some_of

SERIOUS, WARNING, NOTE = "serious", "warning", "note"
SEVERITIES = (SERIOUS, WARNING, NOTE)
"""Serious: scores from these data are not reliable, or `transfer` will refuse them."""

RARE = 0.05
"""A drug is reported when its share of sensitive samples is below this, or above 1 minus this."""

_BY_CHANCE = 0.05
"""If chance alone gives more than so many pairs of equal labels, pairs are not reported."""
_NAMED = 5

REMEDIES = {
    "inverted labels": "Check in the source which word means resistant for which drug; scatd flips "
    "nothing.",
    "polarity": "Check which word means resistant (--label-map), and that rows and labels are "
    "paired; nothing was flipped.",
    "too few": "Use fewer folds or more samples; transfer refuses this drug.",
    "repeated ids": "Give every sample its own id, or remove the copies; transfer refuses them.",
    "contradicting copies": "Find out which label is right and remove the other copy.",
    "contradicting near copies": "Find out whether they are one sample, and which label is right; "
    "remove the others.",
    "confounding": "Split folds by this column, or learn within its groups: the score may be the "
    "batch.",
    "same labels": "Count them as one result, and check that a column was not copied.",
    "imbalance": "Read AUPRC of the rarer class beside AUROC, and expect wide intervals.",
    "copies": "Keep one, or keep them in one fold: a copy on both sides of a split is leakage.",
    "near copies": "Find out whether they are one sample, processed twice. Keep one, or keep "
    "them in one fold: near copies on both sides of a split are leakage.",
    "one name, two ids": "Give them one id if they are one line, or keep them in one fold.",
    "same label vector": "Check that they are not one line under several ids, and that labels were "
    "measured and not filled in.",
}
"""The remedy for each check."""


@dataclass(frozen=True)
class Finding:
    """One problem, or one suspicion.

    Parameters
    ----------
    severity
        One of `SEVERITIES`.
    check
        Name of the check that found it: a key of `REMEDIES`.
    columns, samples
        The drugs (and the group column) and the sample ids concerned.
    value
        The measured value: an AUROC, a share, or a count.
    found
        The finding as a sentence.
    """

    severity: str
    check: str
    columns: tuple[str, ...]
    samples: tuple[str, ...]
    value: float
    found: str

    @property
    def remedy(self) -> str:
        """The remedy."""
        return REMEDIES[self.check]

    def __str__(self) -> str:
        return f"{self.found} {self.remedy}"


@dataclass(frozen=True, eq=False)
class Profiles:
    """Features of the samples, and the groups that they belong to.

    Parameters
    ----------
    X
        (n_samples, n_features), finite.
    groups
        Batch, tissue or patient of each sample, (n_samples,). The name of the series is the name of
        the column. A group that predicts the response as well as `X` does is reported.
    seed
        Seed of the folds in which groups and profiles are compared.
    """

    X: npt.NDArray
    groups: pd.Series | None = None
    seed: int = 42


def findings(
    codes: pd.DataFrame,
    ids: npt.ArrayLike | None = None,
    *,
    drug: str | None = None,
    profiles: Profiles | None = None,
    auroc: Mapping[str, tuple[float, float, float]] | None = None,
    n_folds: int = 5,
) -> list[Finding]:
    """Run every check that the given tables allow, worst findings first.

    Parameters
    ----------
    codes
        (n_samples, n_drugs), one column a drug: 0 sensitive, 1 resistant, -1 unknown.
    ids
        (n_samples,), names of the samples; row numbers when not given.
    drug
        Report findings about this column only; it is still compared with the other columns. None
        reports all columns.
    profiles
        Features of the same samples.
    auroc
        Out-of-fold AUROC with its interval (mean, low, high), by drug.
    n_folds
        Folds that the labels will be split into.
    """
    names = np.arange(len(codes)).astype(str) if ids is None else np.asarray(ids).astype(str)
    values = codes.to_numpy(dtype=np.int8)
    columns = [str(column) for column in codes.columns]
    asked = columns if drug is None else [drug]
    found = [
        *_columns_alike(values, columns, asked),
        *_class_counts(values, columns, asked, n_folds),
    ]
    if drug is None:
        found += _equal_vectors(values, columns, names)
    found += id_findings(names)
    for name, (mean, low, high) in (auroc or {}).items():
        found += _polarity(name, mean, low, high)
    if profiles is not None:
        of_asked = values[:, [columns.index(name) for name in asked]]
        found += _copies(profiles.X, of_asked, asked, names)
        found += _confounded(of_asked, asked, profiles, n_folds)
    return by_severity(found)


def by_severity(found: Iterable[Finding]) -> list[Finding]:
    """Sort findings, worst first; the order is otherwise kept."""
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def findings_table(found: Sequence[Finding]) -> pd.DataFrame:
    """One row a finding: severity, check, columns, samples, value, found, remedy.

    `columns` and `samples` are joined by "; ".
    """
    rows = [
        asdict(finding)
        | {"columns": "; ".join(finding.columns), "samples": "; ".join(finding.samples)}
        | {"remedy": finding.remedy}
        for finding in found
    ]
    order = ["severity", "check", "columns", "samples", "value", "found", "remedy"]
    return pd.DataFrame(rows, columns=order)


def id_findings(ids: npt.NDArray) -> list[Finding]:
    """Find ids that occur more than once, and different ids that spell the same name.

    Two spellings are equal after NFKC, without case, without punctuation (except between two
    digits) and without R's X before a digit: HT-29 equals ht29; plate1_11 differs from plate11_1.
    """
    rows_of, spellings = defaultdict(list), defaultdict(set)
    for row, name in enumerate(ids.tolist()):
        rows_of[name].append(row)
        spellings[sample_key(name)].add(name)
    found = [
        Finding(
            SERIOUS,
            "repeated ids",
            (),
            (name,),
            len(rows),
            f"Id '{name}' stands on {counted(len(rows), 'row')} "
            f"({some_of(map(str, rows), _NAMED)}, from 0).",
        )
        for name, rows in rows_of.items()
        if len(rows) > 1
    ]
    return found + [
        Finding(
            WARNING,
            "one name, two ids",
            (),
            tuple(sorted(same)),
            len(same),
            f"Ids {some_of(sorted(same), _NAMED)} are one name in "
            f"{counted(len(same), 'spelling')}.",
        )
        for same in spellings.values()
        if len(same) > 1
    ]


def sample_key(name: str) -> str:
    """Key that is equal for all spellings of a sample's name; see `id_findings`."""
    folded = unicodedata.normalize("NFKC", name).strip().casefold()
    folded = re.sub(r"^x(?=\d)", "", folded)
    folded = re.sub(r"(?<=\d)[\W_]+(?=\d)", "|", folded)
    return re.sub(r"[^\w|]|_", "", folded) or folded


def _columns_alike(
    values: npt.NDArray[np.int8], columns: Sequence[str], asked: Sequence[str]
) -> Iterator[Finding]:
    """Find drugs with equal label columns, and drugs with inverted ones."""
    resistant, sensitive = ((values == code).astype(np.float32) for code in (1, 0))
    labelled = resistant + sensitive
    both = labelled.T @ labelled
    # Two shuffled columns with k resistant of n samples agree with probability 1 / binom(n, k).
    # So columns with few common samples, or with few samples of one class, may agree by chance.
    n_pairs = max(len(columns) * (len(columns) - 1) / 2, 1)
    told = n_pairs / binom(both, resistant.T @ labelled) <= _BY_CHANCE
    agree = resistant.T @ resistant + sensitive.T @ sensitive
    same, inverse = told & (agree == both), told & (agree == 0)
    sets: list[list[int]] = []
    for column in range(len(columns)):
        home = next((one for one in sets if all(same[column, other] for other in one)), None)
        if home is None:
            sets.append([column])
        else:
            home.append(column)
    names = [tuple(columns[column] for column in one) for one in sets]
    for one, drugs in zip(sets, names, strict=True):
        if len(drugs) > 1 and set(drugs) & set(asked):
            n = int(both[one[0], one[1]])
            text = (
                f"{' = '.join(drugs)}: the same labels in all {counted(n, 'sample')} that have "
                "them."
            )
            yield Finding(WARNING, "same labels", drugs, (), n, text)
    for first, second in ((a, b) for b in range(len(sets)) for a in range(b)):
        if inverse[np.ix_(sets[first], sets[second])].all():
            left, right = sorted((names[first], names[second]), key=len)
            if set(left + right) & set(asked):
                n = int(both[sets[first][0], sets[second][0]])
                verb = "is" if len(left) == 1 else "are"
                text = (
                    f"{all_of(left)} {verb} the exact inverse of {all_of(right)} "
                    f"({counted(n, 'sample')})."
                )
                yield Finding(SERIOUS, "inverted labels", left + right, (), n, text)


def _class_counts(
    values: npt.NDArray[np.int8], columns: Sequence[str], asked: Sequence[str], n_folds: int
) -> Iterator[Finding]:
    """Find classes that are too small for the folds, and classes that are rare."""
    for column, name in enumerate(columns):
        if name not in asked:
            continue
        n_sensitive, n_resistant = (int((values[:, column] == code).sum()) for code in (0, 1))
        counts = f"{n_sensitive} sensitive and {counted(n_resistant, 'resistant sample')}"
        if min(n_sensitive, n_resistant) < n_folds:
            text = f"{name}: {counts} are too few for {counted(n_folds, 'fold')}."
            yield Finding(SERIOUS, "too few", (name,), (), min(n_sensitive, n_resistant), text)
        total = n_sensitive + n_resistant
        share = n_sensitive / total if total else 0.5
        if not RARE <= share <= 1 - RARE:
            side = f"under {RARE:.0%}" if share < RARE else f"over {1 - RARE:.0%}"
            text = f"{name}: {share:.1%} sensitive, {side} ({counts})."
            yield Finding(WARNING, "imbalance", (name,), (), share, text)


def _equal_vectors(
    values: npt.NDArray[np.int8], columns: Sequence[str], names: npt.NDArray
) -> Iterator[Finding]:
    """Find samples with equal labels for all drugs, if chance does not explain them."""
    rows = np.flatnonzero((values >= 0).mean(axis=1) >= 0.5)
    held = values[rows]
    shares = np.stack([(held == code).mean(axis=0) for code in (-1, 0, 1)]) if len(rows) else None
    if shares is None:
        return
    expected = len(rows) * (len(rows) - 1) / 2 * float(np.prod(np.sum(shares**2, axis=0)))
    if expected > _BY_CHANCE:
        return
    for members in equal_rows(row.tobytes() for row in held):
        vector = held[members[0]]
        n = len(members)
        same = tuple(names[rows[members]].tolist())
        text = (
            f"{counted(n, 'sample', 'shares')} one label vector over "
            f"{counted(len(columns), 'drug')} (sensitive to {int((vector == 0).sum())}): "
            f"{some_of(same, _NAMED)}."
        )
        yield Finding(NOTE, "same label vector", (), same, n, text)


def _copies(
    X: npt.NDArray, values: npt.NDArray[np.int8], columns: Sequence[str], names: npt.NDArray
) -> Iterator[Finding]:
    """Find samples with identical or almost identical profiles, and compare their labels."""
    exact = exact_copies(X)
    for members in exact:
        text = f"Samples {some_of(names[members], _NAMED)} have one and the same profile"
        yield _copied("copies", text, members, len(members), (values, columns, names))
    for near in near_copies(X, exact):
        members = list(near.rows)
        some = some_of(names[members], _NAMED)
        text = f"Samples {some} have almost the same profile ({near.in_words})"
        yield _copied("near copies", text, members, near.correlation, (values, columns, names))


def _copied(
    check: str,
    text: str,
    members: list[int],
    value: float,
    labels: tuple[npt.NDArray[np.int8], Sequence[str], npt.NDArray],
) -> Finding:
    """One group of copies; serious where their labels differ."""
    values, columns, names = labels
    same = tuple(names[members].tolist())
    of_members = values[members]
    differ = np.any(of_members == 0, axis=0) & np.any(of_members == 1, axis=0)
    if not differ.any():
        return Finding(WARNING, check, (), same, value, f"{text}.")
    drugs = tuple(name for name, odd in zip(columns, differ, strict=True) if odd)
    text += f", and other labels for {some_of(drugs, _NAMED)}."
    return Finding(SERIOUS, f"contradicting {check}", drugs, same, value, text)


def _polarity(name: str, mean: float, low: float, high: float) -> Iterator[Finding]:
    if mean >= 0.5 or np.isnan(mean):
        return
    text = f"{name}: AUROC {mean:.3f} (interval {low:.3f} to {high:.3f}), under 0.5"
    if high < 0.5:
        yield Finding(SERIOUS, "polarity", (name,), (), mean, f"{text}: it looks inverted.")
    else:
        yield Finding(NOTE, "polarity", (name,), (), mean, f"{text}, but so may chance be.")


def _confounded(
    values: npt.NDArray[np.int8],
    columns: Sequence[str],
    profiles: Profiles,
    n_folds: int,
) -> Iterator[Finding]:
    """Find group columns that predict a response at least as well as the profiles do."""
    groups, seed = profiles.groups, profiles.seed
    if groups is None:
        return
    named = groups.notna().to_numpy() & (groups.astype(str) != "").to_numpy()
    rows = sample_rows(named & (values >= 0).any(axis=1), seed)
    member = pd.factorize(groups.iloc[rows])[0]
    gram = gram_matrix(profiles.X[rows])
    for column, name in enumerate(columns):
        codes = values[rows, column]
        at = np.flatnonzero(codes >= 0)
        if np.bincount(codes[at], minlength=2).min() < n_folds:
            continue
        told = confounding(codes[at], member[at], gram[np.ix_(at, at)], n_folds=n_folds, seed=seed)
        if told is not None and told.groups >= told.profiles:
            text = (
                f"{name}: {groups.name} alone predicts the response with AUROC {told.groups:.3f} "
                f"(interval {told.ci_low:.3f} to {told.ci_high:.3f}), logistic regression on the "
                f"profiles with {told.profiles:.3f}, on the same folds."
            )
            drugs = (name, str(groups.name))
            yield Finding(SERIOUS, "confounding", drugs, (), told.groups, text)
