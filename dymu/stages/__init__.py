"""The stages of a method, in run order."""
