# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report in a browser: nothing sticks out at any width, and tables are sorted and filtered."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.distributed.tiers.plugins.module_utils.reporting.page import ReportData, make_page
from ansible_collections.distributed.tiers.tests.unit.report_data import MADE, hostile, large, recorded

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-headless-shell")
WIDTHS = (360, 800, 1440)
# Chromium gives no window less than 500 wide, a frame of any width. Reports what sticks out, and the text's size.
WRAPPER = """<!DOCTYPE html><meta charset="utf-8"><body>FRAMES<pre id="found"></pre><script>
addEventListener('load', function () {
  var found = Array.from(document.querySelectorAll('iframe')).map(function (frame) {
    var inner = frame.contentDocument, width = frame.clientWidth;
    function seen(one) { return one.getClientRects().length && !one.closest('.skip,thead'); }
    var out = Array.from(inner.body.querySelectorAll('*')).filter(function (one) {
      return seen(one) && !one.closest('svg.strip') && one.getBoundingClientRect().right > width + 1;
    });
    var texts = Array.from(inner.querySelectorAll('.pic text')).filter(seen);
    var sizes = texts.map(function (one) {
      return 12 * one.ownerSVGElement.getBoundingClientRect().width / one.ownerSVGElement.viewBox.baseVal.width;
    });
    return {width: width, scrolls: inner.documentElement.scrollWidth, hostile: inner.defaultView.hostile || false,
      out: out.slice(0, 5).map(function (one) { return one.tagName + '.' + one.getAttribute('class'); }),
      pictures: Array.from(inner.querySelectorAll('svg.pic')).filter(seen).length, least: Math.min.apply(null, sizes),
      USE};
  });
  document.getElementById('found').textContent = JSON.stringify(found);
});
</script>"""

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed: .ci/packages chromium")


def look(tmp_path: Path, page: str, widths: tuple[int, ...] = WIDTHS, use: str = "used: null") -> list[dict[str, Any]]:
    """The findings of a browser at each width. `use`: JavaScript that uses the page `inner`."""
    frames = "".join(f'<iframe width="{width}" height="600" srcdoc="{html.escape(page)}"></iframe>' for width in widths)
    path = tmp_path / "wrapper.html"
    path.write_text(WRAPPER.replace("FRAMES", frames).replace("USE", use), encoding="utf-8")
    done = subprocess.run(
        [
            *(CHROMIUM or "", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"),
            *("--window-size=1600,900", "--virtual-time-budget=5000", "--dump-dom", path.as_uri()),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr
    result: list[dict[str, Any]] = json.loads(html.unescape(found[1]))
    return result


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(lambda: recorded("demo"), id="demo"),
        pytest.param(lambda: recorded("six_hosts"), id="six hosts"),
        pytest.param(lambda: replace(recorded("demo"), status=None, drill=None), id="plan only"),
        pytest.param(lambda: ReportData(large(clients=1000), None, None, MADE), id="large"),
        pytest.param(hostile, id="hostile"),
    ],
)
def test_page_fits_every_width(tmp_path: Path, data: Any) -> None:
    for found in look(tmp_path, make_page(data())):
        assert found["out"] == [], found["width"]
        assert found["scrolls"] <= found["width"]
        assert found["pictures"] == 1, "one drawing is shown at a time"
        assert found["least"] >= 9, "the texts of the drawing can be read"
        assert not found["hostile"]


def test_a_table_is_sorted_and_filtered(tmp_path: Path) -> None:
    use = """used: (function () {
      var table = inner.getElementById('table-servers');
      function names() {
        return Array.from(table.tBodies[0].rows).filter(function (row) { return !row.hidden; })
          .map(function (row) { return row.cells[0].textContent; });
      }
      var before = names(), button = table.querySelector('thead button');
      button.click();
      var up = names(), state = button.parentElement.getAttribute('aria-sort');
      button.click();
      var down = names(), input = inner.getElementById('filter-table-servers');
      input.value = 'PARIS rack';
      input.dispatchEvent(new Event('input'));
      return {before: before, up: up, state: state, down: down, filtered: names(),
        count: input.parentElement.querySelector('[role=status]').textContent};
    })()"""
    (found,) = look(tmp_path, make_page(recorded("demo")), (1440,), use)
    used = found["used"]
    assert used["up"] == sorted(used["before"]) and used["down"] == used["up"][::-1]
    assert used["state"] == "ascending"
    assert sorted(used["filtered"]) == ["px-paris", "px-paris-b"]
    assert used["count"] == "2 of 10 rows"


def test_page_forbids_scripts_that_are_not_its_own(tmp_path: Path) -> None:
    """Even if a text were not escaped."""
    page = make_page(recorded("demo")).replace("<main>", "<main><script>window.hostile = true</script>")
    (found,) = look(tmp_path, page, (800,))
    assert found["hostile"] is False
    (found,) = look(tmp_path, page.replace("default-src", "x-src").replace("script-src", "y-src"), (800,))
    assert found["hostile"] is True, "without the policy, the same script runs"
