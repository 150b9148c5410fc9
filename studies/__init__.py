"""What is claimed: one file per dataset, each a few frozen studies."""
