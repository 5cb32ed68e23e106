// A result in the form that suits it, and in the others that are possible.

import { button, copyButton, make } from "./dom.js";
import { writeJson } from "./numbers.js";
import { isBytes, pictureType, renderBytes } from "./pictures.js";
import { isNumeric, Plot } from "./plot.js";
import { columnsOf, renderTable } from "./tables.js";
import { briefly, renderTree } from "./tree.js";

/** Return a value as an element. */
export function renderResult(value) {
  if (value === undefined) {
    return make("p", { class: "note", text: "Sent. A oneway call has no answer." });
  }
  const views = viewsOf(value);
  if (views.length === 1) return views[0].render();
  const frame = make("div", { class: "view" });
  const buttons = views.map((view) =>
    button(view.name, () => show(view), { class: "view-button", "aria-pressed": "false" }),
  );
  function show(chosen) {
    for (const [index, view] of views.entries()) {
      buttons[index].setAttribute("aria-pressed", String(view === chosen));
    }
    frame.replaceChildren(chosen.render());
  }
  show(views[0]);
  const switches = { class: "view-buttons", role: "group", "aria-label": "Show it as" };
  return make("div", {}, make("div", switches, ...buttons), frame);
}

/** Return what a result is, in a few words. */
export function resultText(value) {
  if (value === undefined) return "Sent";
  if (isBytes(value)) return pictureType(value) === null ? "Bytes" : "Picture";
  const columns = columnsOf(value);
  if (columns !== null) return `Table of ${value.length} rows`;
  if (value === null) return "None";
  return `Result: ${briefly(value, 60)}`;
}

function viewsOf(value) {
  if (isBytes(value)) return [{ name: "Bytes", render: () => renderBytes(value) }];
  const views = [];
  const columns = columnsOf(value);
  if (columns !== null) {
    views.push({ name: "Table", render: () => renderTable(value, columns) });
  }
  if (isNumeric(value)) views.push({ name: "Plot", render: () => plotOf(value) });
  views.push({ name: "Tree", render: () => renderTree(value) });
  if (value !== null && typeof value === "object") {
    views.push({ name: "JSON", render: () => renderJson(value) });
  }
  return views;
}

function plotOf(values) {
  const plot = new Plot();
  for (const item of values) plot.add(item);
  return plot.element;
}

function renderJson(value) {
  const text = writeJson(value, "  ");
  const code = make("pre", { class: "json-text", tabindex: 0, "aria-label": "JSON", text });
  return make("div", { class: "code-frame" }, copyButton(() => text), code);
}
