// The list of objects: kept true by the gateway, searched and narrowed here.

import { ask, base, hasKey } from "./api.js";
import { button, make } from "./dom.js";
import { eventsOf } from "./event_stream.js";
import { askForKey, wantsKey } from "./key_prompt.js";
import { problemText } from "./problems.js";

// More at once would make the page slow; searching finds the others.
const MOST_SHOWN = 300;
const MOST_TAGS = 30;
const SHORTEST_PAUSE = 500;
const LONGEST_PAUSE = 10_000;

const search = document.getElementById("search");
const tagPlace = document.getElementById("tags");
const count = document.getElementById("count");
const list = document.getElementById("objects");
const standing = document.getElementById("standing");

/**
 * The objects there are. It dispatches `known` once it has asked, `back` when it has
 * asked again after a pause, and `change` with the name of an object as `detail.name` and
 * what has happened as `detail.kind`.
 */
export class Catalogue extends EventTarget {
  constructor() {
    super();
    this.objects = new Map();
    this.wanted = new Set();
    this.fresh = new Set();
    this.chosen = null;
    this.about = {};
    this.known = false;
    search.addEventListener("input", () => this.#show());
  }

  /** Follow what there is for as long as the page lives. */
  async follow() {
    let pause = SHORTEST_PAUSE;
    for (;;) {
      // A browser has few connections to a server, and all its tabs share them.
      const hiding = await untilVisible();
      try {
        const options = { accept: "text/event-stream", signal: hiding };
        const answer = await ask(new URL("./$objects", base).href, options);
        for await (const event of eventsOf(answer)) {
          pause = SHORTEST_PAUSE;
          this.#take(event);
        }
        showStanding("lost", "reconnecting");
      } catch (error) {
        if (hiding.aborted) continue;
        if (wantsKey(error, hasKey())) {
          showStanding("waiting", "key needed");
          await askForKey();
          continue;
        }
        showStanding("lost", "no connection");
        count.textContent = problemText(error);
      }
      await new Promise((resolve) => setTimeout(resolve, pause));
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  /** Return the metadata of an object. */
  metadataOf(name) {
    return this.objects.get(name) ?? [];
  }

  /** Mark an object as the one that is shown. */
  choose(name) {
    this.chosen = name;
    for (const link of list.querySelectorAll("a")) mark(link, name);
  }

  #take({ kind, data }) {
    if (kind === "comment") return;
    const told = JSON.parse(data);
    if (kind === "problem") {
      const { detail } = told;
      showStanding(detail ? "lost" : "live", detail ? "name server lost" : "live");
      standing.title = detail ?? "";
      if (detail && !this.known) count.textContent = detail;
      return;
    }
    if (kind === "objects") this.#takeAll(told);
    else this.#takeOne(kind, told);
    this.#show();
  }

  #takeAll({ objects, ...about }) {
    this.about = about;
    const before = this.objects;
    this.objects = new Map(objects.map(({ name, metadata }) => [name, metadata]));
    showStanding("live", "live");
    standing.title = `name server at ${about.name_server}`;
    if (!this.known) {
      this.known = true;
      this.dispatchEvent(new Event("known"));
      return;
    }
    this.dispatchEvent(new Event("back"));
    if (before.has(this.chosen) !== this.objects.has(this.chosen)) {
      const kind = this.objects.has(this.chosen) ? "added" : "removed";
      this.#tell(kind, this.chosen);
    }
  }

  #takeOne(kind, { name, metadata }) {
    if (kind === "removed") {
      this.objects.delete(name);
    } else {
      this.objects.set(name, metadata);
      if (kind === "added") this.fresh.add(name);
      setTimeout(() => this.fresh.delete(name), 3000);
    }
    this.#tell(kind, name);
  }

  #tell(kind, name) {
    this.dispatchEvent(new CustomEvent("change", { detail: { kind, name } }));
  }

  #show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [...this.objects]
      .filter(([name, tags]) => this.#fits(words, name, tags))
      .sort(([one], [other]) => (one < other ? -1 : 1));
    const links = found.slice(0, MOST_SHOWN).map(([name, tags]) => this.#item(name, tags));
    keepFocus(list, () => list.replaceChildren(...links));
    keepFocus(tagPlace, () => this.#showTags());
    count.textContent = this.#countText(found.length);
  }

  #fits(words, name, tags) {
    const texts = [name, ...tags].map((text) => text.toLowerCase());
    return (
      words.every((word) => texts.some((text) => text.includes(word))) &&
      [...this.wanted].every((tag) => tags.includes(tag))
    );
  }

  #item(name, tags) {
    const dot = name.lastIndexOf(".") + 1;
    const link = make(
      "a",
      { href: `#/${encodeURIComponent(name)}`, "data-key": name },
      make(
        "span",
        { class: "object-name" },
        make("span", { class: "object-prefix", text: name.slice(0, dot) }),
        make("span", { text: name.slice(dot) }),
      ),
      ...tags.map((text) => make("span", { class: "tag", text })),
    );
    mark(link, this.chosen);
    return make("li", { class: this.fresh.has(name) ? "is-new" : null }, link);
  }

  #showTags() {
    const counts = new Map();
    for (const tags of this.objects.values()) {
      for (const tag of tags) counts.set(tag, (counts.get(tag) ?? 0) + 1);
    }
    for (const tag of this.wanted) if (!counts.has(tag)) this.wanted.delete(tag);
    const most = [...counts].sort(([one, n], [other, m]) => m - n || (one < other ? -1 : 1));
    tagPlace.replaceChildren(
      ...most.slice(0, MOST_TAGS).map(([tag]) => {
        const toggle = () => {
          if (!this.wanted.delete(tag)) this.wanted.add(tag);
          this.#show();
        };
        const pressed = String(this.wanted.has(tag));
        return button(tag, toggle, { class: "chip", "aria-pressed": pressed, "data-key": tag });
      }),
    );
    tagPlace.hidden = counts.size === 0;
  }

  #countText(found) {
    const all = this.objects.size;
    if (all === 0) {
      const { exposed } = this.about;
      return exposed
        ? `No object is registered whose name begins with ${exposed}`
        : "No object is registered.";
    }
    const unit = all === 1 ? "object" : "objects";
    if (found > MOST_SHOWN) return `${found} of ${all} ${unit}; the first ${MOST_SHOWN} are shown`;
    return found === all ? `${all} ${unit}` : `${found} of ${all} ${unit}`;
  }
}

/** Wait until the page can be seen; return what is aborted when it cannot any more. */
async function untilVisible() {
  while (document.hidden) {
    await new Promise((resolve) => {
      document.addEventListener("visibilitychange", resolve, { once: true });
    });
  }
  const hiding = new AbortController();
  document.addEventListener("visibilitychange", () => hiding.abort(), { once: true });
  return hiding.signal;
}

function mark(link, chosen) {
  if (link.dataset.key === chosen) link.setAttribute("aria-current", "page");
  else link.removeAttribute("aria-current");
}

/** Change what is in a place, and leave the focus on what has the same key. */
function keepFocus(place, change) {
  const active = document.activeElement;
  const key = place.contains(active) ? active.dataset.key : undefined;
  change();
  if (key === undefined) return;
  place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus();
}

function showStanding(state, text) {
  if (standing.dataset.state === state && standing.textContent === text) return;
  standing.dataset.state = state;
  standing.textContent = text;
}
