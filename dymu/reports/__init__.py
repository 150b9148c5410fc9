"""Records to tables, figures and claims; never loads torch."""
