"""The sources of the site are complete and agree with the code. `make docs` builds the site."""

from __future__ import annotations

import ast
import inspect
import posixpath
import re
from pathlib import Path

import click
import pytest

import scatd
from scatd import keys
from scatd.cli import main
from scatd.keys import artifact_paths, metric_names
from tests.house import MODULES
from tests.site import faults

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = {
    page.relative_to(DOCS).with_suffix("").as_posix(): page.read_text(encoding="utf-8")
    for page in sorted(DOCS.rglob("*.md"))
    if "_build" not in page.parts
}


def entries(text: str) -> list[str]:
    """Pages that the tables of contents of a page list."""
    trees = re.findall(r"```\{toctree\}\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.strip() for tree in trees for line in tree.splitlines()]
    return [line for line in lines if line and not line.startswith(":")]


def test_every_page_is_in_the_contents_once():
    listed = [
        posixpath.join(posixpath.dirname(name), entry)
        for name, text in PAGES.items()
        for entry in entries(text)
    ]
    assert sorted(["index", *listed]) == sorted(PAGES)


# The reference -------------------------------------------------------------------------------


def test_every_public_name_is_in_the_reference():
    text = PAGES["reference/api"]
    for name in scatd.__all__:
        if name.startswith("__"):
            continue
        is_module = inspect.ismodule(getattr(scatd, name))
        described = "automodule" if is_module else "auto(?:function|class|exception)"
        assert re.search(rf"^\.\. {described}:: scatd\.{name}$", text, flags=re.MULTILINE), name


@pytest.mark.parametrize("name", ["pl", "datasets"])
def test_every_name_of_a_public_module_has_a_docstring(name):
    module = getattr(scatd, name)
    places = (f"scatd.{name}", f"scatd.{name}.")
    public = [
        one
        for one_name, one in vars(module).items()
        if not one_name.startswith("_") and str(getattr(one, "__module__", "")).startswith(places)
    ]
    assert public
    for one in public:
        assert inspect.getdoc(one), one


def commands(command: click.Command, path: tuple[str, ...] = ()) -> dict[str, click.Command]:
    """Every command that does something, by the words after `scatd`."""
    found = {} if isinstance(command, click.Group) else {" ".join(path): command}
    for name, one in getattr(command, "commands", {}).items():
        found |= commands(one, (*path, name))
    return found


def test_every_command_is_in_the_reference():
    text = PAGES["reference/cli"]
    shown = re.findall(r"^\.\. click:: ([\w.]+):(\w+)\n   :prog: scatd (.*?)$", text, re.MULTILINE)
    known = commands(main)
    assert {name for _, _, name in shown} | {"registry promote"} == set(known)
    for module, attribute, name in shown:
        place = __import__(module, fromlist=[attribute])
        assert getattr(place, attribute) is known[name], name


def constants(module: object, prefix: str = "") -> set[str]:
    return {
        value
        for name, value in vars(module).items()
        if isinstance(value, str) and name.isupper() and name.startswith(prefix)
    }


def test_every_name_in_mlflow_is_in_the_reference():
    text = PAGES["reference/mlflow"]
    # Names of earlier versions, and a name that stands for the two after it.
    for name in constants(keys, "TAG_") | constants(keys, "LEVEL_") | constants(artifact_paths):
        assert f"`{name}`" in text, name
    filled = {"{metric}_{bound}", "{name}_mean", "{name}_p975", "{name}_p_value"}
    for name in constants(metric_names) - filled:
        assert f"`{name}`" in text, name


def test_every_name_in_anndata_is_in_the_reference():
    text = PAGES["reference/anndata"]
    columns = ("prob", "prob_sd", "prob_sd_folds", "response", "ood", "ood_p", "reason")
    written = [f'obs["{getattr(keys, f"{one}_column")("{drug}")}"]' for one in columns]
    written += [f'obs["{keys.truth_column("{drug}")}"]', f'obsm["{keys.latent_key("{family}")}"]']
    written += [f'obsm["{slot}"]' for slot in keys.OBSM_FEATURES.values()]
    written += [f'uns["{keys.UNS_SIMULATED}"]', f'layers["{keys.LAYER_COUNTS}"]']
    for name in written:
        assert name in text, name


# Messages ------------------------------------------------------------------------------------


def pieces(node: ast.AST) -> str:
    """Text of a string in the code; what is filled in is `…`."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(
            pieces(part) if isinstance(part, ast.Constant) else "…" for part in node.values
        )
    return ""


def test_messages_that_are_explained_are_messages_of_the_code():
    said = "\n".join(
        pieces(node)
        for path in MODULES.values()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )
    shown = re.findall(r"^\| `(.*?)` \|", PAGES["troubleshooting"], flags=re.MULTILINE)
    assert len(shown) > 40
    for message in shown:
        for piece in re.split(r"['\"(]*…['\")]*", message):
            assert piece.strip(" ;:,") in said, message


# The glossary --------------------------------------------------------------------------------


def test_the_glossary_has_the_words_of_the_tables():
    terms = set(re.findall(r"^([\w -]+)\n  \S", PAGES["glossary"], flags=re.MULTILINE))
    needed = {
        "AUROC",
        "AUPRC",
        "MCC",
        "ECE",
        "adain",
        "bi-adain",
        "mmd",
        "coral",
        "ood",
        "few-shot",
    }
    needed |= {"posterior mean", "out-of-fold", "threshold", "gate", "candidate", *keys.FAMILIES}
    assert needed <= terms
    assert terms == set(dict.fromkeys(terms))


def test_terms_that_pages_refer_to_are_in_the_glossary():
    terms = set(re.findall(r"^([\w -]+)\n  \S", PAGES["glossary"], flags=re.MULTILINE))
    for name, text in PAGES.items():
        assert set(re.findall(r"\{term\}`([^`<]+)`", text)) <= terms, name


# The check of the built site -----------------------------------------------------------------


@pytest.fixture
def site(tmp_path):
    (tmp_path / "index.html").write_text(
        '<link rel="stylesheet" href="style.css"><h1 id="top">Title</h1><img src="a.png">'
        '<a href="sub/page.html#place">a page</a><a href="https://example.org">the web</a>'
    )
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "page.html").write_text('<p id="place"><a href="../index.html#top">up</a>')
    (tmp_path / "style.css").write_text("p { background: url('a.png') }")
    (tmp_path / "a.png").write_bytes(b"")
    return tmp_path


def test_a_good_site_has_no_faults(site):
    assert list(faults(site)) == []


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("index.html", '<a href="none.html">x</a>', "none.html: there is no such file"),
        ("index.html", '<a href="sub/page.html#no">x</a>', "there is no such place"),
        ("index.html", '<a href="#no">x</a>', "there is no such place"),
        ("index.html", '<a href="../other.html">x</a>', "lies outside the site"),
        ("index.html", '<img src="none.png">', "none.png: there is no such file"),
        ("index.html", '<script src="https://cdn.example/x.js">', "from the web"),
        ("index.html", '<link rel="stylesheet" href="//cdn.example/x.css">', "from the web"),
        ("index.html", '<img srcset="https://a.example/1.png 2x">', "from the web"),
        ("style.css", "@font-face { src: url(https://fonts.example/a) }", "from the web"),
    ],
)
def test_faults_of_a_site_are_found(site, file, content, said):
    (site / file).write_text(content)
    (found,) = (line for line in faults(site) if not line.startswith("sub/"))
    assert found.startswith(f"{file}: ")
    assert said in found


def test_an_empty_folder_is_no_site(tmp_path):
    (found,) = faults(tmp_path)
    assert "there is no page" in found
