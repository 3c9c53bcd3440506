"""Batched reads by key, as the viewer."""
