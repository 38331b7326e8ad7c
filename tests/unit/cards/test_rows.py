"""Features come in many forms: they are read rightly, or refused in one line."""

from __future__ import annotations

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scatd.artifact import Artifact
from scatd.cards.card import About, FeaturesRead
from scatd.cards.rows import feature_names, index_of, params_of, rows_of
from scatd.errors import InputError
from scatd.nn.alignment import Alignment
from scatd.nn.residual_vae import Sizes

GENES = ("TP53", "EGFR", "BRCA1", "MYC")
X = np.array([[1, 2, 3, 4], [5, 6, 7, 8]], np.float32)


def card(family="sf", genes=None, drug="docetaxel"):
    design = {"sf": "sf", "gf": "gf", "dist": "dist"}[family]
    features = FeaturesRead(4, "X", genes)
    about = About(features=features, drug_key=drug, input_scale="log1p" if genes else None)
    sizes = Sizes(4, 2, (3,), ())
    return Artifact(
        "response", family, design, sizes, {}, Alignment("none"), 0.5, about=about
    ).card()


EMBEDDING, EXPRESSION = card(), card("dist", GENES)


@pytest.mark.parametrize(
    "given",
    [
        X,
        X.astype(np.float64),
        X.astype(np.float16),
        X.astype(np.int64),
        X.astype(np.uint8),
        X.astype(object),
        X.tolist(),
        np.asfortranarray(X),
        pd.DataFrame(X),
        pd.DataFrame(X, columns=list("0123")),
        pd.DataFrame(X, columns=[0, 1, 2, 3]).iloc[:, ::-1],
        pd.DataFrame(X, columns=[f"scFoundation_{n}" for n in range(4)]).iloc[:, [2, 0, 3, 1]],
        pd.DataFrame(X).astype("Float64"),
        pd.DataFrame(X).astype({0: "int64", 1: "float64"}),
        {f"scFoundation_{n}": X[:, n] for n in (3, 1, 0, 2)},
        [{str(n): float(row[n]) for n in (3, 1, 0, 2)} for row in X],
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_form_gives_the_same_float32(given):
    found = rows_of(given, EMBEDDING)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, X)


def test_float32_is_not_copied():
    assert np.shares_memory(rows_of(X, EMBEDDING), X)


def test_columns_are_found_by_gene(caplog):
    named = pd.DataFrame(X, columns=list(GENES), index=["a", "b"])
    shuffled = named[["MYC", "BRCA1", "TP53", "EGFR"]].assign(barcode=["x", "y"], extra=0.0)
    np.testing.assert_array_equal(rows_of(shuffled, EXPRESSION), X)
    assert "2 columns are not read, such as barcode, extra." in caplog.text
    assert list(index_of(shuffled)) == ["a", "b"]
    assert index_of(X) is None
    np.testing.assert_array_equal(rows_of(pd.DataFrame(X), EXPRESSION), X)


def test_names_are_those_of_an_explanation():
    assert feature_names(EMBEDDING)[:2] == ("scFoundation_0", "scFoundation_1")
    assert feature_names(card("gf"))[3] == "Geneformer_3"
    assert feature_names(EXPRESSION) == GENES


def test_an_embedding_of_the_other_family_is_refused():
    named = pd.DataFrame(X, columns=[f"Geneformer_{n}" for n in range(4)])
    with pytest.raises(InputError, match="lack 4 of the 4 features"):
        rows_of(named, EMBEDDING)


NAN = X.copy()
NAN[1, 2] = np.nan
NAMED = pd.DataFrame(X, columns=list(GENES))
TWICE = pd.concat([NAMED, NAMED[["MYC"]]], axis=1)


@pytest.mark.parametrize(
    ("given", "read_by", "match"),
    [
        (
            ad.AnnData(X),
            EMBEDDING,
            r'AnnData is no table.*scatd\.predict\(adata, drug="docetaxel"\)',
        ),
        (sp.csr_matrix(X), EMBEDDING, r"sparse matrix.*X\.toarray\(\)"),
        (sp.csc_array(X), EMBEDDING, r"sparse matrix"),
        (X[:, :3], EMBEDDING, r"shape \(2, 3\)\. Expected \(n_cells, 4\).*obsm\[\"X_scfoundation"),
        (np.hstack([X, X]), EMBEDDING, r"shape \(2, 8\)"),
        (X[0], EMBEDDING, r"shape \(4,\).*X\.reshape\(1, -1\)"),
        (pd.Series(X[0]), EMBEDDING, r"shape \(4,\)"),
        (X[None], EMBEDDING, r"shape \(1, 2, 4\)"),
        (np.float32(3), EMBEDDING, "type float32"),
        ([[1, 2, 3, 4], [1, 2]], EMBEDDING, "different lengths"),
        (X.astype(str), EMBEDDING, r"a value is '1\.0'"),
        ([*X.tolist(), ["a"] * 4], EMBEDDING, "a value is"),
        (X > 2, EMBEDDING, "a value is 'False'"),
        (X * 1j, EMBEDDING, "a value is"),
        (NAN, EMBEDDING, "row 1, feature scFoundation_2 is nan"),
        (X.astype(np.float64) * 1e300, EMBEDDING, r"row 0, feature scFoundation_0 is 1e\+300"),
        ([[1, 2, None, 4]], EMBEDDING, "row 0, feature scFoundation_2 is nan"),
        (np.ma.masked_array(X, mask=X > 7), EMBEDDING, "masked"),
        (None, EMBEDDING, "type NoneType"),
        ("cells.h5ad", EMBEDDING, "type str"),
        (pd.DataFrame(X).iloc[:, :3], EMBEDDING, r"3 columns are numbered from 0 to 2"),
        (pd.DataFrame(X, columns=[1, 2, 3, 4]), EMBEDDING, r"numbered from 1 to 4"),
        (pd.DataFrame(np.hstack([X, X])), EXPRESSION, r"8 columns are numbered"),
        (pd.DataFrame(X, columns=list("abcd")), EMBEDDING, "lack 4 of the 4 features"),
        (NAMED.drop(columns="EGFR"), EXPRESSION, r"lack 1 of the 4 genes.*EGFR.*scatd prepare"),
        (NAMED.rename(columns=str.lower), EXPRESSION, "lack 4 of the 4 genes"),
        (TWICE, EXPRESSION, "column 'MYC' is there twice"),
        (NAMED.assign(MYC="high"), EXPRESSION, "a value is 'high'"),
        ({"TP53": [1.0], "EGFR": [1.0, 2.0]}, EXPRESSION, "the columns make no table"),
        (pd.DataFrame(), EXPRESSION, "0 columns lack 4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_read_is_refused_in_one_line(given, read_by, match):
    with pytest.raises(InputError, match=match) as caught:
        rows_of(given, read_by)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 300
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "params", [{"threshold": 1.5}, {"threshold": float("nan")}, {"mc_samples": -1}]
)
def test_parameters_out_of_range_are_refused(params):
    with pytest.raises(InputError, match=f"{next(iter(params))} is"):
        params_of(params)


def test_parameters_within_range_are_kept():
    assert params_of(None) == {}
    assert params_of({"threshold": None, "mc_samples": 3}) == {"threshold": None, "mc_samples": 3}
