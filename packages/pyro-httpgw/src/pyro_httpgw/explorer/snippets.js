// The same call as a command or a program.

import { address, hasKey, keyIsToken } from "./api.js";
import { button, copyButton, make } from "./dom.js";
import { writeJson } from "./numbers.js";
import { PythonText, pythonData, quoted } from "./python_text.js";

// Bytes are too long to be read in a program.
const LONGEST_DATA = 400;

/**
 * Return the JSON value that is posted for a call.
 *
 * @param {object} call `args` and `kwargs`, whose items have `json` and `python`.
 */
export function bodyOf({ args, kwargs }) {
  const named = Object.fromEntries(kwargs.map(([name, one]) => [name, one.json]));
  // An object with one of these names would be read as the long form.
  const ambiguous = Object.hasOwn(named, "args") || Object.hasOwn(named, "kwargs");
  if (args.length === 0 && !ambiguous) return named;
  return { args: args.map((one) => one.json), kwargs: named };
}

/**
 * Return an element with the ways to make a call.
 *
 * @param {Function} getCall gives the call, or a promise of it: `name` and `member`;
 *   `verb`, which is "POST", or "GET" to read an attribute; whether it is a `stream`; and
 *   `args` and `kwargs`.
 */
export function renderSnippets(getCall) {
  const code = make("code", {});
  const text = make("pre", { tabindex: 0, "aria-label": "Program" }, code);
  const buttons = WRITERS.map(({ name }, index) =>
    button(name, () => choose(index), { class: "view-button" }),
  );
  const choices = { class: "view-buttons", role: "group", "aria-label": "Written for" };
  const frame = make("div", { class: "code-frame" }, copyButton(() => code.textContent), text);
  const element = make(
    "details",
    { class: "snippets" },
    make("summary", { text: "Copy as curl, Python or JavaScript" }),
    make("div", { class: "snippets-body" }, make("div", choices, ...buttons), frame),
  );
  let chosen = 0;
  async function update() {
    if (!element.open) return;
    try {
      code.textContent = WRITERS[chosen].write(await getCall());
    } catch {
      code.textContent = "Fill in the form first.";
    }
  }
  function choose(index) {
    chosen = index;
    for (const [position, one] of buttons.entries()) {
      one.setAttribute("aria-pressed", String(position === index));
    }
    update();
  }
  choose(0);
  element.addEventListener("toggle", update);
  return { element, update };
}

/** Return the JSON value of a call without what is too long to be read. */
function readableBody(call) {
  const shorten = (value) => {
    if (Array.isArray(value)) return value.map(shorten);
    if (value === null || typeof value !== "object" || value.constructor !== Object) {
      return value;
    }
    if (value.encoding === "base64" && value.data?.length > LONGEST_DATA) {
      return { ...value, data: "BASE64 OF THE FILE" };
    }
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, shorten(one)]));
  };
  return shorten(bodyOf(call));
}

const LINES = "application/x-ndjson";

function writeCurl(call) {
  const parts = [`curl ${shellQuoted(address(call.name, call.member))}`];
  if (call.stream) parts[0] = parts[0].replace("curl ", "curl --no-buffer ");
  if (hasKey()) {
    const header = keyIsToken() ? "Authorization: Bearer " : "X-Pyro-Gateway-Key: ";
    parts.push(`--header "${header}$PYRO_HTTPGATEWAY_KEY"`);
  }
  if (call.stream) parts.push(`--header 'Accept: ${LINES}'`);
  if (call.verb !== "GET") {
    parts.push("--header 'Content-Type: application/json'");
    parts.push(`--data ${shellQuoted(writeJson(readableBody(call)))}`);
  }
  return parts.join(" \\\n  ");
}

