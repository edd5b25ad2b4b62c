"""Strata: a private lab built from one site file."""
