"""Runs chains of steps on Ray: Tune walks the plan, Train runs groups of workers. Ray is imported late."""
