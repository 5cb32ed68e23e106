// The explorer: the list of objects on one side, one of them on the other.

import { ask, hasKey } from "./api.js";
import { Catalogue } from "./catalogue.js";
import { saveAs } from "./dom.js";
import { ObjectPage } from "./object_page.js";

const catalogue = new Catalogue();
const place = document.getElementById("main");
const page = new ObjectPage(place);
const search = document.getElementById("search");

/** Return the `[name, member]` that the address asks for; the first is null for none. */
function wanted() {
  const match = /^#\/([^/]+)(?:\/([^/]*))?$/.exec(location.hash);
  if (match === null) return [null, null];
  try {
    return [decodeURIComponent(match[1]), match[2] ? decodeURIComponent(match[2]) : null];
  } catch {
    return [null, null];
  }
}

function show() {
  const [name, member] = wanted();
  document.body.dataset.view = name === null ? "list" : "object";
  catalogue.choose(name);
  if (name === null) page.showWelcome(catalogue.about);
  else page.show(name, member, catalogue.metadataOf(name));
}

const WHAT_HAPPENED = {
  removed: "This object is not registered any more.",
  added: "This object is registered again.",
  changed: "The registration of this object has changed.",
};

catalogue.addEventListener("known", show);
catalogue.addEventListener("back", () => page.retry(catalogue.metadataOf(page.name)));
catalogue.addEventListener("change", ({ detail: { kind, name } }) => {
  if (name === page.name) page.note(WHAT_HAPPENED[kind], catalogue.metadataOf(name));
});

addEventListener("hashchange", () => {
  // Other addresses are places on this page.
  if (location.hash === "" || location.hash.startsWith("#/")) show();
});

document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  place.focus();
});

document.querySelector(".top-link").addEventListener("click", async (event) => {
  // A link cannot present a key.
  if (!hasKey()) return;
  event.preventDefault();
  const answer = await ask(event.target.href).catch(() => null);
  if (answer !== null) saveAs("openapi.json", await answer.blob());
});

addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea, select");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    document.body.dataset.view = "list";
    search.focus();
    search.select();
  }
});

// Objects are asked once it is known that the gateway answers.
if (wanted()[0] === null) show();
else document.body.dataset.view = "object";
catalogue.follow();
