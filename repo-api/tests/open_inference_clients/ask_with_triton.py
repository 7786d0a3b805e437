"""Asks a server with Triton's HTTP client: rows come on stdin, what it heard goes to stdout."""

import json
import sys

import numpy as np
from tritonclient import http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype


def inputs(metadata, rows, *, binary=True):
    for tensor in metadata["inputs"]:
        values = np.array([row[tensor["name"]] for row in rows], triton_to_np_dtype(tensor["datatype"]))
        sent = triton.InferInput(tensor["name"], [len(rows)], tensor["datatype"])
        sent.set_data_from_numpy(values, binary_data=binary)
        yield sent


def heard(result):
    labels = [label.decode() if isinstance(label, bytes) else label for label in result.as_numpy("prediction").tolist()]
    document = result.get_response()
    return {
        "prediction": labels,
        "probability": result.as_numpy("probability").tolist(),
        "model_version": document["model_version"],
        "id": document.get("id"),
    }


def refused(ask):
    try:
        ask()
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return None


def main():
    rows = json.load(sys.stdin)
    client = triton.InferenceServerClient(sys.argv[1])
    metadata = client.get_model_metadata("churn")
    version = metadata["versions"][0]
    as_json = [triton.InferRequestedOutput(name, binary_data=False) for name in ("prediction", "probability")]
    bad = [{**rows[0], "tenure": 500}]
    report = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": [client.is_model_ready("churn"), client.is_model_ready("churn", version)],
        "wrong_version_ready": client.is_model_ready("churn", "9.9.9"),
        "extensions": client.get_server_metadata()["extensions"],
        "by_default": heard(client.infer("churn", list(inputs(metadata, rows)), request_id="a")),
        "as_json": heard(client.infer("churn", list(inputs(metadata, rows, binary=False)), outputs=as_json)),
        "by_version": heard(client.infer("churn", list(inputs(metadata, rows)), model_version=version)),
        "asynchronously": heard(client.async_infer("churn", list(inputs(metadata, rows))).get_result()),
        "bad_row": refused(lambda: client.infer("churn", list(inputs(metadata, bad)))),
        "wrong_version": refused(lambda: client.infer("churn", list(inputs(metadata, rows)), model_version="9.9.9")),
        "wrong_model": refused(lambda: client.get_model_metadata("weather")),
    }
    client.close()
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
