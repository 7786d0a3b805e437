"""Records training runs with MLflow: the optional dependency is imported only where a run is to be recorded."""
