"""Which part matters: one file per question, one entry per row."""
