"""A whole registry in memory that tests can damage: for this package's tests and for those of its users."""
