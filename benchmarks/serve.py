"""Row "serve": 8 clients send 200 requests with 500 cells each to `scatd serve`.

After half of the requests, another version is promoted. No answer may fail or mix two versions.

    python -m benchmarks.serve [--clients N] [--requests N] [--cells N]
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks import common
from scatd import artifact, keys, registry, tracking
from scatd.artifact import Artifact
from scatd.nn.alignment import Alignment
from scatd.nn.classifier import ResponseClassifier
from scatd.scoring import Scorer

NAME = keys.response_model_name("sf", "bench")


def main() -> None:
    """Serve two versions one after the other to many clients, and print the waiting times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--cells", type=int, default=500)
    options = parser.parse_args()
    X = common.features(options.cells, seed=4)
    with tempfile.TemporaryDirectory() as scratch, contextlib.chdir(scratch):
        np.save("cells.npy", X)
        body = Path("cells.npy").read_bytes()
        expected = [_registered(number, X) for number in (1, 2)]
        registry.promote(NAME, 1, reason="a benchmark", evidence_run_id="")
        with _serving() as port:
            _ask(port, body)  # loads the model
            started = time.perf_counter()
            with ThreadPoolExecutor(options.clients) as pool:
                waiting = [pool.submit(_ask, port, body) for _ in range(options.requests)]
                waiting[options.requests // 2].result()
                registry.promote(NAME, 2, reason="a benchmark", evidence_run_id="")
                answers = [item.result() for item in waiting]
            seconds = time.perf_counter() - started
            last = _ask_until(port, body, version=2)
    n_failed = sum(status != 200 for status, _, _ in answers)
    n_mixed = sum(
        not np.allclose(_scores(said), expected[said["model"]["version"] - 1], rtol=0, atol=1e-6)
        for status, said, _ in [*answers, last]
        if status == 200
    )
    waited = np.array([waited for _, _, waited in answers])
    versions = sorted({said["model"]["version"] for status, said, _ in answers if status == 200})
    common.report(
        f"serve: {options.clients} clients, {options.requests} x {options.cells} cells",
        [
            ("answers that failed", str(n_failed), "none"),
            ("answers that mixed versions", str(n_mixed), "none"),
            ("versions that answered", ", ".join(map(str, versions)), ""),
            ("median", f"{np.median(waited) * 1000:.0f} ms", ""),
            ("95th percentile", f"{np.quantile(waited, 0.95) * 1000:.0f} ms", ""),
            ("throughput", f"{options.requests / seconds:.1f} requests/s", ""),
            ("", f"{options.requests * options.cells / seconds:,.0f} cells/s", ""),
        ],
    )


def _registered(seed: int, X: NDArray[np.float32]) -> NDArray[np.float64]:
    """Register a model with random weights, and return its scores of the cells."""
    torch.manual_seed(seed)
    classifier = ResponseClassifier.from_backbone(common.backbone())
    for parameter in classifier.parameters():
        torch.nn.init.normal_(parameter, 0, 0.02) if parameter.ndim > 1 else None
    folder = Path(f"model{seed}")
    alignment = Alignment("none")
    stored = Artifact(
        "response", "sf", "sf", common.SIZES, classifier.state_dict(), alignment, threshold=0.5
    )
    artifact.write(folder, stored)
    with tracking.parent_run("transfer", name="bench", tags={}, settings={}) as run:
        about = "random weights, for timing"
        tags = {keys.TAG_DRUG: "bench"}
        registry.register_artifact(
            folder, NAME, run.run_id, metrics={}, description=about, tags=tags
        )
    return Scorer(folder).score(X).prob_resistant


@contextlib.contextmanager
def _serving():
    """Run a server until the block ends, and give its port."""
    script = Path(sys.executable).with_name("scatd")
    environment = {name: value for name, value in os.environ.items() if "TOKEN" not in name}
    with Path("log.txt").open("w") as log:
        command = [script, "serve", "--port", "0", "--refresh", "0.5", "--device", "cpu"]
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        while True:
            lines = Path("log.txt").read_text().splitlines()
            if server.poll() is not None:
                sys.exit("\n".join(lines))
            if lines and "url" in (about := json.loads(lines[0])):
                port = int(about["url"].rstrip("/").rpartition(":")[2])
                with contextlib.suppress(OSError):
                    _get(port, "/healthz")
                    break
            time.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait()


def _get(port: int, path: str) -> None:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("GET", path)
        connection.getresponse().read()


def _ask(port: int, body: bytes):
    """Status, answer and seconds of one request."""
    started = time.perf_counter()
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        connection.request("POST", "/predict/bench", body)
        answer = connection.getresponse()
        content = answer.read()
    return answer.status, json.loads(content), time.perf_counter() - started


def _ask_until(port: int, body: bytes, *, version: int):
    """Wait for the first answer of a version, which comes within seconds of its promotion."""
    for _ in range(100):
        answer = _ask(port, body)
        if answer[1]["model"]["version"] == version:
            return answer
        time.sleep(0.1)
    sys.exit("the promotion was not followed")


def _scores(said) -> NDArray[np.float64]:
    return np.array([cell["prob_resistant"] for cell in said["cells"]])


if __name__ == "__main__":
    main()
