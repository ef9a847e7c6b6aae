# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Populations in every form, and everything that can be wrong with one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.distributed.tiers.plugins.plugin_utils.populations import MOST_PROBLEMS, read_population

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
        ("- &a [*a]\n", ["text: entry 1: must be a dictionary, not list"]),
        ("[" * 100000, ["clients: nested too deeply"]),
        ([1], ["clients: entry 1: must be a dictionary, not int"]),
        ([{"site": "x"}], ["clients: entry 1: name must be a text that is not empty, not None"]),
        ([{"name": "a", "site": "x", "weight": 1.5}], ["clients: entry 1: weight must be a whole number"]),
        ([{"name": "a", "site": "x", "weight": True}], ["clients: entry 1: weight must be a whole number"]),
        ([{"name": "a", "site": "x", "wight": 1}], ["clients: entry 1: unknown key 'wight'"]),
        ([{"name": "a", "site": "x", "pin": 1}], ["clients: entry 1: pin must be a text"]),
        ({"paris": -1}, ["clients: 'paris': must be a site and a count from 0 to 10^7, not -1"]),
        ({"paris": None}, ["clients: 'paris': must be a dictionary or a count, not NoneType"]),
        (None, ["clients: must be a list or a dictionary of clients, not nothing"]),
        (3, ["clients: must be a list or a dictionary of clients, not int"]),
        ("/nowhere/at/all.csv", ["/nowhere/at/all.csv: cannot be read: No such file or directory"]),
        ("/", ["/: cannot be read: Is a directory"]),
        ("a\0b.csv", ["a\0b.csv: cannot be read"]),
    ],
)
def test_what_is_wrong_is_told(source: Any, problems: list[str]) -> None:
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


def test_a_million_wrong_lines_are_told_briefly() -> None:
    _clients, problems = read_population("name,site\n" + "a\n" * 100000)
    assert len(problems) == MOST_PROBLEMS + 1 and problems[-1] == f"and {100000 - MOST_PROBLEMS} more problems"


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
