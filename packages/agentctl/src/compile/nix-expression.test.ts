// biome-ignore-all lint/suspicious/noTemplateCurlyInString: they are the interpolations of Nix
import { canonicalize } from "@daruma/base";
import { character } from "@daruma/base/test-support";
import fc from "fast-check";
import t from "tap";
import {
  type NixExpression,
  nixBoolean,
  nixComment,
  nixList,
  nixNull,
  nixNumber,
  nixPackageFile,
  nixSet,
  nixSourceFile,
  nixString,
  printNix,
} from "./nix-expression.ts";
import { evaluateNix, withoutNix } from "./nix-support.ts";

/** Strings made of what Nix's lexer treats in a special way, and of anything else that Unicode has. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        "$",
        "{",
        "}",
        "${",
        "$${",
        "\\",
        '"',
        "''",
        "''${",
        "\n",
        "\r",
        "\r\n",
        "\t",
        "\\n",
        "\u0001",
        "\u007f",
      ),
      fc.constantFrom("builtins.abort", "#", "/*", "*/", ";", "\ufeff", "\u2028", "\u0085", "\u{1f600}", "é"),
      fc.string({ unit: character }),
    ),
  )
  .map((parts) => parts.join("").replaceAll("\u0000", ""))
  .filter((text) => text.isWellFormed());

t.test("values are printed as Nix writes them", async (t) => {
  t.equal(printNix(nixBoolean(true)), "true");
  t.equal(printNix(nixNull), "null");
  t.equal(printNix(nixString("a")), '"a"');
  t.equal(printNix(nixList([])), "[ ]");
  t.equal(printNix(nixList([nixNumber(1)])), "[ 1 ]");
  t.equal(printNix(nixList([nixNumber(1), nixNumber(2)]), "  "), "[\n    1\n    2\n  ]");
  t.equal(printNix(nixSet({})), "{ }");
  t.equal(printNix(nixSet({ a: nixSet({ b: nixNull }) })), "{\n  a = {\n    b = null;\n  };\n}");
});

t.test("a long single element gets a line of its own", async (t) => {
  t.equal(printNix(nixList([nixString("x".repeat(120))])), `[\n  "${"x".repeat(120)}"\n]`);
});

t.test("attribute names are quoted where Nix wants it", async (t) => {
  const names = [
    "a",
    "_a",
    "a-b",
    "a'",
    "1a",
    "a.b",
    "",
    "if",
    "inherit",
    "or",
    "a b",
    "é",
    '"',
    "-a",
    "true",
  ];
  const printed = printNix(nixSet(Object.fromEntries(names.map((name) => [name, nixNull]))));
  const plain = names.filter((name) => printed.includes(`  ${name} = `));
  t.same(plain, ["a", "_a", "a-b", "a'", "true"]);
});

t.test("numbers keep their value and their kind", async (t) => {
  const expected: readonly (readonly [number, string])[] = [
    [0, "0"],
    [-0, "0"],
    [2, "2"],
    [-5, "(-5)"],
    [0.2, "0.2"],
    [1e-7, "1.0e-7"],
    [1.5e-7, "1.5e-7"],
    [1e21, "1.0e21"],
    [2 ** 53, "9007199254740992.0"],
  ];
  for (const [value, text] of expected) t.equal(printNix(nixNumber(value)), text);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) t.throws(() => nixNumber(value), RangeError);
});

t.test("references are the only interpolations, and their parts are escaped", async (t) => {
  t.equal(printNix(nixPackageFile("nodejs_24", "bin/node")), '"${pkgs.nodejs_24}/bin/node"');
  t.equal(printNix(nixPackageFile("a.3b", 'x"${y}')), '"${pkgs.a."3b"}/x\\"\\${y}"');
  const at = { up: 2, below: 'my "agent"' };
  t.equal(
    printNix(nixSourceFile(at, "my-agent", "main.js")),
    '"${builtins.path { path = ../.. + "/my \\"agent\\""; name = "my-agent"; }}/main.js"',
  );
});

t.test("a path is relative to its file however near or far it is", async (t) => {
  const path = (directory: Parameters<typeof nixSourceFile>[0]) =>
    /path = (.*?); name/.exec(printNix(nixSourceFile(directory, "n", "f")))?.[1];
  t.equal(path({ up: 0, below: "" }), "./.");
  t.equal(path({ up: 0, below: "a" }), './. + "/a"');
  t.equal(path({ up: 1, below: "a/b" }), './.. + "/a/b"');
  t.equal(path({ up: 3, below: "" }), "../../..");
  t.equal(path({ absolute: "/srv/x" }), '/. + "/srv/x"');
});

t.test("no hostile string gets out of its quotes or changes on the way", async () => {
  fc.assert(
    fc.property(hostile, (text) => readNixString(printNix(nixString(text))) === text),
    { numRuns: 2000 },
  );
});

t.test("text that Nix cannot hold is refused", async (t) => {
  for (const text of ["\u0000", "a\u0000b", "\ud800", "\udc00x"]) {
    t.throws(() => nixString(text), { code: "COMPILE_E_TEXT" });
    t.throws(() => nixSet({ [text]: nixNull }), { code: "COMPILE_E_TEXT" });
  }
});

