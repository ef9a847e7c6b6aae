# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Task names, messages, pages and identifiers keep to plain English, as far as a program can tell."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.distributed.tiers.plugins.module_utils.planner.rules.registry import REGISTRY

REPOSITORY = Path(__file__).parents[2]
TASK_FILES = sorted([*REPOSITORY.glob("roles/*/tasks/*.yml"), *REPOSITORY.glob("playbooks/**/*.yml")])
COMMENTED = sorted(
    path
    for pattern in ("roles/*/{}/*", "playbooks/{}/*", "playbooks/{}/*/*")
    for folder in ("tasks", "defaults", "vars", "templates", "files", "parts", "meta")
    for path in REPOSITORY.glob(pattern.format(folder))
    # The failover program is a room of its own.
    if path.is_file() and "failover" not in path.parts and path.name not in ("active.sh", "argument_specs.yml")
)
PAGES = sorted(
    [
        *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md")),
        *REPOSITORY.glob("docs/**/*.md"),
        *REPOSITORY.glob("roles/*/README.md"),
    ]
)
HEADINGS = re.compile(
    r"^#+ (What|Who|How|Why|Where|When|If) |^#+ .*\b(is|are|was|has|have|fails|hangs)\b", re.MULTILINE
)
SOURCES = sorted(REPOSITORY.glob("plugins/**/*.py"))

DOCUMENTED = sorted([*REPOSITORY.glob("roles/*/meta/argument_specs.yml"), *REPOSITORY.glob("plugins/[afml]*/*.py")])

LONGEST_NAME = 80
# Verbs that do not say what a task does
VAGUE = re.compile(
    r"(say|tell|see|note|learn|remember|forget|fill|give|have|let|bring|take|put|stand|judge|begin|look|lose) ",
    re.IGNORECASE,
)
# Another word stands for each in the glossary, or the sentence needs a subject and a verb.
FORBIDDEN = re.compile(
    r"\b(is|are|has|have) to be\b|\bhal(f|ves) of (a|the) pair\b|\b(the )?other half\b|\bboth halves\b"
    r"|\bacting (master|half)\b|\bwho serves whom\b|\brelease before\b|\banew\b"
    r"|\bshared out\b|\bmend(s|ed)?\b|\bleans? on\b",
    re.IGNORECASE,
)
# In pages, which are read sentence by sentence, also the forms that STYLE's table replaces.
IN_PAGES = re.compile(
    r"\b(is|are|was|were) to (?!\d)[a-z]+|\bgiv(e|es|en|ing) to\b|\bhand(s|ed)? (on|over)\b|\bstands? by\b"
    r"|\blets? (go|in)\b|\b(is|are|gets?) well\b|\b(is|are) whole\b|\b(nobody|somebody|whoever|whom|hence)\b"
    r"|\b(tells?|told|dies|died)\b|\badmit(s|ted)?\b|\bshut(s|ting)?\b|\bof before\b|\bsays so\b"
    r"|\btakes? (in|out)\b|, for (it|they|nobody|AWX) ",
    re.IGNORECASE,
)
# Beginnings of a comment that name no subject
IN_COMMENTS = re.compile(r"^(What|Who|Where|Of|How|Whose|Nobody|Everybody)\b|\bjudged\b|\bthe gate\b")
RIDDLE = re.compile(r"(?:^|[.!?] )(Who|What|Whoever|Whom|Of a|Of two) (?![^.!?]*\?)")
# A docstring or the description of an option begins with what the function returns or does, or what the option is.
IN_DOCSTRINGS = re.compile(r"^Where |(?:^|[.!?] )(Who|What|Whoever|Whom|Whose|Of) (?![^.!?]*\?)")


