"""What a model must reach before it may be published, set before it is evaluated."""
