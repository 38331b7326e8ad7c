"""What pyproject.toml cannot say: the rules of `registry_configs/` are copied into the wheel."""

from __future__ import annotations

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

RULES = Path("registry_configs")


class BuildWithRules(build_py):
    """Copies the rules into the package. In a clone, scatd reads those of the repository."""

    def run(self) -> None:
        """Build the package, then add the rules."""
        super().run()
        if not self.editable_mode:
            for source, built in self._rules().items():
                self.mkpath(str(built.parent))
                self.copy_file(str(source), str(built))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:  # noqa: FBT001, FBT002
        """Files that the build writes."""
        return [*super().get_outputs(include_bytecode), *map(str, self._rules().values())]

    def _rules(self) -> dict[Path, Path]:
        """Where each file of rules is, and where it is built."""
        folder = Path(self.build_lib, "scatd", RULES)
        return {path: folder / path.name for path in sorted(RULES.glob("*.yaml"))}


setup(cmdclass={"build_py": BuildWithRules})
