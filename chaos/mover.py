"""One host that moves versions: a move a line on stdin, what it was told on stdout.

python -m chaos.mover NAME
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main() -> None:
    from scatd import registry
    from scatd.errors import ScatdError

    name = sys.argv[1]
    registry.history(name)  # opens the store
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        action, version, reason = json.loads(line)
        told: dict[str, Any] = {"action": action, "version": version, "reason": reason}
        try:
            if action == "promote":
                told["moved"] = registry.promote(
                    name, version, reason=reason, evidence_run_id="none"
                )
            else:
                told["version"] = registry.rollback(name, reason=reason)
                told["moved"] = True
        except ScatdError as error:
            told |= {"moved": False, "error": str(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
