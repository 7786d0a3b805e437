"""Compares what is asked and answered with what a release was trained on."""
