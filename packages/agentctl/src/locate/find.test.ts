import { runInNewContext } from "node:vm";
import fc from "fast-check";
import t from "tap";
import { type Found, findPlace } from "./find.ts";
import { instrument, recorderGlobal } from "./instrument.ts";
import { Recorder } from "./recorder.ts";

/** Runs `text`, a script whose last statement is the fleet, and finds places in what it gives. */
function evaluate(text: string) {
  const { code, sites } = instrument(text, 0);
  const recorder = new Recorder();
  const symbols = Object.assign(Object.create(Symbol), { for: () => recorderGlobal });
  const sandbox = { Symbol: symbols, [recorderGlobal]: recorder };
  const fleet: unknown = runInNewContext(code, sandbox);
  const find = (path: string, part: "name" | "value" = "value") =>
    findPlace(fleet, path, part, { recorder, sites: () => sites });
  const textOf = (found: { start: number; end: number } | undefined) =>
    found && text.slice(found.start, found.end);
  return { fleet, find, textOf };
}

function told(text: string, path: string, part: "name" | "value" = "value"): (string | undefined)[] {
  const { find, textOf } = evaluate(text);
  const found = find(path, part);
  const used = textOf(found?.usedAt);
  return [found?.relation, textOf(found), ...(used === undefined ? [] : [used])];
}

t.test("what a literal holds is found, its name or its value", async (t) => {
  const text = `({ a: { "b c": [1, { d: 2 }] } })`;
  t.same(told(text, "a"), ["exact", `{ "b c": [1, { d: 2 }] }`]);
  t.same(told(text, `a["b c"]`, "name"), ["exact", `"b c"`]);
  t.same(told(text, `a["b c"][0]`), ["exact", "1"]);
  t.same(told(text, `a["b c"][1].d`), ["exact", "2"]);
  t.same(told(text, `a["b c"][1].d`, "name"), ["exact", "d"]);
});

t.test("what is missing is missing from the literal that should have it", async (t) => {
  t.same(told(`({ a: { b: {} } })`, "a.b.command"), ["exact", "{}"]);
  t.same(told(`({ a: [] })`, "a[0]"), ["exact", "[]"]);
});

t.test("of two with one name the last counts", async (t) => {
  t.same(told(`({ a: 1, a: 2 })`, "a"), ["exact", "2"]);
  t.same(told(`const base = { a: 1 }; ({ ...base, a: 2 })`, "a"), ["exact", "2"]);
  t.same(told(`const base = { a: 1 }; ({ a: 2, ...base })`, "a"), ["exact", "1", "...base"]);
  t.same(told(`const base = { b: 1 }; ({ a: 2, ...base })`, "a"), ["exact", "2"]);
});

t.test("what a helper or a constant holds is found there, with where it is used", async (t) => {
  const helper = `const web = (port) => ({ health: { port } }); ({ a: web(1), b: web(2) })`;
  t.same(told(helper, "b"), ["exact", "{ health: { port } }", "web(2)"]);
  t.same(told(helper, "b.health.port"), ["exact", "port", "web(2)"]);
  t.same(told(`const c = { d: 1 }; ({ a: c })`, "a.d"), ["exact", "1", "c"]);
  const nested = `const f = (n) => ({ n, ...(n > 0 ? { down: f(n - 1) } : {}) }); f(2)`;
  t.same(told(nested, "down.down.n"), ["exact", "n", "f(n - 1)"]);
});

t.test("computed names are known once they ran", async (t) => {
  t.same(told(`const k = "x"; ({ [k]: 1, [k + "y"]: 2 })`, "xy"), ["exact", "2"]);
  t.same(told(`const k = "x"; ({ [k]: 1, [k + "y"]: 2 })`, "x", "name"), ["exact", "k"]);
});

t.test("where no literal has it, the nearest around is told, and said to be that", async (t) => {
  const loop = `({ hosts: Object.fromEntries(["a"].map((n) => [n, { x: n }])) })`;
  t.same(told(loop, "hosts.a", "name"), ["around", "{ x: n }"]);
  t.same(told(loop, "hosts.a.x"), ["exact", "n"]);
  t.same(told(`({ a: JSON.parse('{"b":{"c":1}}') })`, "a.b.c"), ["around", `JSON.parse('{"b":{"c":1}}')`]);
  t.same(told(`({ ...JSON.parse('{"b":1}') })`, "b"), ["copied", `...JSON.parse('{"b":1}')`]);
  t.same(told(`({ a: [...[1, 2], 3] })`, "a[2]"), ["around", "[...[1, 2], 3]"]);
  t.same(evaluate(`JSON.parse('{"a":1}')`).find("a"), undefined);
});

t.test("what was changed afterwards is not said to be what is written", async (t) => {
  t.same(told(`const f = { a: 1 }; f.a = 2; f`, "a"), ["changed", "{ a: 1 }"]);
  t.same(told(`const f = { a: 1 }; f.b = 2; f`, "b"), ["changed", "{ a: 1 }"]);
  t.same(told(`const f = {}; f.b = { c: 1 }; f`, "b.c"), ["exact", "1"]);
  t.same(told(`Object.assign({}, { a: 1 })`, "a"), ["changed", "{}"]);
});

