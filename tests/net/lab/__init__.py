"""A small internet of network namespaces, for tests and the demo. Python 3 standard library only."""
