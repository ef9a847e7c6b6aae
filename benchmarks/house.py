# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count what makes the Ansible layer hard to follow, in a former commit and now.

    python benchmarks/house.py COMMIT

Both are counted by the same rules, those of this file and of tests/unit/test_language.py. An include counts whatever
its conditions are, so the files of a restart are an upper bound; tests/unit/roles/test_includes.py counts those that
one kind of server really opens. A product role counts as OpenLDAP's, and its files are not followed further.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
TIERS = ("master", "proxy", "parallel", "distributor", "backup")
INCLUDE = re.compile(r"(?:ansible\.builtin\.)?(?:include|import)_(?:tasks|role|playbook)$")
RESTARTS = ("roles/server/tasks/restart.yml", "roles/common/tasks/restart.yml")
LOGIC = re.compile(r"\{%-?\+? *(if|elif|for|set|macro|call|filter)\b")
PRIVATE = re.compile(r"(?<![\w.])__[a-z]\w*[a-z0-9](?!\w)")


def language() -> ModuleType:
    """The test of the language, which has the forbidden words."""
    sys.path.insert(0, str(ROOT / ".cache" / "collections"))
    spec = importlib.util.spec_from_file_location("language", ROOT / "tests/unit/test_language.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def tasks_of(part: Any) -> Iterator[dict[str, Any]]:
    """All plays and tasks of a file, those in blocks as well."""
    for task in part if isinstance(part, list) else []:
        if isinstance(task, dict):
            yield task
            for value in task.values():
                yield from tasks_of(value)


def task_files(tree: Path) -> list[Path]:
    folders = ("vars", "meta", "templates")
    playbooks = [path for path in tree.glob("playbooks/**/*.yml") if path.parent.name not in folders]
    return sorted([*playbooks, *tree.glob("roles/*/tasks/*.yml")])


def included(tree: Path, path: Path) -> set[Path]:
    """The files that a task file or playbook includes; for names of a template, all that fit."""
    found: set[Path] = set()
    for task in tasks_of(load(path)):
        for key, given in task.items():
            if key == "roles":
                names = [one["role"] if isinstance(one, dict) else one for one in given]
                found |= {file for name in names for file in files_of_role(tree, str(name), "main")}
            if not INCLUDE.match(key):
                continue
            if key.endswith("_role"):
                found |= files_of_role(tree, given["name"], str(given.get("tasks_from", "main")))
            else:
                name = str(given if isinstance(given, str) else given.get("file", ""))
                found |= {*path.parent.glob(re.sub(r"\{\{.*?\}\}", "*", name))}
    return found


def files_of_role(tree: Path, name: str, entry: str) -> set[Path]:
    """The task files of an entry point. A role that the slice names is the product's; one with a prefix, a tier's."""
    short = name.removeprefix("distributed.tiers.")
    if "product" in short or short == name:
        roles: tuple[str, ...] = ("product_openldap",)
    else:
        roles = TIERS if "{{" in short else (short,)
    pattern = re.sub(r"\{\{.*?\}\}", "*", entry.removesuffix(".yml"))
    return {file for one in roles for file in (tree / "roles" / one / "tasks").glob(f"{pattern}.yml")}


def followed(tree: Path, path: Path, seen: set[Path]) -> set[Path]:
    if path not in seen:
        seen.add(path)
        if "product_" not in str(path.relative_to(tree)):
            for file in included(tree, path):
                followed(tree, file, seen)
    return seen


def longest_chain(tree: Path, path: Path, above: tuple[Path, ...] = ()) -> int:
    """The number of files from this one to the deepest that it includes; a file counts once."""
    below = [longest_chain(tree, file, (*above, path)) for file in included(tree, path) if file not in (*above, path)]
    return 1 + max(below, default=0)


def crossing_names(tree: Path) -> set[str]:
    """Private names that a task of one file sets, and a task of another file or anything in another role reads. Those
    that stay within a product role are its own matter."""
    makers: dict[str, set[Path]] = {}
    for path in task_files(tree):
        for task in tasks_of(load(path)):
            facts = task.get("ansible.builtin.set_fact") or {}
            for name in (task.get("register"), *facts):
                if name and name.startswith("__"):
                    makers.setdefault(name, set()).add(path)
    tasks = task_files(tree)
    others = [path for part in ("vars", "templates") for path in tree.glob(f"roles/*/{part}/*") if path.is_file()]
    crossing = set()
    for path in [*tasks, *others]:
        own = path.parent.parent
        for name in {*PRIVATE.findall(path.read_text(encoding="utf-8"))} & makers.keys():
            is_near = own in {maker.parent.parent for maker in makers[name]}
            if path not in makers[name] and not (is_near and (path in others or own.name.startswith("product_"))):
                crossing.add(name)
    return crossing


def jinja_lines(tree: Path) -> int:
    """Lines of roles and playbooks with a statement of Jinja that decides or repeats."""
    patterns = ("roles/*/templates/**/*", "roles/*/*/*.yml", "playbooks/**/*")
    files = {path for pattern in patterns for path in tree.glob(pattern) if path.is_file()}
    return sum(bool(LOGIC.search(line)) for path in files for line in path.read_text(encoding="utf-8").splitlines())


def forbidden_words(tree: Path, words: ModuleType) -> dict[str, int]:
    """Forbidden forms, by where they stand."""
    names = [str(task["name"]) for path in task_files(tree) for task in tasks_of(load(path)) if task.get("name")]
    wrong = [name for name in names if words.VAGUE.match(name) or words.FORBIDDEN.search(name) or len(name) > 80]
    pages = [*tree.glob("*.md"), *tree.glob("docs/**/*.md"), *tree.glob("roles/*/README.md")]
    forms = (words.FORBIDDEN, words.IN_PAGES, words.RIDDLE)
    texts = [(words.prose(path), forms) for path in pages]
    found = sum(len(form.findall(text)) for text, used in texts for form in used)
    count = sum(len(text.split()) for text, _forms in texts)
    return {"names": len({*wrong}), "of names": len({*names}), "pages": found, "words of pages": count}


def count(tree: Path) -> dict[str, int]:
    (restart,) = (tree / path for path in RESTARTS if (tree / path).exists())
    words = forbidden_words(tree, language())
    return {
        "files that the restart of one server may open": len(followed(tree, restart, set())),
        "private names set in one file and read in another": len(crossing_names(tree)),
        "files in the longest chain of includes": max(longest_chain(tree, path) for path in task_files(tree)),
        "filters": len([*tree.glob("plugins/filter/*.py")]),
        "lines of Jinja that decide or repeat": jinja_lines(tree),
        "different names of tasks": words["of names"],
        "names of tasks that are vague, forbidden or too long": words["names"],
        "words of prose in pages": words["words of pages"],
        "forbidden forms in pages": words["pages"],
    }


def main() -> None:
    commit = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "--extract", "--directory", folder], input=archive, check=True)
        former, now = count(Path(folder)), count(ROOT)
    print(f"| | {commit} | now |\n|---|---|---|")
    for name, before in former.items():
        print(f"| {name} | {before:,} | {now[name]:,} |")


if __name__ == "__main__":
    main()