# Parts of identifiers that leave open what a thing is, or for which the glossary has another word
CODE = sorted(
    path
    for pattern in (
        "plugins/**/*.py",
        "roles/*/files/*.py",
        "docs/**/*.py",
        "benchmarks/*.py",
        ".ci/*.py",
        "molecule/**/*.py",
    )
    for path in REPOSITORY.glob(pattern)
)
DOCSTRINGS = sorted({*CODE, *REPOSITORY.glob("roles/*/files/**/*.py"), *REPOSITORY.glob("tests/**/*.py")})
TESTS = sorted([*REPOSITORY.glob("tests/**/test_*.py"), *REPOSITORY.glob("molecule/*/tests/test_*.py")])
FORBIDDEN_PART = re.compile(
    r"(^|_)(told|said|half|halves|elects?|elected|anew|nobody|everybody|anybody|whoever|gives?_to|stands|turns|looks"
    r"|take_in|take_out|not_whole)(_|$)|^_?(kept|taken|whole|told)$"
)
# Names that others use: they go when these do.
ALLOWED_IDENTIFIERS = {
    "whole": "`tiers_status_content` asks for a digest of everything; a moment of a drill",
}
RIDDLE_NAME = re.compile(r"test_(who|whom|what|whoever|of|where|which)_")


def identifiers(path: Path) -> Iterator[tuple[str, str]]:
    """The place and name of each function, class, argument and variable of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        name = ""
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            name = node.name
        elif isinstance(node, ast.arg):
            name = node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            name = node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            name = node.attr
        if name:
            yield f"{path.relative_to(REPOSITORY)}:{getattr(node, 'lineno', 0)}", name


def names_in(tasks: Any) -> Iterator[str]:
    """The names of plays and tasks, also of those in blocks."""
    for task in tasks if isinstance(tasks, list) else []:
        if isinstance(task, dict):
            if "name" in task:
                yield task["name"]
            for value in task.values():
                yield from names_in(value)


def task_names() -> list[tuple[str, str]]:
    """The file of each name of a play or task, and the name."""
    found = []
    for path in TASK_FILES:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        found += [(str(path.relative_to(REPOSITORY)), name) for name in names_in(content)]
    return found


def messages() -> Iterator[tuple[str, str]]:
    """Texts of more than one word in the plugins, their documentation and comments left out."""
    for path in SOURCES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        quiet = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in quiet:
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", node.value


def descriptions(part: Any) -> Iterator[str]:
    """The texts of an argument specification, or of the documentation of a plugin."""
    if isinstance(part, list):
        for inner in part:
            yield from descriptions(inner)
    elif isinstance(part, dict):
        for key, value in part.items():
            if key in ("description", "short_description", "notes", "details") and not isinstance(value, dict):
                yield from map(str, value if isinstance(value, list) else [value])
            else:
                yield from descriptions(value)


def documentation(path: Path) -> Iterator[str]:
    """The texts that an argument specification or a plugin documents."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".yml":
        yield from descriptions(yaml.safe_load(text))
        return
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("DOCUMENTATION", "RETURN"):
            yield from descriptions(yaml.safe_load(ast.literal_eval(node.value)))


def docstrings(path: Path) -> Iterator[tuple[str, str]]:
    """The place and text of each docstring of a file, without code."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.Module, ast.FunctionDef, ast.ClassDef)) and (text := ast.get_docstring(node)):
            where = f"{path.relative_to(REPOSITORY)}:{getattr(node, 'lineno', 1)}"
            yield where, re.sub(r"`[^`]*`", "", " ".join(text.split()))


def prose(page: Path) -> str:
    """A page without code, and without what programs printed or the generator wrote."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"<!-- generated: .*?<!-- end -->|```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def comments(path: Path) -> Iterator[str]:
    """The comments of a task file, template or program, those on successive lines as one text."""
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [re.search(r"(?:^|\s)(?:#|\{#-?)\s+(?!noqa|SPDX|Copyright)(.*?)(?:-?#\})?$", line) for line in lines]
    for has_comment, run in itertools.groupby(found, bool):
        if has_comment:
            yield re.sub(r"`[^`]*`|\[[^]]*\]", "", " ".join(match[1] for match in run if match))


