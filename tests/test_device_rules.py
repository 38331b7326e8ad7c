"""What keeps the numbers of all devices together is written in one place each (`docs/devices.md`).

These rules are read from the code: a new float64 on a device, a draw without a generator of the
processor, or a precision flag somewhere else fails here before it fails on a device.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.house import MODULES

DOUBLES = "nn.moving"
FLAGS = {
    "set_float32_matmul_precision": {"nn.products"},
    "fp32_precision": {"nn.products"},
    "allow_tf32": set(),
    "use_deterministic_algorithms": {"cli.repeatable"},
    "set_default_dtype": set(),
    "set_default_device": set(),
}
DRAWS = {"randn", "rand", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
DRAWS_IN_PLACE = {"normal_", "uniform_", "bernoulli_", "random_", "exponential_", "randn_like",
                  "rand_like", "randint_like", "dropout", "svd_lowrank", "pca_lowrank"}  # fmt: skip
DRAWN_ON_THE_PROCESSOR = {
    # Seeded and computed on the processor: the function takes rows that are there.
    ("training.domain", "svd_lowrank"),
}


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str, str]]:
    """Calls of a file, the name of what is called, and that before its dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                owner = node.func.value
                yield node, node.func.attr, owner.id if isinstance(owner, ast.Name) else ""
            elif isinstance(node.func, ast.Name):
                yield node, node.func.id, ""


def given(call: ast.Call) -> dict[str, ast.expr]:
    return {word.arg: word.value for word in call.keywords if word.arg}


def is_double(value: ast.expr) -> bool:
    return ast.unparse(value) in ("torch.float64", "torch.double")


def faults(module: str, text: str) -> list[str]:
    """What a file does that belongs somewhere else, in words."""
    tree, found = ast.parse(text), []
    for call, name, owner in calls(tree):
        where = f"{module}, line {call.lineno}: {ast.unparse(call)}"
        words = given(call)
        if module != DOUBLES and name == "double":
            found.append(f"{where} (use nn.moving.doubles)")
        has_double = any(map(is_double, [*call.args, *words.values()]))
        if has_double and (name == "to" or "device" in words):
            found.append(f"{where} (float64 on a device)")
        draws = name in DRAWS and owner == "torch"
        if draws and ("generator" not in words or "device" in words):
            found.append(f"{where} (a draw without a generator of the processor)")
        is_known = "generator" in words or (module, name) in DRAWN_ON_THE_PROCESSOR
        if name in DRAWS_IN_PLACE and not is_known:
            found.append(f"{where} (a draw where the tensor is)")
        if name == "Generator" and owner == "torch" and (call.args or "device" in words):
            found.append(f"{where} (a generator of a device)")
    for node in ast.walk(tree):
        flag = getattr(node, "attr", None) or getattr(node, "id", None)
        if flag in FLAGS and module not in FLAGS[flag]:
            found.append(f"{module}, line {node.lineno}: {flag} is set somewhere else")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_keeps_the_rules_of_devices(module):
    text = MODULES[module].read_text(encoding="utf-8")
    if "torch" in text:
        assert faults(module, text) == []


def test_the_exceptions_are_still_needed():
    """An exception that nothing uses any more would hide a later fault."""
    held = {
        (module, name)
        for module in {module for module, _ in DRAWN_ON_THE_PROCESSOR}
        for _, name, _ in calls(ast.parse(MODULES[module].read_text(encoding="utf-8")))
    }
    assert held >= DRAWN_ON_THE_PROCESSOR
    for flag, modules in FLAGS.items():
        for module in modules:
            assert flag in MODULES[module].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "fault",
    [
        "x.double()",
        "x.to(torch.float64)",
        "x.to(device, dtype=torch.float64)",
        "torch.zeros(3, dtype=torch.float64, device=x.device)",
        "torch.randn(3)",
        "torch.randperm(3, generator=g, device=x.device)",
        "torch.randn_like(x)",
        "x.bernoulli_(0.5)",
        "torch.Generator(device).manual_seed(0)",
        "torch.set_float32_matmul_precision('high')",
        "torch.backends.cuda.matmul.allow_tf32 = True",
    ],
)
def test_a_fault_is_found(fault):
    assert len(faults("training.loop", f"import torch\n{fault}\n")) == 1


@pytest.mark.parametrize(
    "right",
    [
        "doubles(x)",
        "torch.zeros(3, dtype=torch.float64)",
        "torch.randperm(3, generator=g).to(device)",
        "torch.Generator().manual_seed(0)",
        "rng.normal(0, 1)",
    ],
)
def test_what_is_right_is_not_found(right):
    assert faults("training.loop", right) == []