function shellQuoted(text) {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

function writeHttpx(call) {
  const own = [call.stream ? "import json" : "", hasKey() ? "import os" : ""].filter(Boolean);
  const imports = [...own, ...(own.length > 0 ? [""] : []), "import httpx"];
  const args = [quoted(address(call.name, call.member))];
  if (call.verb !== "GET") args.push(`json=${pythonData(readableBody(call))}`);
  const headers = [];
  if (hasKey()) {
    const key = 'os.environ["PYRO_HTTPGATEWAY_KEY"]';
    if (keyIsToken()) headers.push(`"Authorization": f"Bearer {${key.replaceAll('"', "'")}}"`);
    else headers.push(`"X-Pyro-Gateway-Key": ${key}`);
  }
  if (call.stream) headers.push(`"Accept": ${quoted(LINES)}`);
  if (headers.length > 0) args.push(`headers={${headers.join(", ")}}`);
  const verb = call.verb.toLowerCase();
  const lines = call.stream
    ? [
        `with httpx.stream("${call.verb}", ${args.join(", ")}) as answer:`,
        "    answer.raise_for_status()",
        "    for line in answer.iter_lines():",
        "        print(json.loads(line))",
      ]
    : [
        `answer = httpx.${verb}(\n    ${args.join(",\n    ")},\n)`,
        "answer.raise_for_status()",
        "print(answer.json())",
      ];
  return [...imports, "", ...lines].join("\n");
}

function writePyro(call) {
  const variable = variableOf(call.name);
  const given = [...call.args, ...call.kwargs.map(([, one]) => one)];
  const texts = given.map((one) => one.python ?? new PythonText(pythonData(one.json)));
  const names = [...call.args.map(() => ""), ...call.kwargs.map(([name]) => `${name}=`)];
  const args = texts.map((one, index) => names[index] + one.text).join(", ");
  const imports = [...new Set(texts.flatMap((one) => one.imports))].filter(Boolean).sort();
  const member = `${variable}.${call.member}`;
  const use = {
    POST: call.stream
      ? `    for item in ${member}(${args}):\n        print(item)`
      : `    print(${member}(${args}))`,
    GET: `    print(${member})`,
  }[call.verb];
  return [
    ...(imports.length > 0 ? [...imports, ""] : []),
    "from pyro_client import Proxy",
    "",
    `with Proxy(${quoted(`PYRONAME:${call.name}`)}) as ${variable}:`,
    use,
  ].join("\n");
}

const RESERVED = new Set([
  "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del",
  "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
  "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while", "with",
  "yield", "print",
]);

function variableOf(name) {
  const last = name.split(/[./:]/).at(-1).toLowerCase().replace(/\W+/g, "_");
  return /^[a-z_]\w*$/.test(last) && !RESERVED.has(last) ? last : "remote";
}

function writeJavaScript(call) {
  const options = [];
  if (call.verb !== "GET") options.push(`  method: "${call.verb}",`);
  const headers = [];
  if (call.verb !== "GET") headers.push('"Content-Type": "application/json"');
  if (call.stream) headers.push(`Accept: "${LINES}"`);
  if (hasKey()) {
    headers.push(keyIsToken() ? "Authorization: `Bearer ${key}`" : '"X-Pyro-Gateway-Key": key');
  }
  if (headers.length > 0) options.push(`  headers: { ${headers.join(", ")} },`);
  if (call.verb !== "GET") {
    options.push(`  body: JSON.stringify(${writeJson(readableBody(call))}),`);
  }
  const rest = options.length > 0 ? `, {\n${options.join("\n")}\n}` : "";
  return [
    `const answer = await fetch(${JSON.stringify(address(call.name, call.member))}${rest});`,
    "if (!answer.ok) throw new Error((await answer.json()).detail);",
    ...javaScriptEnd(call),
  ].join("\n");
}

function javaScriptEnd(call) {
  if (!call.stream) return ["console.log(await answer.json());"];
  return [
    'let rest = "";',
    "for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {",
    '  const lines = (rest + text).split("\\n");',
    "  rest = lines.pop();",
    "  for (const line of lines) console.log(JSON.parse(line));",
    "}",
  ];
}

const WRITERS = [
  { name: "curl", write: writeCurl },
  { name: "Python", write: writeHttpx },
  { name: "Pyro", write: writePyro },
  { name: "JavaScript", write: writeJavaScript },
];
