"""Answers the golden rows of a pulled release with ONNX Runtime alone: answer_golden.py FOLDER.

Prints how many rows there are and by how much a probability differs at most from the recorded one, as JSON.
"""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime

folder = Path(sys.argv[1])
content = json.loads((folder / "manifest.json").read_bytes())["signed"]["content"]
rows = json.loads((folder / "golden.json").read_bytes())["rows"]
feeds = {}
for tensor in content["inputs"]:
    cells = [[row["input"].get(column) for column in tensor["columns"]] for row in rows]
    if tensor["dtype"] == "float32":
        feeds[tensor["name"]] = np.array(cells, dtype=np.float32)
    else:
        feeds[tensor["name"]] = np.array(
            [["" if cell is None else cell for cell in row] for row in cells], dtype=object
        )
outputs = content["outputs"]
session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
labels, probabilities = session.run([outputs["label"], outputs["probabilities"]], feeds)
recorded = np.array([row["output"]["probability"] for row in rows])
document = {
    "rows": len(rows),
    "equal_labels": int(sum(row["output"]["prediction"] == label for row, label in zip(rows, labels, strict=True))),
    "largest_difference": float(np.abs(probabilities[:, 1] - recorded).max()),
}
print(json.dumps(document))  # noqa: T201
