// Inputs by the kind of value: what people type, choose or upload, as JSON.

import { make, sizeText } from "./dom.js";
import { exampleOf } from "./example_values.js";
import { Numeral, parseJson, writeJson } from "./numbers.js";
import { PythonText, quoted } from "./python_text.js";

/** Why what is in an input is no value. */
export class FieldProblem extends Error {}

/**
 * Return an input for values of a shape, as `{element, set, read}`.
 *
 * `read` gives the value as JSON has it, or a promise of it, and throws `FieldProblem`;
 * `set` shows a value that JSON has.
 *
 * @param {object} shape see `shapeOf`.
 * @param {object} types the described types.
 * @param {string} id of the element that takes the label.
 */
export function makeControl(shape, types, id) {
  const build = BUILDERS[shape.kind] ?? makeJson;
  return build(shape, types, id);
}

function simpleInput(properties, read) {
  const element = make("input", { autocomplete: "off", ...properties });
  return {
    element,
    set: (value) => (element.value = value ?? ""),
    read: () => read(element),
  };
}

function makeNumber(shape, _types, id) {
  const whole = shape.kind === "integer";
  const properties = {
    id, type: "number", step: whole ? "1" : "any",
    inputmode: whole ? "numeric" : "decimal",
  };
  return simpleInput(properties, (input) => {
    const text = input.value.trim();
    if (input.validity.badInput || text === "") throw new FieldProblem("Give a number.");
    if (whole && !/^-?\d+$/.test(text)) throw new FieldProblem("Give a whole number.");
    if (whole) return Number.isSafeInteger(Number(text)) ? Number(text) : new Numeral(text);
    return Number(text);
  });
}

function makeDuration(_shape, types, id) {
  const number = makeNumber({ kind: "number" }, types, id);
  const unit = make("span", { class: "unit", text: "seconds", "aria-hidden": "true" });
  number.element.setAttribute("aria-description", "in seconds");
  const element = make("div", { class: "with-unit" }, number.element, unit);
  return { ...number, element };
}

function makeText(_shape, _types, id) {
  const element = make("textarea", { id, class: "line", rows: 1, spellcheck: "false" });
  return {
    element,
    set: (value) => (element.value = value ?? ""),
    read: () => element.value,
  };
}

const WORDS = {
  uuid: "such as 12345678-1234-4234-8234-123456789abc",
  decimal: "such as 1.50",
  word: "",
};

function makeWord(shape, _types, id) {
  const properties = {
    id, type: "text", spellcheck: "false", placeholder: WORDS[shape.kind] || null,
    inputmode: shape.kind === "decimal" ? "decimal" : null,
  };
  return simpleInput(properties, (input) => {
    const text = input.value.trim();
    if (text === "") throw new FieldProblem("Give a value.");
    return text;
  });
}

const MOMENTS = { date: "date", time: "time", datetime: "datetime-local" };

function makeMoment(shape, _types, id) {
  const step = shape.kind === "date" ? null : 1;
  return simpleInput({ id, type: MOMENTS[shape.kind], step }, (input) => {
    if (input.value === "") throw new FieldProblem(`Give a ${shape.kind}.`);
    return input.value;
  });
}

function makeCheckbox(_shape, _types, id) {
  const element = make("input", { id, type: "checkbox", class: "toggle" });
  return {
    element,
    set: (value) => (element.checked = value === true),
    read: () => element.checked,
  };
}

function makeSelect(shape, _types, id) {
  const options = shape.options.map((option, index) =>
    make("option", { value: index, text: option.label }),
  );
  const element = make("select", { id }, ...options);
  return {
    element,
    set: (value) => {
      const index = shape.options.findIndex((option) => option.json === value);
      if (index >= 0) element.value = String(index);
    },
    read: () => {
      const option = shape.options[Number(element.value)];
      if (option === undefined) throw new FieldProblem("There is nothing to choose.");
      return option.json;
    },
  };
}

function makeFile(_shape, _types, id) {
  const input = make("input", { id, type: "file" });
  const size = make("span", { class: "unit" });
  input.addEventListener("change", () => {
    size.textContent = input.files[0] ? sizeText(input.files[0].size) : "";
  });
  return {
    element: make("div", { class: "with-unit" }, input, size),
    set: () => {},
    read: async () => {
      const [file] = input.files;
      if (file === undefined) throw new FieldProblem("Choose a file.");
      return { data: await base64Of(file), encoding: "base64" };
    },
    python: () => {
      const name = input.files[0]?.name ?? "file";
      const imports = ["from pathlib import Path"];
      return new PythonText(`Path(${quoted(name)}).read_bytes()`, imports);
    },
  };
}

function base64Of(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(",") + 1));
    reader.onerror = () => reject(new FieldProblem("The file cannot be read."));
    reader.readAsDataURL(file);
  });
}

function makeNothing(_shape, _types, id) {
  const element = make("output", { id, text: "None" });
  return { element, set: () => {}, read: () => null };
}

function makeJson(shape, types, id) {
  const example = shape.kind === "any" ? null : exampleOf(shape, types);
  const element = make("textarea", {
    id, class: "json", rows: shape.kind === "any" ? 1 : 3, spellcheck: "false",
    autocapitalize: "none",
    placeholder: shape.kind === "any"
      ? "JSON, or plain text"
      : `JSON, such as ${writeJson(example)}`,
  });
  if (shape.kind === "record" || (shape.kind === "list" && hasRecords(shape))) {
    element.value = writeJson(example, "  ");
    element.rows = Math.min(element.value.split("\n").length, 12);
  }
  return {
    element,
    set: (value) => {
      element.value = value === undefined ? "" : writeJson(value, "  ");
      if (shape.kind === "any" && typeof value === "string") element.value = value;
    },
    read: () => readJson(element.value, shape),
  };
}

function hasRecords(shape) {
  return shape.items.some((item) => item.kind === "record");
}

function readJson(text, shape) {
  if (text.trim() === "") {
    if (shape.kind === "any") return "";
    throw new FieldProblem("Give a value, as JSON.");
  }
  let value;
  try {
    value = parseJson(text);
  } catch (error) {
    if (shape.kind === "any") return text;
    throw new FieldProblem(`This is not JSON: ${error.message}`);
  }
  if (shape.kind === "list" && !Array.isArray(value)) {
    throw new FieldProblem("Give a JSON list, such as [1, 2].");
  }
  const isMap = value !== null && typeof value === "object" && !Array.isArray(value);
  if ((shape.kind === "map" || shape.kind === "record") && !isMap) {
    throw new FieldProblem('Give a JSON object, such as {"key": 1}.');
  }
  return value;
}

const BUILDERS = {
  integer: makeNumber, number: makeNumber, duration: makeDuration, text: makeText,
  uuid: makeWord, decimal: makeWord, word: makeWord, date: makeMoment, time: makeMoment,
  datetime: makeMoment, boolean: makeCheckbox, choice: makeSelect, bytes: makeFile,
  none: makeNothing,
};
