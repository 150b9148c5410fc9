"""The verbs of the command line: each module parses, calls and prints; nothing else."""
