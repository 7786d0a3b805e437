"""Scores files of rows with a released model, in bounded memory (extra `batch`)."""
