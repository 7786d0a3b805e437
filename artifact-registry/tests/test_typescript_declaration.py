from __future__ import annotations

import re

from contract_drafts import awkward_contract, contract_of

from edustream_contracts.contract import ModelContract
from edustream_registry.generated_types.typescript_declaration import typescript_declaration


def test_the_declaration(contract: ModelContract) -> None:
    text = typescript_declaration(contract, ["first", "", "second"])

    assert text.startswith(
        "// first\n//\n// second\n\n/**\n * One customer, as known today\n */\nexport interface ChurnInput {\n"
    )
    assert "  female: 0 | 1;\n" in text
    assert '  prediction: "No" | "Yes";\n' in text
    assert "  total_charges: number | null;\n" in text
    assert (
        "  /**\n   * Whole months that the customer has been with the company\n   *\n   * A whole number.\n"
        "   * Unit: month.\n   * Range: at least 0, at most 120.\n   */\n  tenure: number;\n"
    ) in text


def test_what_may_be_absent_and_what_may_be_null() -> None:
    fields = {
        "absent": {"type": "boolean", "description": "d"},
        "null_alone": {"type": ["string", "null"], "enum": [None], "description": "d"},
        "both": {"type": ["number", "null"], "enum": [1.0, 0.5, None], "description": "d"},
        "constant": {"type": "boolean", "const": True, "description": "d"},
    }
    text = typescript_declaration(contract_of(fields, ["constant"], {"constant": True}), [])

    assert re.findall(r"^  (\w+\??: .*);$", text, re.MULTILINE)[:4] == [
        "absent?: boolean",
        "null_alone?: null",
        "both?: 1 | 0.5 | null",
        "constant: true",
    ]


def test_no_text_ends_a_comment_or_starts_a_tag() -> None:
    contract = awkward_contract()
    text = typescript_declaration(contract, [])
    comments = re.findall(r"^ *(/\*\*\n.*?) \*/$", text, re.MULTILINE | re.DOTALL)

    assert len(comments) == len(contract.inputs) + len(contract.outputs) + 2
    assert not re.search(r"\*/|(?<!\\)@", "".join(comments))
    assert text.replace("\n", "").isprintable()


def test_the_same_contract_gives_the_same_bytes(contract: ModelContract) -> None:
    assert typescript_declaration(contract, ["a"]) == typescript_declaration(contract, ["a"])
