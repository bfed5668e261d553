"""The judging side's view of a run: columns read from the run folder."""
