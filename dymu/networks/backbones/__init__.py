"""One file per backbone."""
