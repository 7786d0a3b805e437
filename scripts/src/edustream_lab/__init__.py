"""Drives registry, producer and consumer from outside."""
