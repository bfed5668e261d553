"""Virtual time: unmodified clients over real loopback sockets under a clock that jumps when nobody has work."""
