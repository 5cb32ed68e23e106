// Exceptions and other problems: what is wrong, what to do, and where it happened.

import { shortName } from "./annotations.js";
import { copyButton, make } from "./dom.js";
import { renderTree } from "./tree.js";

const SHOWN_ELSEWHERE = new Set(["_pyroTraceback", "__notes__"]);

/** Return what went wrong as an element. */
export function renderProblem(problem) {
  const content = problem.content ?? { detail: problem.message };
  const attributes = content.attributes ?? {};
  const remote = content.__exception__ && content.status === 500;
  const className = String(content.__class__ ?? "").replace(/^builtins\./, "");
  const title = remote && className ? className : (content.title ?? "It does not work");
  return make(
    "div",
    { class: "problem" },
    make(
      "p",
      { class: "problem-title" },
      make("strong", { text: title }),
      content.status
        ? make("span", { class: "problem-status", text: `HTTP ${content.status}` })
        : null,
    ),
    make("p", { class: "problem-text", text: messageOf(content, remote) }),
    content.hint ? make("p", { class: "problem-hint", text: content.hint }) : null,
    listOf(content.errors?.map(errorText)),
    listOf(attributes.__notes__),
    moreOf(content, attributes, remote),
    tracebackOf(attributes._pyroTraceback),
  );
}

/** Return what is wrong, in a few words. */
export function problemText(problem) {
  return problem.content?.detail ?? problem.message;
}

/** Return the messages of a problem by the name of the parameter. */
export function problemsByName(problem) {
  const found = new Map();
  for (const one of problem.content?.errors ?? []) {
    const name = one.loc?.[1];
    if (typeof name === "string") found.set(name, one.msg);
  }
  return found;
}

function messageOf(content, remote) {
  const args = content.args;
  const single = Array.isArray(args) && args.length === 1 && typeof args[0] === "string";
  if (remote && single) return args[0];
  const detail = content.detail ?? "";
  const name = shortName(String(content.__class__ ?? ""));
  return remote && detail.startsWith(`${name}: `) ? detail.slice(name.length + 2) : detail;
}

function errorText({ loc, msg }) {
  return loc ? `${loc.slice(1).join(".")}: ${msg}` : String(msg);
}

function listOf(texts) {
  if (!Array.isArray(texts) || texts.length === 0) return null;
  const items = texts.map((text) => make("li", { text: String(text) }));
  return make("ul", { class: "problem-list" }, ...items);
}

function moreOf(content, attributes, remote) {
  const own = Object.entries(attributes).filter(([name]) => !SHOWN_ELSEWHERE.has(name));
  const args = Array.isArray(content.args) ? content.args : [];
  const several = args.length > 1 || (args.length === 1 && typeof args[0] !== "string");
  if (!remote || (own.length === 0 && !several)) return null;
  const details = several
    ? { arguments: args, ...Object.fromEntries(own) }
    : Object.fromEntries(own);
  return make(
    "details",
    { class: "problem-more" },
    make("summary", { text: "What it holds" }),
    renderTree(details),
  );
}

function tracebackOf(lines) {
  if (!Array.isArray(lines) || lines.length === 0) return null;
  const text = lines.join("").trimEnd();
  return make(
    "details",
    { class: "traceback" },
    make("summary", { text: "Remote traceback" }),
    make("pre", { tabindex: 0, "aria-label": "Remote traceback", text }),
    copyButton(() => text),
  );
}
