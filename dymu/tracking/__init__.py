"""Telling what happened: a spool on disk, and MLflow as its view."""
