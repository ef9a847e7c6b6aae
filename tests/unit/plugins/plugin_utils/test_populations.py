# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Populations in every form, and everything that can be wrong with one."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.plugin_utils import items
from ansible_collections.distributed.tiers.plugins.plugin_utils.populations import (
    LARGEST_COUNT,
    LONGEST_LINE,
    MOST_PROBLEMS,
    read_population,
)

CSV = """name,site,weight,pin,allow,deny,spread
a,paris,2,,,,
"b, c",tokyo,,px,site:paris|tag:x,zone:z1,g
"""
EXPECTED = {
    "a": {"site": "paris", "weight": 2},
    "b, c": {
        "site": "tokyo", "weight": 1, "pin": "px", "spread": "g", "allow": ["site:paris", "tag:x"], "deny": ["zone:z1"],
    },
}  # fmt: skip


def test_csv_text_and_file(tmp_path: Path) -> None:
    assert read_population(CSV) == (EXPECTED, [])
    for content in (CSV.encode(), b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode(), b"\n\n" + CSV.encode()):
        path = tmp_path / "clients.csv"
        path.write_bytes(content)
        assert read_population(str(path)) == (EXPECTED, [])
        assert read_population(path) == (EXPECTED, [])


@pytest.mark.parametrize(
    "text",
    [
        '[{"name": "a", "site": "paris", "weight": 2}]',
        '{"a": {"site": "paris", "weight": 2}}',
        "- name: a\n  site: paris\n  weight: 2\n",
        "a:\n  site: paris\n  weight: 2\n",
        "[{name: a, site: paris, weight: 2}]",
        "name,site,weight\na,paris,2",
    ],
)
def test_the_same_in_every_form(text: str, tmp_path: Path) -> None:
    expected = ({"a": EXPECTED["a"]}, [])
    path = tmp_path / ("p.yml" if text.startswith("a:") else "p")
    path.write_text(text, encoding="utf-8")
    assert read_population(path) == expected
    if not text.startswith("a:"):  # a YAML dictionary needs a file name that says so
        assert read_population(text) == expected


def test_lists_dictionaries_and_counts() -> None:
    assert read_population([{"name": "a", "site": "paris", "weight": 2}]) == ({"a": EXPECTED["a"]}, [])
    assert read_population({"a": {"site": "paris", "weight": 2}}) == ({"a": EXPECTED["a"]}, [])
    assert list(read_population({"paris": 2, "tokyo": 1, "rome": 0})[0]) == ["paris#1", "paris#2", "tokyo#1"]
    assert read_population([]) == ({}, [])


def test_rows_that_say_the_same_share_one_dictionary() -> None:
    clients, _problems = read_population("name,site\na,x\nb,x\nc,y\n")
    assert clients["a"] is clients["b"] is not clients["c"]


