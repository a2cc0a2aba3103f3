import fc from "fast-check";
import t from "tap";
import { canonicalBytes, canonicalize, digestOf, type JsonValue } from "./canonical.ts";
import { isDarumaError } from "./errors.ts";
import { character } from "./test-support/character.ts";

/** RFC 8785, appendix B: the bits of a double and what they print as; `null` where there is no JSON for them. */
const rfcNumbers: readonly (readonly [string, string | null])[] = [
  ["0000000000000000", "0"],
  ["8000000000000000", "0"],
  ["0000000000000001", "5e-324"],
  ["8000000000000001", "-5e-324"],
  ["7fefffffffffffff", "1.7976931348623157e+308"],
  ["ffefffffffffffff", "-1.7976931348623157e+308"],
  ["4340000000000000", "9007199254740992"],
  ["c340000000000000", "-9007199254740992"],
  ["4430000000000000", "295147905179352830000"],
  ["7fffffffffffffff", null],
  ["7ff0000000000000", null],
  ["44b52d02c7e14af5", "9.999999999999997e+22"],
  ["44b52d02c7e14af6", "1e+23"],
  ["44b52d02c7e14af7", "1.0000000000000001e+23"],
  ["444b1ae4d6e2ef4e", "999999999999999700000"],
  ["444b1ae4d6e2ef4f", "999999999999999900000"],
  ["444b1ae4d6e2ef50", "1e+21"],
  ["3eb0c6f7a0b5ed8c", "9.999999999999997e-7"],
  ["3eb0c6f7a0b5ed8d", "0.000001"],
  ["41b3de4355555553", "333333333.3333332"],
  ["41b3de4355555554", "333333333.33333325"],
  ["41b3de4355555555", "333333333.3333333"],
  ["41b3de4355555556", "333333333.3333334"],
  ["41b3de4355555557", "333333333.33333343"],
  ["becbf647612f3696", "-0.0000033333333333333333"],
  ["43143ff3c1cb0959", "1424953923781206.2"],
];

/** Both print the same, and refuse the same in the same words. */
function printedTwice(value: unknown): string {
  const text = () => canonicalize(value as JsonValue);
  try {
    canonicalBytes(value as JsonValue);
  } catch (refusal) {
    try {
      text();
    } catch (error) {
      if (String(error) === String(refusal)) throw error;
    }
    throw new Error("canonicalBytes and canonicalize do not refuse the same");
  }
  return text();
}

function codeOf(value: unknown): string | undefined {
  try {
    printedTwice(value);
    return undefined;
  } catch (error) {
    return isDarumaError(error) ? error.code : "a bug";
  }
}

t.test("numbers print as in appendix B of RFC 8785, but for the integers that we refuse", async (t) => {
  for (const [bits, text] of rfcNumbers) {
    const value = Buffer.from(bits, "hex").readDoubleBE();
    const refused = text === null || (Number.isInteger(value) && !Number.isSafeInteger(value));
    if (refused) t.equal(codeOf(value), "JSON_E_NOT_CANONICAL", bits);
    else t.equal(canonicalize(value), text, bits);
    if (text !== null) t.equal(JSON.stringify(value), text, `${bits} in ECMAScript's own form`);
  }
});

t.test("keys sort by UTF-16 code unit, not by code point (RFC 8785, 3.2.3)", async (t) => {
  const value = {
    "\u20ac": "Euro Sign",
    "\r": "Carriage Return",
    "\ufb33": "Hebrew Letter Dalet With Dagesh",
    "1": "One",
    "\u{1f600}": "Emoji: Grinning Face",
    "\u0080": "Control",
    "\u00f6": "Latin Small Letter O With Diaeresis",
  };
  t.same(Object.values(JSON.parse(canonicalize(value)) as Record<string, string>).length, 7);
  const expected =
    '{"\\r":"Carriage Return","1":"One","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis",' +
    '"\u20ac":"Euro Sign","\u{1f600}":"Emoji: Grinning Face","\ufb33":"Hebrew Letter Dalet With Dagesh"}';
  t.equal(canonicalize(value), expected);
});

