"""The planes that carry faults, the canary that proves them, and the leases that undo them whatever happens."""
