"""Measurements and trials that run beside the product: `make bench` and `make chaos`."""
