"""Load: the arrival clock, its drivers, the recorder and the hooks that see attempts."""
