"""The table of bad inputs: words of a command, what is damaged first, and the expected end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from chaos.bad_files import COHORTS, TABLES, YAMLS
from chaos.stores import LEARN as _LEARN


@dataclass(frozen=True)
class Row:
    """One bad input.

    `codes` are the documented exit codes: 2 unless something else is said. `damage` changes a copy
    of the folder first. `alone` runs it as a process of its own, with limits of time and memory.
    """

    kind: str
    words: tuple[str, ...]
    codes: tuple[int, ...] = (2,)
    environment: dict[str, str] = field(default_factory=dict)
    damage: Callable[[Path], object] | None = None
    said: str = ""
    alone: bool = False

    @property
    def name(self) -> str:
        """What tells it from the others."""
        before = [f"{name}={value}" for name, value in self.environment.items()]
        damage = [f"[{self.said}]"] if self.said else []
        shown = [word if len(word) < 60 else f"{word[:40]}...({len(word)})" for word in self.words]
        return " ".join([*before, *damage, *map(repr_word, shown)])


def repr_word(word: str) -> str:
    """A word as a shell would need it."""
    return word if word and word.isprintable() and " " not in word else repr(word)


LEARN = (*_LEARN, "--model", "linear")
PREDICT = ("predict", "--drug", "docetaxel")
_NEW = ("-o", "new.csv")
_NO_TRAIN = ("--no-promote",)


def _without(words: tuple[str, ...], option: str) -> tuple[str, ...]:
    place = words.index(option)
    return words[:place] + words[place + 2 :]


_READERS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "predict": lambda file: (*PREDICT, file, *_NEW),
    "transfer": lambda file: (
        *_without(LEARN, "--source"), "--drug", "DOCETAXEL", "--source", file),
    "pretrain": lambda file: ("pretrain", "--input", file, "--epochs", "1", "--min-steps", "1"),
    "prepare": lambda file: ("prepare", file, "--panel", "panel.txt", "-o", "new.h5ad"),
}  # fmt: skip
_FEW_READERS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "explain": lambda file: ("explain", "--drug", "docetaxel", file, *_NEW),
    "screen": lambda file: ("screen", file, "-o", "new"),
    "evaluate": lambda file: (
        "evaluate", file, "--drug", "docetaxel", "--labels", "truth", "-o", "new"),
    "reference": lambda file: (
        *_without(LEARN, "--reference"), "--drug", "DOCETAXEL", "--reference", file),
    "tune": lambda file: ("tune", "--input", file, "--trials", "1", "--epochs", "1"),
    "distill": lambda file: ("distill", "--input", file, "--epochs", "1", "--min-steps", "1"),
    "check": lambda file: ("check", file),
}  # fmt: skip
_FEW = (
    "empty.h5ad", "cut-early.h5ad", "text.h5ad", "folder.h5ad", "norows.h5ad", "empty.csv",
    "words.csv", "cut.npy", "pickle.npy", "cut.parquet", "empty.zarr", "unknown.xyz",
)  # fmt: skip
_FINE = {
    # Unlabelled cells of any width and with any names can be learned from.
    "pretrain": {"narrow.h5ad", "twice.h5ad", "narrow.csv", "twice.csv", "narrow.npy"},
}
_ODD_NAMES = (
    "missing.h5ad", "no/such/folder.h5ad", "../../../../etc/passwd", "pipe.csv", "pipe.h5ad",
    "loop.h5ad", "zero.csv", "null.npy", "/dev/zero", "/dev/null", "", " ", "x" * 5000 + ".h5ad",
    "μ-cells.h5ad", "cells.h5ad\n", "s3://", "http://", "http://127.0.0.1:9/cells.h5ad",
    "ftp://127.0.0.1/cells.h5ad", "file:///etc/passwd", "cells.h5ad/obs", "-", "*.h5ad",
)  # fmt: skip
_NAMES = (
    "", " ", "nosuch", "../../etc", "💊", "x" * 10_000, "docetaxel;ls", "a\nb", "%00", "()",
    "docetaxel/1", "scatd-sf-docetaxel", "DOCETAXEL,NOSUCH", "$(touch owned)",
)  # fmt: skip


def rows() -> list[Row]:
    """Every bad input, each once."""
    found = [*_files(), *_names(), *_settings(), *_labels(), *_options(), *_others(),
             *_registry(), *_damaged(), *_surroundings()]  # fmt: skip
    return list({row.name: row for row in found}.values())


def _files() -> Iterator[Row]:
    for reader, words in _READERS.items():
        for name in COHORTS:
            if name not in _FINE.get(reader, ()):
                yield Row(f"file for {reader}", words(name))
        for name in _ODD_NAMES:
            yield Row(f"path for {reader}", words(name), alone=_endless(name))
    for reader, words in _FEW_READERS.items():
        for name in (*_FEW, "missing.h5ad", "pipe.h5ad", "loop.h5ad"):
            yield Row(f"file for {reader}", words(name), alone=_endless(name))


def _endless(name: str) -> bool:
    return name.startswith(("pipe", "zero", "/dev"))


def _names() -> Iterator[Row]:
    for name in _NAMES:
        yield Row("name of a drug", ("predict", "cells.h5ad", "--drug", name, *_NEW))
        yield Row("name of a drug", (*LEARN, "--drug", name, *_NO_TRAIN))
        if name != "scatd-sf-docetaxel":
            yield Row("name of a model", ("registry", "show", name))
    for stage in ("0", "-1", "99", "nan", "prod", "99999999999999999999", "", "staging/1"):
        yield Row("stage", (*PREDICT, "cells.h5ad", "--stage", stage, *_NEW))
    for spec in ("nosuch@production", "scatd-sf-backbone/99", "scatd-sf-docetaxel/1", "./absent",
                 "cells.h5ad", "scatd-sf-backbone@", "@", "/"):  # fmt: skip
        words = (*_without(LEARN, "--backbone"), "--drug", "DOCETAXEL", "--backbone", spec)
        yield Row("backbone", words)


def _settings() -> Iterator[Row]:
    for name in YAMLS:
        start = ("pretrain", "--input", "reference.npy", "--settings", name)
        yield Row("settings", start)
        learn = (*_without(LEARN, "--settings"), "--drug", "DOCETAXEL", "--settings", name)
        yield Row("settings", learn)
        yield Row("tasks", ("bench", name, "-o", "new"))
        yield Row("rules of the gate", ("promote", "--drug", "docetaxel", "--version", "4"),
                  damage=_rules(name), said=f"registry_configs/default.yaml is {name}")  # fmt: skip
    for name in ("space-bad.yaml", "space-unknown.yaml", "scalar.yaml", "cut.yaml", "code.yaml"):
        yield Row("search space", ("tune", "--input", "reference.npy", "--trials", "1", "--epochs",
                                   "1", "--space", name))  # fmt: skip


def _rules(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / "registry_configs" / "default.yaml").write_text(YAMLS[name])


def _labels() -> Iterator[Row]:
    learn = (*_without(LEARN, "--labels"), "--drug", "DOCETAXEL")
    for name in (*TABLES, "missing.csv", "folder.h5ad", "nosuchcolumn", "labels.csv:NOSUCH", ""):
        yield Row("labels", (*learn, "--labels", name))
    for name in (*TABLES, "missing.csv", "nosuchcolumn", "labels.csv:NOSUCH", "patient"):
        yield Row("labels", ("evaluate", "cells.h5ad", "--drug", "docetaxel", "--labels", name,
                             "-o", "new"))  # fmt: skip
    for said in ("S", "S=up", ",", "a=sensitive,a=resistant"):
        yield Row("label map", (*LEARN, "--drug", "DOCETAXEL", "--label-map", said))


_BAD_NUMBERS = ("-1", "nan", "inf", "1e999", "", "x", "9" * 400)
_NUMBERS: dict[tuple[str, ...], tuple[str, ...]] = {
    (*LEARN, "--drug", "DOCETAXEL"): (
        "--folds", "--epochs", "--batch-size", "--learning-rate", "--threshold", "--repeats"),
    ("pretrain", "--input", "reference.npy"): (
        "--epochs", "--batch-size", "--learning-rate", "--val-fraction", "--rec-beta"),
    (*PREDICT, "cells.h5ad", *_NEW): ("--threshold", "--mc-samples"),
    ("explain", "--drug", "docetaxel", "cells.h5ad", *_NEW): ("--steps", "--top"),
    ("tune", "--input", "reference.npy", "--epochs", "1"): ("--trials", "--subsample", "--folds"),
    ("prepare", "counts.h5ad", "--panel", "panel.txt", "-o", "new.h5ad"): ("--min-genes",),
}  # fmt: skip


def _options() -> Iterator[Row]:
    for words, options in _NUMBERS.items():
        for option in options:
            for value in _BAD_NUMBERS:
                yield Row("number", (*words, option, value))
    for value in ("200", "1000000", "121"):
        yield Row("number", (*LEARN, "--drug", "DOCETAXEL", "--folds", value))
    for rows in ("5", "5:2", "-3:", "a:b", "90:100", ":", "0:0", "1:1", "0:9999"):
        yield Row("rows", (*PREDICT, "cells.h5ad", "--rows", rows, *_NEW))
        yield Row("rows", ("prepare", "counts.h5ad", "--panel", "panel.txt", "--rows", rows,
                           "-o", "new.h5ad"))  # fmt: skip
    for device in ("gpu", "cuda:99", "", "cuda:-1"):
        yield Row("device", (*PREDICT, "cells.h5ad", "--device", device, *_NEW))
    for place in ("tcp://", "local:0", "local:x", "127.0.0.1", "tcp://192.0.2.1:8786", ""):
        yield Row("scheduler", (*LEARN, "--drug", "DOCETAXEL", "--scheduler", place))
    for output in ("new.xyz", "no/such/new.csv", "", ".", "/proc/new.csv", "/dev/full/new.csv",
                   "x" * 300 + ".csv", "cells.h5ad/new.csv", "a\nb.csv", "noending"):  # fmt: skip
        yield Row("output", (*PREDICT, "cells.h5ad", "-o", output))
    for column in ("nosuch", "", "truth\n"):
        yield Row("column", ("screen", "cells.h5ad", "--group-by", column, "-o", "new"))
    for goal in ("fdr=nan", "fdr=2", "nan", "youden,fdr=0.1", "recall=", "fdr=0"):
        yield Row("goal", ("evaluate", "cells.h5ad", "--drug", "docetaxel", "--labels", "truth",
                           "--calibrate", goal, "-o", "new"))  # fmt: skip
    for words in (("nosuch",), ("predict",), ("predict", "--nosuch"), ("registry", "nosuch"),
                  ("transfer",), ("join",), ("--nosuch",), ("predict", "cells.h5ad")):  # fmt: skip
        yield Row("words", words)


def _others() -> Iterator[Row]:
    for panel in ("empty-panel.txt", "twice-panel.txt", "binary-panel.txt", "other-panel.txt",
                  "missing.txt", "folder.h5ad"):  # fmt: skip
        yield Row("panel", ("prepare", "counts.h5ad", "--panel", panel, "-o", "new.h5ad"))
    for sets in ("bad.gmt", "empty.gmt", "binary.gmt", "missing.gmt"):
        yield Row("gene sets", ("explain", "enrich", "labels.csv", "--gene-sets", sets))
    for one, two in (("labels.csv", "cells.csv"), ("empty.csv", "empty.csv"),
                     ("missing.csv", "cells.csv"), ("binary.csv", "binary.csv")):  # fmt: skip
        yield Row("importance", ("explain", "compare", one, two))
    for parts in (("part0.csv",), ("part0.csv", "part0.csv"), ("cells.csv", "part1.csv"),
                  ("missing.csv", "part1.csv"), ("part1.csv",), ("cells.h5ad",)):  # fmt: skip
        yield Row("parts", ("join", *parts, "-o", "new.csv"))
    yield Row("parts", ("join", "part0.csv", "part1.csv", "-o", "new.xyz"))
    for note in ("", "{", "[]", "{}", '{"rows": "all"}'):
        yield Row("parts", ("join", "part0.csv", "part1.csv", "-o", "new.csv"),
                  damage=_write("part0.csv.part.json", note), said=f"note is {note!r}")  # fmt: skip
    for weights in ("evil.pth", "text.pth", "empty.pth", "missing.pth", "folder.h5ad"):
        yield Row("checkpoint", ("import-checkpoint", weights, "--family", "sf"))
    for name, out in (("nosuch", "new.pth"), ("scatd-sf-backbone/99", "new.pth"),
                      ("scatd-sf-backbone/1", "no/such/new.pth"), ("", "new.pth")):  # fmt: skip
        yield Row("checkpoint", ("export-checkpoint", name, "-o", out))
    yield Row("download", ("download", "nosuch"))
    yield Row("demo", ("demo", "--drug", "nosuch"))
    yield Row("demo", ("demo", "--folder", "labels.csv"))
    yield Row("demo", ("demo-data", "--out", "labels.csv"))
    for panel in ("empty-panel.txt", "binary-panel.txt", "missing.txt"):
        yield Row("demo", ("demo-data", "--out", "new", "--panel", panel))
    for option, value in (("--port", "99999"), ("--port", "-1"), ("--host", "0.0.0.0"),
                          ("--refresh", "0"), ("--refresh", "nan"), ("--max-upload-mb", "0"),
                          ("--workers", "0"), ("--time-limit", "-1")):  # fmt: skip
        yield Row("serve", ("serve", option, value))
    yield Row("serve", ("serve", "--port", "0"), environment={"SCATD_TOKEN": ""})
    for table in ("labels-empty.csv", "missing.csv", "labels.csv", "binary.csv"):
        yield Row("survival", ("tcga", "cells.csv", "--drug", "docetaxel", "--survival", table))


def _registry() -> Iterator[Row]:
    for version in ("0", "-1", "99", "x", "1.5", "", "9" * 30):
        yield Row("version", ("promote", "--drug", "docetaxel", "--version", version))
        yield Row("version", ("registry", "archive", "docetaxel", "--version", version))
        yield Row("version", ("registry", "diff", "1", version, "scatd-sf-docetaxel"))
    for name in ("nosuch", "", "gefitinib", "../x"):  # gefitinib has no previous version
        yield Row("rollback", ("registry", "rollback", name))
    for name in ("nosuch", "", "../x"):
        yield Row("history", ("registry", "history", name))
        yield Row("archive", ("registry", "archive", name, "--version", "1"))
        yield Row("promotion", ("promote", "--drug", name))
    yield Row("promotion", ("promote", "--drug", "docetaxel", "--evaluation", "nosuch"))
    yield Row("promotion", ("promote", "--drug", "docetaxel", "--family", "gf"))
    for bundle in ("text.zip", "cut.zip", "missing.zip", "bundle-empty", "bundle-nocard",
                   "labels.csv", ""):  # fmt: skip
        yield Row("bundle", ("registry", "import", bundle))
    for name, out in (("nosuch@production", "new.zip"), ("docetaxel@nosuch", "new.zip"),
                      ("docetaxel/99", "new.zip"), ("docetaxel@production", "no/such/new.zip"),
                      ("", "new.zip")):  # fmt: skip
        yield Row("bundle", ("registry", "export", name, out))


_SHOW, _SCORE = ("registry", "show", "docetaxel"), (*PREDICT, "cells.h5ad", *_NEW)


def _damaged() -> Iterator[Row]:
    models: dict[str, Callable[[Path], object]] = {
        "tensors cut": _in_models("model.safetensors", lambda path: _shorten(path, 0.5)),
        "tensors empty": _in_models("model.safetensors", lambda path: path.write_bytes(b"")),
        "tensors gone": _in_models("model.safetensors", Path.unlink),
        "tensors changed": _in_models("model.safetensors", _flip),
        "card gone": _in_models("card.json", Path.unlink),
        "card empty": _in_models("card.json", lambda path: path.write_bytes(b"")),
        "card cut": _in_models("card.json", lambda path: _shorten(path, 0.5)),
        "card is a list": _in_models("card.json", lambda path: path.write_text("[]")),
        "card is null": _in_models("card.json", lambda path: path.write_text("null")),
        "checksums gone": _in_models("checksums.json", Path.unlink),
        "checksums cut": _in_models("checksums.json", lambda path: _shorten(path, 0.5)),
        "all models gone": _remove_models,
    }
    for said, damage in models.items():
        yield Row("damaged model", _SCORE, damage=damage, said=said)
        yield Row("damaged model", ("explain", "--drug", "docetaxel", "cells.h5ad", *_NEW),
                  damage=damage, said=said)  # fmt: skip
    stores: dict[str, Callable[[Path], object]] = {
        "store is text": _write("mlflow.db", "no database\n" * 100),
        "store is cut": lambda folder: _shorten(folder / "mlflow.db", 0.3),
        "store is a folder": _store_is_a_folder,
        "store without tables": _write("mlflow.db", ""),
        "store is noise": lambda folder: (folder / "mlflow.db").write_bytes(os.urandom(5000)),
        "store of another program": _other_database,
    }
    for said, damage in stores.items():
        for words in (_SHOW, _SCORE, ("registry", "rollback", "docetaxel")):
            yield Row("damaged store", words, damage=damage, said=said, codes=(1, 2), alone=True)


def _surroundings() -> Iterator[Row]:
    for uri in ("nosuch://store", "sqlite:///no/such/folder/x.db", "sqlite:///registry_configs",
                "postgresql://nobody:secret@127.0.0.1:9/x", "http://127.0.0.1:9", "http://",
                "file:///no/such", "::::", "mysql://x", "sqlite:////dev/null"):  # fmt: skip
        for words in (_SHOW, _SCORE):
            yield Row("address of the store", words, environment={"MLFLOW_TRACKING_URI": uri},
                      codes=(1, 2), alone=True)  # fmt: skip
    learn = (*LEARN, "--drug", "DOCETAXEL", "--folds", "3", "--no-promote")
    for name, value, words in (
        ("MLFLOW_EXPERIMENT_ID", "999", learn),
        ("MLFLOW_EXPERIMENT_ID", "x", learn),
        ("SCATD_CACHE", "labels.csv", ("download", "genemap")),
    ):
        yield Row("variable", words, environment={name: value}, alone=True)


def _write(name: str, said: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_text(said)


def _in_models(name: str, change: Callable[[Path], object]) -> Callable[[Path], None]:
    """Change a file of every registered model."""

    def damage(folder: Path) -> None:
        for path in (folder / "mlartifacts" / "models").rglob(name):
            change(path)

    return damage


def _shorten(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 0xFF
    path.write_bytes(bytes(content))


def _remove_models(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder / "mlartifacts" / "models")


def _store_is_a_folder(folder: Path) -> None:
    (folder / "mlflow.db").unlink()
    (folder / "mlflow.db").mkdir()


def _other_database(folder: Path) -> None:
    import sqlite3

    (folder / "mlflow.db").unlink()
    with sqlite3.connect(folder / "mlflow.db") as other:
        other.execute("create table runs (name text)")
    other.close()
