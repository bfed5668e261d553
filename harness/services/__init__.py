"""Services to be put under test: the guide's patterns as it has them, and corrected ones beside them.

Each runs by `python -m`, is told by its environment where KATO is, and imports nothing of the harness.
"""