@pytest.mark.parametrize(
    ("source", "problems"),
    [
        ("", ["text: is empty"]),
        (" \n\n", ["text: is empty"]),
        ("name,site,colour\na,x,red\n", ["text: line 1: unknown columns: colour; known are name"]),
        ("name,weight\na,1\n", ["text: line 1: the header lacks: site"]),
        ("name,site,site\na,x,x\n", ["text: line 1: columns given twice: site"]),
        ("name,site\na,x\n\na,y\n", ["text: line 4: 'a' was there before"]),
        ("name,site\na\nb,x,1\n", ["text: line 2: 1 columns instead of 2", "text: line 3: 3 columns instead of 2"]),
        ("name,site\n,x\na,\n", ["text: line 2: name is empty", "text: line 3: site must be a text"]),
        ("name,site,weight\na,x,0\nb,x,-1\nc,x,nan\nd,x,1e3\ne,x,²\n", ["text: line 2: weight must be"] * 1),
        ('name,site\na,x\n"b,x\n', ["text: line 3: is no whole CSV"]),
        ("name,site,allow\na,x,p||q\n", ["text: line 2: allow must be selectors"]),
        ('[{"name": "a", "site": "x"},', ["text: line 1: is no whole JSON"]),
        ('{"a": {"site": "x"}, "a": {"site": "y"}}', ["text: 'a': 'a' was there before"]),
        ('[{"name": "a", "site": "x", "site": "y"}]', ["text: entry 1: a key is given twice"]),
        ("- name: a\n  site: [\n", ["text: line 3: is no whole YAML"]),
        ("- name: a\n  site: x\n  site: y\n", ["text: entry 1: a key is given twice"]),
        ("- !!python/object:os.system {}\n", ["text: line 1: is no whole YAML: could not determine a constructor"]),
        ("- &a [*a]\n", ["text: line 1: is no whole YAML: *a is of nothing before it"]),
        ("[" * 100000, ["text: nested too deeply"]),
        ([1], ["clients: entry 1: must be a dictionary, not int"]),
        ([{"site": "x"}], ["clients: entry 1: name must be a text that is not empty, without line breaks"]),
        ([{"name": "a", "site": "x", "weight": 1.5}], ["clients: entry 1: weight must be a whole number"]),
        ([{"name": "a", "site": "x", "weight": True}], ["clients: entry 1: weight must be a whole number"]),
        ([{"name": "a", "site": "x", "wight": 1}], ["clients: entry 1: unknown key 'wight'"]),
        ([{"name": "a", "site": "x", "pin": 1}], ["clients: entry 1: pin must be a text"]),
        ([{"name": "a", "site": "x"}, {"name": [], "site": "x"}], ["clients: entry 2: name must be a text"]),
        (
            [{"name": "a", "site": "x", "weight": 1}, {"name": "b", "site": "x", "weight": True}],
            ["clients: entry 2: wei"],
        ),
        ({"paris": -1}, ["clients: 'paris': must be a site and a count from 0 to 10^7, not -1"]),
        ({"paris": None}, ["clients: 'paris': must be a dictionary or a count, not NoneType"]),
        (None, ["clients: must be a list or a dictionary of clients, not nothing"]),
        (3, ["clients: must be a list or a dictionary of clients, not int"]),
        ("/nowhere/at/all.csv", ["/nowhere/at/all.csv: cannot be read: No such file or directory"]),
        ("/", ["/: cannot be read: Is a directory"]),
        ("a\0b.csv", [r"a\x00b.csv: cannot be read"]),
    ],
)
def test_mistakes_are_reported(source: Any, problems: list[str]) -> None:
    _clients, found = read_population(source)
    assert [text[: len(expected)] for text, expected in zip(found, problems, strict=False)] == problems
    assert len(found) >= len(problems)


def test_every_wrong_weight_has_its_line() -> None:
    text = "name,site,weight\n" + "".join(
        f"c{n},x,{bad}\n" for n, bad in enumerate(["0", "-1", "nan", "1e3", "²", "1.0"])
    )
    clients, problems = read_population(text)
    assert clients == {} and [problem.split(": ")[1] for problem in problems] == [f"line {n}" for n in range(2, 8)]


@pytest.mark.parametrize("line", [2, 5000])
def test_the_line_that_is_no_utf8(line: int, tmp_path: Path) -> None:
    rows = [b"name,site\n", *(b"c%d,x\n" % number for number in range(6000))]
    rows[line - 1] = b"caf\xe9,x\n"
    path = tmp_path / "clients.csv"
    path.write_bytes(b"".join(rows))
    _clients, problems = read_population(path)
    assert problems == [f"{path}: is no UTF-8 text: line {line}"]


