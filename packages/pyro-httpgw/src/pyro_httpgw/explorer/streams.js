// What a stream gives, as it comes: numbers as lines, and the latest items.

import { make } from "./dom.js";
import { eventsOf } from "./event_stream.js";
import { parseJson } from "./numbers.js";
import { numbersOf, Plot } from "./plot.js";
import { Problem } from "./api.js";
import { renderTree } from "./tree.js";

const MOST_ITEMS = 50;

/** Shows the items of a stream. */
export class StreamView {
  constructor() {
    this.count = 0;
    this.latest = [];
    this.counter = make("p", { class: "stream-count", text: "No items yet" });
    this.plotPlace = make("div", {});
    this.list = make("ol", {
      class: "stream-items", tabindex: 0, "aria-label": "Latest items, the newest first",
    });
    const caption = make("summary", { text: "Latest items" });
    const items = make("details", { class: "stream-latest", open: true }, caption, this.list);
    this.element = make("div", { class: "stream" }, this.counter, this.plotPlace, items);
    this.plot = null;
    this.waiting = false;
  }

  /**
   * Show what an answer gives until it ends.
   *
   * @returns {Promise<unknown>} what the generator returned.
   * @throws {Problem} it failed.
   */
  async follow(answer) {
    for await (const { kind, data } of eventsOf(answer)) {
      if (kind === "comment") continue;
      const value = parseJson(data);
      if (kind === "failure") throw new Problem(value);
      if (kind === "end") return value;
      this.#add(value);
    }
    throw new Problem({
      title: "The stream broke off",
      detail: "The connection ended before the stream did.",
    });
  }

  #add(item) {
    if (this.count === 0 && numbersOf(item) !== null) {
      this.plot = new Plot();
      this.plotPlace.append(this.plot.element);
    }
    this.plot?.add(item);
    this.count += 1;
    this.latest.push([this.count, item]);
    if (this.latest.length > MOST_ITEMS) this.latest.shift();
    if (this.waiting) return;
    // Items may come faster than a page can show them.
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#show();
    });
  }

  #show() {
    this.counter.textContent = this.count === 1 ? "1 item" : `${this.count} items`;
    const fresh = this.latest.filter(([number]) => number > (this.shown ?? 0));
    this.shown = this.count;
    for (const [number, item] of fresh) {
      const place = make("span", { class: "stream-number", text: number });
      this.list.prepend(make("li", {}, place, renderTree(item)));
    }
    while (this.list.childElementCount > MOST_ITEMS) this.list.lastElementChild.remove();
  }
}
