"""Who may ask what, and how often: decided for each request before its body is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, IPv6Network, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from edustream_contracts.errors import InvalidInput
from edustream_registry.reading import Clock
from starlette.responses import Response
from starlette.types import Message, Scope, Send

from edustream_api import problems
from edustream_api.access.cross_origin import CrossOrigin
from edustream_api.access.description import with_access
from edustream_api.access.key_file import KeyFile
from edustream_api.access.keys import ApiKey
from edustream_api.access.quota import Quota
from edustream_api.hosting import Hosting
from edustream_api.metrics import Metrics
from edustream_api.problems import ProblemKind, RequestRefused
from edustream_api.request_context import API_KEY
from edustream_api.settings import ConsumerSettings

if TYPE_CHECKING:
    from edustream_api.access.rate_limits import Allowance, RateLimits

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]

REDIS_URL: Final = "REDIS_URL"
"""The variable that says where requests are counted; it may hold a password, so it is no option."""
POLICY: Final = "requests"
"""The name of the quota in the RateLimit fields (draft-ietf-httpapi-ratelimit-headers-10)."""
IPV6_CALLER_BITS: Final = 64
"""What one customer of a provider is given of IPv6 at least: single addresses would be limits of nothing."""

PROBE: Final = re.compile(
    r"(/v2)?/health/(live|ready)|/models/[^/]+/health/ready|/v2/models/[^/]+(/versions/[^/]+)?/ready"
)
ABOUT_MODEL: Final = re.compile(r"(?:/v2)?/models/([^/]+)")
PROCESS_PATHS: Final = ("/docs", "/health", "/metrics", "/models", "/openapi.json", "/v2")


class Access:
    """The gate before everything: foreign origins, API keys, rate limits.

    With keys, every path needs one but probes and `open_paths`, each of which stands for what is below it too. Without
    keys, callers are told apart by their address. Probes and open paths are never counted.
    """

    def __init__(
        self,
        *,
        keys: KeyFile | None = None,
        limits: RateLimits | None = None,
        quota: Quota | None = None,
        origins: CrossOrigin | None = None,
        open_paths: Iterable[str] = (),
        only_model: str | None = None,
        on_refusal: Callable[[str], object] = lambda kind: None,
    ) -> None:
        """`quota` is that of callers without one of their own; `only_model` is whom paths that name none mean."""
        self.keys = keys
        self.limits = limits
        self.quota = quota
        self._origins = origins
        self._open_paths = tuple(open_paths)
        self._only_model = only_model
        self._on_refusal = on_refusal

    async def admit(self, scope: Scope, send: Send) -> Admission:
        """Decide about one request; what it is told of its origin and its quota is told by any answer."""
        if self._origins is not None:
            answer = self._origins.preflight(scope)
            if answer is not None:
                return Admission(send, answer=answer)
            send = self._origins.allowing(scope, send)
        if self.is_open(scope["path"]):
            return Admission(send)
        try:
            key = self._presented(scope)
            told = await self._counted(key, scope)
        except Refused as refused:
            self._on_refusal(refused.kind.name)
            return Admission(_telling(send, refused.headers), refused)
        return Admission(_telling(send, told) if told else send)

    def is_open(self, path: str) -> bool:
        """Whether a path needs no key and is not counted."""
        if PROBE.fullmatch(path):
            return True
        return any(path == open_path or path.startswith(f"{open_path}/") for open_path in self._open_paths)

    def report(self) -> dict[str, Any]:
        """Keys and limits, for people; nothing of what is off."""
        told: dict[str, Any] = {}
        if self.keys is not None:
            told["api_keys"] = self.keys.report()
        if self.limits is not None:
            told["rate_limits"] = self.limits.report()
        return told

    def described(self, document: dict[str, Any]) -> dict[str, Any]:
        """An OpenAPI document with what callers need to be admitted."""
        return with_access(document, keys=self.keys is not None, limits=self.limits is not None, is_open=self.is_open)

    async def aclose(self) -> None:
        """Leave Redis."""
        if self.limits is not None:
            await self.limits.aclose()

    def _presented(self, scope: Scope) -> ApiKey | None:
        """The key that the request came with; None where keys are off. Raises `Refused`."""
        if self.keys is None:
            return None
        presented = _credentials(scope)
        if len(presented) != 1:
            raise _unauthorized(
                "The request holds several keys; one is expected."
                if presented
                else "The request holds no key; send one as `Authorization: Bearer <key>` or as `x-api-key: <key>`.",
                error=b"invalid_request" if presented else b"",
            )
        key = self.keys.ring.find(presented[0])
        if key is None or key.expired(self.keys.clock()):
            raise _unauthorized("The key is unknown, revoked or expired; ask whoever runs the server for another.")
        model = self._model_of(scope["path"])
        if not key.may_ask(model):
            raise Refused(
                problems.FORBIDDEN, f"The key {key.name} is good for {', '.join(key.models)}, not for {model}."
            )
        scope.setdefault("state", {})[API_KEY] = key.name
        return key

    async def _counted(self, key: ApiKey | None, scope: Scope) -> Headers:
        """What a caller is told of its quota. Raises `Refused` once that is used up."""
        quota = (key.quota if key else None) or self.quota
        if quota is None or self.limits is None:
            return ()
        allowance = await self.limits.take(f"key:{key.id}" if key else f"address:{_address(scope)}", quota)
        told = _rate_fields(quota, allowance)
        if not allowance.admitted:
            detail = f"{quota} is the limit; the next request is admitted in {allowance.more_in_s} s."
            raise Refused(problems.RATE_LIMITED, detail, (*told, (b"retry-after", b"%d" % allowance.more_in_s)))
        return told

    def _model_of(self, path: str) -> str | None:
        found = ABOUT_MODEL.match(path)
        if found is not None:
            return found[1]
        about_process = any(path == process or path.startswith(f"{process}/") for process in PROCESS_PATHS)
        return None if about_process else self._only_model


def open_access(
    settings: ConsumerSettings,
    environ: Mapping[str, str],
    hosting: Hosting,
    metrics: Metrics,
    clock: Clock,
    *,
    keys_required: bool = True,
) -> Access | None:
    """The gate that the settings ask for; None where they ask for none, and requests pay nothing for it.

    Raises `InvalidInput` for `keys_required` that cannot be read, and for a REDIS_URL that is none.
    """
    file = settings.api_keys_file
    keys = KeyFile(Path(file), clock, required=keys_required) if file else None
    quota = Quota.parse(settings.rate_limit) if settings.rate_limit else None
    origins = CrossOrigin(settings.cors_origins, [settings.split_key]) if settings.cors_origins else None
    if keys is None and quota is None and origins is None:
        return None
    counted = keys is not None or quota is not None
    return Access(
        keys=keys,
        limits=_limits(environ.get(REDIS_URL, ""), metrics.counted_alone) if counted else None,
        quota=quota,
        origins=origins,
        open_paths=settings.open_paths,
        only_model=hosting.only.name if hosting.only else None,
        on_refusal=metrics.refused,
    )


def _limits(redis_url: str, on_fallback: Callable[[], object]) -> RateLimits:
    # Its libraries take a tenth of the start-up, which a consumer without limits does not wait for.
    from edustream_api.access.rate_limits import RateLimits

    try:
        return RateLimits(redis_url, on_fallback)
    except ValueError as error:
        # The address is not repeated: it may hold a password.
        raise InvalidInput(
            "configuration",
            f"{REDIS_URL} is no address of a Redis server.",
            remedy=(
                "write it as redis://[:password@]host:port/0, or rediss:// for TLS, with no parameters but those that "
                "the README names."
            ),
        ) from error


class Admission(NamedTuple):
    """How to send the answer to a request; why it is refused, if it is; its answer, where that is the gate's."""

    send: Send
    refused: RequestRefused | None = None
    answer: Response | None = None


