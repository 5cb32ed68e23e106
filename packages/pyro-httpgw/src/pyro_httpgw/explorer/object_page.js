// The page of one object: what it is, and what it offers.

import { address, askJson } from "./api.js";
import { AttributeCard } from "./attributes.js";
import { renderDoc } from "./docstrings.js";
import { button, copyButton, make } from "./dom.js";
import { askForKey } from "./key_prompt.js";
import { MethodCard } from "./methods.js";
import { renderProblem } from "./problems.js";

// With more of them a list needs a filter.
const MANY = 8;

/** Shows one object at a time. */
export class ObjectPage {
  /** @param {HTMLElement} place where to show it. */
  constructor(place) {
    this.place = place;
    this.name = null;
    this.leaving = new AbortController();
  }

  /**
   * Show that nothing has been chosen.
   *
   * @param {object} about what the gateway says of itself, as far as that is known.
   */
  showWelcome(about) {
    this.#leave(null);
    document.title = "Pyro explorer";
    this.place.replaceChildren(
      make(
        "div",
        { class: "welcome" },
        make("img", { src: "../static/icon.svg", alt: "", width: 96, height: 96 }),
        make("h1", { text: "Choose an object" }),
        make("p", {
          text: "Read what it does, fill in a form, and call it. Objects appear in the " +
            "list as soon as they are registered.",
        }),
        make("p", { class: "note" }, "Press ", make("kbd", { text: "/" }), " to search."),
        about.version ? make("p", { class: "note", text: factsOf(about) }) : null,
      ),
    );
  }

  /**
   * Show an object.
   *
   * @param {string} name its name.
   * @param {string|null} member the method to open.
   * @param {string[]} metadata what the name server says of it.
   */
  async show(name, member, metadata) {
    if (name === this.name && this.cards !== undefined) return this.#open(member);
    this.#leave(name);
    document.title = `${name} – Pyro explorer`;
    const { signal } = this.leaving;
    const waiting = make("p", { class: "note", text: "Asking the object…" });
    const title = make("h1", { tabindex: -1, text: name });
    this.place.replaceChildren(backLink(), title, waiting);
    title.focus({ preventScroll: true });
    scrollTo(0, 0);
    try {
      const description = await askJson(address(name, "$describe"), { signal });
      this.#render(description, metadata);
      this.#open(member);
    } catch (error) {
      if (error.name === "AbortError") return;
      this.failed = true;
      const again = button("Try again", () => this.reload(metadata), { class: "small-button" });
      waiting.replaceWith(renderProblem(error), again);
      if (error.status === 401) askForKey().then(() => this.reload(metadata));
    }
  }

  /** Ask the object anew if it could not be shown: perhaps the gateway was away. */
  retry(metadata) {
    if (this.failed) this.reload(metadata);
  }

  /** Ask the object anew. */
  reload(metadata) {
    const { name } = this;
    this.name = null;
    return this.show(name, null, metadata);
  }

  /** Say that something has happened to the object. */
  note(text, metadata) {
    // It could not be shown before; now perhaps it can.
    if (this.banner === undefined) return this.reload(metadata);
    const again = button("Reload", () => this.reload(metadata), { class: "small-button" });
    this.banner.replaceChildren(make("span", { text }), again);
    this.banner.hidden = false;
  }

  #leave(name) {
    this.leaving.abort();
    this.leaving = new AbortController();
    this.name = name;
    this.cards = undefined;
    this.banner = undefined;
    this.failed = false;
  }

  #render(description, metadata) {
    const page = {
      name: this.name,
      types: description.types ?? {},
      signal: this.leaving.signal,
    };
    const methods = (description.methods ?? []).map((one) => new MethodCard(page, one));
    const attributes = (description.attributes ?? []).map((one) => new AttributeCard(page, one));
    this.cards = new Map(methods.map((card) => [card.method.name, card]));
    this.banner = make("p", { class: "banner", role: "status", hidden: true });
    this.place.replaceChildren(
      ...[
        backLink(),
        header(this.name, description, metadata),
        this.banner,
        renderDoc(description.doc),
        description.complete === false ? incompleteNote() : null,
        methods.length > 0 ? methodSection(methods) : null,
        attributes.length > 0 ? attributeSection(attributes) : null,
        methods.length + attributes.length === 0
          ? make("p", { class: "note", text: "It offers nothing." })
          : null,
      ].filter((one) => one !== null),
    );
    this.place.querySelector("h1").focus({ preventScroll: true });
  }

  #open(member) {
    const card = member === null ? undefined : this.cards?.get(member);
    if (card === undefined) return;
    card.open();
    card.element.scrollIntoView({ block: "start" });
    card.element.querySelector("summary").focus({ preventScroll: true });
  }
}

function factsOf({ version, name_server: server, exposed }) {
  const which = exposed ? `names that begin with ${exposed}` : "all names";
  return `Gateway ${version} · name server at ${server ?? "an unknown place"} · ${which}`;
}

function backLink() {
  return make("a", { class: "back", href: "#/", text: "All objects" });
}

function header(name, description, metadata) {
  const { class: className, module, instance_mode: mode } = description;
  const full = className ? [module, className].filter(Boolean).join(".") : null;
  const dot = name.lastIndexOf(".") + 1;
  const badges = [
    ...metadata.map((text) => make("span", { class: "tag", text })),
    mode ? make("span", { class: "badge", text: `an instance per ${INSTANCES[mode] ?? mode}` }) : null,
  ];
  return make(
    "header",
    { class: "object-head" },
    make(
      "h1",
      { tabindex: -1 },
      make("span", { class: "object-prefix", text: name.slice(0, dot) }),
      name.slice(dot),
    ),
    make(
      "p",
      { class: "object-facts" },
      full ? make("code", { text: full }) : null,
      ...badges,
      copyButton(() => `PYRONAME:${name}`, "Copy its URI"),
    ),
  );
}

const INSTANCES = { session: "connection", single: "server", percall: "call" };

function incompleteNote() {
  return make("p", {
    class: "note boxed",
    text: "Its server tells only the names of its methods. Give arguments as JSON; the " +
      "server checks them.",
  });
}

function methodSection(cards) {
  const list = make("div", { class: "cards" }, ...cards.map((card) => card.element));
  const section = make("section", { "aria-labelledby": "methods-title" });
  const head = make("div", { class: "section-head" });
  head.append(make("h2", { id: "methods-title" }, "Methods ", countOf(cards)));
  if (cards.length > MANY) head.append(methodFilter(cards));
  section.append(head, list);
  return section;
}

function methodFilter(cards) {
  const input = make("input", {
    type: "search", placeholder: "Filter methods", "aria-label": "Filter methods",
    autocomplete: "off", spellcheck: "false",
  });
  input.addEventListener("input", () => {
    const wanted = input.value.trim().toLowerCase();
    for (const { element, method } of cards) {
      const text = `${method.name} ${method.doc ?? ""}`.toLowerCase();
      element.hidden = !text.includes(wanted);
    }
  });
  return input;
}

function attributeSection(cards) {
  const list = make("ul", { class: "attributes" }, ...cards.map((card) => card.element));
  const readable = cards.filter((card) => card.attribute.readable !== false);
  const head = make("div", { class: "section-head" });
  head.append(make("h2", { id: "attributes-title" }, "Attributes ", countOf(cards)));
  if (readable.length > 1) {
    const readAll = () => readable.forEach((card) => card.read());
    head.append(button("Read all", readAll, { class: "small-button" }));
  }
  return make("section", { "aria-labelledby": "attributes-title" }, head, list);
}

function countOf(cards) {
  return make("span", { class: "section-count", text: cards.length });
}
