"""The order of modules and use cases holds, and importing a module does nothing else."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.house import FLOORS, MODULES, PACKAGE, circles, crossings, graph, imports, use_case

# From the ground up: a module may import its own line and the lines above it, never one below.
# A longer name wins over the package that it is in.
LAYERS = [
    "errors keys notes ranges settings strict_yaml wording spelling activity console "
    "training.settings",
    "data",
    "scheduling",
    "parts",
    "nn",
    "embedding",
    "cards artifact candidates decision scores scoring_model row_scoring scoring drawn_rows "
    "scoring_by_structure",
    # The scripts that MLflow stores with a version: they know how to score, and no more.
    "registry.pyfunc",
    "evaluation",
    "training",
    "explanation",
    "plots report",
    "tracking registry",
    "mlproject",
    "workflows",
    "serving",
    "cli",
    "api pl datasets",
]
LEVELS = {name: level for level, line in enumerate(LAYERS) for name in line.split()}
PAGE = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")


def level(module: str) -> int | None:
    """Level of a module's longest prefix that has one."""
    while module:
        if module in LEVELS:
            return LEVELS[module]
        module = module.rpartition(".")[0]
    return None


def top_level_imports(path: Path) -> set[str]:
    """Packages that a file imports outside of functions and of `if TYPE_CHECKING`."""
    found: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            found.add(node.module.partition(".")[0])
    return found


def modules_of(*packages: str) -> dict[str, Path]:
    inside = tuple(f"{package}." for package in packages)
    found = {
        name: path for name, path in MODULES.items() if name in packages or name.startswith(inside)
    }
    assert found, f"no modules under {packages}"
    return found


def test_every_module_stands_on_a_level():
    assert MODULES
    assert [name for name in MODULES if level(name) is None] == []


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_what_stands_above(module):
    own = level(module)
    for target in imports(MODULES[module]):
        name = target.removeprefix("scatd.")
        if name in (target, module):  # not ours, or a package's own modules
            continue
        assert level(name) <= own, f"scatd.{module} imports {target}, which stands below it"


def test_every_layer_exists():
    there = {name.partition(".")[0] for name in MODULES} | set(MODULES)
    assert [name for name in LEVELS if name not in there] == []


def rows_of(title: str) -> list[set[str]]:
    """Names in the second column of a table of the architecture page, from low to high."""
    table = PAGE.partition(f"| {title} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [set(re.findall(r"`([\w.]+)`", row.split("|")[2])) for row in reversed(table)]


def test_the_architecture_page_lists_the_layers():
    def shown(line: str) -> set[str]:
        names = set(line.split())
        packages = {name.partition(".")[0] for name in names}
        return packages if len(packages) == 1 and len(names) > 1 else names

    assert rows_of("layer") == [shown(line) for line in LAYERS]


def test_the_architecture_page_lists_the_floors():
    assert rows_of("floor") == [set(line.split()) for line in FLOORS]


def test_the_picture_of_the_architecture_shows_layers_and_floors_in_their_order():
    (picture,) = re.findall(r"```mermaid\n(.*?)```", PAGE, flags=re.DOTALL)
    labels = re.findall(r'^ *(\w+)\["<b>.*?</b><br/>(.*?)"\]$', picture, flags=re.MULTILINE)
    boxes = {name: set(text.replace("<br/>", " ").split()) for name, text in reversed(labels)}
    chains = [re.findall(r"\w+", line) for line in picture.splitlines() if "-->" in line]
    arrows = {pair for chain in chains for pair in itertools.pairwise(chain)}
    upwards = list(boxes)
    assert arrows == {(upper, lower) for lower, upper in itertools.pairwise(upwards)}
    floors = [words for name, words in boxes.items() if name.startswith("floor")]
    assert floors == [set(line.split()) for line in FLOORS]
    layers = [words for name, words in boxes.items() if not name.startswith("floor")]
    heights: dict[str, int] = {}
    for module in MODULES:
        package = module.partition(".")[0]
        heights[package] = max(heights.get(package, 0), level(module) or 0)
    del heights["workflows"]
    assert sorted(heights) == sorted(name for words in layers for name in words)
    for lower, upper in itertools.pairwise(layers):
        assert max(heights[name] for name in lower) < min(heights[name] for name in upper)


def test_no_circle_between_files():
    assert circles(graph()) == []


def test_use_cases_stand_on_their_floors():
    """A package of `workflows/` imports from lower floors only."""
    floor = {name: level for level, line in enumerate(FLOORS) for name in line.split()}
    there = {name for name in map(use_case, MODULES) if name is not None}
    assert set(floor) == there
    for module, target in crossings():
        source, aim = floor[str(use_case(module))], floor[str(use_case(target))]
        assert aim < source, f"scatd.{module} imports scatd.{target}, which is not below it"


def test_circles_are_found():
    arrows = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a", "e"}, "e": set(), "f": {"d"}}
    assert circles(arrows) == [["b", "c"]]
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"c"}}) == [["a", "b"]]


