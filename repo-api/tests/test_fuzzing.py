"""Whatever a client sends, the answer is a prediction or a problem document, and never a server error."""

from __future__ import annotations

import json
from typing import Any

from clients import JSON, pointers, problem_of
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient


class TestFuzzing:
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        )
    )
    def test_any_document_is_answered_without_a_server_error(self, shared_client: TestClient, document: Any) -> None:
        for path, body in (("/predict", document), ("/predict/batch", {"rows": document})):
            response = shared_client.post(path, content=json.dumps(body), headers=JSON)
            problem_of(response, response.status_code)
            assert response.status_code in (400, 413, 422)

    @given(st.data())
    def test_any_damage_to_a_row_is_answered_without_a_server_error(
        self, shared_client: TestClient, row: dict[str, Any], data: st.DataObject
    ) -> None:
        values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["Yes", "No", 1])
        changes = data.draw(st.dictionaries(st.sampled_from(sorted(row)), values, max_size=3))
        body = json.dumps({**row, **changes})
        response = shared_client.post("/predict", content=body, headers=JSON)
        assert response.status_code in (200, 400, 422)
        if response.status_code != 200:
            assert {pointer.split("/")[1] for pointer in pointers(response.json())} <= set(changes)

    @given(st.binary(max_size=200))
    def test_any_bytes_are_answered_without_a_server_error(self, shared_client: TestClient, body: bytes) -> None:
        assert shared_client.post("/predict", content=body, headers=JSON).status_code in (400, 422)
