"""Serves released models over HTTP: pulls, verifies, answers, and says at every moment what it is doing."""
