// One method: what it does, a form to call it, and what came of that.

import { address, ask } from "./api.js";
import { shortAnnotation } from "./annotations.js";
import { FieldProblem } from "./controls.js";
import { renderDoc, splitArguments, summaryOf } from "./docstrings.js";
import { button, make } from "./dom.js";
import { shortDefault } from "./fields.js";
import { ArgumentForm } from "./forms.js";
import { askForKey } from "./key_prompt.js";
import { parseJson, writeJson } from "./numbers.js";
import { problemsByName, problemText, renderProblem } from "./problems.js";
import { renderResult, resultText } from "./results.js";
import { bodyOf, renderSnippets } from "./snippets.js";
import { StreamView } from "./streams.js";

// A method that nobody has described may return a stream.
const ACCEPT = "application/json, text/event-stream";

// How much of a result has to be seen, in pixels.
const LEAST_SEEN = 160;

const KINDS = {
  stream: "stream",
  oneway: "oneway",
};

/** A method of an object on its page. */
export class MethodCard {
  /**
   * @param {object} page `name`, `types` and `signal`, which ends what runs.
   * @param {object} method as a description has it.
   */
  constructor(page, method) {
    this.page = page;
    this.method = method;
    this.running = null;
    this.element = make("details", { class: "card", "data-name": method.name }, this.#summary());
    this.element.addEventListener("toggle", () => {
      if (!this.element.open) return;
      this.#fill();
      // So that the address can be passed on.
      history.replaceState(null, "", placeOf(page.name, method.name));
    });
  }

  /** Show the form. */
  open() {
    this.element.open = true;
    this.#fill();
  }

  #summary() {
    const { method } = this;
    return make(
      "summary",
      {},
      make("h3", { class: "signature" }, ...signatureOf(method)),
      make("span", { class: "badges" }, ...badgesOf(method)),
      make("span", { class: "summary-text", text: summaryOf(method.doc) }),
    );
  }

  #fill() {
    if (this.form !== undefined) return;
    const { method, page } = this;
    const { doc, texts } = splitArguments(method.doc);
    this.form = new ArgumentForm(method, page.types, texts);
    this.callButton = make("button", { type: "submit", class: "main-button", text: "Call" });
    this.stopButton = button("Stop", () => this.running?.abort(), {
      class: "stop-button", hidden: true,
    });
    this.status = make("p", { class: "call-status", role: "status" });
    this.result = make("div", { class: "result", hidden: true });
    this.snippets = renderSnippets(() => this.#describeCall(true));
    const form = make(
      "form",
      { class: "call-form", novalidate: true, "aria-label": `Call ${method.name}` },
      this.form.element,
      make("div", { class: "actions" }, this.callButton, this.stopButton, this.status),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#call();
    });
    form.addEventListener("keydown", (event) => submitByKey(event, form));
    for (const event of ["input", "change"]) {
      form.addEventListener(event, () => this.snippets.update());
    }
    const parts = [longDoc(doc), form, this.result, this.snippets.element];
    this.element.append(make("div", { class: "card-body" }, ...parts));
  }

  async #describeCall(quiet = false) {
    const { name } = this.page;
    const { args, kwargs } = await this.form.read(quiet);
    const stream = this.method.kind === "stream";
    return { name, member: this.method.name, verb: "POST", stream, args, kwargs };
  }

  async #call() {
    if (this.running !== null) return;
    const running = (this.running = new AbortController());
    this.#showRunning(true);
    const began = performance.now();
    try {
      const json = writeJson(bodyOf(await this.#describeCall()));
      const signal = AbortSignal.any([running.signal, this.page.signal]);
      const url = address(this.page.name, this.method.name);
      const answer = await ask(url, { method: "POST", json, accept: ACCEPT, signal });
      await this.#showAnswer(answer, began);
    } catch (error) {
      this.#showFailure(error, began);
    } finally {
      this.running = null;
      this.#showRunning(false);
    }
  }

  async #showAnswer(answer, began) {
    const kind = answer.headers.get("Content-Type") ?? "";
    if (kind.startsWith("text/event-stream")) {
      this.stream = new StreamView();
      this.#show(this.stream.element);
      const value = await this.stream.follow(answer);
      if (value !== null && value !== undefined) this.result.append(renderResult(value));
      const count = this.stream.count;
      this.status.textContent = `The stream ended after ${count} items, ${since(began)}`;
      return;
    }
    const text = await answer.text();
    const value = text === "" ? undefined : parseJson(text);
    const took = since(began);
    this.#show(renderResult(value));
    this.status.textContent = `${resultText(value)}, ${took}`;
  }

  #showFailure(error, began) {
    if (error instanceof FieldProblem) {
      this.status.textContent = "Look at the marked field.";
    } else if (error.name === "AbortError") {
      this.status.textContent = this.stream
        ? `Stopped after ${this.stream.count} items`
        : "Stopped";
    } else {
      const element = renderProblem(error);
      // What a stream gave before it failed stays.
      if (this.stream) this.result.append(element);
      else this.#show(element);
      this.form.show(problemsByName(error));
      this.status.textContent = `Failed: ${problemText(error)}, ${since(began)}`;
      if (error.status === 401) askForKey();
    }
  }

  #show(element) {
    this.result.hidden = false;
    this.result.replaceChildren(element);
    bringIntoView(this.result);
  }

  #showRunning(running) {
    this.callButton.setAttribute("aria-disabled", String(running));
    this.stopButton.hidden = !running;
    this.element.classList.toggle("is-running", running);
    if (!running) return;
    this.stream = null;
    this.status.textContent = "Calling…";
  }
}

