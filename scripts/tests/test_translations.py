"""A document in Spanish says what its English original says: block by block the same commands, figures and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations, zip_longest

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from edustream_lab.places import Checkout

MARKDOWN = MarkdownIt("commonmark").enable("table")
# A number stands alone: the digits of S3, ONNX's version or SHA-256 belong to a name.
NUMBER = re.compile(r"(?<![\w-])\d+(?:[.,:\u202f]\d+)*")
# How each language groups thousands, which counts for nothing, and begins a fraction: 10,000 and 2.5, 10 000 and 2,5.
ENGLISH_SIGNS = str.maketrans({",": ""})
SPANISH_SIGNS = str.maketrans({"\u202f": "", ",": "."})
SIGNS = (ENGLISH_SIGNS, SPANISH_SIGNS)
TRANSLATED = ("README.md", "docs/role-play.md")
# One word for each thing: how it begins in English and in Spanish. Headings and cells are held against this, so that
# two of them cannot change places.
TERMS = {
    "addition": ("add", "añadi"),
    "agreement": ("agree", "acordar"),
    "answer": ("answer", "respond"),
    "architecture": ("built", "hecho así"),
    "asking": ("how does|what does|what if|why does|who says", "¿"),
    "backend": ("backend", "backend"),
    "beginning": ("begin", "empezar"),
    "breakage": ("break", "romp"),
    "bucket": ("bucket", "bucket"),
    "calling": ("you are", "quién eres"),
    "carrying on": ("runs|to run", "funciona ning|ya funciona|mantener"),
    "client": ("client", "cliente"),
    "code": ("code(?! 3)", "código(?! de salida| \\d)"),
    "command": ("commands?", "comando"),
    "configuration": ("configuration", "configuración"),
    "consumer": ("consumer", "consumidor"),
    "container": ("container", "contenedor"),
    "contract": ("contract", "contrato"),
    "cost": ("cost", "cuesta"),
    "data": ("data", "datos"),
    "decision": ("decision", "decisi"),
    "deletion": ("delete", "borra"),
    "disappearance": ("gone|vanish|goes away", "desapare"),
    "doing": ("do$", "hay que hacer"),
    "end": ("the end", "final"),
    "environment": ("environment", "entorno"),
    "exit": ("exit", "código de salida|\\(código"),
    "experiment": ("experiment", "experimento"),
    "failure": ("goes wrong", "va mal"),
    "file": ("file", "archivo"),
    "finding": ("find", "encuentra|averigua"),
    "folder": ("folder", "carpeta(?! de al lado)"),
    "gate": ("gate", "barrera"),
    "going back": ("going back|rollback", "volver a|vuelta atrás"),
    "ground": ("ground", "terreno"),
    "happening": ("happens", "ocurre"),
    "haste": ("hurry", "prisa"),
    "here": ("here$", "aquí"),
    "impatience": ("too early", "demasiado pronto"),
    "installation": ("install", "instala"),
    "key": ("key", "clave"),
    "licence": ("licence", "licencia"),
    "looking like": ("looks like", "cómo es"),
    "meaning": ("means", "significa"),
    "measurement": ("measure|benchmark", "midieron|mediciones"),
    "model": ("model", "model"),
    "monorepo": ("monorepo", "monorepo"),
    "name": ("name", "nombr"),
    "neighbour": ("neighbour|next door", "vecino|de al lado"),
    "nothing": ("nothing|^no ", "nada|ningún|^ni "),
    "opening": ("listen|port(?! 8)", "puerto(?! 8)"),
    "other": ("another|other|elsewhere", "otr[oa]s?(?! vez)"),
    "path": ("path", "ruta"),
    "person": ("somebody", "alguien"),
    "pin": ("pins", "fijado"),
    "platform": ("platform", "plataforma"),
    "problem": ("problem", "problema"),
    "producer": ("producer", "productor"),
    "promotion": ("promote", "promover|promueven"),
    "question": ("question", "pregunta"),
    "reading": ("read which", "leer cuál"),
    "reality": ("reality", "realidad"),
    "reason": ("reason", "motivo"),
    "reference": ("reference", "referencia,"),
    "refusal": ("refuse", "rechaza"),
    "registry": ("registry", "registro"),
    "release": ("releas|publish", "public|publiqu"),
    "repetition": ("again", "otra vez"),
    "right": ("rights", "permisos"),
    "role": ("role play", "juego de roles"),
    "row": ("row", "fila"),
    "science": ("scientist", "científic"),
    "second": ("second ", "segunda"),
    "seeing": ("see$|seen", "se ve"),
    "service": ("service|serving", "servicio"),
    "simulation": ("simulation", "simulación"),
    "speed": ("fast", "rendimiento"),
    "stop": ("stop", "detener"),
    "store": ("any S3", "cualquier S3"),
    "student": ("student", "estudiante"),
    "system": ("the same system", "el mismo sistema"),
    "thing": ("things|what it is", "cada cosa$|qué es$"),
    "threshold": ("threshold", "umbral"),
    "today": ("today", "hoy"),
    "trace": ("trace", "traza"),
    "training": ("train", "entren"),
    "two": ("two|both sides", "dos "),
    "version": ("version", "versi"),
    "wanting": ("you want", "quieres"),
    "wheel": ("wheel", "wheel"),
    "yesterday": ("yesterday", "ayer"),
}
ENGLISH, SPANISH = 0, 1


@dataclass(frozen=True, slots=True)
class Block:
    """A block of a document, without the words of its language. Blocks at other lines may be equal."""

    kind: str
    text: str
    codes: tuple[str, ...]
    targets: tuple[str, ...]
    numbers: tuple[str, ...]
    terms: frozenset[str] = frozenset()


def blocks(text: str, language: int) -> list[tuple[int, Block]]:
    """The blocks of a Markdown document with the line at which each begins.

    The signs in numbers are replaced. Terms are those of headings and cells; tables that a program writes in both
    languages need none.
    """
    found, line, opened, generated = [], 1, "", False
    for token in MARKDOWN.parse(text):
        line = token.map[0] + 1 if token.map else line
        kind = f"{token.type} {token.tag} {token.info}".strip()
        said = token.content if token.type in ("fence", "code_block", "html_block") else ""
        generated = said.startswith("<!-- from") if token.type == "html_block" else generated
        short = opened in ("heading_open", "th_open", "td_open") and not generated
        terms = terms_of(token.content, language) if short else frozenset()
        found.append((line, Block(kind, said, *told(token.children or (), SIGNS[language]), terms)))
        opened = token.type
    return found


def terms_of(text: str, language: int) -> frozenset[str]:
    """The things that a heading or a cell speaks of, outside code and links."""
    words = re.sub(r"`[^`]*`|\[[^]]*\]\([^)]*\)", "", text)
    return frozenset(name for name, how in TERMS.items() if re.search(rf"(?<!\w)(?:{how[language]})", words, re.I))


def told(
    inline: list[Token] | tuple[()], signs: dict[int, str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Code spans, the targets of links and images, and numbers of a piece of prose, each in order of the alphabet."""
    codes = [token.content for token in inline if token.type == "code_inline"]
    targets = [
        str(token.attrGet("href") or token.attrGet("src")) for token in inline if token.type in ("link_open", "image")
    ]
    texts = [token.content for token in inline if token.type == "text"]
    numbers = [number.translate(signs) for text in texts for number in NUMBER.findall(text)]
    return tuple(sorted(codes)), tuple(sorted(map(in_english, targets))), tuple(sorted(numbers))


