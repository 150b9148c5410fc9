"""Furnished rooms and their exact pictures: layout, ray casting, surfaces."""
