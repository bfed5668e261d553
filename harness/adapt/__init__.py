"""Writes an adapter for somebody's client from its source, without importing it.

Which method observes or predicts is told by the endpoints that it asks, else by its name; what it takes by how its
parameters are named, annotated and used. `source` reads, `roles` chooses methods, `values` their arguments, `making`
says how the client is made, `write` prints.
"""

from harness.adapt.source import read_client
from harness.adapt.write import adapter_text, guesses_of, scenario_text

__all__ = ["adapter_text", "guesses_of", "read_client", "scenario_text"]
