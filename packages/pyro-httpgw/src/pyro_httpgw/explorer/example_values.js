// JSON to begin with, for arguments that are written as JSON.

import { shapeOf } from "./annotations.js";

const SAMPLES = {
  integer: 0, number: 0.5, boolean: false, text: "text", none: null, decimal: "1.50",
  uuid: "00000000-0000-4000-8000-000000000000", date: "2026-01-31", time: "12:00:00",
  datetime: "2026-01-31T12:00:00", duration: 60, bytes: "YmFzZTY0", any: null, word: "text",
};
// Records may have fields of their own kind.
const DEEPEST = 4;

/** Return a value of a shape, as JSON has it. */
export function exampleOf(shape, types, depth = 0) {
  if (depth > DEEPEST) return null;
  const inside = (one) => exampleOf(one, types, depth + 1);
  if (shape.kind === "choice") return shape.options[0]?.json ?? null;
  if (shape.kind === "list") {
    const items = shape.repeated ? shape.items.slice(0, 1) : shape.items;
    return items.map(inside);
  }
  if (shape.kind === "map") {
    const value = shape.items[1];
    return value === undefined ? {} : { key: inside(value) };
  }
  if (shape.kind === "record") {
    return Object.fromEntries(
      (shape.type.fields ?? []).map((field) => [
        field.name,
        Object.hasOwn(field, "value")
          ? field.value
          : inside(shapeOf(field.annotation, types)),
      ]),
    );
  }
  return SAMPLES[shape.kind] ?? null;
}
