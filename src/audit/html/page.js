// Sorts every table, and searches and pages the rows. The page is whole without it. It takes no
// text for markup, asks for nothing, and keeps nothing anywhere.
"use strict";

// So early that the rows are not laid out before they are taken over.
document.documentElement.classList.add("js");

(() => {
  // Rows that are printed, whatever stands on the page: some forty sheets.
  const PRINTED_ROWS_MAX = 1000;
  const order = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const written = new Intl.NumberFormat("en");

  // What a search compares: without case, accents and joined letters.
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

  // A cell's text as it sorts; none for an empty one, which comes last either way.
  function key(row, column, isNumber) {
    const text = row.cells[column].textContent.trim();
    if (!isNumber) return text || null;
    const digits = text.replace(/[^0-9]/g, "");
    return digits ? Number(digits) : null;
  }

  function sorted(rows, column, isNumber, direction) {
    const keyed = rows.map((row) => [key(row, column, isNumber), row]);
    keyed.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      return direction * (isNumber ? a - b : order.compare(a, b));
    });
    return keyed.map(([, row]) => row);
  }

  // Headings become buttons; `show` gets the rows in their new order.
  function sortable(table, rows, show) {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      const isNumber = heading.classList.contains("n");
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = heading.textContent.trim();
      heading.replaceChildren(button);
      button.addEventListener("click", () => {
        const before = heading.getAttribute("aria-sort");
        const first = isNumber ? "descending" : "ascending";
        const second = isNumber ? "ascending" : "descending";
        const next = before === first ? second : first;
        headings.forEach((other) => other.removeAttribute("aria-sort"));
        heading.setAttribute("aria-sort", next);
        show(sorted(rows, column, isNumber, next === "ascending" ? 1 : -1));
      });
    });
  }

  function fill(body, rows) {
    const fragment = document.createDocumentFragment();
    for (const row of rows) fragment.append(row);
    body.replaceChildren(fragment);
  }

  // Where a row is a card, its cells name themselves.
  function label(table, rows) {
    const names = [...table.tHead.rows[0].cells].map((heading) => heading.textContent.trim());
    for (const row of rows) {
      if (row.dataset.labelled) continue;
      row.dataset.labelled = "yes";
      [...row.cells].forEach((cell, at) => {
        if (at > 0) cell.dataset.label = names[at];
      });
    }
  }

  function small(table) {
    const body = table.tBodies[0];
    const rows = [...body.rows];
    label(table, rows);
    sortable(table, rows, (inOrder) => fill(body, inOrder));
  }

  function detail(table) {
    const at = (id) => document.getElementById(id);
    const [search, size, status, pages] = ["search", "size", "status", "pages"].map(at);
    const [earlier, later, page] = ["earlier", "later", "page"].map(at);
    const body = table.tBodies[0];
    const texts = new WeakMap();
    const all = [...body.rows];
    let ordered = all;
    let found = all;
    let start = 0;

    function text(row) {
      if (!texts.has(row)) {
        texts.set(row, plain([...row.cells].map((cell) => cell.textContent).join(" ")));
      }
      return texts.get(row);
    }

    function show(from, count) {
      start = from;
      const rows = found.slice(from, from + count);
      label(table, rows);
      fill(body, rows);
      const last = from + rows.length;
      status.textContent =
        (found.length === all.length ? "" : `${written.format(found.length)} of `) +
        `${written.format(all.length)} ${all.length === 1 ? "row" : "rows"}` +
        (rows.length < found.length
          ? `, ${written.format(from + 1)} to ${written.format(last)} shown` : "");
      pages.hidden = found.length <= count;
      earlier.disabled = from === 0;
      later.disabled = last >= found.length;
      const here = Math.floor(from / count) + 1;
      page.textContent = `Page ${written.format(here)} of ${written.format(Math.ceil(found.length / count))}`;
    }

    const count = () => Number(size.value);
    function find() {
      const words = plain(search.value).split(/\s+/).filter(Boolean);
      found = words.length
        ? ordered.filter((row) => words.every((word) => text(row).includes(word))) : ordered;
      show(0, count());
    }
    function turn(step) {
      show(Math.max(0, start + step * count()), count());
      at("rows").scrollIntoView();
    }

    sortable(table, all, (inOrder) => { ordered = inOrder; find(); });
    search.addEventListener("input", find);
    size.addEventListener("change", find);
    earlier.addEventListener("click", () => turn(-1));
    later.addEventListener("click", () => turn(1));
    for (const button of document.querySelectorAll("button[data-search]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        search.value = button.dataset.search;
        find();
        at("rows").scrollIntoView();
        search.focus({ preventScroll: true });
      });
    }
    let before = 0;
    addEventListener("beforeprint", () => { before = start; show(0, PRINTED_ROWS_MAX); });
    addEventListener("afterprint", () => show(before, count()));
    at("tools").hidden = false;
    show(0, count());
    at("detail").classList.add("ready");
  }

  document.addEventListener("DOMContentLoaded", () => {
    for (const table of document.querySelectorAll("table[data-sortable]")) {
      if (table.closest("#detail")) detail(table);
      else small(table);
    }
  });
})();
