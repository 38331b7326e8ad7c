"""The architecture, read from the code: modules, their imports, floors and circles.

`make floors` prints it; `tests/test_layers.py` holds it.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "scatd"

MODULES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path != PACKAGE / "__init__.py"
}

# From low to high: a package of `workflows/` may import those of the floors below it, not those
# of its own floor.
FLOORS = [
    "cohorts models",
    "predict embed prepare pretrain tune evaluate screen audit check compare travel doctor anydrug",
    "transfer explain join",
    "sweep tcga demo suggest",
    "bench",
]


@functools.cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module that a file imports, anywhere in it, by absolute name."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports are not used here"
            assert node.module is not None
            for alias in node.names:
                # `from scatd import keys` imports scatd.keys; `from scatd.keys import X` a name.
                whole = f"{node.module}.{alias.name}"
                is_module = whole.removeprefix("scatd.") in MODULES
                yield whole if is_module else node.module


def graph() -> dict[str, set[str]]:
    """For each module of scatd, the modules of scatd that it imports."""
    return {
        module: {
            target.removeprefix("scatd.")
            for target in imports(path)
            if target.removeprefix("scatd.") in MODULES
        }
        - {module}
        for module, path in MODULES.items()
    }


def circles(arrows: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others (Tarjan 1972)."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for target in arrows.get(node, ()):
            if target not in index:
                visit(target)
                lowest[node] = min(lowest[node], lowest[target])
            elif target in stack:
                lowest[node] = min(lowest[node], index[target])
        if lowest[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[stack.index(node) :]
            if len(group) > 1:
                found.append(sorted(group))

    for node in arrows:
        if node not in index:
            visit(node)
    return found


def use_case(module: str) -> str | None:
    """Package or single file of `workflows/` that a module belongs to."""
    parts = module.split(".")
    return parts[1] if parts[0] == "workflows" and len(parts) > 1 else None


def crossings() -> list[tuple[str, str]]:
    """Imports from a file of one package of `workflows/` to a file of another one."""
    return sorted(
        (module, target)
        for module, targets in graph().items()
        for target in targets
        if use_case(module) and use_case(target) and use_case(module) != use_case(target)
    )


def main() -> None:
    """Print the floors of `workflows/`, the imports between its packages, and any circle."""
    between: dict[tuple[str, str], int] = {}
    for module, target in crossings():
        pair = (str(use_case(module)), str(use_case(target)))
        between[pair] = between.get(pair, 0) + 1
    for floor, line in reversed(list(enumerate(FLOORS))):
        print(f"floor {floor}")
        for name in line.split():
            files = [module for module in MODULES if use_case(module) == name]
            below = ", ".join(
                f"{target} {n}" for (source, target), n in sorted(between.items()) if source == name
            )
            print(f"  {name:10} {len(files):3} files   imports {below or 'no other use case'}")
    print(f"{sum(between.values())} imports between packages of workflows/")
    found = circles(graph())
    print("no circle" if not found else "\n".join(f"circle: {' '.join(group)}" for group in found))


if __name__ == "__main__":
    main()
