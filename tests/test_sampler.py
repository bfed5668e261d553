"""What a generator says of itself each second, also where the machine gives it nothing to look with."""

from __future__ import annotations

import resource
from pathlib import Path

from harness.evidence.spools import read_spool
from harness.load.recorder import Recorder
from harness.load.sampler import Sampler
from harness.spool import SAMPLES


def test_a_process_without_a_descriptor_left_says_that_all_are_open(tmp_path: Path) -> None:
    """It goes on, for its other figures are what the run is judged by."""
    recorder = Recorder(tmp_path / "g.raw", "g")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    Sampler().row(recorder, 0)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))  # those that are open stay
    try:
        Sampler().row(recorder, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    recorder.close()
    usual, none_left = read_spool(tmp_path / "g.raw").records(SAMPLES)["descriptors"].tolist()
    assert usual > 3
    assert none_left == 3
