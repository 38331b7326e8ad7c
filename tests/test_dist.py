"""The source distribution and the wheel hold what is needed outside the repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from scatd import __version__

ROOT = Path(__file__).resolve().parents[1]
FOR_HOSTS = (".github/", ".readthedocs.yaml")
"""Settings of the places that keep the repository; no distribution needs them."""


def call(*command, cwd, **variables):
    """Run a command with few variables; give what it printed, and fail where it failed."""
    keep = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    keep |= {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    environment = {**keep, "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", **variables}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def build(what, source, folder):
    """Build an sdist or a wheel with the setuptools of this environment, without network."""
    script = f"from setuptools import build_meta; build_meta.build_{what}({str(folder)!r})"
    call(sys.executable, "-c", script, cwd=source)
    (made,) = folder.iterdir()
    return made


@pytest.fixture(scope="session")
def repository(tmp_path_factory) -> Path:
    """A copy of the files that git knows, or would add."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("only git knows which files belong to the repository")
    folder = tmp_path_factory.mktemp("repository")
    for name in filter(lambda name: (ROOT / name).is_file(), listed.stdout.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="session")
def files(repository) -> dict[str, bytes]:
    """Their content by path. The fixture is used before anything is built in the copy."""
    found = [path for path in repository.rglob("*") if path.is_file()]
    return {path.relative_to(repository).as_posix(): path.read_bytes() for path in found}


@pytest.fixture(scope="session")
def sdist(repository, files, tmp_path_factory) -> Path:
    return build("sdist", repository, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="session")
def wheel(sdist, tmp_path_factory) -> Path:
    """Built from the source distribution alone."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return build("wheel", folder / f"scatd-{__version__}", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Path:
    """The wheel in a folder of its own. Its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("installed")
    options = ("--quiet", "--no-deps", "--no-index", "--no-compile", "--target", folder)
    call(sys.executable, "-m", "pip", "install", *options, wheel, cwd=folder.parent)
    return folder


def test_the_source_distribution_holds_the_repository(sdist, files):
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert {name for name in files if name not in held and not name.startswith(FOR_HOSTS)} == set()


def test_the_wheel_holds_the_package_and_the_rules_of_the_gate(wheel, files):
    wanted = {name: content for name, content in files.items() if name.startswith("scatd/")}
    rules = {name: text for name, text in files.items() if name.startswith("registry_configs/")}
    assert "registry_configs/default.yaml" in rules
    wanted |= {f"scatd/{name}": content for name, content in rules.items()}
    with zipfile.ZipFile(wheel) as archive:
        held = {
            name: archive.read(name) for name in archive.namelist() if ".dist-info/" not in name
        }
    assert set(held) == set(wanted)
    assert held == wanted


def test_an_installed_scatd_runs_and_finds_its_rules_outside_the_repository(installed, tmp_path):
    outside = {"cwd": tmp_path, "PYTHONPATH": str(installed)}
    script = installed / "bin" / "scatd"
    assert call(sys.executable, script, "--version", **outside) == f"scatd, version {__version__}\n"
    ask = "from scatd.registry.config import shipped_rules; print(shipped_rules() / 'default.yaml')"
    (found,) = call(sys.executable, "-c", ask, **outside).splitlines()
    assert Path(found) == installed / "scatd" / "registry_configs" / "default.yaml"
    assert Path(found).read_bytes() == (ROOT / "registry_configs" / "default.yaml").read_bytes()


@pytest.mark.skipif(os.name != "posix", reason="file modes are those of POSIX")
def test_the_stand_in_for_conda_can_be_run_from_an_installed_wheel(installed):
    assert os.access(installed / "scatd" / "mlproject" / "conda_home" / "bin" / "conda", os.X_OK)


# A wheel in an empty environment: gigabytes -------------------------------------------------------


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The commands of an environment in which only the wheel was installed, with pip, as by a user.

    It is removed afterwards.
    """
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", folder, cwd=folder)
    pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet")
    call(*pip, "-c", ROOT / "constraints.txt", wheel, cwd=folder)
    yield folder / "bin"
    shutil.rmtree(folder)


@pytest.mark.slow
def test_a_user_with_the_wheel_alone_gets_from_the_demo_to_scores(environment, tmp_path):
    path = {"cwd": tmp_path, "PATH": f"{environment}:/usr/bin:/bin"}
    said = call(environment / "scatd", "demo", "--quick", **path)
    assert "scatd-sf-docetaxel version 1 is in production." in said
    assert "This was the smaller demo (--quick)" in said
    demo = tmp_path / "scatd-demo"
    said = call(
        *(environment / "scatd", "predict", "--drug", "docetaxel"),
        *(demo / "target.h5ad", "-o", "scored.csv"),
        **path,
    )
    assert "scored.csv: 200 cells" in said
    assert "Scored by scatd-sf-docetaxel version 1 (production)" in said
    assert len((tmp_path / "scored.csv").read_text().splitlines()) == 201


@pytest.mark.slow
def test_mlflow_run_without_the_repository_says_that_it_needs_it(environment, tmp_path):
    done = subprocess.run(
        [environment / "mlflow", "run", ".", "-e", "transfer", "-P", "drug=DOCETAXEL"],
        cwd=tmp_path,
        env={"PATH": f"{environment}:/usr/bin:/bin", "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "`mlflow run` of scatd needs the repository" in done.stderr
    assert "mlflow run https://HOST/scatd.git -e transfer" in done.stderr
    assert "Traceback" not in done.stderr
