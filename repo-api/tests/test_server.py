from __future__ import annotations

import gc

import pytest
import uvicorn
from consumers import ConsumerBench

from edustream_api.server import serve


def test_garbage_is_collected_while_serving(bench: ConsumerBench, monkeypatch: pytest.MonkeyPatch) -> None:
    collecting = []
    monkeypatch.setattr(uvicorn.Server, "run", lambda _: collecting.append(gc.isenabled()))
    gc.disable()
    try:
        serve(bench.consumer(port=0), {})
    finally:
        gc.enable()
        gc.unfreeze()

    assert collecting == [True]
