// Numbers as lines, also while they come.

import { draw, make } from "./dom.js";
import { numberText } from "./numbers.js";

const MOST_SERIES = 6;
const MOST_POINTS = 600;
const HEIGHT = 220;
const MARGIN = { left: 56, right: 14, top: 12, bottom: 26 };

/** Return the numbers of an item by the name of their line, or null if it has none. */
export function numbersOf(item) {
  if (typeof item === "number") return new Map([["value", item]]);
  if (item === null || typeof item !== "object") return null;
  const found = Object.entries(item).filter(([, value]) => typeof value === "number");
  const enough = Array.isArray(item) ? found.length === item.length : true;
  return found.length > 0 && enough ? new Map(found.slice(0, MOST_SERIES)) : null;
}

/** Whether all of a list can be drawn. */
export function isNumeric(value) {
  return Array.isArray(value) && value.length > 1 && value.every((one) => numbersOf(one));
}

/** Lines of numbers, of which the last ones are shown. */
export class Plot {
  constructor() {
    this.count = 0;
    this.series = new Map();
    this.drawing = draw("svg", { class: "plot-drawing", height: HEIGHT, role: "img" });
    this.legend = make("ul", { class: "plot-legend" });
    this.element = make("figure", { class: "plot" }, this.drawing, this.legend);
    this.waiting = false;
    new ResizeObserver(() => this.#soon()).observe(this.element);
  }

  /** Add what an item holds. */
  add(item) {
    const numbers = numbersOf(item);
    if (numbers === null) return;
    for (const name of numbers.keys()) {
      if (!this.series.has(name) && this.series.size < MOST_SERIES) {
        this.series.set(name, []);
      }
    }
    for (const [name, points] of this.series) {
      points.push({ x: this.count, y: numbers.get(name) });
      if (points.length > MOST_POINTS) points.shift();
    }
    this.count += 1;
    this.#soon();
  }

  #soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.#draw();
    });
  }

  #draw() {
    const width = this.element.clientWidth;
    const points = [...this.series.values()].flat().filter(({ y }) => Number.isFinite(y));
    if (width === 0 || points.length === 0) return;
    const scale = scaleOf(points, width);
    const lines = [...this.series.values()].map((one, index) => line(one, index, scale));
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.drawing.setAttribute("aria-label", this.#description());
    this.drawing.replaceChildren(...grid(scale, width), ...lines);
    this.legend.replaceChildren(
      ...[...this.series].map(([name, one], index) => legendItem(name, one, index)),
    );
  }

  #description() {
    const parts = [...this.series].map(([name, points]) => {
      const values = points.map(({ y }) => y).filter(Number.isFinite);
      const [low, high] = [least(values), greatest(values)].map(numberText);
      return `${name} from ${low} to ${high}, last ${numberText(values.at(-1))}`;
    });
    return `Plot of ${this.count} items: ${parts.join("; ")}`;
  }
}

function least(values) {
  return values.reduce((one, other) => Math.min(one, other), Infinity);
}

function greatest(values) {
  return values.reduce((one, other) => Math.max(one, other), -Infinity);
}

function scaleOf(points, width) {
  const xs = points.map(({ x }) => x);
  const ys = points.map(({ y }) => y);
  const [left, right] = [least(xs), Math.max(greatest(xs), least(xs) + 1)];
  const step = niceStep(greatest(ys) - least(ys) || Math.abs(ys[0]) || 1);
  const bottom = Math.floor(least(ys) / step) * step;
  let top = Math.ceil(greatest(ys) / step) * step;
  if (top === bottom) top += step;
  const wide = width - MARGIN.left - MARGIN.right;
  const high = HEIGHT - MARGIN.top - MARGIN.bottom;
  return {
    left, right, bottom, top, step,
    x: (value) => MARGIN.left + ((value - left) / (right - left)) * wide,
    y: (value) => MARGIN.top + (1 - (value - bottom) / (top - bottom)) * high,
  };
}

function niceStep(range) {
  const rough = range / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  return power * ([1, 2, 5, 10].find((one) => one * power >= rough) ?? 10);
}

function grid(scale, width) {
  const parts = [];
  const count = Math.round((scale.top - scale.bottom) / scale.step);
  for (let index = 0; index <= count; index += 1) {
    const value = scale.bottom + index * scale.step;
    const y = scale.y(value);
    const text = numberText(Number(value.toPrecision(12)));
    parts.push(
      draw("line", { class: "plot-grid", x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }),
      draw("text", { class: "plot-tick", x: MARGIN.left - 8, y: y + 4, "text-anchor": "end", text }),
    );
  }
  const bottom = HEIGHT - 6;
  for (const [value, anchor] of [[scale.left, "start"], [scale.right, "end"]]) {
    const text = String(value);
    const place = { x: scale.x(value), y: bottom, "text-anchor": anchor };
    parts.push(draw("text", { class: "plot-tick", ...place, text }));
  }
  return parts;
}

function line(points, index, scale) {
  let path = "";
  let broken = true;
  for (const { x, y } of points) {
    if (Number.isFinite(y)) {
      path += `${broken ? "M" : "L"}${scale.x(x).toFixed(1)} ${scale.y(y).toFixed(1)}`;
    }
    broken = !Number.isFinite(y);
  }
  const last = points.findLast(({ y }) => Number.isFinite(y));
  const group = draw("g", { class: `series-${index}` });
  group.append(draw("path", { class: "plot-line", d: path || "M0 0" }));
  if (last !== undefined) {
    const place = { cx: scale.x(last.x), cy: scale.y(last.y), r: 3.5 };
    group.append(draw("circle", { class: "plot-point", ...place }));
  }
  return group;
}

function legendItem(name, points, index) {
  const last = points.findLast(({ y }) => Number.isFinite(y));
  return make(
    "li",
    { class: `series-${index}` },
    make("span", { class: "plot-swatch" }),
    make("span", { text: name }),
    make("strong", { text: last === undefined ? "–" : numberText(last.y) }),
  );
}
