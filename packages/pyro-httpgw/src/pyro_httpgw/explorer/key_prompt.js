// Asks for the gateway key, and finds out which kind of key it is.

import { askJson, base, forgetKey, Problem, useKey } from "./api.js";

const dialog = document.getElementById("key-prompt");
const form = document.getElementById("key-form");
const input = document.getElementById("key");
const message = document.getElementById("key-problem");

let asking = null;

/** Whether a problem is that the gateway wants a key, or another one. */
export function wantsKey(problem, presented) {
  if (!(problem instanceof Problem)) return false;
  return problem.status === 401 || (problem.status === 403 && presented);
}

/** Ask until there is a key that the gateway takes. */
export function askForKey() {
  asking ??= new Promise((resolve) => {
    forgetKey();
    form.onsubmit = async (event) => {
      event.preventDefault();
      const problem = await tryKey(input.value);
      message.textContent = problem ?? "";
      if (problem !== null) return input.select();
      input.value = "";
      asking = null;
      dialog.close();
      resolve();
    };
    // Without a key there is nothing behind it.
    dialog.oncancel = (event) => event.preventDefault();
    dialog.onclose = () => asking !== null && dialog.showModal();
    dialog.showModal();
  });
  return asking;
}

/** Return why a key is not taken, or null. */
async function tryKey(value) {
  let reason = null;
  for (const kind of ["key", "token"]) {
    useKey(kind, value);
    try {
      await askJson(new URL("./$objects?search=key", base).href);
      return null;
    } catch (problem) {
      // What is not about the key is told where the objects are shown.
      if (!(problem instanceof Problem)) return reason ?? "This cannot be a key.";
      if (problem.status === 429) reason = problem.message;
      else if (!wantsKey(problem, true)) return null;
      reason ??= problem.message;
      if (problem.status === 429) break;
    }
  }
  forgetKey();
  return reason;
}
