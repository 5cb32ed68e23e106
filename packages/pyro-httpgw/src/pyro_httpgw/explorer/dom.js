// Elements made of data. Text is only ever set as text, so that nothing that comes
// from an object can become markup.

/**
 * Return a new element.
 *
 * @param {string} tag its name.
 * @param {object} properties attributes by name; `class` and `text` are what they say,
 *   `on` holds listeners by event. What is null, undefined or false is left out.
 * @param {...(Node|string|null|undefined)} children what is in it.
 */
export function make(tag, properties = {}, ...children) {
  return fill(document.createElement(tag), properties, children);
}

/** Return a new element of a drawing; see `make`. */
export function draw(tag, properties = {}, ...children) {
  const space = "http://www.w3.org/2000/svg";
  return fill(document.createElementNS(space, tag), properties, children);
}

function fill(element, { text, on = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [event, listener] of Object.entries(on)) {
    element.addEventListener(event, listener);
  }
  if (text !== undefined) element.textContent = text;
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

let counter = 0;

/** Return an id that no other element has. */
export function freshId(prefix) {
  counter += 1;
  return `${prefix}-${counter}`;
}

/** Return a button with a text. */
export function button(text, onclick, properties = {}) {
  return make("button", { type: "button", text, on: { click: onclick }, ...properties });
}

/** Return a button that copies a text, and says so. */
export function copyButton(getText, label = "Copy") {
  const copy = button(label, async () => {
    try {
      await navigator.clipboard.writeText(getText());
      copy.textContent = "Copied";
    } catch {
      copy.textContent = "Cannot copy here";
    }
    setTimeout(() => (copy.textContent = label), 1500);
  }, { class: "small-button", "aria-live": "polite" });
  return copy;
}

/** Have the browser keep a file. */
export function saveAs(name, blob) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Return a number of bytes for people. */
export function sizeText(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
