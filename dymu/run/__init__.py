"""From a plan to finished steps."""
