// One attribute: read it, and set it where that is possible.

import { address, ask, askJson } from "./api.js";
import { shortAnnotation } from "./annotations.js";
import { FieldProblem } from "./controls.js";
import { renderDoc } from "./docstrings.js";
import { button, make } from "./dom.js";
import { Field } from "./fields.js";
import { askForKey } from "./key_prompt.js";
import { writeJson } from "./numbers.js";
import { problemText, renderProblem } from "./problems.js";
import { renderResult } from "./results.js";
import { renderSnippets } from "./snippets.js";

/** An attribute of an object on its page. */
export class AttributeCard {
  /**
   * @param {object} page `name`, `types` and `signal`.
   * @param {object} attribute as a description has it.
   */
  constructor(page, attribute) {
    this.page = page;
    this.attribute = attribute;
    this.url = address(page.name, attribute.name);
    this.status = make("p", { class: "call-status", role: "status" });
    this.value = make("div", { class: "result", hidden: true });
    this.form = null;
    this.element = make(
      "li",
      { class: "attribute", "data-name": attribute.name },
      make("div", { class: "attribute-head" }, this.#heading(), ...this.#buttons()),
      renderDoc(attribute.doc),
      this.value,
      this.status,
      attribute.readable === false ? null : this.#snippets(),
    );
  }

  /** Ask for its value, and show it. */
  async read() {
    await this.#try(async () => {
      const value = await askJson(this.url, { signal: this.page.signal });
      this.status.textContent = "";
      this.#show(renderResult(value));
    });
  }

  #snippets() {
    const call = { verb: "GET", stream: false, args: [], kwargs: [] };
    const { name } = this.page;
    return renderSnippets(() => ({ ...call, name, member: this.attribute.name })).element;
  }

  #heading() {
    const { name, annotation } = this.attribute;
    return make(
      "h3",
      { class: "signature" },
      make("span", { class: "signature-name", text: name }),
      annotation ? ": " : null,
      annotation
        ? make("span", { class: "signature-type", text: shortAnnotation(annotation) })
        : null,
    );
  }

  #buttons() {
    const { name, readable, writable } = this.attribute;
    const buttons = [];
    if (readable !== false) {
      const label = { class: "small-button", "aria-label": `Read ${name}` };
      buttons.push(button("Read", () => this.read(), label));
    }
    // Of objects that are not described it is not known.
    if (writable === true) {
      const label = {
        class: "small-button", "aria-label": `Set ${name}`, "aria-expanded": "false",
      };
      const toggle = button("Set", () => this.#toggleForm(toggle), label);
      buttons.push(toggle);
    }
    return buttons;
  }

  #toggleForm(toggle) {
    this.form ??= this.#makeForm();
    const shown = this.form.isConnected;
    if (shown) this.form.remove();
    else this.value.before(this.form);
    toggle.setAttribute("aria-expanded", String(!shown));
    if (!shown) this.field.focus();
  }

  #makeForm() {
    const { name, annotation } = this.attribute;
    const parameter = { name: `New ${name}`, annotation, required: true, default: null };
    this.field = new Field(parameter, this.page.types);
    const submit = make("button", { type: "submit", class: "main-button", text: "Set" });
    const actions = make("div", { class: "actions" }, submit);
    const properties = { class: "call-form", novalidate: true, "aria-label": `Set ${name}` };
    const form = make("form", properties, this.field.element, actions);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#set();
    });
    form.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches("textarea.line")) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    return form;
  }

  async #set() {
    await this.#try(async () => {
      const { json } = await this.field.read();
      const options = { method: "PUT", json: writeJson(json), signal: this.page.signal };
      await ask(this.url, options);
      if (this.attribute.readable !== false) await this.read();
      this.status.textContent = "Set";
    });
  }

  async #try(action) {
    try {
      await action();
    } catch (error) {
      if (error.name === "AbortError") return;
      if (error instanceof FieldProblem) {
        this.status.textContent = "Look at the marked field.";
        return;
      }
      this.status.textContent = `Failed: ${problemText(error)}`;
      this.#show(renderProblem(error));
      if (error.status === 401) askForKey();
    }
  }

  #show(element) {
    this.value.hidden = false;
    this.value.replaceChildren(element);
  }
}
