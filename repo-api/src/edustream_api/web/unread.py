"""What a connection and the application tell each other of requests that are not read to their end."""

from __future__ import annotations

from typing import Final

REFUSED: Final = "refused"
"""The entry of the application's lifespan state that is told the kind of each request whose head was refused."""
CUT_SHORT: Final = "cut_short"
"""The entry of `scope["state"]` that holds, as a `ProblemKind`, why the rest of a body is not waited for any longer."""
