// JSON without loss: integers of Python may have more digits than numbers here have.

/** A number as somebody wrote it. */
export class Numeral {
  constructor(text) {
    this.text = text;
  }
}

const MANY_DIGITS = /\d{16}/;
const INTEGER = /^-?\d+$/;

/** Return what JSON says; integers that are too large for a number as BigInt. */
export function parseJson(text) {
  if (!MANY_DIGITS.test(text)) return JSON.parse(text);
  return JSON.parse(text, (_key, value, context) => {
    const large = typeof value === "number" && !Number.isSafeInteger(value);
    const source = context?.source ?? "";
    return large && INTEGER.test(source) ? BigInt(source) : value;
  });
}

/** Return a value as JSON, on lines of their own if an indentation is given. */
export function writeJson(value, indentation = "") {
  return write(value, indentation, "");
}

function write(value, step, indentation) {
  if (value instanceof Numeral) return value.text;
  if (typeof value === "bigint") return value.toString();
  if (value === null || typeof value !== "object") return JSON.stringify(value) ?? "null";
  const inner = indentation + step;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const items = Array.isArray(value)
    ? value.map((item) => write(item, step, inner))
    : Object.entries(value).map(
        ([key, item]) => `${JSON.stringify(key)}: ${write(item, step, inner)}`,
      );
  if (items.length === 0) return open + close;
  if (!step) return open + items.join(", ") + close;
  return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indentation}${close}`;
}

/** Return a number for people. */
export function numberText(value) {
  if (typeof value !== "number" || Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}
