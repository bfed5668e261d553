"""kato-harness: load and faults for KATO integrations, judged with evidence."""

__version__ = "0.1.0"
