"""The embedded KATO and the witness in front of it: the only part that sees what arrived and what was committed."""
