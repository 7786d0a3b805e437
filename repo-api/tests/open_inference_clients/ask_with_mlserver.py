"""Asks a server with MLServer's codecs: rows come on stdin, what they decoded goes to stdout."""

import json
import sys
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, RequestOutput


def post(request):
    sent = urllib.request.Request(
        f"http://{sys.argv[1]}/v2/models/churn/infer",
        request.model_dump_json().encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(sent) as response:
        return InferenceResponse.model_validate_json(response.read())


def one_tensor_each(rows):
    for name in rows[0]:
        values = [row[name] for row in rows]
        if isinstance(values[0], str):
            yield StringCodec.encode_input(name, values, use_bytes=False)
        else:
            yield NumpyCodec.encode_input(name, np.array(values))


def refused(request):
    try:
        post(request)
    except urllib.error.HTTPError as error:
        return [error.code, json.load(error)["error"]]
    return None


def main():
    rows = json.load(sys.stdin)
    frame = pd.DataFrame({name: pd.Series([row[name] for row in rows]) for name in rows[0]})
    texts = {name: object for name in rows[0] if isinstance(rows[0][name], str)}
    frame = frame.astype(texts)
    frame_response = post(PandasCodec.encode_request(frame, use_bytes=False))
    tensors = list(one_tensor_each(rows))
    scores = post(InferenceRequest(inputs=tensors, outputs=[RequestOutput(name="probability")]))
    labels = post(InferenceRequest(inputs=tensors, outputs=[RequestOutput(name="prediction")]))
    report = {
        "frame": PandasCodec.decode_response(frame_response).to_dict("list"),
        "model_version": frame_response.model_version,
        "scores": NumpyRequestCodec.decode_response(scores).ravel().tolist(),
        "labels": StringCodec.decode_output(labels.outputs[0]),
        "null": PandasCodec.decode_response(
            post(PandasCodec.encode_request(frame.assign(total_charges=np.nan), use_bytes=False))
        ).to_dict("list"),
        "one_array": refused(NumpyRequestCodec.encode_request(np.ones((2, 3)))),
    }
    json.dump(report, sys.stdout)


if __name__ == "__main__":
    main()
