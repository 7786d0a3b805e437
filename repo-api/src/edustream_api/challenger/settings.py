"""Which challengers are asked for beside which models, read from the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from edustream_contracts.errors import InvalidInput
from edustream_registry.names import Reference

SPLIT_EXAMPLE = "candidate=5 or churn@candidate=5"


class SplitShare(NamedTuple):
    """A challenger, and the percentage of callers that it answers."""

    challenger: Reference
    percent: float


def shadows(texts: Iterable[str], champions: Sequence[Reference]) -> Mapping[str, Reference]:
    """The challenger to compare with each model, by the model's name.

    A text is `churn@candidate`, or `candidate` where there is one model. Raises `InvalidInput` for one that names no
    model that is served, names its champion, or is the second of a model.
    """
    return _by_model("EDUSTREAM_SHADOW", (_reference(text, champions) for text in texts), champions)


def splits(texts: Iterable[str], champions: Sequence[Reference]) -> Mapping[str, SplitShare]:
    """The challenger that answers some callers of each model, by the model's name.

    A text is `churn@candidate=5`, in percent. Raises as `shadows` does, and for what is no percentage.
    """
    shares = [_share(text, champions) for text in texts]
    _by_model("EDUSTREAM_SPLIT", (share.challenger for share in shares), champions)
    return {share.challenger.model: share for share in shares}


def _share(text: str, champions: Sequence[Reference]) -> SplitShare:
    wanted, _, number = text.rpartition("=")
    try:
        percent = float(number)
    except ValueError:
        percent = 0.0
    if not wanted or not 0 < percent < 100:
        raise InvalidInput(
            "configuration",
            f"EDUSTREAM_SPLIT has {text!r}, which names no share between 0 and 100 percent.",
            remedy=f"write {SPLIT_EXAMPLE}; to have one release answer all, promote it.",
        )
    return SplitShare(_reference(wanted, champions), percent)


def _reference(text: str, champions: Sequence[Reference]) -> Reference:
    if "@" not in text and len(champions) == 1:
        return Reference.parse(f"{champions[0].model}@{text}")
    return Reference.parse(text)


def _by_model(
    variable: str, challengers: Iterable[Reference], champions: Sequence[Reference]
) -> Mapping[str, Reference]:
    served = {champion.model: champion for champion in champions}
    found: dict[str, Reference] = {}
    for challenger in challengers:
        if challenger.model not in served:
            raise InvalidInput(
                "reference",
                f"{variable} has {challenger}, and {challenger.model} is not served; there are: {', '.join(served)}.",
                remedy=f"add --model {challenger.model}@production, or name a release of a model that is served.",
            )
        if challenger == served[challenger.model]:
            raise InvalidInput(
                "reference",
                f"{variable} has {challenger}, which is the champion itself.",
                remedy="name another channel, version or range of the model.",
            )
        if challenger.model in found:
            raise InvalidInput(
                "reference",
                f"{variable} has {found[challenger.model]} and {challenger}, two challengers of {challenger.model}.",
                remedy="name one for each model; start a second consumer for the other.",
            )
        found[challenger.model] = challenger
    return found
