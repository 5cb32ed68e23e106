// One argument of a form: its label, its input, and whether it is given at all.

import { shapeOf, shortAnnotation } from "./annotations.js";
import { FieldProblem, makeControl } from "./controls.js";
import { inline } from "./docstrings.js";
import { freshId, make } from "./dom.js";
import { pythonOf } from "./python_text.js";

/** An argument. */
export class Field {
  /**
   * @param {object} parameter as a description has it.
   * @param {object} types the described types.
   * @param {string|undefined} text what is said of it.
   */
  constructor(parameter, types, text) {
    this.parameter = parameter;
    this.types = types;
    this.shape = shapeOfParameter(parameter, types);
    const id = freshId("field");
    this.text = text
      ? make("p", { class: "field-text", id: `${id}-text` }, ...inline(text))
      : null;
    this.problem = make("p", { class: "field-problem", id: `${id}-problem` });
    this.control = makeControl(this.shape, types, id);
    this.chips = this.#makeChips();
    this.element = this.#makeElement(id);
    this.input = this.element.querySelector(`#${id}`);
    const described = [this.text?.id, this.problem.id].filter(Boolean).join(" ");
    this.input.setAttribute("aria-describedby", described);
    for (const event of ["input", "change"]) {
      this.input.addEventListener(event, () => this.#choose(null));
    }
    this.#showDefault();
    this.#choose(this.chips.has("default") ? "default" : null);
  }

  get name() {
    return this.parameter.name;
  }

  /**
   * Return `{given, json, python}`.
   *
   * @param {boolean} quiet whether nothing is said about what is wrong.
   * @throws {FieldProblem} what is in it is no value.
   */
  async read(quiet = false) {
    if (!quiet) this.show("");
    if (this.choice === "default") return { given: false };
    if (this.choice === "none") return { given: true, json: null, python: pythonOf(null) };
    try {
      const json = await this.control.read();
      const python = this.control.python?.() ?? pythonOf(json, this.shape, this.types);
      return { given: true, json, python };
    } catch (error) {
      if (error instanceof FieldProblem && !quiet) this.show(error.message);
      throw error;
    }
  }

  /** Say what is wrong with it; nothing is an empty text. */
  show(text) {
    this.problem.textContent = text;
    if (text) this.input.setAttribute("aria-invalid", "true");
    else this.input.removeAttribute("aria-invalid");
  }

  focus() {
    this.input.focus();
  }

  #makeElement(id) {
    const { name, annotation, kind } = this.parameter;
    const stars = { var_positional: "*", var_keyword: "**" }[kind] ?? "";
    const head = make(
      "div",
      { class: "field-head" },
      make("label", { for: id, text: stars + name }),
      annotation
        ? make("code", {
            class: "field-type",
            text: shortAnnotation(annotation),
            title: annotation,
          })
        : null,
      ...this.chips.values(),
    );
    const properties = { class: "field", "data-kind": this.shape.kind };
    return make("div", properties, head, this.text, this.control.element, this.problem);
  }

  #makeChips() {
    const chips = new Map();
    const { name, required, default: text, kind } = this.parameter;
    const several = kind === "var_positional" || kind === "var_keyword";
    if (!required) {
      const value = several || text === null || text === undefined
        ? "not given"
        : `default ${shortDefault(text)}`;
      chips.set("default", this.#makeChip("default", value, name));
    }
    if (this.shape.nullable && text !== "None" && this.shape.kind !== "none") {
      chips.set("none", this.#makeChip("none", "None", name));
    }
    return chips;
  }

  #makeChip(choice, text, name) {
    const toggle = () => {
      this.#choose(this.choice === choice ? null : choice);
      this.element.dispatchEvent(new Event("change", { bubbles: true }));
    };
    return make("button", {
      type: "button", class: "chip", text, "aria-pressed": "false",
      "aria-label": `${text}, for ${name}`, on: { click: toggle },
    });
  }

  #choose(choice) {
    this.choice = choice;
    this.element.classList.toggle("is-not-given", choice !== null);
    if (choice !== null) this.show("");
    for (const [name, chip] of this.chips) {
      chip.setAttribute("aria-pressed", String(name === choice));
    }
  }

  #showDefault() {
    const { parameter, shape } = this;
    if (Object.hasOwn(parameter, "value") && parameter.value !== null) {
      this.control.set(parameter.value);
      return;
    }
    if (shape.kind === "choice" && parameter.default) {
      const short = parameter.default.split(".").slice(-2).join(".");
      const option = shape.options.find((one) => one.python === short);
      if (option !== undefined) this.control.set(option.json);
    }
  }
}

function shapeOfParameter(parameter, types) {
  const shape = shapeOf(parameter.annotation, types);
  if (parameter.kind === "var_positional") {
    return { kind: "list", nullable: false, items: [shape], repeated: true };
  }
  if (parameter.kind === "var_keyword") {
    const items = [{ kind: "text", nullable: false }, shape];
    return { kind: "map", nullable: false, items };
  }
  return shape;
}

const LONGEST_DEFAULT = 28;

/** Return the text of a default as far as there is room for it. */
export function shortDefault(text) {
  const short = /^[\w.]+$/.test(text) ? text.split(".").slice(-2).join(".") : text;
  const whole = /^\d/.test(text) ? text : short;
  return whole.length > LONGEST_DEFAULT ? `${whole.slice(0, LONGEST_DEFAULT)}…` : whole;
}