def test_a_million_wrong_lines_are_reported_briefly() -> None:
    _clients, problems = read_population("name,site\n" + "a\n" * 100000)
    assert len(problems) == MOST_PROBLEMS + 1 and problems[-1] == f"and {100000 - MOST_PROBLEMS} more problems"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (CSV.encode("utf-16"), "is no UTF-8 text: it is UTF-16"),
        (gzip.compress(CSV.encode()), "is no UTF-8 text: it is compressed"),
        (b"PK\x03\x04\xff", "is no UTF-8 text: it is an archive, or a spreadsheet"),
        (b"name,site\na,x\n" + b"x" * LONGEST_LINE + b"\nb,\xff\n", "is no UTF-8 text: line 4"),
        (CSV.encode("utf-16-le"), "line 1: the header lacks: name, site"),
    ],
)
def test_a_file_of_another_format_is_named(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "clients.csv"
    path.write_bytes(content)
    assert read_population(path)[1][-1].startswith(f"{path}: {problem}")


def test_an_endless_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/zero")):
        assert read_population(path) == ({}, [f"{path}: cannot be read: Is no regular file"])
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    (problem,) = read_population(tmp_path / "loop.csv")[1]
    assert "Too many levels of symbolic links" in problem


def test_a_path_of_a_million_characters_is_reported_briefly() -> None:
    (problem,) = read_population("x" * 10**6)[1]
    assert problem.endswith("cannot be read: File name too long") and len(problem) < 300


def test_a_header_of_a_million_columns_is_reported_briefly() -> None:
    _clients, problems = read_population("a," * (LONGEST_LINE // 2 - 1) + "name\nx\n")
    assert len(problems) == 3 and max(map(len, problems)) < 200


def test_a_line_that_never_ends_is_not_kept() -> None:
    text = "name,site\na,x\n" + "b,x," * 10**6
    tracemalloc.start()
    try:
        stream = io.StringIO(text)  # copies it
        before = tracemalloc.get_traced_memory()[0]
        clients, problems = read_population(text)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert stream.read(1) and list(clients) == ["a"] and all("columns instead of 2" in problem for problem in problems)
    assert peak - before < 5 * len(text) * 4


@pytest.mark.parametrize(
    "text",
    [
        'name,site\na,x\n"b,x\nc,x\n' + "d,x\n" * 5,
        'name,site\na,x\n"b,x\n' + "d,x\n" * csv.field_size_limit(),
    ],
)
def test_a_quote_that_is_never_closed_is_reported_where_it_opens(text: str) -> None:
    assert [problem.split(":")[1] for problem in read_population(text)[1]] == [" line 3"]


@pytest.mark.parametrize("name", ["a\nb", "a\0", "a\u202eb", "\ud800", "a\u2028b", "\t", "a\x1b[0m"])
@pytest.mark.parametrize("column", ["name", "site", "pin", "spread", "allow"])
def test_an_invisible_text_is_no_name(name: str, column: str) -> None:
    client = {"name": "c", "site": "x", column: name}
    assert read_population([client])[0] == {}
    text = io.StringIO()
    writer = csv.DictWriter(text, client)
    writer.writeheader()
    writer.writerow(client)
    for source in (text.getvalue(), json.dumps([client]), [client]):
        clients, problems = read_population(source)
        if column in ("name", "site") or name.strip():
            assert clients == {} and len(problems) == 1
            problems[0].encode("ascii")


def test_counts_are_bounded_all_together() -> None:
    _clients, problems = read_population({"a": 1, "b": LARGEST_COUNT})
    assert problems == ["clients: 'b': more than 10^7 clients in all"]


@pytest.mark.parametrize(
    "value", ["!!int ''", "!!int '1\\n\\n2'", "!!float ''", "!!bool x", "!!timestamp x", "2024-13-01", "!!int x"]
)
def test_an_invalid_value_of_yaml_is_reported(value: str) -> None:
    (problem,) = read_population(f"- name: a\n  site: x\n  weight: {value}\n")[1]
    assert problem.startswith("text: line 3: is no whole YAML: '")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "- {name: a, site: x, weight: 0x" + "f" * 5000 + "}",
            "weight must be a whole number from 1 to 10^15, not a num",
        ),
        ("- {name: a, site: x, weight: " + "9" * 5000 + "}", "line 1: is no whole YAML: '9999"),
        ('[{"name": "a", "site": "x", "weight": ' + "9" * 5000 + "}]", "line 1: is no whole JSON: a number of more"),
        ("{x: 0x" + "f" * 5000 + "}", "must be a site and a count from 0 to 10^7, not a number of more than 40 digits"),
        ("- ? [a]\n  : b\n", "line 1: is no whole YAML: a list or a mapping is no key"),
        ("- {<<: 5}\n", "line 1: is no whole YAML: << is to merge mappings"),
        ("- {name: a, site: x}\n---\n- {name: b, site: x}\n", "line 2: is no whole YAML: a second document begins"),
        ("- !!set {a}\n", "could not determine a constructor for the tag 'tag:yaml.org,2002:set'"),
        ("- !!map a\n", "could not determine a constructor for the tag 'tag:yaml.org,2002:map'"),
        ('[{"name": "a", "site": "x"}] []', "line 1: is no whole JSON: Extra data"),
        ('{"a": {"site": "x"},\n}', "line 2: is no whole JSON: Expecting property name"),
        ('[{"name": "a", "site": "x"},\n]', "line 2: is no whole JSON: Expecting value"),
        ('{"a" {"site": "x"}}', "line 1: is no whole JSON: Expecting ':' delimiter"),
        ('["' + "x" * (items.LONGEST_ENTRY * 2), "one entry of more than 16777216 characters"),
        ("- " + "[" * 10_000, "nested too deeply"),
        ('["a", ' + '{"a":' * 10_000, "nested too deeply"),
    ],
)
def test_odd_json_and_yaml_is_reported(text: str, problem: str) -> None:
    problems = read_population(text)[1]
    assert problem in problems[-1] and len(problems[-1]) < 200


