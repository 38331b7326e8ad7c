"""Install scatd for every supported Python of this computer, and try its main commands.

`make smoke` runs it. The supported versions are those that pyproject.toml names. One that is not
found is left out, with a word. Each has its own virtual environment, which is kept for next time.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SELECTION = ("tests/unit/test_frozen.py", "tests/unit/data/test_storable.py")
"""Tests of what is read and written: there, versions of Python and of libraries differ most."""


def supported() -> list[str]:
    """The versions of Python that pyproject.toml names, such as 3.12."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [re.search(r":: Python :: (3\.\d+)$", line) for line in project["classifiers"]]
    return [match[1] for match in found if match]


def find(version: str) -> Path | None:
    """An interpreter of this version: on the path, or the newest one of pyenv."""
    places = [shutil.which(f"python{version}")]
    made = Path.home() / ".pyenv" / "versions"
    numbers = {int(one.name.rpartition(".")[2]): one for one in made.glob(f"{version}.[0-9]*")}
    places += [str(numbers[last] / "bin" / "python") for last in sorted(numbers, reverse=True)]
    for place in places:
        # A name that pyenv puts on the path may belong to a version that is not chosen.
        if place and not subprocess.run([place, "-c", ""], capture_output=True).returncode:
            return Path(place)
    return None


def try_out(python: Path, home: Path) -> None:
    """Install scatd into the environment `home`, and run commands and tests with it."""
    if not (home / "bin" / "python").exists():
        run([python, "-m", "venv", home])
    own, scatd = home / "bin" / "python", home / "bin" / "scatd"
    pip = [own, "-m", "pip", "install", "--quiet", "-c", "constraints.txt"]
    run([*pip, "-e", ".", "pytest", "hypothesis"])
    with tempfile.TemporaryDirectory() as folder:
        run([scatd, "demo", "--quick"], folder)
        run([scatd, "predict", "--drug", "docetaxel", "-o", "scores.h5ad"], folder)
        panel = Path(folder) / "panel.txt"
        panel.write_text("".join(f"GENE{number}\n" for number in range(12)))
        cells = ROOT / "tests" / "data" / "v0.2.0" / "dist.h5ad"
        run([scatd, "check", cells, "--panel", panel, "--min-genes", 1], folder)
        run([scatd, "registry", "list"], folder)
    run([own, "-m", "pytest", "-q", *SELECTION])


def run(words: list[object], folder: object = ROOT) -> None:
    """Run a command in a folder, and stop where it fails."""
    print("$", *words, flush=True)
    subprocess.run([str(word) for word in words], cwd=str(folder), check=True)


def main() -> int:
    """Try every version; 1 when one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("versions", nargs="*", default=supported(), help="such as 3.12")
    parser.add_argument("--venvs", type=Path, default=ROOT / "build" / "smoke", metavar="FOLDER")
    given = parser.parse_args()
    failed = []
    for version in given.versions:
        python = find(version)
        if python is None:
            print(f"== Python {version} is not on this computer: left out", flush=True)
            continue
        print(f"== Python {version} ({python})", flush=True)
        try:
            try_out(python, given.venvs.absolute() / f"py{version}")
        except subprocess.CalledProcessError as error:
            print(f"== Python {version} failed: {error}", flush=True)
            failed.append(version)
    print(f"== failed: {', '.join(failed)}" if failed else "== all Pythons that are here passed")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
