"""The HTML report in a headless Chromium, as people open it: it complains of nothing, asks for
nothing, sorts, searches, prints, fits a narrow screen, and can be read without JavaScript.

Run through tests/clients/setup.sh's environment:
    .tools/venv/bin/python -m pytest tests/clients/test_html_report.py
"""

import base64
import hashlib
import json
import re

import pytest

from chromium import Page
from test_usher_clients import GOOD, Reflected
from usher_processes import Stack

# Texts that would do something, were they not escaped. Of such names AWS takes most.
HOSTILE = [
    "</script><script>document.title='run'</script>",
    "\u202egnp.exe\u2066",
    "",
    "x" * 1024,
    "<img src=x onerror=\"document.title='run'\">",
    "\"><svg onload=document.title='run'>",
    "<!-- <style>*{display:none}</style>",
]
VIEWS = ["access", "assignments", "instances", "duplicate-users"]


@pytest.fixture
def browse(tmp_path):
    """Opens a file in a browser of its own; at the end no page may have complained or asked."""
    pages = []

    def open_page(place, **how):
        page = Page(tmp_path, **how).open(place.as_uri())
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        complaints, requests = page.complaints(), page.requests()
        page.end()
        assert complaints == [] and requests == []


def written(stack, view="access"):
    """The page of a view, by `usher audit`."""
    place = stack.directory / f"{view}.html"
    done = stack.run("audit", "--view", view, "--format", "html", "--out", place,
                     "--per-second", "1000")
    assert done.returncode == 0, done.stderr
    assert hashlib.sha256(place.read_bytes()).hexdigest() in done.stderr.decode()
    return place


@pytest.fixture
def demo(simulated):
    """The demo world's page, without a server."""
    return written(simulated)


def rows(page):
    """The first lines of the rows that are shown, cell by cell."""
    return page.value(
        "[...document.querySelectorAll('#detail tbody tr')]"
        ".map((row) => [...row.cells].map((cell) => cell.innerText.split('\\n')[0].trim()))"
    )


def sorts(page):
    return page.value("[...document.querySelectorAll('#detail thead th')].map((h) => h.ariaSort)")


def focus(page, selector):
    page.value(f"document.querySelector({json.dumps(selector)}).focus()")


def test_html_report_of_a_server_says_what_stands_and_why(stack, browse):
    client = Reflected(stack.address, stack.token())
    grant = client.call("AccessService/Assign", GOOD)["grant"]
    asked = {"view": "REPORT_VIEW_ACCESS", "format": "REPORT_FORMAT_HTML"}
    parts = client.call("AccessService/AuditReport", asked)
    client.channel.close()
    text = "".join(part["text"] for part in parts if "text" in part)
    summary = parts[-1]["summary"]
    assert hashlib.sha256(text.encode()).hexdigest() == summary["sha256"]
    place = stack.directory / "access.html"
    place.write_text(text)
    page = browse(place)
    figures = page.value(
        "[...document.querySelectorAll('.figures > div')].map((each) => each.innerText)"
    )
    assert figures[0].split("\n")[1] == summary["user_count"]
    body = page.value("document.body.innerText")
    assert grant["id"] in body and "INC-42" in body and "Granted, reason stated" in body
    assert "Complete: nothing is missing" in body
    assert len(rows(page)) == int(summary["row_count"])


def test_html_report_sorts_by_keyboard_and_searches(demo, browse):
    page = browse(demo)
    shown = rows(page)
    assert len(shown) > 10
    assert set(sorts(page)) == {None}
    focus(page, "#detail thead th:nth-child(2) button")
    page.press("Enter", 13, "\r")
    assert sorts(page)[1] == "ascending"
    names = [row[1] for row in rows(page)]
    assert names == sorted(names, key=str.casefold) and len(names) == len(shown)
    page.press(" ", 32, " ")
    assert sorts(page)[1] == "descending"
    assert [row[1] for row in rows(page)] == sorted(names, key=str.casefold, reverse=True)
    page.press("Tab", 9)
    assert page.value("document.activeElement.textContent") == "Way in"
    assert page.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"

    assert page.value("document.querySelector('label[for=search]').innerText") == "Search the rows"
    focus(page, "#search")
    page.type("ANNA  direct")
    found = rows(page)
    assert found and all("anna" in row[0].lower() and row[2] == "Direct" for row in found)
    assert page.value("document.querySelector('#status').innerText") == (
        f"{len(found)} of {len(shown)} rows"
    )
    page.value("document.querySelector('#search').select()")
    page.type("nobody is called this")
    assert rows(page) == []
    page.value("document.querySelector('#search').value = ''")
    focus(page, "button[data-search]")
    page.press("Enter", 13, "\r")
    assert rows(page) and len(rows(page)) < len(shown)
    assert page.value("document.activeElement.id") == "search"


