// What annotations mean for a form: text such as `list[house.Point] | None`, read.

const TOKEN = /\s*(?:(b?'(?:[^'\\]|\\.)*'|b?"(?:[^"\\]|\\.)*")|(-?\d[\w.+-]*)|([\p{L}_][\p{L}\p{N}_.]*)|(\.\.\.)|(.))/suy;

/**
 * Return the tree of an annotation: `{kind: "name", name, args}`,
 * `{kind: "union", options}`, `{kind: "value", text}` or `{kind: "list", args}`.
 * What cannot be read is null.
 */
export function parseAnnotation(text) {
  const tokens = tokensOf(text ?? "");
  let position = 0;
  const next = () => tokens[position];
  const take = (symbol) => next()?.symbol === symbol && ++position > 0;

  function union() {
    const options = [single()];
    while (take("|")) options.push(single());
    return options.length === 1 ? options[0] : { kind: "union", options };
  }
  function single() {
    if (take("[")) return { kind: "list", args: several() };
    const token = next();
    if (token === undefined || token.symbol) throw new SyntaxError(text);
    position += 1;
    if (token.text !== undefined) return { kind: "value", text: token.text };
    const args = take("[") ? several() : [];
    return { kind: "name", name: token.name, args };
  }
  function several() {
    const args = [];
    while (!take("]")) {
      if (take("(")) {
        if (!take(")")) throw new SyntaxError(text);
      } else {
        args.push(union());
      }
      if (!take(",") && next()?.symbol !== "]") throw new SyntaxError(text);
    }
    return args;
  }

  try {
    const tree = union();
    return position === tokens.length ? tree : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function tokensOf(text) {
  const tokens = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd();
  while (TOKEN.lastIndex < end.length) {
    const [, quoted, number, name, dots, symbol] = TOKEN.exec(end);
    if (name !== undefined) tokens.push({ name });
    else if (symbol !== undefined) tokens.push({ symbol });
    else tokens.push({ text: quoted ?? number ?? dots });
  }
  return tokens;
}

const VALUES = new Set(["True", "False"]);

/** Return an annotation without the modules of its names, for people. */
export function shortAnnotation(text) {
  const tree = parseAnnotation(text);
  return tree === null ? (text ?? "") : write(tree);
}

function write(tree) {
  if (tree.kind === "value") return tree.text;
  if (tree.kind === "union") return tree.options.map(write).join(" | ");
  const args = tree.args.length > 0 || tree.kind === "list"
    ? `[${tree.args.map(write).join(", ")}]`
    : "";
  return tree.kind === "list" ? args : shortName(tree.name) + args;
}

/** Return the last part of a dotted name. */
export function shortName(name) {
  return name.slice(name.lastIndexOf(".") + 1);
}

const SIMPLE = {
  int: "integer", float: "number", bool: "boolean", str: "text", None: "none",
  bytes: "bytes", bytearray: "bytes", memoryview: "bytes", complex: "word",
  "decimal.Decimal": "decimal", "fractions.Fraction": "word", "uuid.UUID": "uuid",
  "datetime.date": "date", "datetime.time": "time", "datetime.datetime": "datetime",
  "datetime.timedelta": "duration", "pathlib.Path": "word", "pathlib.PurePath": "word",
  "collections.abc.Buffer": "bytes", "typing.LiteralString": "text",
};
const LISTS = new Set([
  "list", "tuple", "set", "frozenset", "deque", "Sequence", "MutableSequence",
  "Iterable", "Collection", "Set", "MutableSet", "AbstractSet",
]);
const MAPS = new Set(["dict", "Mapping", "MutableMapping", "OrderedDict", "defaultdict"]);
const RECORDS = new Set(["dataclass", "namedtuple", "typeddict"]);
// An alias may stand for itself.
const DEEPEST = 20;

/**
 * Return what kind of values an annotation is for.
 *
 * The shape has `kind` (such as "integer", "choice", "list", "record" or "any"),
 * `nullable`, and: `options` of a choice, as `{label, json, python}`; `items` of a list
 * or map; `type` and `name` of a record or enumeration.
 */
export function shapeOf(annotation, types = {}) {
  const tree = parseAnnotation(annotation);
  return tree === null ? { kind: "any", nullable: false } : shapeOfTree(tree, types, 0);
}

function shapeOfTree(tree, types, depth) {
  const any = { kind: "any", nullable: false };
  if (tree.kind === "value" || tree.kind === "list" || depth > DEEPEST) return any;
  if (tree.kind === "union") return shapeOfUnion(tree.options, types, depth);
  const { name, args } = tree;
  const described = Object.hasOwn(types, name) ? types[name] : undefined;
  if (described !== undefined) return shapeOfType(name, described, types, depth);
  if (Object.hasOwn(SIMPLE, name)) {
    const kind = SIMPLE[name];
    return { kind, nullable: kind === "none" };
  }
  const short = shortName(name);
  if (short === "Literal") return shapeOfLiteral(args);
  if (short === "Optional") {
    return { ...shapeOfTree(args[0] ?? tree, types, depth + 1), nullable: true };
  }
  if (short === "Union") return shapeOfUnion(args, types, depth);
  if (LISTS.has(short)) {
    const items = args.map((one) => shapeOfTree(one, types, depth + 1));
    const repeated = short !== "tuple" || args.at(-1)?.text === "...";
    return { kind: "list", nullable: false, items, repeated };
  }
  if (MAPS.has(short)) {
    const items = args.map((one) => shapeOfTree(one, types, depth + 1));
    return { kind: "map", nullable: false, items };
  }
  return any;
}

function shapeOfUnion(options, types, depth) {
  const shapes = options.map((one) => shapeOfTree(one, types, depth + 1));
  const nullable = shapes.some((shape) => shape.nullable);
  const real = shapes.filter((shape) => shape.kind !== "none");
  const kinds = new Set(real.map((shape) => shape.kind));
  if (real.length === 1) return { ...real[0], nullable };
  if (kinds.size === 1 && kinds.has("choice")) {
    const all = real.flatMap((shape) => shape.options);
    return { kind: "choice", nullable, options: all };
  }
  if (kinds.size === 2 && kinds.has("integer") && kinds.has("number")) {
    return { kind: "number", nullable };
  }
  return { kind: "any", nullable };
}

function shapeOfType(name, described, types, depth) {
  if (described.kind === "alias") {
    const tree = parseAnnotation(described.of);
    return tree === null
      ? { kind: "any", nullable: false }
      : shapeOfTree(tree, types, depth + 1);
  }
  if (described.kind === "enum") {
    const options = (described.members ?? []).map((member) => ({
      label: member.name,
      // The gateway knows members by their names.
      json: member.name,
      python: `${shortName(name)}.${member.name}`,
    }));
    return { kind: "choice", nullable: false, options, name };
  }
  if (RECORDS.has(described.kind)) {
    return { kind: "record", nullable: false, type: described, name };
  }
  return { kind: "any", nullable: false };
}

function shapeOfLiteral(args) {
  const nullable = args.some((one) => one.name === "None");
  const options = args
    .filter((one) => one.name !== "None")
    .map((one) => literalOption(one.text ?? one.name ?? ""));
  return { kind: "choice", nullable, options };
}

function literalOption(python) {
  const json = literalValue(python);
  return { label: typeof json === "string" ? json : python, json, python };
}

function literalValue(text) {
  if (VALUES.has(text)) return text === "True";
  if (/^-?\d+$/.test(text)) return Number(text);
  if (!/^['"]/.test(text)) return text;
  const simple = { n: "\n", t: "\t", r: "\r" };
  return text
    .slice(1, -1)
    .replace(/\\(x[\da-f]{2}|u[\da-f]{4}|.)/gis, (_all, escaped) =>
      /^[xu]./i.test(escaped)
        ? String.fromCodePoint(parseInt(escaped.slice(1), 16))
        : (simple[escaped] ?? escaped),
    );
}
