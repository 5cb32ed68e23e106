// Server-sent events and lines of JSON, read as they come.

/** Yield the lines of an answer. */
export async function* linesOf(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let pieces = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      const lines = value.split("\n");
      pieces.push(lines[0]);
      for (const line of lines.slice(1)) {
        yield pieces.join("").replace(/\r$/, "");
        pieces = [line];
      }
    }
    const rest = pieces.join("");
    if (rest) yield rest;
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** Yield the events of an answer as `{kind, data}`. */
export async function* eventsOf(answer) {
  let kind = "message";
  let data = [];
  for await (const line of linesOf(answer)) {
    if (line === "") {
      if (data.length > 0) yield { kind, data: data.join("\n") };
      kind = "message";
      data = [];
    } else if (line.startsWith("event:")) {
      kind = line.slice(6).trim();
    } else if (line.startsWith("data:")) {
      data.push(line.slice(5).replace(/^ /, ""));
    } else if (line.startsWith(":")) {
      yield { kind: "comment", data: "" };
    }
  }
}
