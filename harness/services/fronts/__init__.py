"""Front services: the integration guide's `/api/process`, and a corrected one; run with `python -m`."""
