"""The benchmark of serving: what a consumer costs beside empty endpoints, other servers and scikit-learn itself."""
