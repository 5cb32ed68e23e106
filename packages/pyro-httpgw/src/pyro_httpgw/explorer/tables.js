// Lists of records, and of rows, as tables that can be sorted.

import { button, make } from "./dom.js";
import { isBytes } from "./pictures.js";
import { briefly, renderTree } from "./tree.js";

const MOST_COLUMNS = 40;
// More at once would make the page slow.
const STEP = 100;

/** Return the columns of a list that is a table, as `{name, key}`, or null. */
export function columnsOf(value) {
  if (!Array.isArray(value) || value.length === 0) return null;
  if (value.every(isRecord)) {
    const names = new Set(value.flatMap((row) => Object.keys(row)));
    names.delete("__class__");
    const columns = [...names].map((name) => ({ name, key: name }));
    return columns.length > 0 && columns.length <= MOST_COLUMNS ? columns : null;
  }
  const width = Array.isArray(value[0]) ? value[0].length : 0;
  const rows = value.length > 1 && width > 0 && width <= MOST_COLUMNS;
  if (rows && value.every((row) => Array.isArray(row) && row.length === width)) {
    return Array.from({ length: width }, (_, key) => ({ name: String(key), key }));
  }
  return null;
}

function isRecord(value) {
  return (
    value !== null && typeof value === "object" && !Array.isArray(value) && !isBytes(value)
  );
}

/** Return a table of rows. */
export function renderTable(rows, columns) {
  const body = make("tbody", {});
  const heads = new Map();
  let order = rows.map((row, index) => ({ row, index }));
  let sorted = { key: null, down: false };
  const more = button("", () => show(body.childElementCount + STEP), {
    class: "small-button",
  });

  function show(count) {
    body.replaceChildren(
      ...order.slice(0, count).map(({ row, index }) => tableRow(row, index, columns)),
    );
    more.hidden = count >= order.length;
    more.textContent = `Show more of ${order.length} rows`;
  }
  function sortBy(key) {
    sorted = { key, down: sorted.key === key && !sorted.down };
    const sign = sorted.down ? -1 : 1;
    order = [...order].sort(
      (one, other) => sign * compare(one.row[key], other.row[key]) || one.index - other.index,
    );
    for (const [name, head] of heads) {
      if (name === key) head.ariaSort = sorted.down ? "descending" : "ascending";
      else head.removeAttribute("aria-sort");
    }
    show(Math.max(STEP, body.childElementCount));
  }

  const head = make("tr", {}, make("th", { scope: "col", class: "row-number", text: "#" }));
  for (const { name, key } of columns) {
    const sort = button(name, () => sortBy(key), { class: "sort" });
    const numeric = rows.every((row) => isNumber(row[key]));
    const cell = make("th", { scope: "col", class: numeric ? "number" : null }, sort);
    heads.set(key, cell);
    head.append(cell);
  }
  show(STEP);
  const caption = make("caption", { class: "hidden", text: `${rows.length} records` });
  const table = make("table", {}, caption, make("thead", {}, head), body);
  const label = `Table of ${rows.length} records`;
  const frame = { class: "table-frame", tabindex: 0, role: "region", "aria-label": label };
  return make("div", {}, make("div", frame, table), more);
}

function tableRow(row, index, columns) {
  const cells = columns.map(({ key }) => tableCell(row[key]));
  const number = make("th", { scope: "row", class: "row-number", text: String(index) });
  return make("tr", {}, number, ...cells);
}

function tableCell(value) {
  if (value !== null && typeof value === "object") {
    const summary = make("summary", { text: briefly(value) });
    const details = make("details", { class: "cell-details" }, summary);
    details.addEventListener("toggle", () => {
      if (details.childElementCount === 1) details.append(renderTree(value));
    });
    return make("td", {}, details);
  }
  const kind = isNumber(value) ? "number" : null;
  if (value === undefined) return make("td", {});
  const constants = { true: "True", false: "False", null: "None" };
  if (typeof value === "string") return make("td", { text: value });
  const text = constants[value] ?? String(value);
  return make("td", { class: kind ?? "constant", text });
}

function isNumber(value) {
  return typeof value === "number" || typeof value === "bigint";
}

function compare(one, other) {
  if (isNumber(one) && isNumber(other)) return one < other ? -1 : Number(one > other);
  // What is not there comes last.
  const missing = (value) => Number(value === undefined || value === null);
  const text = (value) => (typeof value === "string" ? value : briefly(value));
  return missing(one) - missing(other) || text(one).localeCompare(text(other));
}
