"""The floor for a consumer's start: a process that imports what any such server imports, and ends."""

import boto3  # noqa: F401 - imported to be timed
import fastapi  # noqa: F401 - imported to be timed
import onnxruntime  # noqa: F401 - imported to be timed
import uvicorn  # noqa: F401 - imported to be timed
