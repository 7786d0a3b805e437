"""Writes contracts as types for the consumer's code: a pydantic module, a TypeScript declaration."""
