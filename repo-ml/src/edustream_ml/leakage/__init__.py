"""Columns that give the target away or repeat one another, found before anything is trained."""
