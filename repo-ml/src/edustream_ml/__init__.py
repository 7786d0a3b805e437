"""Trains a model from its contract, proves that the export computes the same, and publishes it as a release."""
