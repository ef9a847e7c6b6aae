# Copyright: The distributed.tiers authors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The colours of a report, for light and dark pages, and its style sheet."""

from __future__ import annotations

# Text stands on `page`, `panel` and `raised`; the words of a state in its colour do, too. A test holds their contrast.
LIGHT = {
    "page": "#f6f7f9",
    "panel": "#ffffff",
    "raised": "#eef1f4",
    "line": "#d5dbe1",
    "edge": "#8d99a6",
    "text": "#17202a",
    "faint": "#56626f",
    "accent": "#1d5fa8",
    "load": "#7ba7d7",
    "good": "#1a7340",
    "warn": "#8a5300",
    "bad": "#b3261e",
    "good-fill": "#4c9f70",
    "warn-fill": "#e0a03a",
    "bad-fill": "#d1453b",
    "bad-soft": "#fbe9e7",
    "warn-soft": "#fdf3e1",
    "good-soft": "#e7f4ec",
}
DARK = {
    "page": "#10151b",
    "panel": "#181f27",
    "raised": "#222b35",
    "line": "#33404c",
    "edge": "#6d7b89",
    "text": "#e7edf3",
    "faint": "#a3b0bd",
    "accent": "#7db5f0",
    "load": "#4d7fb5",
    "good": "#6cc993",
    "warn": "#e9b25a",
    "bad": "#f28b82",
    "good-fill": "#3f8f63",
    "warn-fill": "#c58a2b",
    "bad-fill": "#d2554c",
    "bad-soft": "#3a2120",
    "warn-soft": "#36290f",
    "good-soft": "#162c20",
}


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in colours.items())


