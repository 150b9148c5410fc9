"""One file per method; the frozen config is the method."""
