"""A corpus of KATO clients: broken ones, each with one defect that one law must name, and sound ones of every make."""
