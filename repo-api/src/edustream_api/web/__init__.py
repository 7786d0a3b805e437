"""HTTP: from requests to what answers them, and back."""