def test_a_yaml_of_millions_of_aliases_is_read_quickly() -> None:
    lines = ["- &a0 {name: x}", *(f"- &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30))]
    text = "\n".join([*lines, "- {name: a, site: x, allow: *a29}"])
    assert read_population(text)[1][-1].startswith("text: entry 31: allow must be selectors")


def test_yaml_entries_can_be_merged() -> None:
    text = "- &one {name: a, site: x, weight: 2}\n- {<<: *one, name: b}\n- {<<: [*one, {pin: p}], name: c, site: y}\n"
    assert read_population(text) == (
        {
            "a": {"site": "x", "weight": 2},
            "b": {"site": "x", "weight": 2},
            "c": {"site": "y", "weight": 2, "pin": "p"},
        },
        [],
    )


@pytest.mark.parametrize("language", ["csv", "json", "yml"])
@pytest.mark.parametrize("right", [True, False])
def test_a_file_costs_no_more_memory_than_what_comes_of_it(language: str, right: bool, tmp_path: Path) -> None:
    number = 5_000
    entries = [{"name": f"client-{n}", "site": f"s{n % 9}", "weight": 1 if right else -n} for n in range(number)]
    path = tmp_path / f"clients.{language}"
    with path.open("w", encoding="utf-8") as file:
        if language == "csv":
            writer = csv.DictWriter(file, entries[0])
            writer.writeheader()
            writer.writerows(entries)
        else:
            file.write(json.dumps(entries, indent=1) if language == "json" else yaml.dump(entries, Dumper=yaml.CDumper))
    read_population(path)
    tracemalloc.start()
    try:
        clients, problems = read_population(path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (len(clients), len(problems)) == ((number, 0) if right else (0, MOST_PROBLEMS + 1))
    # A window of the text, and a dictionary of names while it grows.
    assert peak - kept < 1_000_000


# Small windows, so that everything is cut somewhere.
@pytest.mark.parametrize("chunk", [1, 2, 7, 100])
def test_a_text_may_be_cut_at_any_place(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [
        {"name": 'a"\\', "site": "\u2603 \U0001f600", "weight": 10**15},
        {"name": "b", "site": "x", "pin": "p", "allow": ["site:x", "tag:y"]},
        {"name": "c", "site": "x", "weight": -1.25e-300, "deny": [True, None, False]},
    ]
    for data in (entries, {entry["name"]: entry for entry in entries}):
        for text in (json.dumps(data), json.dumps(data, indent=2, ensure_ascii=False)):
            whole = read_population(text)
            with monkeypatch.context() as patched:
                patched.setattr(items, "CHUNK", chunk)
                assert read_population(text) == whole
            assert len(whole[0]) == 2 and len(whole[1]) == 2


def test_a_number_too_long_to_read_is_one_problem_however_much_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"x": 1' + "9" * 9000 + "}"
    whole = read_population(text)
    assert whole[0] == {} and "a number of more than 4300 digits" in whole[1][0]
    monkeypatch.setattr(items, "CHUNK", 3)
    assert read_population(text) == whole


@given(st.one_of(st.text(), st.text(alphabet='name,site"\n\r[]{}:-&*!| \t\0a1#', max_size=60), st.binary()))
def test_no_text_is_a_traceback(tmp_path_factory: Any, content: Any) -> None:
    path = tmp_path_factory.mktemp("p") / "p"
    if isinstance(content, str):
        read_population(content)
        content = content.encode("utf-8", "surrogatepass")
    path.write_bytes(content)
    clients, problems = read_population(path)
    assert clients or problems or content.strip(b"\xef\xbb\xbf \r\n")


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(max_value=100), st.floats(), st.text(max_size=5)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.one_of(st.sampled_from(["name", "site", "weight", "allow"]), st.text(max_size=3)), inner
            ),
        ),
        max_leaves=10,
    )
)
def test_no_data_is_a_traceback(data: Any) -> None:
    read_population(data)
