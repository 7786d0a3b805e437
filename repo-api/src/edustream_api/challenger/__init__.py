"""A second release beside the one that answers: compared with it, or answering some callers."""
