"""Loads the written agreements between the people who train models and the people who serve them."""
