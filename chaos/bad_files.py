"""Bad files by name: each is made in a folder from the good ones of `chaos.cohorts`."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

N_ROWS, N_FEATURES = 80, 24


def _good() -> np.ndarray:
    return np.random.default_rng(7).normal(size=(N_ROWS, N_FEATURES)).astype(np.float32)


def _with(value: float) -> np.ndarray:
    X = _good()
    X[3, 5] = value
    return X


def _save(X: Any) -> Callable[[Path], None]:
    return lambda path: np.save(path, X, allow_pickle=True)


def _text(said: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(said)


def _bytes(said: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(said)


def _cut(name: str, share: float) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        whole = path.with_name(name).read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])

    return make


def _csv(X: np.ndarray, names: list[str] | None = None, columns: list[str] | None = None) -> str:
    names = names or [f"c{number}" for number in range(len(X))]
    columns = columns or [f"f{number}" for number in range(X.shape[1])]
    rows = [",".join(["", *columns])]
    rows += [",".join([name, *map(str, row)]) for name, row in zip(names, X, strict=True)]
    return "\n".join(rows) + "\n"


def _h5ad(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """A changed copy of the labelled cells."""

    def make(path: Path) -> None:
        import anndata as ad

        cells = ad.read_h5ad(path.with_name("cells.h5ad"))
        changed = change(cells)
        (cells if changed is None else changed).write_h5ad(path)

    return make


def _twice(cells: Any) -> None:
    cells.obs_names = ["cell1", *cells.obs_names[1:]]


def _features(value: float) -> Callable[[Any], None]:
    def change(cells: Any) -> None:
        cells.obsm["X_scfoundation"][2, 2] = value

    return change


def _without(cells: Any) -> None:
    del cells.obsm["X_scfoundation"]


def _narrow(cells: Any) -> None:
    cells.obsm["X_scfoundation"] = cells.obsm["X_scfoundation"][:, :20]


def _broken_zarr(path: Path) -> None:
    path.mkdir()
    (path / ".zgroup").write_text('{"zarr_format": 2}')
    (path / ".zattrs").write_text("{")


def _cut_zarr(path: Path) -> None:
    import shutil

    shutil.copytree(path.with_name("cells.zarr"), path)
    for chunk in (path / "obsm" / "X_scfoundation").rglob("0*"):
        if chunk.is_file():
            chunk.write_bytes(chunk.read_bytes()[:10])


def _nested_parquet(path: Path) -> None:
    import pandas as pd

    pd.DataFrame({"a": [[1, 2], [3]], "b": [{"x": 1}, {"x": 2}]}).to_parquet(path)


def _words_parquet(path: Path) -> None:
    import pandas as pd

    pd.DataFrame({"a": ["x", "y"], "b": ["z", "w"]}).to_parquet(path)


COHORTS: dict[str, Callable[[Path], object]] = {
    "empty.h5ad": _bytes(b""),
    "cut-early.h5ad": _cut("cells.h5ad", 0.05),
    "cut-late.h5ad": _cut("cells.h5ad", 0.9),
    "magic.h5ad": _bytes(bytes(range(256)) * 20),
    "text.h5ad": _text("this is no HDF5\n"),
    "folder.h5ad": lambda path: path.mkdir(),
    "norows.h5ad": _h5ad(lambda cells: cells[:0].copy()),
    "bare.h5ad": _h5ad(_without),
    "narrow.h5ad": _h5ad(_narrow),
    "nan.h5ad": _h5ad(_features(np.nan)),
    "inf.h5ad": _h5ad(_features(np.inf)),
    "twice.h5ad": _h5ad(_twice),
    "empty.csv": _text(""),
    "blank.csv": _text("\n\n\n"),
    "header.csv": _text(",f0,f1,f2\n"),
    "words.csv": _text(",f0,f1\na,red,blue\nb,green,pink\n"),
    "ragged.csv": _text(",f0,f1\na,1,2\nb,1,2,3,4\nc,1\n"),
    "binary.csv": _bytes(b"\x00\xff\xfe" * 300),
    "latin.csv": _bytes(b",f\xe9,g\na,1,2\n"),
    "nan.csv": _text(_csv(_with(np.nan))),
    "inf.csv": _text(_csv(_with(np.inf))),
    "narrow.csv": _text(_csv(_good()[:, :20])),
    "twice.csv": _text(_csv(_good(), ["same"] * N_ROWS)),
    "twicecolumns.csv": _text(_csv(_good(), None, ["f0"] * N_FEATURES)),
    "quote.csv": _text(',f0,f1\n"a,1,2\nb,1,2\n'),
    "cut.csv.gz": lambda path: path.write_bytes(gzip.compress(_csv(_good()).encode())[:400]),
    "false.csv.gz": _text("not compressed\n"),
    "empty.npy": _bytes(b""),
    "cut.npy": _cut("cells.npy", 0.5),
    "magic.npy": _bytes(b"\x93NUMPX" + bytes(200)),
    "pickle.npy": _save(np.array([{"a": 1}, None], dtype=object)),
    "flat.npy": _save(np.zeros(10, np.float32)),
    "cube.npy": _save(np.zeros((4, 5, 6), np.float32)),
    "norows.npy": _save(np.zeros((0, N_FEATURES), np.float32)),
    "nocolumns.npy": _save(np.zeros((5, 0), np.float32)),
    "words.npy": _save(np.array([["a", "b"], ["c", "d"]])),
    "complex.npy": _save(_good().astype(np.complex64)),
    "nan.npy": _save(_with(np.nan)),
    "inf.npy": _save(_with(np.inf)),
    "narrow.npy": _save(_good()[:, :20]),
    "empty.npz": _bytes(b""),
    "magic.npz": _bytes(b"PK\x03\x04" + bytes(100)),
    "empty.parquet": _bytes(b""),
    "magic.parquet": _bytes(b"PAR1" + bytes(50) + b"PAR1"),
    "cut.parquet": _cut("cells.parquet", 0.7),
    "nested.parquet": _nested_parquet,
    "words.parquet": _words_parquet,
    "empty.zarr": lambda path: path.mkdir(),
    "broken.zarr": _broken_zarr,
    "cut.zarr": _cut_zarr,
    "unknown.xyz": _text("what is this\n"),
    "noending": _text("what is this\n"),
    "cut.loom": _bytes(b"\x89HDF\r\n\x1a\n" + bytes(30)),
    "empty.h5": _bytes(b""),
}
"""Cohorts that no command may read: what they hold, by name."""

TABLES: dict[str, Callable[[Path], object]] = {
    "labels-empty.csv": _text(""),
    "labels-header.csv": _text(",DOCETAXEL\n"),
    "labels-words.csv": _text(",DOCETAXEL\nline0,up\nline1,down\n"),
    "labels-others.csv": _text(",DOCETAXEL\nother0,resistant\nother1,sensitive\n"),
    "labels-twice.csv": _text(",DOCETAXEL\nline0,resistant\nline0,sensitive\n"),
    "labels-oneclass.csv": _text(
        ",DOCETAXEL\n" + "".join(f"line{n},sensitive\n" for n in range(120))
    ),
    "labels-binary.csv": _bytes(b"\x00\x01\xff" * 99),
    "labels-nocolumn.csv": _text(",SOMETHING\nline0,resistant\nline1,sensitive\n"),
    "labels-numbers.csv": _text(",DOCETAXEL\n" + "".join(f"line{n},{n}\n" for n in range(120))),
}
"""Label tables that no training may use."""

_SCALAR, _LIST, _CUT, _TABS = "hello\n", "- 1\n- 2\n", "epochs: [1, 2\n", "epochs:\n\t- 1\n"
YAMLS: dict[str, str] = {
    "scalar.yaml": _SCALAR,
    "list.yaml": _LIST,
    "cut.yaml": _CUT,
    "tabs.yaml": _TABS,
    "unknown.yaml": "epocs: 2\n",
    "words.yaml": "epochs: many\n",
    "nan.yaml": "learning_rate: .nan\n",
    "inf.yaml": "learning_rate: .inf\n",
    "negative.yaml": "epochs: -2\n",
    "huge.yaml": "epochs: 1e400\n",
    "twice.yaml": "epochs: 2\nepochs: 3\n",
    "code.yaml": "!!python/object/apply:os.system ['touch owned']\n",
    "bomb.yaml": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n"
        for a, b in zip("abcdefg", "bcdefgh", strict=True)
    ),
    "binary.yaml": "\x00\x01\x02",
    "unicode.yaml": "épochs: 2\n",
}
"""Settings that no command may take."""

_OTHERS: dict[str, Callable[[Path], object]] = {
    "text.zip": _text("no zip\n"),
    "cut.zip": _bytes(b"PK\x03\x04" + bytes(60)),
    "evil.pth": _bytes(b"\x80\x04cposix\nsystem\n."),
    "text.pth": _text("no weights\n"),
    "empty.pth": _bytes(b""),
    "bad.gmt": _text("ONLY_A_NAME\n"),
    "empty.gmt": _text(""),
    "binary.gmt": _bytes(b"\xff\xfe\x00" * 50),
    "empty-panel.txt": _text(""),
    "twice-panel.txt": _text("GENE1\nGENE1\nGENE2\n"),
    "binary-panel.txt": _bytes(b"\xff\xfe\x00" * 50),
    "other-panel.txt": _text("NOSUCH1\nNOSUCH2\n"),
    "space-bad.yaml": _text("learning_rate: fast\n"),
    "space-unknown.yaml": _text("learning_speed: [1, 2]\n"),
}


def write_all(folder: Path) -> None:
    """Write every bad file."""
    for name, make in {**COHORTS, **TABLES, **_OTHERS}.items():
        make(folder / name)
    for name, said in YAMLS.items():
        (folder / name).write_text(said)
    for name in ("empty", "nocard"):
        (folder / f"bundle-{name}").mkdir()
    (folder / "bundle-nocard" / "manifest.json").write_text("{}")


def write_odd(folder: Path) -> None:
    """Make what is no file: pipes, links and devices. They cannot be copied."""
    os.mkfifo(folder / "pipe.csv")
    os.mkfifo(folder / "pipe.h5ad")
    (folder / "loop.h5ad").symlink_to("loop.h5ad")
    (folder / "zero.csv").symlink_to("/dev/zero")
    (folder / "null.npy").symlink_to("/dev/null")
