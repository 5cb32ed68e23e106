// Values as Python writes them.

import { Numeral } from "./numbers.js";
import { shapeOf, shortName } from "./annotations.js";

/** Something that Python writes, and what has to be imported for it. */
export class PythonText {
  constructor(text, imports = []) {
    this.text = text;
    this.imports = imports;
  }
}

/** Return a text in quotes. */
export function quoted(text) {
  const quote = text.includes('"') && !text.includes("'") ? "'" : '"';
  const body = Array.from(text, (one) => {
    if (one === "\\" || one === quote) return `\\${one}`;
    if (one === "\n") return "\\n";
    if (one === "\t") return "\\t";
    if (one === "\r") return "\\r";
    const code = one.codePointAt(0);
    if (code >= 32 && code !== 127 && code !== 0x2028 && code !== 0x2029) return one;
    return code < 256
      ? `\\x${code.toString(16).padStart(2, "0")}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
  return quote + body.join("") + quote;
}

/** Return plain data as Python writes it. */
export function pythonData(value) {
  if (value === null || value === undefined) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (value instanceof Numeral) return value.text;
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object") return String(value);
  if (Array.isArray(value)) return `[${value.map(pythonData).join(", ")}]`;
  const items = Object.entries(value).map(
    ([key, item]) => `${quoted(key)}: ${pythonData(item)}`,
  );
  return `{${items.join(", ")}}`;
}

const CONSTRUCTED = {
  date: ["datetime", (value) => `datetime.date.fromisoformat(${quoted(value)})`],
  time: ["datetime", (value) => `datetime.time.fromisoformat(${quoted(value)})`],
  datetime: ["datetime", (value) => `datetime.datetime.fromisoformat(${quoted(value)})`],
  uuid: ["uuid", (value) => `uuid.UUID(${quoted(value)})`],
  decimal: ["decimal", (value) => `decimal.Decimal(${quoted(value)})`],
};

/** Return a value of a shape as a program for Pyro would write it. */
export function pythonOf(value, shape, types) {
  if (value === null) return new PythonText("None");
  if (shape.kind === "choice") {
    const option = shape.options.find((one) => one.json === value);
    const text = option?.python ?? pythonData(value);
    return new PythonText(text, shape.name ? [importOf(shape.name)] : []);
  }
  if (shape.kind === "duration") {
    const text = `datetime.timedelta(seconds=${pythonData(value)})`;
    return new PythonText(text, ["import datetime"]);
  }
  if (Object.hasOwn(CONSTRUCTED, shape.kind) && typeof value === "string") {
    const [module, write] = CONSTRUCTED[shape.kind];
    return new PythonText(write(value), [`import ${module}`]);
  }
  if (shape.kind === "record" && isObject(value) && shape.type.kind !== "typeddict") {
    return recordText(value, shape, types);
  }
  if (shape.kind === "list" && Array.isArray(value) && shape.repeated && shape.items[0]) {
    const items = value.map((item) => pythonOf(item, shape.items[0], types));
    const text = `[${items.map((item) => item.text).join(", ")}]`;
    return new PythonText(text, items.flatMap((item) => item.imports));
  }
  return new PythonText(pythonData(value));
}

function recordText(value, shape, types) {
  const fields = new Map((shape.type.fields ?? []).map((field) => [field.name, field]));
  const items = Object.entries(value)
    .filter(([key]) => fields.has(key))
    .map(([key, item]) => {
      const inner = shapeOf(fields.get(key).annotation, types);
      return [key, pythonOf(item, inner, types)];
    });
  const text = items.map(([key, item]) => `${key}=${item.text}`).join(", ");
  const imports = items.flatMap(([, item]) => item.imports);
  return new PythonText(`${shortName(shape.name)}(${text})`, [
    importOf(shape.name),
    ...imports,
  ]);
}

function importOf(name) {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : `from ${name.slice(0, dot)} import ${name.slice(dot + 1)}`;
}

function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
