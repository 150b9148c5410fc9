"""Studies as Ray jobs: what is sent to a cluster, what becomes of it, and whether it is fit for it."""
