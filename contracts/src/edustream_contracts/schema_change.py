"""Every change between two flat object schemas of the contract profile, with an instance that shows it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from edustream_contracts.meaning import listed
from edustream_contracts.text_set import MAX_TRIED, MAX_TRIED_LENGTH
from edustream_contracts.validation import SchemaValidator
from edustream_contracts.value_set import Aspect, admitted
from edustream_contracts.wording import (
    CONSEQUENCES,
    RULES,
    UNDECIDED,
    Direction,
    binding_keyword,
    keywords,
    sentence,
)

Side = Literal["input", "output"]
Instance = dict[str, Any]

# Old rows must stay valid, and new answers must have been possible.
BREAKING_DIRECTION: Final[dict[Side, Direction]] = {"input": "narrowed", "output": "widened"}
ANNOTATIONS: Final = frozenset({"title", "description", "examples", "x-unit", "x-class"})
MAX_SAFE: Final = 2**53 - 1
ABSENT: Final = object()
# So many examples of each schema are what a search begins with.
MAX_EXAMPLES: Final = 8
# So many characters are matched against patterns in the search for texts that tell two schemas apart.
MAX_MATCHED: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one field; `instance` shows it where it breaks, see `compatibility.Reason`."""

    side: Side
    pointer: str
    rule: str
    sentence: str
    breaks: bool
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    instance: Instance | None = None


