// Requests to the gateway, and its answers.

import { parseJson } from "./numbers.js";

const STORED = "pyro-gateway-key";

/** Where objects are: the page itself is there too. */
export const base = new URL("./", location.href);

/** What a gateway answers instead of a result. */
export class Problem extends Error {
  /** @param {object} content the problem document. */
  constructor(content) {
    super(content.detail ?? content.title ?? "The gateway gives no reason.");
    this.content = content;
    this.status = content.status ?? 0;
  }
}

/** Return the address of something that belongs to an object. */
export function address(name, member) {
  const parts = [...name.split("/"), member].map(encodeURIComponent);
  return new URL(`./${parts.join("/")}`, base).href;
}

/** Whether requests present a key. */
export function hasKey() {
  return storedKey() !== null;
}

/** Whether the key is presented as a bearer token. */
export function keyIsToken() {
  return storedKey()?.kind === "token";
}

/** Present a key from now on: of kind `key` or `token`. */
export function useKey(kind, value) {
  sessionStorage.setItem(STORED, JSON.stringify({ kind, value }));
}

/** Present no key any more. */
export function forgetKey() {
  sessionStorage.removeItem(STORED);
}

function storedKey() {
  try {
    return JSON.parse(sessionStorage.getItem(STORED));
  } catch {
    return null;
  }
}

function keyHeaders() {
  const key = storedKey();
  if (key === null) return {};
  if (key.kind === "token") return { Authorization: `Bearer ${key.value}` };
  return { "X-Pyro-Gateway-Key": key.value };
}

/**
 * Return the answer to a request.
 *
 * @param {string} url where to.
 * @param {object} options `method`, `accept`, `json` (the text of a body), `signal`.
 * @throws {Problem} it is not a result.
 */
export async function ask(url, { method = "GET", accept, json, signal } = {}) {
  const headers = { ...keyHeaders(), Accept: accept ?? "application/json" };
  if (json !== undefined) headers["Content-Type"] = "application/json";
  const options = { method, headers, body: json, signal, credentials: "same-origin" };
  let answer;
  try {
    answer = await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem({
      title: "No answer",
      detail: "The gateway does not answer.",
      hint: "Is it still running, and is the network up?",
    });
  }
  if (!answer.ok) throw await problemOf(answer);
  return answer;
}

/** Return the JSON that a request is answered with; see `ask`. */
export async function askJson(url, options) {
  const text = await (await ask(url, options)).text();
  return text === "" ? undefined : parseJson(text);
}

async function problemOf(answer) {
  const text = await answer.text().catch(() => "");
  try {
    const content = parseJson(text);
    if (content !== null && typeof content === "object") {
      return new Problem({ status: answer.status, ...content });
    }
  } catch {
    // A proxy in between may answer with a page of its own.
  }
  const detail = text.trim().slice(0, 500) || answer.statusText;
  return new Problem({ status: answer.status, title: answer.statusText, detail });
}
