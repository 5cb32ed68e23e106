// Bytes: as a picture if they are one, and to be kept as a file.

import { button, make, saveAs, sizeText } from "./dom.js";

const SIGNATURES = [
  ["image/png", "png", /^\x89PNG\r\n\x1a\n/],
  ["image/jpeg", "jpg", /^\xff\xd8\xff/],
  ["image/gif", "gif", /^GIF8[79]a/],
  ["image/webp", "webp", /^RIFF[^]{4}WEBP/],
  ["image/bmp", "bmp", /^BM[^]{4}\0\0\0\0/],
];

/** Whether a value of JSON stands for bytes. */
export function isBytes(value) {
  return (
    value !== null && typeof value === "object" && value.encoding === "base64" &&
    typeof value.data === "string" && Object.keys(value).length === 2
  );
}

/** Return how many bytes a value stands for. */
export function sizeOf(value) {
  const padding = /=*$/.exec(value.data)[0].length;
  return Math.floor((value.data.length * 3) / 4) - padding;
}

/** Return the `{kind, extension}` of the picture that bytes are, or null. */
export function pictureType(value) {
  let start;
  try {
    start = atob(value.data.slice(0, 24));
  } catch {
    return null;
  }
  const found = SIGNATURES.find(([, , signature]) => signature.test(start));
  return found === undefined ? null : { kind: found[0], extension: found[1] };
}

/** Return an element that shows bytes. */
export function renderBytes(value) {
  const type = pictureType(value);
  const size = sizeText(sizeOf(value));
  const keep = button("Save", () => save(value, type), { class: "small-button" });
  if (type === null) {
    const text = make("code", { class: "bytes-start", text: startOf(value) });
    const note = make("p", { class: "note", text: `Bytes, ${size}` });
    return make("div", { class: "bytes" }, note, text, keep);
  }
  const note = make("figcaption", {}, `${type.extension.toUpperCase()}, ${size} `, keep);
  const image = make("img", {
    src: `data:${type.kind};base64,${value.data}`,
    alt: `Picture that the call returned, ${size}`,
  });
  image.addEventListener("load", () => {
    const dimensions = `${image.naturalWidth} × ${image.naturalHeight}, `;
    note.firstChild.textContent = dimensions + note.firstChild.textContent;
  });
  return make("figure", { class: "picture" }, image, note);
}

function startOf(value) {
  let start;
  try {
    start = atob(value.data.slice(0, 64));
  } catch {
    return value.data.slice(0, 64);
  }
  const digits = Array.from(start, (one) => one.charCodeAt(0).toString(16).padStart(2, "0"));
  return digits.join(" ") + (sizeOf(value) > start.length ? " …" : "");
}

function save(value, type) {
  const bytes = Uint8Array.from(atob(value.data), (one) => one.charCodeAt(0));
  const kind = type?.kind ?? "application/octet-stream";
  saveAs(`result.${type?.extension ?? "bin"}`, new Blob([bytes], { type: kind }));
}