def in_english(target: str) -> str:
    """What a link leads to, where the Spanish document leads to the Spanish twin of it. Headings have other names."""
    path, _, _ = target.partition("#")
    return re.sub(r"\.es(\.\w+)$", r"\1", path)


def differences(original: str, translation: str) -> list[str]:
    """Where the two documents part first: the lines of both, and what each has there."""
    for mine, theirs in zip_longest(blocks(original, ENGLISH), blocks(translation, SPANISH)):
        if mine is None or theirs is None or mine[1] != theirs[1]:
            lines = [(f"line {each[0]}: {each[1]}" if each else "the end") for each in (mine, theirs)]
            return [f"original {lines[0]}", f"translation {lines[1]}"]
    return []


ORIGINAL = """# Title

Run `make demo` in 20 minutes, see [how](docs/a.md#part).

## The experiments

| file | rows |
|---|---|
| releases | 10,000 in 2.5 s |

## Licence

```console
make demo
```
"""
TRANSLATION = """# Título

Se ejecuta `make demo` en 20 minutos: [así](docs/a.es.md#parte).

## Los experimentos

| archivo | filas |
|---|---|
| publicaciones | 10\u202f000 en 2,5 s |

## Licencia

```console
make demo
```
"""


def test_a_faithful_translation_has_no_difference() -> None:
    assert differences(ORIGINAL, TRANSLATION) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("# Título", "## Título", 1),
        ("`make demo` en", "`make test` en", 3),
        ("20 minutos", "30 minutos", 3),
        ("docs/a.es.md", "docs/b.es.md", 3),
        ("Los experimentos", "Licencia", 5),
        ("Licencia", "Los experimentos", 11),
        ("| archivo | filas |", "| filas | archivo |", 7),
        ("| publicaciones | 10\u202f000 en 2,5 s |\n", "", 7),
        ("10\u202f000", "10.000", 9),
        ("10\u202f000", "10,000", 9),
        ("2,5", "2,6", 9),
        ("```console\nmake demo", "```console\nmake test", 13),
        ("\n```console", "\nUn párrafo más.\n\n```console", 13),
    ],
)
def test_a_difference_is_found_with_its_line(old: str, new: str, line: int) -> None:
    told = differences(ORIGINAL, TRANSLATION.replace(old, new))
    assert len(told) == 2
    assert f"line {line}: " in told[1]


@pytest.mark.parametrize("original", TRANSLATED)
def test_no_two_headings_and_no_two_cells_of_a_row_could_change_places(checkout: Checkout, original: str) -> None:
    """Each differs from its neighbours in more than its words, or the translation could not be held against it."""
    text = re.sub("<!-- from.*?<!-- end -->", "", (checkout.root / original).read_text(), flags=re.DOTALL)
    headings: list[tuple[str, Block]] = []
    row: list[tuple[str, Block]] = []
    before = ""
    for token, (_, block) in zip(MARKDOWN.parse(text), blocks(text, ENGLISH), strict=True):
        if token.type == "inline" and before == "heading_open":
            headings.append((token.content, block))
        if token.type == "inline" and before in ("td_open", "th_open"):
            row.append((token.content, block))
        if token.type == "tr_close":
            assert alike(row) == []
            row = []
        before = token.type
    assert headings
    assert alike(headings) == []


def alike(texts: list[tuple[str, Block]]) -> list[tuple[str, str]]:
    return [(one, other) for (one, a), (other, b) in combinations(texts, 2) if one != other and a == b]


@pytest.mark.parametrize("original", TRANSLATED)
def test_the_translation_is_in_step(checkout: Checkout, original: str) -> None:
    texts = [(checkout.root / path).read_text() for path in (original, original.replace(".md", ".es.md"))]
    assert differences(*texts) == []
