# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The script of a report, which sorts and filters its tables. Without JavaScript the tables are only read."""

from __future__ import annotations

SCRIPT = """
// A page that is narrow shows cells as blocks, which are cells for a screen reader only where they say so.
[['table', 'table'], ['thead,tbody', 'rowgroup'], ['tr', 'row'], ['thead th', 'columnheader'],
  ['tbody th', 'rowheader'], ['td', 'cell']].forEach(function (pair) {
  document.querySelectorAll(pair[0]).forEach(function (part) { part.setAttribute('role', pair[1]); });
});
document.querySelectorAll('table.sorts').forEach(function (table) {
  var body = table.tBodies[0], rows = Array.from(body.rows);
  function value(row, column) {
    var text = row.cells[column].textContent.trim(), number = parseFloat(text.replace(/,/g, ''));
    return /^[-+]?[0-9]/.test(text) && !isNaN(number) ? number : text.toLowerCase();
  }
  function compare(one, other) {
    if (typeof one === typeof other) return one < other ? -1 : one > other ? 1 : 0;
    return typeof one === 'number' ? -1 : 1;
  }
  Array.from(table.tHead.rows[0].cells).forEach(function (head, column) {
    if (!head.textContent.trim() || head.classList.contains('t')) return;
    var button = document.createElement('button');
    button.type = 'button';
    button.title = 'Sort by this column';
    while (head.firstChild) button.appendChild(head.firstChild);
    head.appendChild(button);
    button.addEventListener('click', function () {
      var down = head.getAttribute('aria-sort') === 'ascending' ? -1 : 1;
      Array.from(table.tHead.rows[0].cells).forEach(function (cell) { cell.removeAttribute('aria-sort'); });
      head.setAttribute('aria-sort', down === 1 ? 'ascending' : 'descending');
      rows.map(function (row) { return [value(row, column), row]; })
        .sort(function (one, other) { return down * compare(one[0], other[0]); })
        .forEach(function (pair) { body.appendChild(pair[1]); });
    });
  });
  if (rows.length < 9) return;
  var bar = document.createElement('div'), label = document.createElement('label');
  var input = document.createElement('input'), count = document.createElement('span');
  bar.className = 'filter';
  label.textContent = 'Filter';
  input.type = 'search';
  input.id = label.htmlFor = 'filter-' + table.id;
  input.placeholder = table.dataset.filter;
  count.setAttribute('role', 'status');
  count.className = 'dim';
  bar.append(label, input, count);
  table.closest('.scroll').before(bar);
  var texts = rows.map(function (row) { return row.textContent.toLowerCase(); });
  input.addEventListener('input', function () {
    var words = input.value.toLowerCase().split(' ').filter(Boolean), shown = 0;
    rows.forEach(function (row, place) {
      row.hidden = !words.every(function (word) { return texts[place].includes(word); });
      shown += !row.hidden;
    });
    count.textContent = words.length ? shown + ' of ' + rows.length + ' rows' : '';
  });
});
addEventListener('beforeprint', function () {
  document.querySelectorAll('details').forEach(function (one) { one.open = true; });
});
"""
