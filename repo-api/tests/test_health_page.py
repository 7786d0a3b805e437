"""/health in a browser: readable, escaped, and alone with itself."""

from __future__ import annotations

import re

import pytest
from clients import client_of, keeper_of
from consumers import ConsumerBench
from edustream_contracts.errors import Rejected
from starlette.testclient import TestClient

from edustream_api.web import health_page

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
HTML = {"accept": BROWSER}
EVIL = "<script>alert('&\"')</script>"


@pytest.mark.parametrize("accept", [BROWSER, "text/html", "TEXT/HTML", "text/html;q=0.5, */*;q=0.1"])
def test_a_browser_prefers_the_page(accept: str) -> None:
    assert health_page.prefers_page(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "application/json",
        "text/*",
        "text/html, application/json",
        "text/html;q=0.5, application/json;q=0.6",
        "text/html;q=0",
        "text/html;q=x",
        "text/html;q=nan",
        "text/html;q=0.3, application/*;q=0.4",
        "text/html;q=0.3, */*",
        ",;,=",
    ],
)
def test_anybody_else_gets_json(shared_client: TestClient, accept: str) -> None:
    assert not health_page.prefers_page(accept)
    response = shared_client.get("/health", headers={"accept": accept})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["vary"] == "accept"


@pytest.mark.parametrize("path", ["/health", "/models/churn/health"])
def test_the_page_tells_what_the_document_tells(shared_client: TestClient, path: str) -> None:
    document, response = shared_client.get(path).json(), shared_client.get(path, headers=HTML)
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert "<title>churn: READY</title>" in response.text
    for word in (document["meaning"], document["reference"], document["model_version"], document["since"]):
        assert word in response.text


def test_the_page_tells_of_each_of_several_models(bench: ConsumerBench) -> None:
    bench.release("1.0.0")
    with client_of(bench.consumer(model=("churn@production", "fraud@^1"), contract="any")) as client:
        page = client.get("/health", headers=HTML).text
    assert "<title>EduStream consumer: NOT READY</title>" in page
    assert ("fraud@^1" in page, "NO_RELEASE" in page, "READY" in page) == (True, True, True)


def test_nothing_in_the_page_can_run_and_nothing_is_loaded(bench: ConsumerBench) -> None:
    consumer = bench.consumer()
    with client_of(consumer) as client:
        keeper_of(consumer)._refuse(Rejected("digest", EVIL, remedy=EVIL))
        response = client.get("/health", headers=HTML)
    assert "<script" not in response.text
    assert response.text.count("&lt;script&gt;alert(&#x27;&amp;&quot;&#x27;)&lt;/script&gt;") == 4
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    assert not re.search(r"(src|href|url\(|@import)", response.text)
