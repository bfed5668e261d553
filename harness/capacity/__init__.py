"""How much load a server carries: searched for by probes, modelled, and simulated where it can't be run. Pure."""

from __future__ import annotations

from harness.capacity.knee import knee
from harness.capacity.probe import Probe, ProbeResult
from harness.capacity.search import Capacity, search
from harness.capacity.usl import Scalability, fit, fit_probes

__all__ = ["Capacity", "Probe", "ProbeResult", "Scalability", "fit", "fit_probes", "knee", "search"]
