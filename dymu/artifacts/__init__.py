"""Identity and storage: what a result is called and where it is kept."""
