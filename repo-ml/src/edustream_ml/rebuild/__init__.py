"""Trains a released model again, from what its manifest names, and compares every file."""
