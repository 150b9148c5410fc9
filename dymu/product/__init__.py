"""A trained controller to use: preference in, network out."""
