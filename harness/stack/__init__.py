"""Start, wait for and stop the real parts of a run by command line: child processes, ports, Toxiproxy."""