_RULES = """
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--page);color:var(--text);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Noto Sans","DejaVu Sans",sans-serif}
a{color:var(--accent);text-underline-offset:2px}
a:focus-visible,button:focus-visible,input:focus-visible,summary:focus-visible,[tabindex]:focus-visible{
outline:2px solid var(--accent);outline-offset:2px}
.skip{position:absolute;left:-999px}
.skip:focus{left:16px;top:8px;background:var(--panel);padding:4px 8px;z-index:1}
.wrap{max-width:1140px;margin:0 auto;padding:0 24px}
header{padding:28px 0 4px}
h1{font-size:15px;font-weight:600;margin:0;color:var(--faint)}
h1 b{color:var(--text)}
.verdict{display:flex;gap:12px;align-items:flex-start;font-size:26px;line-height:1.25;font-weight:650;
margin:6px 0 4px;
letter-spacing:-.01em}
.verdict svg.i{width:28px;height:28px;flex:none;margin-top:2px}
.sub{margin:0;color:var(--faint)}
nav{margin:14px 0 0;font-size:14px}
nav ul{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0;padding:0;list-style:none}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(190px,1fr));gap:12px;margin:20px 0 0;padding:0;
list-style:none}
.tiles li{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:12px 14px}
.tiles h3{margin:0;font-size:13px;font-weight:600}.tiles h3 a{color:var(--faint);text-decoration:none}
.tiles h3 a:hover{text-decoration:underline}
.tiles p{margin:2px 0 0;font-size:13px;color:var(--faint);overflow-wrap:anywhere}
.tiles .big{font-size:22px;line-height:1.3;font-weight:650;color:var(--text);display:flex;align-items:center;gap:8px;
font-variant-numeric:tabular-nums}
main section{background:var(--panel);border:1px solid var(--line);border-radius:10px;padding:18px 20px 20px;
margin:16px 0}
h2{font-size:18px;line-height:1.3;margin:0}
section>h3,.experiment h3{font-size:15px;margin:22px 0 4px}
.lead{margin:2px 0 12px;color:var(--faint);max-width:80ch}
.none{margin:8px 0 0}
svg.i{width:16px;height:16px;flex:none;vertical-align:-3px}
.s{display:inline-flex;gap:6px;align-items:flex-start}.s svg{margin-top:3px}td .s{white-space:nowrap}
.good,.good .c{color:var(--good)}.warn{color:var(--warn)}.bad{color:var(--bad)}.dim{color:var(--faint)}
.alerts{margin:12px 0 0;padding:0;list-style:none}
.alerts li{display:flex;gap:10px;padding:8px 12px;border-radius:8px;background:var(--bad-soft);margin:6px 0;
overflow-wrap:anywhere}
.alerts.w li{background:var(--warn-soft)}
.alerts svg{margin-top:3px}
.alerts p{margin:0}.alerts .remedy{color:var(--faint)}
code{font:13px/1.4 ui-monospace,"DejaVu Sans Mono",monospace;overflow-wrap:anywhere}
.scroll{overflow-x:auto}
table{width:100%;border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}
caption{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
th,td{text-align:left;padding:6px 14px 6px 0;border-bottom:1px solid var(--line);vertical-align:top;
overflow-wrap:anywhere}
th:last-child,td:last-child{padding-right:0}
thead th{font-size:13px;font-weight:600;color:var(--faint);vertical-align:bottom;overflow-wrap:normal}
tbody th{font-weight:600}
tbody tr:last-child>*{border-bottom:0}
.n{text-align:right;white-space:nowrap}
thead button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer;text-align:inherit}
thead button:hover{color:var(--text)}
thead button::after{content:"\\2195";opacity:.45;padding-left:4px}
[aria-sort=ascending] button::after{content:"\\2191";opacity:1}
[aria-sort=descending] button::after{content:"\\2193";opacity:1}
.filter{display:flex;gap:10px;align-items:baseline;margin:0 0 8px;font-size:14px;flex-wrap:wrap}
.filter input{font:inherit;color:inherit;background:var(--page);border:1px solid var(--edge);border-radius:6px;
padding:4px 8px;width:16em;max-width:100%}
.bar{display:block;position:relative;height:12px;border-radius:6px;background:var(--raised);
border:1px solid var(--line);
min-width:120px;overflow:hidden}
.bar i{display:block;height:100%;background:var(--load)}
.bar.full i{background:var(--warn-fill)}.bar.over i{background:var(--bad-fill)}
.pic{display:block;width:100%;height:auto;margin:0 auto}
.pic text{font-size:12px;fill:var(--faint)}
.pic .name{font-size:13px;font-weight:650;fill:var(--text)}
.pic .site{fill:var(--page);stroke:var(--line)}
.pic .place{font-size:14px;font-weight:650;fill:var(--text)}
.pic .tier{paint-order:stroke;stroke:var(--page);stroke-width:4px;stroke-linejoin:round}
.pic .card{fill:var(--panel);stroke:var(--edge)}
.pic .card.bad{fill:var(--bad-soft);stroke:var(--bad)}.pic .card.warn{fill:var(--warn-soft);stroke:var(--warn)}
.pic .card.dim{stroke-dasharray:4 3}
.pic .wire{fill:none;stroke:var(--edge);stroke-width:1.5}
.pic .wire.flow{stroke:var(--accent);opacity:.75}
.pic .pair{stroke:var(--edge);stroke-width:1.5}
.pic .track{fill:var(--raised)}.pic .load{fill:var(--load)}.pic .load.full{fill:var(--warn-fill)}
.pic .load.over{fill:var(--bad-fill)}
.pic .tip{fill:var(--edge)}.pic .tip.flow{fill:var(--accent)}
.pic .person{fill:var(--accent)}
.pic .dot{fill:var(--good-fill)}.pic .dot.warn{fill:var(--warn-fill)}.pic .dot.bad{fill:var(--bad-fill)}
.pic .dot.dim{fill:none;stroke:var(--edge)}
.medium,.small{display:none}
.legend{display:flex;flex-wrap:wrap;gap:4px 18px;margin:12px 0 0;padding:0;list-style:none;font-size:13px;
color:var(--faint)}
.legend li{display:flex;gap:6px;align-items:center}
.legend .k{width:26px;height:12px;flex:none}
td.t{width:44%;min-width:220px}.rows:has(.strip) tbody th{width:24%}
td.t .bar{margin-top:5px}
.axis{position:relative;display:block;height:17px;font-weight:400}
.axis span{position:absolute;transform:translateX(-50%);white-space:nowrap}
.axis span.l{transform:none}.axis span.r{transform:translateX(-100%)}
.strip{display:block;width:100%;height:20px}
.strip .ground{fill:var(--raised)}.strip .answered{fill:var(--good-fill)}.strip .failed{fill:var(--bad-fill)}
.strip .mark{stroke:var(--text);stroke-width:1.5;vector-effect:non-scaling-stroke}
.strip .mark.m{stroke-dasharray:3 3;opacity:.6}
details{margin:8px 0 0}summary{cursor:pointer;color:var(--accent)}
footer{color:var(--faint);font-size:13px;padding:4px 0 32px}
[hidden]{display:none!important}
@media(max-width:1080px){.wide{display:none}.medium{display:block}.pic.medium{max-width:720px}}
@media(max-width:640px){
.wrap{padding:0 16px}
.verdict{font-size:21px}.verdict svg.i{width:24px;height:24px}
main section{padding:14px 14px 16px;margin:12px 0}
.tiles{grid-template-columns:1fr 1fr;gap:8px}.tiles li{padding:10px 12px}.tiles .big{font-size:18px}
.medium{display:none}.small{display:block}.pic.small{max-width:440px}
.scroll{overflow:visible}
.rows,.rows tbody,.rows tr,.rows th,.rows td,.rows caption{display:block;width:auto!important;min-width:0!important}
.rows thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
.rows thead.keep{position:static;width:auto;height:auto;clip-path:none}.rows thead.keep th:not(.t){display:none}
.rows tr{border-bottom:1px solid var(--line);padding:8px 0}
.rows tbody tr:last-child{border-bottom:0;padding-bottom:0}
.rows th,.rows td{border:0;padding:1px 0!important;text-align:left;white-space:normal}
.rows td:empty{display:none}td .s{white-space:normal}
.rows td::before{color:var(--faint);font-size:13px;padding-right:.6em}
.axis{font-size:11px}
}
@media print{
:root{LIGHT}
body{background:#fff;font-size:10.5pt}
.wrap{max-width:none;padding:0}nav,.filter,.skip,summary{display:none}
main section,.tiles li{break-inside:avoid-page;border-color:#bbb}main section.long{break-inside:auto}
tr,.experiment{break-inside:avoid}
thead{display:table-header-group}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
}
"""


def style_sheet() -> str:
    """The style sheet of a report, for both colour schemes and for print."""
    light = _variables(LIGHT)
    dark = _variables(DARK)
    rules = _RULES.replace(":root{LIGHT}", f":root{{color-scheme:light;{light}}}")
    scheme = f"@media(prefers-color-scheme:dark){{:root{{{dark}}}}}"
    return f":root{{color-scheme:light dark;{light}}}{scheme}{rules}".replace("\n", "")
