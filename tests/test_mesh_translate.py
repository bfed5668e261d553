"""The translator against what Istio's own control plane pushed to an Envoy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.mesh import Source, load, translate

CASES = sorted((Path(__file__).parent / "data" / "istio").glob("*.json"))


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_translation_is_what_istio_pushes(path: Path) -> None:
    case = json.loads(path.read_text(encoding="utf-8"))
    documents = [node for document in case["istio"] for node in load(json.dumps(document), path.name)]
    assert translate(documents, source=Source(**case.get("client", {}))).as_json() == case["envoy"]


def test_there_are_cases() -> None:
    assert len(CASES) >= 36
