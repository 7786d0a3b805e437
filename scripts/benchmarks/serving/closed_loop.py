"""The most that a server can do: a few connections that each send as soon as they are answered (wrk)."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edustream_lab.processes import ProgramFailed
from serving import cores

CONNECTIONS: Final = 8
TIMEOUT_S: Final = 30


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked again and again: one POST of JSON; or, in turn, one of each of `callers`, with a key of its own."""

    name: str
    url: str
    body: str
    callers: Sequence[str] = ()


SCRIPT: Final = """\
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = {body}
"""
CALLERS: Final = """\
local bodies, requests, number = {{ {bodies} }}, {{}}, 0
function init(arguments)
    for caller, body in ipairs(bodies) do
        wrk.headers["x-split-key"] = "caller-" .. caller
        requests[caller] = wrk.format(nil, nil, nil, body)
    end
end
function request()
    number = number % #requests + 1
    return requests[number]
end
"""


def rate(target: Target, folder: Path, seconds: int, connections: int = CONNECTIONS) -> float:
    """Requests a second. Raises `ProgramFailed` where one failed."""
    script = folder / "post.lua"
    text = SCRIPT.format(body=json.dumps(target.body))
    if target.callers:
        text += CALLERS.format(bodies=", ".join(map(json.dumps, target.callers)))
    script.write_text(text)
    load = ["--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"]
    command = [*cores.on(cores.LOAD), "wrk", *load, "--timeout", f"{TIMEOUT_S}s", "--script", str(script), target.url]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    found = re.search(r"Requests/sec:\s+([0-9.]+)", done.stdout)
    if done.returncode or not found or "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise ProgramFailed(f"The load on {target.name} met errors:\n{done.stdout}{done.stderr}")
    return float(found[1])


def rates_in_turn(
    targets: Mapping[str, Target], folder: Path, seconds: int, rounds: int, connections: int = CONNECTIONS
) -> dict[str, list[float]]:
    """Requests a second of each target in each round, A B A B; who begins changes from round to round."""
    for target in targets.values():
        rate(target, folder, 1)
    rates: dict[str, list[float]] = {name: [] for name in targets}
    for number in range(rounds):
        for name in list(targets)[:: -1 if number % 2 else 1]:
            rates[name].append(rate(targets[name], folder, seconds, connections))
    return rates