class SchemaChange:
    """Two schemas of one side, each satisfiable and with valid `examples`.

    Whole instances are the product of what each field admits, absence included, and none of these is empty. So one
    schema holds every instance of the other exactly if each of its fields does.
    """

    def __init__(self, side: Side, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        self.side = side
        self.old = old
        self.new = new
        self._required = frozenset(old["required"]), frozenset(new["required"])
        self._breaking = BREAKING_DIRECTION[side]
        self._left_to_match = MAX_MATCHED

    def changes(self) -> Iterator[Change]:
        """Every change, in the order of the old schema's fields, then of the new one's."""
        before, after = self.old["properties"], self.new["properties"]
        for name in before:
            if name not in after:
                yield self._removed(name)
            else:
                yield from self._changed(name)
        yield from (self._added(name) for name in after if name not in before)

    def shared_example(self) -> Instance:
        """An example that both schemas take, or the old one's first where they share none."""
        return self._base("narrowed")

    def _removed(self, name: str) -> Change:
        # An old row may carry the field. A new answer never does, which matters where it was always there.
        required = name in self._required[0]
        direction: Direction = "widened" if self.side == "output" and required else "narrowed"
        text = f"{name} goes; it was {'required' if required else 'optional'}."
        before = {"required": required, **_constraints(self.old["properties"][name])}
        return self._change(
            name, "", "field-removed", text, direction, self._presence_shown(name, direction), before, {}
        )

    def _added(self, name: str) -> Change:
        # An old row lacks the field. A new answer may carry it, and the old schema is closed.
        required = name in self._required[1]
        direction: Direction = "narrowed" if self.side == "input" and required else "widened"
        text = f"{name} comes in as {'a required' if required else 'an optional'} field."
        after = {"required": required, **_constraints(self.new["properties"][name])}
        return self._change(name, "", "field-added", text, direction, self._presence_shown(name, direction), {}, after)

    def _changed(self, name: str) -> Iterator[Change]:
        was, is_required = (name in self._required[0]), (name in self._required[1])
        if was != is_required:
            rule, text = (
                ("made-required", "must be present now") if is_required else ("made-optional", "may be absent now")
            )
            direction: Direction = "narrowed" if is_required else "widened"
            sides = {"required": was}, {"required": is_required}
            yield self._change(name, "required", rule, f"{name} {text}.", direction, (ABSENT,), *sides)
        yield from self._values_changed(name)
        yield from self._meaning_changed(name)

    def _values_changed(self, name: str) -> Iterator[Change]:
        before, after = self.old["properties"][name], self.new["properties"][name]
        if _constraints(before) == _constraints(after):
            return
        old, new, known = admitted(before), admitted(after), self._known_texts(name)
        # Where nothing breaks nobody needs a value that shows it.
        lost = old.lost_to(new, known if self._breaking == "narrowed" else None)
        won = new.lost_to(old, known if self._breaking == "widened" else None)
        breaking, harmless = (lost, won) if self._breaking == "narrowed" else (won, lost)
        if "type" in breaking:
            # Values of two families are lost and won alike; that which breaks says it all.
            harmless.pop("type", None)
        directions: tuple[tuple[Direction, dict[Aspect, tuple[Any, ...]]], ...] = (("narrowed", lost), ("widened", won))
        for direction, found in directions:
            for aspect, values in found.items():
                keyword = binding_keyword(after if direction == "narrowed" else before, aspect)
                text = sentence(name, aspect, direction, before, after, values)
                sides = keywords(before, aspect), keywords(after, aspect)
                yield self._change(name, keyword, RULES[aspect, direction], text, direction, values, *sides)

    def _meaning_changed(self, name: str) -> Iterator[Change]:
        for keyword, what in (("x-unit", "unit"), ("x-class", "class")):
            before, after = (schema["properties"][name].get(keyword) for schema in (self.old, self.new))
            if before == after:
                continue
            harmless = keyword == "x-unit" and before is None
            rule = "class-changed" if keyword == "x-class" else f"unit-{_change_of(before, after)}"
            meaning = "What was unsaid is said." if harmless else "The same value means something else."
            yield Change(
                side=self.side,
                pointer=f"/{self.side}/properties/{name}/{keyword}",
                rule=rule,
                sentence=f"The {what} of {name} is {_or_none(after)} now; it was {_or_none(before)}. {meaning}",
                breaks=not harmless,
                before={} if before is None else {keyword: before},
                after={} if after is None else {keyword: after},
                instance=None if harmless else self.shared_example(),
            )

    def _change(
        self,
        name: str,
        keyword: str,
        rule: str,
        text: str,
        direction: Direction,
        values: Iterable[Any],
        before: Mapping[str, Any],
        after: Mapping[str, Any],
    ) -> Change:
        breaks = direction == self._breaking
        instance = self._instance(name, direction, values) if breaks else None
        field = "" if keyword == "required" else f"/properties/{name}"
        remark = f" {UNDECIDED}" if breaks and instance is None else ""
        return Change(
            side=self.side,
            pointer=f"/{self.side}{field}{'/' if keyword else ''}{keyword}",
            rule=rule,
            sentence=f"{text} {CONSEQUENCES[self.side, direction]}{remark}",
            breaks=breaks,
            before=before,
            after=after,
            instance=instance,
        )

    def _instance(self, name: str, direction: Direction, values: Iterable[Any]) -> Instance | None:
        """An instance that the validator admits under one schema only: an example with one value in one field."""
        holder, other = self._validators if direction == "narrowed" else reversed(self._validators)
        base = self._base(direction)
        for value in values:
            instance = {**base, name: _plain(value)}
            if value is ABSENT:
                del instance[name]
            if holder.is_valid(instance) and not other.is_valid(instance):
                return instance
        return None

    def _base(self, direction: Direction) -> Instance:
        """An example of the schema that holds the instances sought, one of both schemas where there is one."""
        return self._bases[0 if direction == "narrowed" else 1]

    @cached_property
    def _bases(self) -> tuple[Instance, Instance]:
        old, new = self._validators
        shared = next((row for row in self._examples if old.is_valid(row) and new.is_valid(row)), None)
        return (self.old["examples"][0], self.new["examples"][0]) if shared is None else (shared, shared)

    @cached_property
    def _examples(self) -> tuple[Instance, ...]:
        """The first examples of both schemas."""
        return tuple(row for schema in (self.old, self.new) for row in schema["examples"][:MAX_EXAMPLES])

    @cached_property
    def _validators(self) -> tuple[SchemaValidator, SchemaValidator]:
        return SchemaValidator(self.old), SchemaValidator(self.new)

    def _presence_shown(self, name: str, direction: Direction) -> Iterable[Any]:
        """What shows that a field comes or goes: its absence, or values of the one schema that has it."""
        holder = self.old if direction == "narrowed" else self.new
        if name not in holder["properties"]:
            return (ABSENT,)
        values = admitted(holder["properties"][name])
        return (
            *(row[name] for row in holder["examples"][:MAX_EXAMPLES] if name in row),
            *values.samples(self._known_texts(name)),
        )

    def _known_texts(self, name: str) -> tuple[str, ...] | None:
        """Texts to begin a search with, or None where a pattern leaves no more to search."""
        specs = [schema["properties"].get(name, {}) for schema in (self.old, self.new)]
        rows = (row.get(name) for row in self._examples)
        listed = (value for spec in specs for value in (*spec.get("examples", ()), *spec.get("enum", ())))
        texts = tuple(dict.fromkeys(value for value in (*rows, *listed) if isinstance(value, str)))
        return texts if self._can_match(specs, texts) else None

    def _can_match(self, specs: Iterable[Mapping[str, Any]], known: Iterable[str]) -> bool:
        """Whether a search near `known` can still be afforded; if so it is paid for as if it tried all that it may."""
        if not any("pattern" in spec for spec in specs):
            return True
        longest = max([len(text) for text in known] + [int(spec.get("minLength", 0)) for spec in specs]) + 2
        cost = MAX_TRIED * min(longest, MAX_TRIED_LENGTH)
        if cost > self._left_to_match:
            return False
        self._left_to_match -= cost
        return True


def restricted(schema: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A flat object schema as seen by somebody who knows no fields but `names`, with its examples."""
    return {
        **schema,
        "properties": {name: spec for name, spec in schema["properties"].items() if name in names},
        "required": [name for name in schema["required"] if name in names],
        "examples": [{key: row[key] for key in row if key in names} for row in schema["examples"]],
    }


def _constraints(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {keyword: value for keyword, value in spec.items() if keyword not in ANNOTATIONS}


def _change_of(before: str | None, after: str | None) -> str:
    if before is None:
        return "added"
    return "removed" if after is None else "changed"


def _or_none(text: str | None) -> str:
    return "not stated" if text is None else listed([text])


def _plain(value: Any) -> Any:
    """Whole numbers as JSON writes them."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) <= MAX_SAFE else value
