"""The rules of a drug are read from YAML files."""

from __future__ import annotations

from pathlib import Path

import pytest

from scatd.errors import InputError
from scatd.evaluation.gate import Gate, TargetGate
from scatd.registry.config import DrugConfig, load_config, shipped_rules

REPOSITORY = Path(__file__).resolve().parents[3]


def test_shipped_rules_all_load_and_default_holds_the_defaults() -> None:
    folder = REPOSITORY / "registry_configs"
    files = sorted(folder.glob("*.yaml"))
    assert folder / "default.yaml" in files
    for path in files:
        load_config(path.stem, folder)
    assert load_config("docetaxel", folder) == DrugConfig()
    default = (folder / "default.yaml").read_text()
    for name in ("families", "auto_promote", *Gate.__dataclass_fields__):
        assert f"{name}:" in default, f"default.yaml does not explain {name}"


def test_a_drugs_file_overrides_rule_by_rule(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text("gate: {minimum: 0.7, min_samples: 90}\n")
    (tmp_path / "gefitinib.yaml").write_text(
        "families: [dist]\nauto_promote: false\ngate: {minimum: 0.8}\n"
    )
    found = load_config("gefitinib", tmp_path)
    assert found == DrugConfig(("dist",), False, Gate(minimum=0.8, min_samples=90))
    assert load_config("docetaxel", tmp_path).gate == Gate(minimum=0.7, min_samples=90)


def test_folder_of_the_working_directory_is_used_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "default.yaml").write_text("gate: {minimum: 0.7}\n")
    monkeypatch.setattr("scatd.registry.config.shipped_rules", lambda: shipped)
    assert load_config("docetaxel").gate == Gate(minimum=0.7)
    (tmp_path / "registry_configs").mkdir()
    assert load_config("docetaxel") == DrugConfig()
    (tmp_path / "registry_configs" / "default.yaml").write_text("auto_promote: false\n")
    assert not load_config("docetaxel").auto_promote


def test_the_rules_of_the_repository_come_with_scatd() -> None:
    """Of an installed package: tests/test_wheel.py."""
    assert shipped_rules() == REPOSITORY / "registry_configs"


def test_a_key_is_never_a_path(tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("auto_promote: false\n")
    inside = tmp_path / "configs"
    inside.mkdir()
    assert load_config("../secret", inside).auto_promote


@pytest.mark.parametrize("misnamed", ["GEFITINIB", "gefi-tinib"])
def test_rules_under_another_spelling_are_not_silently_ignored(
    tmp_path: Path, misnamed: str
) -> None:
    (tmp_path / f"{misnamed}.yaml").write_text("auto_promote: false\n")
    with pytest.raises(InputError, match=rf"{misnamed}\.yaml.*Rename it to gefitinib\.yaml"):
        load_config("gefitinib", tmp_path)
    assert load_config("docetaxel", tmp_path) == DrugConfig()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("familys: [sf]", r"unknown key 'familys'.*families"),
        ("gate: {minimun: 0.7}", r"gate: unknown key 'minimun'.*minimum"),
        ("gate: {minimum: high}", r"gate: minimum: 'high'|gate: 'high' is no number"),
        ("gate: {minimum: 1.5}", r"gate: minimum is 1.5.*0 to 1"),
        ("gate: {minimum: .nan}", r"gate: minimum is nan"),
        ("gate: {margins: 0.02}", r"gate: unknown.*margin"),
        ("gate: {margin: 0.02}", r"gate: 'margin'.*a lead is judged by its interval.*Delete"),
        ("demote_on_evidence: perhaps", r"'perhaps' is a str"),
        ("allow_exposure_labels: 2", r"allow_exposure_labels"),
        ("gate: {min_samples: -1}", r"gate: min_samples is -1"),
        ("gate: {metric: brier}", r"'brier' is no choice.*auroc"),
        ("gate:", r"gate"),
        ("families: [sf, geneformer]", r"'geneformer' is no choice"),
        ("families: []", r"families are ''"),
        ("families: [sf, sf]", r"each once"),
        ("auto_promote: sometimes", r"'sometimes' is a str"),
        ("- sf", r"holds a list"),
        ("gate: {", r"is not valid YAML"),
    ],
)
@pytest.mark.parametrize("name", ["default", "gefitinib"])
def test_faults_name_the_file(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / f"{name}.yaml").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        load_config("gefitinib", tmp_path)
    assert str(caught.value).startswith(str(tmp_path / f"{name}.yaml"))


def test_folder_given_must_exist(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        load_config("docetaxel", tmp_path / "nowhere")


def test_target_rules_are_overridden_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "default.yaml").write_text("gate: {target: {minimum: 0.7, metric: mcc}}")
    (tmp_path / "afatinib.yaml").write_text("gate: {target: {minimum: 0.5}}")
    (tmp_path / "docetaxel.yaml").write_text("gate: {target: null}")
    assert load_config("afatinib", tmp_path).gate.target == TargetGate("mcc", 0.5)
    assert load_config("docetaxel", tmp_path).gate.target is None
    assert load_config("other", tmp_path).gate.target == TargetGate("mcc", 0.7)
    (tmp_path / "default.yaml").write_text("gate: {target: {minimum: 1.5}}")
    with pytest.raises(InputError, match=r"minimum is 1\.5"):
        load_config("other", tmp_path)
