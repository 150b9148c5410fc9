"""One file per dataset; the frozen config is the dataset."""