t.test("names that are written alike are not taken for each other", async (t) => {
  const long = "x".repeat(80);
  const text = `({ ${long}1: { a: 1 }, ${long}2: { a: 2 } })`;
  t.equal(evaluate(text).find(`["${long.slice(0, 59)}..."].a`)?.relation, "exact");
  t.same(evaluate(text).textOf(evaluate(text).find(`["${long.slice(0, 59)}..."].a`)), text.slice(1, -1));
});

/* Programs that make the same leaves in many ways. Each leaf is a text that occurs once, so that a place can be judged. */
const leaves = { count: 0 };
const leaf = fc.nat().map((): string => {
  leaves.count += 1;
  return JSON.stringify(`v${leaves.count}`);
});
const key = fc.constantFrom("a", "b", "c");
const { value } = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    leaf,
    tie("object"),
    fc.array(leaf, { maxLength: 3 }).map((all) => `[${all}]`),
  ),
  object: fc.oneof(
    { maxDepth: 4 },
    fc
      .array(fc.tuple(key, tie("value")), { maxLength: 3 })
      .map((all) => `{${all.map(([k, v]) => `${k}:${v}`)}}`),
    fc.tuple(key, tie("value"), tie("object")).map(([k, v, base]) => `{${k}:${v},...${base}}`),
    fc
      .tuple(key, tie("value"), tie("object"))
      .map(([k, v, base]) => `{...${base},[${JSON.stringify(k)}]:${v}}`),
    fc.tuple(tie("object"), tie("object")).map(([a, b]) => `Object.assign(${a},${b})`),
    fc.tuple(key, tie("value")).map(([k, v]) => `((x)=>({${k}:x,b:{...x}}))(${v})`),
    fc.tuple(tie("object"), key, leaf).map(([o, k, v]) => `((x)=>{x.${k}=${v};return x;})(${o})`),
    fc
      .tuple(key, tie("object"))
      .map(([k, o]) => `(function f(n,o){return {${k}:n>0?f(n-1,o):1,...o}})(1,${o})`),
  ),
}));

function leavesOf(value: unknown, path = ""): [path: string, leaf: string][] {
  if (typeof value === "string") return [[path, value]];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([k, v]) =>
    leavesOf(v, Array.isArray(value) ? `${path}[${k}]` : path === "" ? k : `${path}.${k}`),
  );
}

t.test("a place that is said to be exact holds the value, or what it was handed", async (t) => {
  let exact = 0;
  fc.assert(
    fc.property(value, (expression) => {
      const { fleet, find, textOf } = evaluate(`(${expression})`);
      return leavesOf(fleet).every(([path, text]) => {
        if (path === "") return true;
        const found: Found | undefined = find(path);
        if (found?.relation !== "exact") return true;
        exact += 1;
        const written = textOf(found) ?? "";
        return written.includes(JSON.stringify(text)) || written === "x";
      });
    }),
    { numRuns: 400 },
  );
  t.ok(exact > 400, `${exact} places`);
});

t.test("what is instrumented behaves as before", async (t) => {
  const programs = [
    `const f=()=>{return{a:1}};f()`,
    `const f=()=>{return[1,2]};f().concat([3])`,
    `let n=0;n++\n;[1].forEach((x)=>{n+=x});n`,
    `const {a=[5],...r}={b:1,c:[2]};[a,r]`,
    `let x;[x]=[4];x`,
    `new (class{constructor(o){this.o=o}})({a:{b:1}}).o`,
    `const o={get a(){return 1},m(){return super.toString!==undefined},__proto__:{z:1}};[o.a,o.m(),o.z]`,
    `switch(1){case[1][0]:"ok"}`,
    `for(const x of[7])x`,
    ["`$", "{[1,{a:2}.a]}`"].join(""),
    `typeof{}`,
    `1 in[5,6]`,
    `((...all)=>all)(...[1,2],...[])`,
    `[,1,,2].length`,
    `(async()=>{})() && ({...null,...undefined,..."ab",a:1})`,
  ];
  for (const program of programs) {
    t.strictSame(JSON.stringify(evaluate(program).fleet), JSON.stringify(runInNewContext(program)), program);
    t.equal(instrument(program, 0).code.split("\n").length, program.split("\n").length);
  }
});

t.test("two evaluations of one literal that waits are not mixed up", async (t) => {
  const text = `const wait = async (n) => n;
    const f = async (base, n) => ({ ...base, b: await wait(n) });
    globalThis.done = Promise.all([f({ a: 1 }, 1), f({ a: 2 }, 2)])`;
  const { code, sites } = instrument(text, 0);
  const recorder = new Recorder();
  const symbols = Object.assign(Object.create(Symbol), { for: () => recorderGlobal });
  const fleet: unknown = await runInNewContext(code, { Symbol: symbols, [recorderGlobal]: recorder });
  const found = findPlace(fleet, "[0].a", "value", { recorder, sites: () => sites });
  t.not(found?.relation, "exact");
});
