"""Searches: Optuna proposes, the store answers or a backend computes, the outcome is a file of trials."""