def test_no_module_imports_the_tests_the_benchmarks_or_chaos():
    for path in MODULES.values():
        assert not {"tests", "benchmarks", "chaos", "entrypoints"} & {
            name.partition(".")[0] for name in imports(path)
        }


@pytest.mark.parametrize(
    ("packages", "never"),
    [
        (("errors", "keys"), {"torch", "mlflow", "numpy", "pandas", "yaml", "anndata"}),
        (("settings", "training.settings"), {"torch", "mlflow", "numpy", "pandas", "anndata"}),
        (("data",), {"torch", "mlflow"}),
        # Tensors only: no cohorts, no tables, no files.
        (("nn",), {"anndata", "scanpy", "pandas", "mlflow", "sklearn", "pathlib", "io", "os"}),
        (("nn",), {"json", "csv", "pickle", "h5py", "safetensors", "yaml", "shutil", "tempfile"}),
        (
            (
                "cards",
                "artifact",
                "candidates",
                "decision",
                "scores",
                "scoring_model",
                "row_scoring",
                "scoring",
            ),
            {"anndata", "scanpy", "sklearn", "optuna", "mlflow", "pickle"},
        ),
        (("scheduling",), {"mlflow", "anndata", "scanpy", "click", "numpy", "pandas"}),
        (("evaluation",), {"torch", "mlflow", "anndata", "scanpy"}),
        (("training",), {"mlflow", "anndata", "scanpy", "click"}),
        (("plots",), {"torch", "mlflow", "anndata", "sklearn"}),
        (("tracking", "registry"), {"anndata", "scanpy", "sklearn", "click"}),
        (("workflows",), {"click"}),
        (("pl", "datasets"), {"torch", "mlflow", "scanpy", "sklearn", "click"}),
    ],
    ids=lambda value: " ".join(sorted(value)) if isinstance(value, set) else "+".join(value),
)
def test_packages_know_only_their_own_trade(packages, never):
    for module, path in modules_of(*packages).items():
        known = {target.partition(".")[0] for target in imports(path)}
        assert not known & never, f"scatd.{module} imports {sorted(known & never)}"


def test_the_command_line_imports_late():
    """Help texts answer at once: at its top a command imports click and light modules only."""
    light = {"click", "scatd", *sys.stdlib_module_names}
    for module, path in modules_of("cli").items():
        assert top_level_imports(path) <= light, f"scatd.{module}"
    loaded = python(
        "import sys, scatd.cli; print(*sorted(sys.modules))", cwd=PACKAGE.parent
    ).split()
    heavy = {"torch", "mlflow", "pandas", "numpy", "anndata", "sklearn", "matplotlib", "optuna"}
    assert "scatd.cli" in loaded
    assert not heavy & set(loaded)


def test_nothing_happens_at_import(tmp_path):
    """No files, no logging set up, nothing on the terminal."""
    names = [f"scatd.{name}" for name in MODULES if not name.endswith("__main__")]
    printed = python(
        f"""
        import importlib, logging, sys
        for name in ["scatd", *{names!r}]:
            importlib.import_module(name)
        assert not logging.getLogger().handlers
        assert not logging.getLogger("scatd").handlers
        """,
        cwd=tmp_path,
    )
    assert printed == ""
    assert list(tmp_path.iterdir()) == []


def python(code: str, *, cwd: Path) -> str:
    """Run code in a new process and return what it printed; its faults fail the test."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
