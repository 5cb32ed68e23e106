// Docstrings as paragraphs, lists, sections and examples. Nothing in them is markup.

import { make } from "./dom.js";

const SECTIONS = new Set([
  "Args", "Arguments", "Parameters", "Returns", "Return", "Yields", "Raises", "Example",
  "Examples", "Note", "Notes", "Attributes", "Warning", "Warnings", "See Also",
]);
const ARGUMENTS = new Set(["Args", "Arguments", "Parameters"]);
const BULLET = /^\s*[-*•]\s+/;
// A name with a type perhaps, as in Google's and NumPy's forms.
const ITEM = /^([*\w][\w.*]*(?:, [*\w]+)*(?:\s*\([^)]*\))?):\s+(.*)$/;
const FIELD = /^:(\w+)(?: ([^:]+))?:\s*(.*)$/;

/** Return the first paragraph of a docstring, on one line. */
export function summaryOf(doc) {
  return (doc ?? "").trim().split(/\n\s*\n/)[0].replace(/\s+/g, " ");
}

/**
 * Return `{doc, texts}`: what a docstring says of each argument, by its name, and the
 * docstring without that.
 */
export function splitArguments(doc) {
  const texts = new Map();
  const rest = [];
  for (const block of blocksOf(doc)) {
    const lines = block.split("\n");
    if (ARGUMENTS.has(headingOf(lines))) takeItems(bodyOf(lines), texts);
    else rest.push(takeFields(lines, texts).join("\n"));
  }
  return { doc: rest.filter(Boolean).join("\n\n"), texts };
}

function takeItems(lines, texts) {
  const starts = (line) => indentation(line) === 0 && ITEM.test(line);
  for (const item of gather(lines, starts)) {
    const [, names, text] = ITEM.exec(item) ?? [];
    if (names === undefined) continue;
    const plain = names.replace(/\s*\(.*\)$/, "").replaceAll("*", "");
    for (const name of plain.split(", ")) texts.set(name, text);
  }
}

function takeFields(lines, texts) {
  if (!lines.some((line) => FIELD.test(line.trim()))) return lines;
  return gather(lines, (line) => FIELD.test(line.trim())).filter((item) => {
    const [, kind, names, text] = FIELD.exec(item) ?? [];
    if (kind !== "param") return kind !== "type";
    texts.set(names.split(" ").at(-1), text);
    return false;
  });
}

/** Return a docstring as an element, or null if there is nothing in it. */
export function renderDoc(doc) {
  const blocks = blocksOf(doc);
  if (blocks.length === 0) return null;
  return make("div", { class: "doc" }, ...blocks.flatMap(renderBlock));
}

function blocksOf(doc) {
  return (doc ?? "").trim().split(/\n\s*\n/).filter(Boolean);
}

/** Return the name of the section that some lines are, or "". */
function headingOf(lines) {
  const heading = lines[0].trim().replace(/:$/, "");
  return SECTIONS.has(heading) && lines.length > 1 ? heading : "";
}

function bodyOf(lines) {
  const rest = lines.slice(1).filter((line) => !/^\s*-{3,}\s*$/.test(line));
  return dedent(rest).split("\n");
}

function renderBlock(block) {
  const lines = block.split("\n");
  const heading = headingOf(lines);
  if (heading) {
    const title = make("p", { class: "doc-heading", text: heading });
    return [title, ...renderBody(bodyOf(lines), true)];
  }
  return renderBody(lines);
}

function renderBody(lines, inSection = false) {
  if (lines.some((line) => line.trimStart().startsWith(">>>"))) {
    return [make("pre", { tabindex: 0, "aria-label": "Example", text: dedent(lines) })];
  }
  if (BULLET.test(lines[0])) {
    const items = gather(lines, (line) => BULLET.test(line));
    const element = make("ul", {});
    for (const item of items) {
      element.append(make("li", {}, ...inline(item.replace(BULLET, ""))));
    }
    return [element];
  }
  const depth = indentation(lines[0]);
  const starts = (line) =>
    FIELD.test(line.trim()) || (indentation(line) === depth && ITEM.test(line.trim()));
  if (FIELD.test(lines[0].trim()) || (inSection && ITEM.test(lines[0].trim()))) {
    return [renderItems(gather(lines, starts))];
  }
  if (depth >= 4 && lines.length > 1) {
    return [make("pre", { tabindex: 0, "aria-label": "Example", text: dedent(lines) })];
  }
  return [make("p", {}, ...inline(lines.map((line) => line.trim()).join(" ")))];
}

function renderItems(items) {
  const element = make("dl", {});
  for (const item of items) {
    const field = FIELD.exec(item);
    const [, name, text] = field ? [null, field[2] ?? field[1], field[3]] : ITEM.exec(item);
    element.append(
      make("dt", {}, make("code", { text: name })),
      make("dd", {}, ...inline(text)),
    );
  }
  return element;
}

/** Join each line with those that continue it. */
function gather(lines, starts) {
  const items = [];
  for (const line of lines) {
    if (starts(line) || items.length === 0) items.push(line.trim());
    else items.push(`${items.pop()} ${line.trim()}`);
  }
  return items;
}

function indentation(line) {
  return line.length - line.trimStart().length;
}

function dedent(lines) {
  const depths = lines.filter((line) => line.trim()).map(indentation);
  const least = Math.min(...depths);
  return lines.map((line) => line.slice(least)).join("\n");
}

/** Return a text with its code and emphasis as elements. */
export function inline(text) {
  return [...inlineParts(text)];
}

function* inlineParts(text) {
  const pieces = text.split(/(``[^`]+``|:\w+:`[^`]+`|`[^`]+`|\*\*[^*]+\*\*)/);
  for (const [index, piece] of pieces.entries()) {
    if (index % 2 === 0) yield piece;
    else if (piece.startsWith("**")) yield make("strong", { text: piece.slice(2, -2) });
    else yield make("code", { text: piece.replace(/^:\w+:/, "").replace(/^`+|`+$/g, "") });
  }
}
