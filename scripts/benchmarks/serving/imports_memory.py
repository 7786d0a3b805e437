"""The floor for a worker's memory: what imports alone take, and with the parts that no such server can do without.

Prints `[imports, with parts]`, MiB of resident memory. The parts: the model in `sys.argv[1]`, loaded and run once; an
S3 client; a validator; a key that verifies signatures; the event loop, parsers and metrics.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import imports_only  # noqa: F401 - imported for what it imports

from serving.memory import resident_mib


def parts(model: str) -> list[Any]:
    """Everything that is to be in memory."""
    import boto3
    import httptools
    import jsonschema_rs
    import numpy as np
    import onnxruntime
    import orjson
    import prometheus_client
    import uvloop
    from cryptography.hazmat.primitives.asymmetric import ec

    blank = {"tensor(float)": np.zeros((1, 1), np.float32), "tensor(string)": np.array([[""]], object)}
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    row = {node.name: blank[node.type].repeat(node.shape[1], axis=1) for node in session.get_inputs()}
    client = boto3.client("s3", region_name="us-east-1")
    validator = jsonschema_rs.Draft202012Validator({"type": "object"})
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    return [session, session.run(None, row), client, validator, key, uvloop, httptools, orjson, prometheus_client]


if __name__ == "__main__":
    alone = resident_mib(os.getpid())
    kept = parts(sys.argv[1])
    sys.stdout.write(json.dumps([alone, resident_mib(os.getpid())]) + "\n")