t.test("only this module makes expressions", async (t) => {
  const forged = { source: () => "builtins.abort" } as unknown as NixExpression;
  t.throws(() => printNix(forged), TypeError);
  t.throws(() => printNix(JSON.parse(JSON.stringify(nixNull)) as NixExpression), TypeError);
});

t.test("a comment stays one line of comment", async () => {
  fc.assert(
    fc.property(hostile, (text) => {
      const comment = nixComment(text);
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
      return comment.startsWith("#") && !/[\u0000-\u001f\u2028\u2029]/.test(comment);
    }),
  );
});

t.test("Nix itself reads hostile strings and names back unchanged", { skip: withoutNix }, async (t) => {
  const texts = fc.sample(hostile, { numRuns: 10_000, seed: 2026 });
  const names = Object.fromEntries(texts.map((text) => [text, nixString(text)]));
  const expression = printNix(nixList([nixList(texts.map(nixString)), nixSet(names)]));
  const [list, set] = evaluateNix(expression) as [string[], Record<string, string>];
  t.same(
    texts.filter((text, index) => list[index] !== text || set[text] !== text),
    [],
  );
  t.equal(list.length, texts.length);
  t.equal(Object.keys(set).length, new Set(texts).size);
});

t.test("Nix itself reads structures back as they were", { skip: withoutNix }, async (t) => {
  type Value = string | number | boolean | null | readonly Value[] | { readonly [key: string]: Value };
  const key = fc.oneof(
    hostile,
    fc.constantFrom(..."assert else if in inherit let or rec then with __proto__".split(" ")),
  );
  const { value } = fc.letrec<{ value: Value }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      hostile,
      fc.maxSafeInteger(),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie("value"), { maxLength: 4 }),
      fc.dictionary(key, tie("value"), { maxKeys: 4 }),
    ),
  }));
  const expressionOf = (value: Value): NixExpression => {
    if (value === null) return nixNull;
    if (typeof value === "string") return nixString(value);
    if (typeof value === "number") return nixNumber(value);
    if (typeof value === "boolean") return nixBoolean(value);
    if (Array.isArray(value)) return nixList(value.map(expressionOf));
    const members = Object.entries(value).map(([name, each]) => [name, expressionOf(each)]);
    return nixSet(Object.fromEntries(members));
  };
  const values = fc.sample(value, { numRuns: 10_000, seed: 2026 });
  const read = evaluateNix(printNix(nixList(values.map(expressionOf)))) as unknown[];
  t.equal(read.length, values.length);
  t.same(
    values.filter((each, index) => canonicalize(each) !== canonicalize(read[index] as Value)),
    [],
  );
});

t.test("Nix itself reads every float back to the same bits", { skip: withoutNix }, async (t) => {
  const doubles = fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e-30, max: 1e30 });
  const values = [0.1, 0.2, 1e-7, 1e21, 2 ** 53, ...fc.sample(doubles, { numRuns: 200, seed: 2026 })];
  const checks = values.map((value) => `(${printNix(nixNumber(value))} == ${exactFraction(value)})`);
  const power = "p = n: if n == 0 then 1.0 else 2.0 * p (n - 1)";
  t.same(
    evaluateNix(`let ${power}; in [ ${checks.join(" ")} ]`),
    values.map(() => true),
  );
});

/** The double as a fraction of a whole number below 2^53 and a power of two, for a reader that does not parse decimals. */
function exactFraction(value: number): string {
  let [mantissa, exponent] = [value, 0];
  while (!Number.isInteger(mantissa)) [mantissa, exponent] = [mantissa * 2, exponent + 1];
  while (!Number.isSafeInteger(mantissa)) [mantissa, exponent] = [mantissa / 2, exponent - 1];
  return exponent >= 0 ? `(${mantissa} / p ${exponent})` : `(${mantissa} * p ${-exponent})`;
}

/** Reads one string as Nix's lexer does (src/libexpr/lexer.l, state STRING), and fails on any interpolation. */
function readNixString(source: string): string {
  let text = "";
  let at = 1;
  if (source[0] !== '"') throw new Error("no opening quote");
  for (;;) {
    const char = source[at];
    if (char === undefined) throw new Error("no closing quote");
    if (char === '"') break;
    if (char === "$" && source[at + 1] === "{") throw new Error("an interpolation");
    if (char === "\\") {
      const next = source[at + 1] ?? "";
      text += { n: "\n", r: "\r", t: "\t" }[next] ?? next;
      at += 2;
    } else if (char === "\r") {
      text += "\n";
      at += source[at + 1] === "\n" ? 2 : 1;
    } else if (char === "$" && !['"', "\\", undefined].includes(source[at + 1])) {
      // A dollar takes the next character with it, so that `$${` is no interpolation.
      text += `$${source[at + 1]}`;
      at += 2;
    } else {
      text += char;
      at += 1;
    }
  }
  if (at !== source.length - 1) throw new Error("something after the string");
  return text;
}
