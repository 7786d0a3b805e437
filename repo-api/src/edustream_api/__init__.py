"""Serves released models over HTTP: pulls, verifies, answers, and says at every moment what it is doing."""

import os

# ONNX Runtime reports its use to its maker unless this is set before it is loaded.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
