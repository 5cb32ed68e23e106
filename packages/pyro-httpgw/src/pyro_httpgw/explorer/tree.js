// A value as a tree that opens and closes.

import { button, make, sizeText } from "./dom.js";
import { isBytes, renderBytes, sizeOf } from "./pictures.js";

const OPEN_DEPTH = 2;
const OPEN_ITEMS = 20;
// More at once would make the page slow.
const STEP = 100;
const LONGEST_TEXT = 400;

/** Return a value as an element. */
export function renderTree(value) {
  const root = make("div", { class: "tree" });
  root.append(node(null, value, 0));
  return root;
}

/** Return a value on one short line, as text. */
export function briefly(value, longest = 80) {
  if (isBytes(value)) return `bytes, ${sizeText(sizeOf(value))}`;
  if (typeof value === "string") return value.slice(0, longest);
  if (value === null || typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `list of ${value.length}`;
  const keys = Object.keys(value).filter((key) => key !== "__class__");
  const name = typeof value.__class__ === "string" ? `${value.__class__} ` : "";
  return `${name}{${keys.join(", ")}}`.slice(0, longest);
}

function node(key, value, depth) {
  const label = key === null ? null : make("span", { class: "tree-key", text: `${key}: ` });
  if (value === null || typeof value !== "object") {
    return make("div", { class: "tree-leaf" }, label, leaf(value));
  }
  if (isBytes(value)) {
    return make("div", { class: "tree-leaf" }, label, renderBytes(value));
  }
  const className = Array.isArray(value) ? null : value.__class__;
  const entries = Array.isArray(value)
    ? value.map((item, index) => [index, item])
    : Object.entries(value).filter(([name]) => name !== "__class__");
  if (entries.length === 0) {
    const text = className ?? (Array.isArray(value) ? "[ ]" : "{ }");
    const empty = make("span", { class: "tree-count", text: `${text}, empty` });
    return make("div", { class: "tree-leaf" }, label, empty);
  }
  return branch(label, className, entries, Array.isArray(value), depth);
}

function branch(label, className, entries, isList, depth) {
  const unit = isList ? ["item", "items"] : ["field", "fields"];
  const count = `${entries.length} ${unit[entries.length === 1 ? 0 : 1]}`;
  const summary = make(
    "summary",
    {},
    label,
    className ? make("span", { class: "tree-class", text: String(className) }) : null,
    make("span", { class: "tree-count", text: count }),
  );
  const children = make("div", { class: "tree-children" });
  const element = make("details", { class: "tree-branch" }, summary, children);
  const show = () => children.childElementCount === 0 && more(children, entries, 0, depth);
  if (depth < OPEN_DEPTH && (depth === 0 || entries.length <= OPEN_ITEMS)) {
    element.open = true;
    show();
  }
  element.addEventListener("toggle", () => element.open && show());
  return element;
}

function more(children, entries, start, depth) {
  for (const [key, item] of entries.slice(start, start + STEP)) {
    children.append(node(key, item, depth + 1));
  }
  const shown = start + STEP;
  if (shown < entries.length) {
    const rest = button(`Show more of ${entries.length}`, () => {
      rest.remove();
      more(children, entries, shown, depth);
    }, { class: "small-button" });
    children.append(rest);
  }
}

function leaf(value) {
  if (value === null || value === undefined) {
    return make("span", { class: "tree-none", text: "None" });
  }
  if (typeof value === "boolean") {
    return make("span", { class: "tree-constant", text: value ? "True" : "False" });
  }
  if (typeof value !== "string") {
    return make("span", { class: "tree-number", text: String(value) });
  }
  const text = make("span", { class: "tree-text", text: value });
  if (value.length <= LONGEST_TEXT) return text;
  text.textContent = `${value.slice(0, LONGEST_TEXT)}…`;
  const whole = button(`Show all ${value.length} characters`, () => {
    text.textContent = value;
    whole.remove();
  }, { class: "small-button" });
  return make("span", {}, text, " ", whole);
}
