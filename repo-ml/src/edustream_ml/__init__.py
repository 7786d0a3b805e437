"""Trains a model from its contract, proves that the export computes the same, and publishes it as a release."""

import os

# ONNX Runtime reports its use to its maker unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