/** Return what a method takes and gives, as elements. */
function signatureOf(method) {
  const parts = [make("span", { class: "signature-name", text: method.name })];
  const add = (kind, text) => parts.push(make("span", { class: `signature-${kind}`, text }));
  parts.push("(");
  if (method.parameters === null || method.parameters === undefined) parts.push("…");
  for (const [index, parameter] of (method.parameters ?? []).entries()) {
    if (index > 0) parts.push(", ");
    const stars = { var_positional: "*", var_keyword: "**" }[parameter.kind] ?? "";
    add("parameter", stars + parameter.name);
    if (parameter.annotation) {
      parts.push(": ");
      add("type", shortAnnotation(parameter.annotation));
    }
    if (parameter.default !== null && parameter.default !== undefined) {
      parts.push(" = ");
      add("default", shortDefault(parameter.default));
    }
  }
  parts.push(")");
  if (method.returns && method.returns !== "None") {
    parts.push(" → ");
    add("type", shortAnnotation(method.returns));
  }
  return parts;
}

function badgesOf(method) {
  const kinds = [KINDS[method.kind], method.idempotent ? "idempotent" : null];
  return kinds.filter(Boolean).map((text) => make("span", { class: "badge", text }));
}

/** Return a docstring if there is more in it than its summary. */
function longDoc(doc) {
  return summaryOf(doc) === (doc ?? "").trim().replace(/\s+/g, " ") ? null : renderDoc(doc);
}

function submitByKey(event, form) {
  if (event.key !== "Enter" || event.isComposing) return;
  const line = event.target.matches("textarea.line") && !event.shiftKey;
  if (line || ((event.ctrlKey || event.metaKey) && event.target.matches("textarea"))) {
    event.preventDefault();
    form.requestSubmit();
  }
}

/** Return where in the explorer a method is. */
function placeOf(name, method) {
  return `#/${encodeURIComponent(name)}/${encodeURIComponent(method)}`;
}

/** Scroll so far that something can be seen, if it cannot. */
function bringIntoView(element) {
  const { top } = element.getBoundingClientRect();
  if (top < innerHeight - LEAST_SEEN) return;
  const tall = element.offsetHeight > innerHeight / 2;
  element.scrollIntoView({ block: tall ? "center" : "nearest" });
}

/** Return how long something took, for people. */
export function since(began) {
  const milliseconds = performance.now() - began;
  return milliseconds < 1000
    ? `${Math.max(1, Math.round(milliseconds))} ms`
    : `${(milliseconds / 1000).toFixed(1)} s`;
}
