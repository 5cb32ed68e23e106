// The arguments of a method, from its signature.

import { FieldProblem } from "./controls.js";
import { make } from "./dom.js";
import { Field } from "./fields.js";

// What callers of an object that is not described may give.
const UNKNOWN = [
  { name: "args", kind: "var_positional", annotation: null, required: false },
  { name: "kwargs", kind: "var_keyword", annotation: null, required: false },
];

/** The fields of a call. */
export class ArgumentForm {
  /**
   * @param {object} method as a description has it.
   * @param {object} types the described types.
   * @param {Map<string, string>} texts what is said of each argument.
   */
  constructor(method, types, texts) {
    const parameters = method.parameters ?? UNKNOWN;
    this.fields = parameters.map(
      (parameter) => new Field(parameter, types, texts.get(parameter.name)),
    );
    this.element = make("div", { class: "fields" }, ...this.fields.map((one) => one.element));
  }

  /**
   * Return the `args` and `kwargs` of a call, whose items have `json` and `python`.
   *
   * @param {boolean} quiet whether nothing is said about what is wrong.
   * @throws {FieldProblem} a field has no value; it says so.
   */
  async read(quiet = false) {
    const args = [];
    const kwargs = [];
    let problem = null;
    // Once a positional argument is left out, those that follow go by their names.
    let gap = false;
    const positional = this.#mustBePositional();
    for (const field of this.fields) {
      let value;
      try {
        value = await field.read(quiet);
      } catch (error) {
        if (!(error instanceof FieldProblem)) throw error;
        if (problem === null && !quiet) field.focus();
        problem ??= error;
        continue;
      }
      const { kind } = field.parameter;
      if (!value.given) {
        gap ||= kind === "positional_only" || kind === "positional_or_keyword";
      } else if (kind === "var_positional") {
        args.push(...value.json.map((json) => ({ json })));
      } else if (kind === "var_keyword") {
        kwargs.push(...Object.entries(value.json).map(([name, json]) => [name, { json }]));
      } else if (kind === "positional_only" || (positional.has(field) && !gap)) {
        args.push(value);
      } else {
        kwargs.push([field.name, value]);
      }
    }
    if (problem !== null) throw problem;
    return { args, kwargs };
  }

  /** Show problems by the name of the argument; return whether one was shown. */
  show(problems) {
    const found = this.fields.filter((field) => problems.has(field.name));
    for (const field of found) field.show(problems.get(field.name));
    found[0]?.focus();
    return found.length > 0;
  }

  /** Return the fields that cannot be given by name, as others come after them. */
  #mustBePositional() {
    const rest = this.fields.find((one) => one.parameter.kind === "var_positional");
    const given = rest !== undefined && rest.choice !== "default";
    return new Set(given ? this.fields.slice(0, this.fields.indexOf(rest)) : []);
  }
}
