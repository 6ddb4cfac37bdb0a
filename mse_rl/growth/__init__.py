"""The loop of the method: the process, its state, what is legal, the first child, the cache."""
