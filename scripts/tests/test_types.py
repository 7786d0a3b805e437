"""The types that the registry generates, compiled by TypeScript's own compiler."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from edustream_lab.places import Checkout

RIGHT = """\
import { ChurnInput, ChurnOutput } from "./churn";
import { AwkwardInput } from "./awkward";

const row: ChurnInput = {
  female: 1, senior_citizen: 0, partner: 1, dependents: 0, tenure: 12, phone_service: 0,
  multiple_lines: "No phone service", internet_service: "DSL", online_security: "No", online_backup: "Yes",
  device_protection: "No", tech_support: "No", streaming_tv: "No", streaming_movies: "No",
  contract: "Month-to-month", paperless_billing: 1, payment_method: "Electronic check",
  monthly_charges: 29.85, total_charges: null,
};
export function leaves(answer: ChurnOutput): boolean {
  const label: "No" | "Yes" = answer.prediction;
  return label === "Yes" && answer.probability > 0.5;
}
export const longer: ChurnInput = { ...row, tenure: row.tenure + 1 };
export const awkward: AwkwardInput = { choice: "*/", level: 0.5, class: "x", constructor: "x" };
export const absent: string | undefined = awkward.new;
"""

# One wrong use a line, and the compiler's number for what is wrong.
WRONG = {
    'const missing: ChurnOutput = { prediction: "Yes" };': "TS2741",
    'const category: ChurnOutput = { prediction: "Maybe", probability: 0.5 };': "TS2322",
    'const text: ChurnOutput = { prediction: "Yes", probability: "0.5" };': "TS2322",
    'const more: ChurnOutput = { prediction: "Yes", probability: 0.5, other: 1 };': "TS2322",
    'const nothing: ChurnOutput = { prediction: "Yes", probability: null };': "TS2322",
    'const half: Pick<ChurnInput, "female"> = { female: 2 };': "TS2322",
    'const level: AwkwardInput = { choice: "*/", level: 0.25, class: "x", constructor: "x" };': "TS2322",
}

WORDS = """
    abstract any arguments as async await boolean break case catch class const constructor continue debugger declare
    default delete do else enum eval export extends false finally for from function get global if implements import in
    infer instanceof interface is keyof let module namespace never new null number object of package private protected
    prototype public readonly require return set static string super switch symbol this throw true try type typeof
    undefined unique unknown var void while with yield __proto__ __dirname _ _1
"""
TEXT = "ends */ here \\ `${x}` \n@deprecated \u2028 \u202e \x07 {@link x} é😀 // \\"


@pytest.fixture
def awkward_contract(tmp_path: Path) -> Path:
    """A contract whose names are TypeScript's own words, and whose texts could end a comment or a string."""
    fields: dict[str, object] = {word: {"type": "string", "description": TEXT} for word in WORDS.split()}
    fields["choice"] = {"type": "string", "enum": [TEXT, "*/", '"', "\u2028"], "description": '"""'}
    fields["level"] = {"type": ["number", "null"], "enum": [0.5, 1, -1e300, None], "description": "'''"}
    label = {"type": "string", "enum": ["No", "Yes"], "description": "The answer"}
    required = ["choice", "level", "class", "constructor"]
    example = {"choice": "*/", "level": 1, "class": "x", "constructor": "x"}
    document = {
        "contract_format": 1,
        "model": "awkward",
        "title": "Awkward",
        "description": TEXT,
        "input": schema(fields, required, example),
        "output": schema({"label": label}, ["label"], {"label": "No"}),
        "golden_tolerance": 0.001,
    }
    path = tmp_path / "contract.json"
    path.write_text(json.dumps(document))
    return path


def schema(fields: dict[str, object], required: list[str], example: dict[str, object]) -> dict[str, object]:
    return {
        "type": "object",
        "description": TEXT,
        "properties": fields,
        "required": required,
        "additionalProperties": False,
        "examples": [example],
    }


def generate(checkout: Checkout, contract: Path, target: Path) -> None:
    command = [checkout.registry_command, "types", "--contract", str(contract), "--typescript", str(target)]
    subprocess.run(command, check=True, cwd=target.parent)


def test_right_uses_compile_and_wrong_ones_do_not(checkout: Checkout, awkward_contract: Path, tmp_path: Path) -> None:
    folder = tmp_path / "typescript"
    folder.mkdir()
    churn = checkout.root / "contracts" / "models" / "churn" / "contract.json"
    generate(checkout, churn, folder / "churn.d.ts")
    generate(checkout, awkward_contract, folder / "awkward.d.ts")
    (folder / "right.ts").write_text(RIGHT)
    imports = 'import { ChurnInput, ChurnOutput } from "./churn"; import { AwkwardInput } from "./awkward";'
    (folder / "wrong.ts").write_text("\n".join([imports, *(f"export {line}" for line in WRONG)]) + "\n")

    done = subprocess.run(
        ["tsc", "--noEmit", "--strict", "--target", "es2020", "--lib", "es2020", "right.ts", "wrong.ts"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )

    found = re.findall(r"^(\w+\S*)\((\d+),\d+\): error (TS\d+)", done.stdout, re.MULTILINE)
    assert found == [("wrong.ts", str(line), code) for line, code in enumerate(WRONG.values(), 2)], done.stdout
