"""Trees in ONNX whose thresholds send every float32 the way in which the trained model sends it.

A trained threshold is a float64, that of ONNX a float32. A float32 x is at most t if and only if it is at most the
greatest float32 that does not exceed t. The *nearest* one, which skl2onnx 1.20 writes for histogram gradient boosting
and onnxmltools 1.16 for LightGBM, may exceed it, and a row that lies exactly on it then goes the other way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from skl2onnx import update_registered_converter
from skl2onnx.common._registration import get_converter
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from skl2onnx.common.tree_ensemble import (
    add_node,
    get_default_tree_classifier_attribute_pairs,
    get_default_tree_regressor_attribute_pairs,
)
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from edustream_ml.onnx_graph import GraphWriter
from edustream_ml.tensors import Float32

WEIGHTS: Final = ("nodes_hitrates", "class_weights", "target_weights")

Converter = Callable[[Any, Any, Any], None]


def float32_below(values: npt.NDArray[np.float64]) -> Float32:
    """The greatest float32 that does not exceed each value (n,)."""
    nearest = values.astype(np.float32)
    return np.where(nearest > values, np.nextafter(nearest, np.float32(-np.inf)), nearest)


def tree_converters(estimator: Any) -> Mapping[type, Converter]:
    """The conversion functions that a fitted estimator needs beyond those of skl2onnx.

    LightGBM's are registered with skl2onnx: only a registered converter may take the options of a classifier.
    """
    if _is_lightgbm(estimator):
        name = f"LightGbm{type(estimator).__name__}"
        options = {"zipmap": [True, False]} if is_classifier(estimator) else None
        update_registered_converter(type(estimator), name, _lightgbm_shape, _lightgbm_nodes, options=options)
    if isinstance(estimator, HistGradientBoostingClassifier | HistGradientBoostingRegressor):
        return {type(estimator): _histogram_nodes}
    return {}


def _is_lightgbm(estimator: Any) -> bool:
    # By name: the optional library is imported only where a configuration names it as a candidate.
    return type(estimator).__module__.partition(".")[0] == "lightgbm"


def _histogram_nodes(scope: Any, operator: Any, container: Any) -> None:
    model = copy(operator.raw_operator)
    model._predictors = [[_rounded(tree) for tree in trees] for trees in model._predictors]
    operator.raw_operator = model
    get_converter(f"Sklearn{type(model).__name__}")(scope, operator, container)


def _rounded(tree: Any) -> Any:
    rounded = copy(tree)
    rounded.nodes = tree.nodes.copy()
    rounded.nodes["num_threshold"] = float32_below(tree.nodes["num_threshold"])
    return rounded


def _lightgbm_shape(operator: Any) -> None:
    rows = operator.inputs[0].get_first_dimension()
    if is_classifier(operator.raw_operator):
        operator.outputs[0].type = StringTensorType([rows])
        operator.outputs[1].type = FloatTensorType([rows, len(operator.raw_operator.classes_)])
    else:
        operator.outputs[0].type = FloatTensorType([rows, 1])


def _lightgbm_nodes(scope: Any, operator: Any, container: Any) -> None:
    """One node for all trees; LightGBM writes the mean that it starts from into the leaves of the first ones."""
    model = operator.raw_operator
    document = model.booster_.dump_model()
    classifies, per_iteration = is_classifier(model), int(document["num_tree_per_iteration"])
    attributes = (
        get_default_tree_classifier_attribute_pairs() if classifies else get_default_tree_regressor_attribute_pairs()
    )
    for number, tree in enumerate(document["tree_info"]):
        for node in _nodes(tree["tree_structure"]):
            add_node(
                attributes,
                is_classifier=classifies,
                tree_id=number,
                tree_weight=1.0,
                weight_id_bias=number % per_iteration,
                leaf_weights_are_counts=False,
                adjust_threshold_for_sklearn=False,
                dtype=np.float32,
                **node,
            )
    if classifies:
        attributes["classlabels_strings"] = list(map(str, model.classes_))
        attributes["post_transform"] = "LOGISTIC" if per_iteration == 1 else "SOFTMAX"
    else:
        attributes["n_targets"] = 1
    attributes["nodes_values"] = float32_below(np.array(attributes["nodes_values"], dtype=np.float64))
    for name in WEIGHTS:
        if name in attributes:
            attributes[name] = np.array(attributes[name], dtype=np.float32)
    GraphWriter(scope, container).into(
        "TreeEnsembleClassifier" if classifies else "TreeEnsembleRegressor",
        operator.input_full_names,
        operator.output_full_names,
        "ai.onnx.ml",
        op_version=1,
        **attributes,
    )


def _nodes(root: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of one tree, as `add_node` takes them, numbered in the order in which they are given."""
    waiting, seen = [(0, root)], 1
    while waiting:
        number, node = waiting.pop()
        if "split_feature" in node:
            left, right = seen, seen + 1
            seen += 2
            waiting += [(left, node["left_child"]), (right, node["right_child"])]
            split = (node["split_feature"], "BRANCH_LEQ", float(node["threshold"]), left, right)
        else:
            split = (0, "LEAF", 0.0, 0, 0)
        names = ("feature_id", "mode", "value", "true_child_id", "false_child_id")
        weights = np.array([node.get("leaf_value", 0.0)])
        yield {"node_id": number, "weights": weights, **dict(zip(names, split, strict=True))}
