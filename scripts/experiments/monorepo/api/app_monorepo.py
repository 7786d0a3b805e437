"""Serves the model that lies in the neighbour's folder: python app_monorepo.py PORT."""

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import joblib
import pandas as pd
from core.transform import transform

MODEL = "../ml/models/churn_model.pkl"

model = joblib.load(MODEL)


class Predict(BaseHTTPRequestHandler):
    """Answers POST /predict with the probability that a customer leaves."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer one row."""
        row = json.loads(self.rfile.read(int(self.headers["content-length"])))
        probability = model.predict_proba(transform(pd.DataFrame([row])))[0, 1]
        body = json.dumps({"probability": probability}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Predict)
print(f"serving {MODEL}", flush=True)  # noqa: T201
server.serve_forever()
