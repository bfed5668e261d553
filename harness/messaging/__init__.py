"""Messages: the publisher that loads a queue, the collector of what comes out, and the witness between them."""
