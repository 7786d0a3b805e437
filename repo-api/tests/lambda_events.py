"""Events as AWS sends them to a function, one maker for each sender; after the examples in AWS's documentation."""

from __future__ import annotations

import base64
from typing import Any

HEADERS = {
    "accept": "*/*",
    "host": "abc123.execute-api.eu-west-1.amazonaws.com",
    "user-agent": "curl/8.5.0",
    "x-amzn-trace-id": "Root=1-6720a1b2-0123456789abcdef01234567",
    "x-forwarded-for": "203.0.113.7",
    "x-forwarded-port": "443",
    "x-forwarded-proto": "https",
}


def rest_api(method: str, path: str, body: bytes | None = None, *, encoded: bool = False) -> dict[str, Any]:
    """API Gateway, REST API, proxy integration (payload format 1.0)."""
    headers = _headers(body)
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"proxy": path[1:]},
        "stageVariables": None,
        "requestContext": {
            "resourceId": "r1",
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "extendedRequestId": "abcdefgh=",
            "requestTime": "21/Nov/2026:13:30:00 +0000",
            "path": f"/prod{path}",
            "accountId": "123456789012",
            "protocol": "HTTP/1.1",
            "stage": "prod",
            "domainPrefix": "abc123",
            "requestTimeEpoch": 1795267800000,
            "requestId": "11111111-2222-3333-4444-555555555555",
            "identity": {"sourceIp": "203.0.113.7", "userAgent": "curl/8.5.0"},
            "domainName": "abc123.execute-api.eu-west-1.amazonaws.com",
            "apiId": "abc123",
        },
        **_body(body, encoded=encoded),
    }


def http_api(
    method: str, path: str, body: bytes | None = None, *, encoded: bool = False, stage: str = "$default"
) -> dict[str, Any]:
    """API Gateway, HTTP API (payload format 2.0); a stage that is not the default one is part of the path."""
    raw = path if stage == "$default" else f"/{stage}{path}"
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw,
        "rawQueryString": "",
        "headers": _headers(body),
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "abc123",
            "domainName": "abc123.execute-api.eu-west-1.amazonaws.com",
            "domainPrefix": "abc123",
            "http": {
                "method": method,
                "path": raw,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "curl/8.5.0",
            },
            "requestId": "abcdefgh=",
            "routeKey": "$default",
            "stage": stage,
            "time": "21/Nov/2026:13:30:00 +0000",
            "timeEpoch": 1795267800000,
        },
        **_body(body, encoded=encoded),
    }


def function_url(method: str, path: str, body: bytes | None = None, *, encoded: bool = False) -> dict[str, Any]:
    """A function's own URL: payload format 2.0, with the address of its own."""
    event = http_api(method, path, body, encoded=encoded)
    address = "abc123.lambda-url.eu-west-1.on.aws"
    return {
        **event,
        "headers": {**event["headers"], "host": address},
        "requestContext": {**event["requestContext"], "domainName": address},
    }


def load_balancer(
    method: str, path: str, body: bytes | None = None, *, encoded: bool = False, several: bool = False
) -> dict[str, Any]:
    """An Application Load Balancer; `several` where its target group sends headers with several values."""
    headers = _headers(body)
    arn = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/consumer/0123456789abcdef"
    sent: dict[str, Any] = {"headers": headers, "queryStringParameters": {}}
    if several:
        sent = {
            "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "multiValueQueryStringParameters": {},
        }
    return {
        "requestContext": {"elb": {"targetGroupArn": arn}},
        "httpMethod": method,
        "path": path,
        **sent,
        **({"body": "", "isBase64Encoded": False} if body is None else _body(body, encoded=encoded)),
    }


def _headers(body: bytes | None) -> dict[str, str]:
    stated = {} if body is None else {"content-type": "application/json", "content-length": str(len(body))}
    return {**HEADERS, **stated}


def _body(body: bytes | None, *, encoded: bool) -> dict[str, Any]:
    if body is None:
        return {"isBase64Encoded": False}
    return {"body": (base64.b64encode(body) if encoded else body).decode(), "isBase64Encoded": encoded}