class Refused(RequestRefused):
    """A request that the gate refuses, and the fields that the refusal comes with."""

    def __init__(self, kind: ProblemKind, detail: str, headers: Headers = ()) -> None:
        super().__init__(kind, detail)
        self.headers = headers


def _unauthorized(detail: str, error: bytes = b"invalid_token") -> Refused:
    # RFC 6750, section 3.1: who presents nothing is told no error.
    challenge = b'Bearer realm="edustream"' + (b', error="%s"' % error if error else b"")
    return Refused(problems.UNAUTHORIZED, detail, ((b"www-authenticate", challenge),))


def _credentials(scope: Scope) -> list[bytes]:
    found = []
    for name, value in scope["headers"]:
        if name == b"x-api-key":
            found.append(value.strip())
        elif name == b"authorization":
            scheme, _, token = value.strip().partition(b" ")
            # A proxy may have credentials of its own there, of another scheme.
            if scheme.lower() == b"bearer":
                found.append(token.strip())
    return found


def _address(scope: Scope) -> str:
    client = scope.get("client")
    host = client[0] if client else ""
    try:
        address = ip_address(host)
    except ValueError:
        # A proxy's own notation, or nothing.
        return host
    if isinstance(address, IPv4Address):
        return str(address)
    # On a socket for both families, IPv4 callers have addresses of this form.
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address.packed, IPV6_CALLER_BITS), strict=False))


def _rate_fields(quota: Quota, allowance: Allowance) -> Headers:
    policy = f'"{POLICY}";q={quota.requests};w={quota.window_s}'
    left = f'"{POLICY}";r={allowance.remaining};t={allowance.more_in_s}'
    return ((b"ratelimit-policy", policy.encode()), (b"ratelimit", left.encode()))


def _telling(send: Send, told: Headers) -> Send:
    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *told]}
        await send(message)

    return telling
