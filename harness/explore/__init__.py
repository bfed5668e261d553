"""Search in virtual time: the smallest schedule that still fails a law, and every small schedule of a client's flow."""