t.test("strings escape only what they must (RFC 8785, 3.2.2.2)", async (t) => {
  const value = '\u20ac$\u000f\u000aA\u0027B\u0022\u005c\\"/\u007f\u2028';
  t.equal(canonicalize(value), '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/\u007f\u2028"');
});

t.test("the example of RFC 8785, 3.2.2 prints as the RFC says, but for 1E30, which we refuse", async (t) => {
  const numbers = "[333333333.33333329, 4.50, 2e-3, 0.000000000000000000000000001]";
  const text = `{"numbers": ${numbers}, "string": "\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\"\\/",
    "literals": [null, true, false]}`;
  t.equal(
    canonicalize(JSON.parse(text)),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,4.5,0.002,1e-27],' +
      '"string":"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
  t.equal(codeOf(1e30), "JSON_E_NOT_CANONICAL");
});

t.test("what has no canonical form is refused with its path, never changed in silence", async (t) => {
  const cases: readonly (readonly [unknown, string])[] = [
    [{ a: [0, Number.NaN] }, "a[1]"],
    [{ a: Number.POSITIVE_INFINITY }, "a"],
    [{ a: { b: 2 ** 53 } }, "a.b"],
    [-(2 ** 53), "the value"],
    [{ a: "\ud800" }, "a"],
    [{ a: ["\udc00\ud800"] }, "a[0]"],
    [{ "\ud800": 1 }, "\ud800"],
    [{ a: undefined }, "a"],
    [{ a: () => 1 }, "a"],
    [{ a: 1n }, "a"],
    [{ a: Symbol("a") }, "a"],
    [{ a: new Date(0) }, "a"],
    [[new Map()], "[0]"],
  ];
  for (const [value, path] of cases) {
    try {
      printedTwice(value);
      t.fail(`${path} must be refused`);
    } catch (error) {
      t.ok(isDarumaError(error) && error.code === "JSON_E_NOT_CANONICAL", path);
      t.ok(isDarumaError(error) && error.message.startsWith(`${path}: `), path);
    }
  }
});

t.test("a hole in an array is refused like undefined", async (t) => {
  const holes: JsonValue[] = [1];
  holes[2] = 3;
  t.equal(codeOf(holes), "JSON_E_NOT_CANONICAL");
});

t.test("integers up to 2^53 - 1 either way and minus zero are accepted", async (t) => {
  t.equal(
    canonicalize([Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER]),
    "[9007199254740991,-9007199254740991]",
  );
  t.equal(canonicalize(-0), "0");
});

t.test("objects without a prototype and a key named __proto__ are printed as they are", async (t) => {
  t.equal(canonicalize(Object.assign(Object.create(null), { b: 1, a: 2 })), '{"a":2,"b":1}');
  t.equal(canonicalize(JSON.parse('{"__proto__":{"x":1}}')), '{"__proto__":{"x":1}}');
});

/** JSON without the values that we refuse on purpose. */
const jsonValue = fc
  .jsonValue({ stringUnit: character, maxDepth: 4 })
  .filter((value) => codeOf(value) === undefined)
  .map((value) => value as JsonValue);

t.test("canonical text parses back to the same value and prints the same again", async () => {
  fc.assert(
    fc.property(jsonValue, (value) => {
      const text = canonicalize(value);
      const parsed = JSON.parse(text);
      const same = canonicalBytes(value).equals(Buffer.from(text));
      return same && canonicalize(parsed) === text && JSON.stringify(parsed).length === text.length;
    }),
  );
});

t.test("the order in which keys were written never shows", async () => {
  const entries = fc.uniqueArray(fc.tuple(fc.string({ unit: character }), fc.integer()), {
    selector: ([key]) => key,
  });
  const wellFormed = entries.filter((list) => list.every(([key]) => key.isWellFormed()));
  fc.assert(
    fc.property(wellFormed, (list) => {
      const forwards = canonicalize(Object.fromEntries(list));
      return forwards === canonicalize(Object.fromEntries([...list].reverse()));
    }),
  );
});

t.test("a digest is the SHA-256 of the canonical bytes", async (t) => {
  // printf '{"a":"é","b":1}' | sha256sum
  t.equal(digestOf({ b: 1, a: "é" }), "aa58fba8483623bed37c1b02edfccbdd9a53123837c20bfa4cb4049993a2872e");
});
