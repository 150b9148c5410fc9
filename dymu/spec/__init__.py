"""What is claimed: studies, ablations, datasets and their tasks, as frozen data."""