def test_task_names_say_what_the_task_does() -> None:
    names = task_names()
    assert len(names) > 400
    wrong = [f"{where}: {name}" for where, name in names if VAGUE.match(name) or FORBIDDEN.search(name)]
    wrong += [f"{where}: {len(name)} characters: {name}" for where, name in names if len(name) > LONGEST_NAME]
    assert wrong == []


def test_messages_use_the_words_of_the_glossary() -> None:
    wrong = [f"{where}: {text}" for where, text in messages() if FORBIDDEN.search(text)]
    assert wrong == []


@pytest.mark.parametrize("name", sorted(REGISTRY))
def test_rules_are_written_in_sentences_with_a_subject(name: str) -> None:
    rule = REGISTRY[name]
    for text in (rule.reason, rule.remedy):
        assert not RIDDLE.search(text), text


@pytest.mark.of_file
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_pages_use_the_words_of_the_glossary(page: Path) -> None:
    text = prose(page)
    assert [match[0] for form in (FORBIDDEN, IN_PAGES, RIDDLE) for match in form.finditer(text)] == []


@pytest.mark.of_file
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_headings_are_tasks_or_nouns(page: Path) -> None:
    assert [match[0] for match in HEADINGS.finditer(prose(page))] == []


@pytest.mark.of_file
@pytest.mark.parametrize("path", sorted(REPOSITORY.glob("playbooks/*.yml")), ids=lambda path: path.stem)
def test_headers_of_playbooks_use_the_words_of_the_glossary(path: Path) -> None:
    """Operators read them in the file and in docs/operations.md."""
    head = path.read_text(encoding="utf-8").split("\n- ", 1)[0]
    text = " ".join(
        re.sub(r"^# (?:(?:What it does|Downtime|Run|Way back)? {2,})?", "", line) for line in head.splitlines()
    )
    assert [match[0] for form in (FORBIDDEN, IN_PAGES, RIDDLE) for match in form.finditer(text)] == []


@pytest.mark.of_file
@pytest.mark.parametrize("path", COMMENTED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_comments_use_the_words_of_the_glossary(path: Path) -> None:
    forms = (FORBIDDEN, IN_PAGES, RIDDLE, IN_COMMENTS)
    assert [match[0] for text in comments(path) for form in forms for match in form.finditer(text)] == []


@pytest.mark.of_file
@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_documentation_of_roles_and_plugins_uses_the_words_of_the_glossary(path: Path) -> None:
    texts = [re.sub(r"[A-Z]+\([^)]*\)", "", text) for text in documentation(path)]
    assert [match[0] for text in texts for form in (FORBIDDEN, IN_PAGES, RIDDLE) for match in form.finditer(text)] == []


@pytest.mark.of_file
@pytest.mark.parametrize("path", DOCUMENTED, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_descriptions_of_options_name_the_option(path: Path) -> None:
    assert [text for text in documentation(path) if IN_DOCSTRINGS.search(text)] == []


@pytest.mark.of_file
@pytest.mark.parametrize("path", DOCSTRINGS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_docstrings_say_what_the_function_returns_or_does(path: Path) -> None:
    forms = (FORBIDDEN, IN_DOCSTRINGS)
    assert [f"{where}: {text}" for where, text in docstrings(path) if any(form.search(text) for form in forms)] == []


@pytest.mark.of_file
@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_identifiers_use_the_words_of_the_glossary(path: Path) -> None:
    wrong = [f"{where}: {name}" for where, name in identifiers(path) if FORBIDDEN_PART.search(name.lower())]
    assert [one for one in wrong if one.rsplit(" ", 1)[1] not in ALLOWED_IDENTIFIERS] == []


@pytest.mark.of_file
@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_names_of_tests_state_a_behaviour(path: Path) -> None:
    names = [(where, name) for where, name in identifiers(path) if name.startswith("test_")]
    wrong = [
        (where, name)
        for where, name in names
        if RIDDLE_NAME.match(name) or FORBIDDEN_PART.search(name.replace("elected", ""))
    ]
    assert wrong == []