def test_html_report_has_landmarks_headings_and_names_for_everything(demo, browse):
    page = browse(demo)
    assert page.value("document.documentElement.lang") == "en"
    count = "(selector) => document.querySelectorAll(selector).length"
    for landmark in ("main", "header", "h1", "[role=search]", "[role=status]", "footer"):
        assert page.value(f"({count})('{landmark}')") == 1, landmark
    levels = page.value("[...document.querySelectorAll('h1,h2,h3')].map((h) => +h.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    assert page.value(f"({count})('table')") == page.value(f"({count})('table > caption')")
    assert page.value(f"({count})('thead th:not([scope=col])')") == 0
    assert page.value(f"({count})('tbody th:not([scope=row])')") == 0
    ids = page.value("[...document.querySelectorAll('[id]')].map((each) => each.id)")
    assert len(ids) == len(set(ids))
    lead_nowhere = page.value(
        "[...document.querySelectorAll('a')].filter((a) => !document.querySelector(a.hash)).length"
    )
    assert lead_nowhere == 0
    nodes = page.ask("Accessibility.getFullAXTree")["nodes"]
    for node in nodes:
        role = node.get("role", {}).get("value")
        if role in ("button", "link", "searchbox", "combobox", "region", "table", "navigation"):
            assert node["name"]["value"], node


# As WCAG computes it, for every text that is shown on a background of the page.
CONTRAST = """(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).map((part) => part / 255)
      .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const weak = new Set();
  for (const element of document.querySelectorAll("body *")) {
    if (!element.innerText || element.disabled || !element.offsetParent) continue;
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (contrast < 4.5) weak.add(`${element.tagName}.${element.className}: ${contrast}`);
  }
  return [...weak];
})()"""


@pytest.mark.parametrize("dark", [False, True])
def test_html_report_has_contrast_and_fits_a_narrow_screen(demo, browse, dark):
    page = browse(demo, dark=dark, width=360, height=740)
    ink, paper = page.value(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert (sum(map(int, re.findall(r"\d+", ink))) > sum(map(int, re.findall(r"\d+", paper)))) == dark
    assert page.value(CONTRAST) == []
    assert page.value("document.documentElement.scrollWidth") <= 360
    wide = page.value(
        "[...document.querySelectorAll('main *')]"
        ".filter((each) => each.getBoundingClientRect().right > 361).map((each) => each.outerHTML)"
    )
    assert wide == []
    # Each cell of a row says what it is.
    label = page.value("getComputedStyle(document.querySelector('#detail td'), '::before').content")
    assert "Target" in label


def test_html_report_can_be_read_without_javascript_and_printed(demo, browse):
    page = browse(demo, scripts=False)
    page.ask("Emulation.setScriptExecutionDisabled", value=False)
    assert page.value("document.documentElement.className") == ""
    assert len(rows(page)) > 10
    assert page.value("getComputedStyle(document.querySelector('#detail tbody')).display") != "none"
    unusable = "[...document.querySelectorAll('button, input, select')].filter((e) => e.offsetParent)"
    assert page.value(f"{unusable}.length") == 0
    page = browse(demo)
    page.ask("Emulation.setEmulatedMedia", media="print")
    assert page.value(f"{unusable}.filter((e) => !e.closest('thead')).length") == 0
    printed = base64.b64decode(page.ask("Page.printToPDF", preferCSSPageSize=True)["data"])
    assert printed.startswith(b"%PDF")


def test_html_report_turns_pages_and_prints_what_was_found(tmp_path, browse):
    stack = Stack(tmp_path, arguments=("--seed", "7", "--applications", "40", "--users", "200"))
    try:
        done = stack.run("audit", "--format", "html", "--per-second", "1000")
    finally:
        stack.end()
    place = tmp_path / "many.html"
    place.write_bytes(done.stdout)
    page = browse(place)
    told = page.value("document.querySelector('#status').innerText")
    count = int(re.match(r"([\d,]+) rows, 1 to 100 shown$", told)[1].replace(",", ""))
    assert count > 300 and len(rows(page)) == 100
    first = rows(page)
    focus(page, "#later")
    page.press("Enter", 13, "\r")
    assert len(rows(page)) == 100 and rows(page) != first
    assert "101 to 200 shown" in page.value("document.querySelector('#status').innerText")
    assert page.value("document.querySelector('#page').innerText") == f"Page 2 of {-(-count // 100)}"
    page.value("dispatchEvent(new Event('beforeprint'))")
    assert len(rows(page)) == min(count, 1000)
    page.value("dispatchEvent(new Event('afterprint'))")
    assert len(rows(page)) == 100 and rows(page) != first
    focus(page, "#search")
    page.type("direct")
    assert page.value("document.querySelector('#page').innerText").startswith("Page 1 of ")


@pytest.mark.parametrize("view", VIEWS)
def test_html_report_of_a_hostile_world_runs_nothing(simulated, browse, tmp_path, view):
    world = simulated.control("GET", "world")
    kinds = (("users", ("user_name", "display_name")), ("applications", ("name",)),
             ("groups", ("display_name",)), ("accounts", ("name",)), ("instances", ("name",)))
    for shift, (kind, fields) in enumerate(kinds):
        for at, each in enumerate(world[kind], shift):
            for field in fields:
                each[field] = HOSTILE[at % len(HOSTILE)]
    place = tmp_path / "world.json"
    place.write_text(json.dumps(world))
    hostile = Stack(tmp_path, arguments=("--world", place))
    try:
        page = browse(written(hostile, view))
    finally:
        hostile.end()
    assert page.value("document.title").startswith(("Who", "What", "Instances", "People"))
    assert page.value("document.scripts.length") == 1
    assert page.value("document.querySelectorAll('img, iframe, object, svg[onload]').length") == 0
    text = page.value("document.body.textContent")
    assert "\u202e" not in text and "\u2066" not in text
    if view in ("access", "assignments"):
        for shown in (HOSTILE[0], HOSTILE[4], "no name"):
            assert shown in text
    if view == "access":
        assert "[U+202E]gnp.exe[U+2066]" in text
    page.ask("Emulation.setDeviceMetricsOverride", width=360, height=740, deviceScaleFactor=1,
             mobile=False)
    assert page.value("document.documentElement.scrollWidth") <= 360


def test_html_report_that_lacks_something_says_so_first(simulated, browse):
    simulated.fault("ListGroupMemberships", "access_denied")
    place = simulated.directory / "access.html"
    done = simulated.run("audit", "--format", "html", "--out", place, "--per-second", "1000")
    assert done.returncode == 1, done.stderr
    page = browse(simulated.directory / "access.incomplete.html")
    text = page.value("document.querySelector('header').innerText")
    assert "Incomplete" in text
    assert page.value("document.querySelector('#missing').getBoundingClientRect().top") < 900
    missing = page.value("document.querySelector('#missing').innerText")
    assert "members" in missing and "lacks a permission" in missing


def test_html_report_page_that_complains_or_asks_is_found(tmp_path):
    """The judge itself: what it is to find, it finds."""
    place = tmp_path / "bad.html"
    place.write_text(
        "<!DOCTYPE html><meta http-equiv=Content-Security-Policy content=\"default-src 'none'\">"
        "<title>x</title><script>1</script>"
    )
    page = Page(tmp_path).open(place.as_uri())
    assert page.complaints() != []
    place.write_text("<!DOCTYPE html><title>x</title><img alt=x src=beside.png>")
    page.open(place.as_uri())
    assert [address.rsplit("/", 1)[1] for address in page.requests()] == ["beside.png"]
    place.write_text("<!DOCTYPE html><title>x</title><script>nothing.at.all</script>")
    page.open(place.as_uri())
    assert page.complaints() != []
    page.end()
