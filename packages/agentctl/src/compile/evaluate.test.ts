import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { isDarumaError } from "@daruma/base";
import t, { type Test } from "tap";
import { type Evaluation, evaluateFleet, loadFleet } from "./evaluate.ts";
import { judge } from "./evaluator.ts";
import { explainFailure } from "./failure.ts";
import { asPlainUser } from "./plain-user.ts";

const program = (path: string) => ({
  execPath: process.execPath,
  args: [fileURLToPath(new URL(path, import.meta.url))],
});
// The program that is shipped is a bundle; and a bundle starts several times faster.
const bundle = program("../../../../dist/agentctl.mjs");
const fromSource = program("../main.ts");

const fleet = `
import { defineFleet, nixpkg, source } from "@daruma/config";
export default defineFleet({
  hosts: {
    laptop: {
      system: "x86_64-linux",
      agents: { hello: { command: [nixpkg("nodejs_24", "bin/node"), source("./hello", "main.js")] } },
    },
  },
});
`;

type Files = Readonly<Record<string, string>>;

async function evaluate(t: Test, files: Files, timeoutMs = 60_000): Promise<Evaluation & { root: string }> {
  const root = t.testdir({});
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  const configFile = join(root, "fleet.config.ts");
  return { ...(await evaluateFleet({ configFile, program: bundle, timeoutMs })), root };
}

async function failure(t: Test, files: Files, timeoutMs?: number): Promise<[code: string, where: string]> {
  const evaluation = await evaluate(t, files, timeoutMs);
  if (evaluation.ok) throw new Error("the fleet was accepted");
  const where = (evaluation.error.where ?? "").replace(/^.*evaluate[^/]*\//, "");
  // With a line there is something to show.
  const { excerpt } = evaluation.error.problems[0]?.place ?? {};
  t.equal(excerpt !== undefined, /:\d+$/.test(where), where);
  return [evaluation.error.code, where.split("/").at(-1) ?? ""];
}

t.test("a fleet is evaluated, decoded, and its files are named", async (t) => {
  const evaluation = await evaluate(t, {
    "fleet.config.ts": `import "./lib/helper.ts";\n${fleet}`,
    "lib/helper.ts": `import text from "./data.json" with { type: "json" };\nexport const x: number = text.n;`,
    "lib/data.json": `{ "n": 1 }`,
  });
  if (!evaluation.ok) throw evaluation.error;
  t.equal(evaluation.fleet.hosts.laptop?.agents.hello?.startupMs, 30_000);
  t.same(evaluation.dependencies, [
    join(evaluation.root, "fleet.config.ts"),
    join(evaluation.root, "lib/data.json"),
    join(evaluation.root, "lib/helper.ts"),
  ]);
});

t.test("the evaluator works from its source as it does in a bundle", async (t) => {
  const root = t.testdir({ "fleet.config.ts": fleet });
  const evaluation = await evaluateFleet({ configFile: join(root, "fleet.config.ts"), program: fromSource });
  t.equal(evaluation.ok, true);
});

t.test(
  "TypeScript is an ES module whatever package.json says, and packages are no dependencies",
  async (t) => {
    const evaluation = await evaluate(t, {
      "package.json": `{ "type": "commonjs" }`,
      "fleet.config.ts": `import "./old.cjs";\nimport "pkg";\n${fleet}`,
      "old.cjs": `module.exports = 1;`,
      "node_modules/pkg/package.json": `{ "name": "pkg", "main": "index.js" }`,
      "node_modules/pkg/index.js": `module.exports = 2;`,
    });
    if (!evaluation.ok) throw evaluation.error;
    t.equal(evaluation.dependencies.length, 2);
  },
);

t.test("our own copy of @daruma/config wins over one that is installed", async (t) => {
  const evaluation = await evaluate(t, {
    "fleet.config.ts": fleet,
    "node_modules/@daruma/config/package.json": `{ "name": "@daruma/config", "main": "index.js" }`,
    "node_modules/@daruma/config/index.js": `throw new Error("the wrong copy");`,
  });
  t.equal(evaluation.ok, true);
});

t.test("a file that changed is evaluated anew in the same program", async (t) => {
  const first = await evaluate(t, { "fleet.config.ts": fleet });
  await writeFile(join(first.root, "fleet.config.ts"), fleet.replaceAll("laptop", "desktop"));
  const second = await loadFleet({ configFile: join(first.root, "fleet.config.ts"), program: bundle });
  t.same(Object.keys(second.hosts), ["desktop"]);
});

t.test("an odd path works", async (t) => {
  const name = "a b%20'\"#?é";
  const root = join(t.testdir({}), name);
  await mkdir(root);
  await writeFile(join(root, "fleet.config.ts"), `throw new Error("x");`);
  const evaluation = await evaluateFleet({ configFile: join(root, "fleet.config.ts"), program: bundle });
  t.match(evaluation, { ok: false, dependencies: [join(root, "fleet.config.ts")] });
  t.ok(!evaluation.ok && evaluation.error.where?.endsWith(`${name}/fleet.config.ts:1:7`));
});

t.test(
  "what the file prints never reaches the report, and what it leaves running does not matter",
  async (t) => {
    const noise = `console.log("{}"); process.stdout.write("noise"); setInterval(() => {}, 1000);\n`;
    const evaluation = await evaluate(t, { "fleet.config.ts": noise + fleet });
    t.equal(evaluation.ok, true);
  },
);

t.test("a fleet with problems reports all of them with their paths", async (t) => {
  const evaluation = await evaluate(t, {
    "fleet.config.ts": fleet.replace("command:", 'startup: "-5s", helth: {}, command:'),
  });
  t.match(evaluation, { ok: false, error: { code: "CONFIG_E_INVALID" } });
  const paths = evaluation.ok ? [] : evaluation.error.problems.map(({ path }) => path);
  t.same(paths, ["hosts.laptop.agents.hello.helth", "hosts.laptop.agents.hello.startup"]);
});

t.test("a problem has its code, and its place in the user's TypeScript with the lines around", async (t) => {
  const helper = `export interface Port { n: number }\nexport const web = (port: Port) => ({\n  comand: ["/x"], // 日本\n});\n`;
  const evaluation = await evaluate(t, {
    "web.ts": helper,
    "fleet.config.ts": `import { web, type Port } from "./web.ts";\n${fleet.replace("agents: {", "agents: { web: web({ n: 1 } as Port) as never,")}`,
  });
  const problems = evaluation.ok ? [] : evaluation.error.problems;
  t.match(problems, [
    {
      code: "CONFIG_E_UNKNOWN_OPTION",
      path: "hosts.laptop.agents.web.comand",
      message: 'is not an option; did you mean "command"?',
      place: {
        line: 3,
        column: 3,
        endLine: 3,
        endColumn: 9,
        excerpt: { firstLine: 2, lines: helper.split("\n").slice(1, 4) },
        usedAt: { line: 8, column: 22 },
      },
    },
    { code: "CONFIG_E_REQUIRED", path: "hosts.laptop.agents.web.command", place: { line: 2, column: 37 } },
  ]);
  t.match(problems[0]?.place?.file, /web\.ts$/);
  t.match(problems[0]?.place?.usedAt?.file, /fleet\.config\.ts$/);
});

t.test(
  "a fleet file that is another one each time is told without places, not with wrong ones",
  async (t) => {
    const counting = `globalThis.runs = (globalThis.runs ?? 0) + 1;\n`;
    for (const second of [
      "const startup = globalThis.runs === 1 ? '-5s' : '-6s';",
      "const startup = '-5s'; if (globalThis.runs > 1) throw new Error('twice');",
      "const startup = '-5s'; if (globalThis.runs > 1) await new Promise(() => {});",
    ]) {
      const evaluation = await evaluate(t, {
        "fleet.config.ts": `${counting}${second}\n${fleet.replace("command:", "startup, command:")}`,
      });
      const problems = evaluation.ok ? [] : evaluation.error.problems;
      t.match(problems, [{ code: "CONFIG_E_VALUE", message: /-5s/, place: undefined }], second);
    }
  },
);

t.test("what throws names its place, in the file and in files that it imports", async (t) => {
  const throwing = `interface A { x: number }\nfunction f(a: A): never {\n  throw new TypeError("boom " + a.x);\n}\n`;
  t.same(await failure(t, { "fleet.config.ts": `${throwing}export default f({ x: 1 });` }), [
    "COMPILE_E_CONFIG_THREW",
    "fleet.config.ts:3:9",
  ]);
  t.same(
    await failure(t, { "fleet.config.ts": `import "./helper.ts";`, "helper.ts": `${throwing}f({ x: 1 });` }),
    ["COMPILE_E_CONFIG_THREW", "helper.ts:3:9"],
  );
  const late = `setTimeout(() => { throw new Error("late"); }, 1);\nawait new Promise(() => {});`;
  t.same(await failure(t, { "fleet.config.ts": late }), ["COMPILE_E_CONFIG_THREW", "fleet.config.ts:1:26"]);
  t.same(await failure(t, { "fleet.config.ts": `JSON.parse("{");` }), [
    "COMPILE_E_CONFIG_THREW",
    "fleet.config.ts:1:6",
  ]);
});

t.test("anything can be thrown", async (t) => {
  const context = {
    files: new Set<string>(),
    failedImport: undefined,
    lastFile: undefined,
    readFile: () => undefined,
    locateSyntaxError: () => ({ file: "" }),
  };
  for (const value of ["text", null, undefined, { code: 1 }, Symbol("x"), Object.create(null), 1n])
    t.equal(explainFailure(value, context).code, "COMPILE_E_CONFIG_THREW", inspect(value));
  const [code] = await failure(t, { "fleet.config.ts": "let o: unknown;\nthrow Object.create(null);" });
  t.equal(code, "COMPILE_E_CONFIG_THREW");
});

t.test("what does not parse names its place, whoever finds it", async (t) => {
  const cases: readonly (readonly [text: string, place: string])[] = [
    ["const a = 1;\nconst b: number = ;\n", "2:19"],
    ["const a = 1;\nenum B { C }\n", "2:1"],
    ["const a = 1;\nconst a = 2;\n", "2:7"],
    ["export default {", "1"],
  ];
  for (const [text, place] of cases) {
    const [code, where] = await failure(t, { "fleet.config.ts": text });
    t.equal(code, "COMPILE_E_CONFIG_SYNTAX", text);
    t.equal(where, `fleet.config.ts:${place}`);
  }
  t.same(
    await failure(t, { "fleet.config.ts": `import "./broken.js";`, "broken.js": "let a;\nlet b = );" }),
    ["COMPILE_E_CONFIG_SYNTAX", "broken.js:2:9"],
  );
});

t.test("an import that does not exist names the import", async (t) => {
  const missing = [`"./no-such-file.ts"`, `"no-such-package"`, `"@daruma/config/inside"`, `"./x.json"`];
  for (const specifier of missing) {
    const text = `const a = 1;\nimport x from ${specifier};\nexport default x;\n`;
    t.same(
      await failure(t, { "fleet.config.ts": text, "x.json": "{}" }),
      ["COMPILE_E_CONFIG_IMPORT", "fleet.config.ts:2:15"],
      specifier,
    );
  }
  t.same(await failure(t, { "fleet.config.ts": `import { defineFlet } from "@daruma/config";` }), [
    "COMPILE_E_CONFIG_IMPORT",
    "fleet.config.ts:1:10",
  ]);
});

t.test("a failed import that the file itself caught is no failure", async (t) => {
  const caught = `try { await import("no-such-package"); } catch {}\n`;
  t.equal((await evaluate(t, { "fleet.config.ts": caught + fleet })).ok, true);
});

t.test("the default export has to be a fleet", async (t) => {
  const none = await failure(t, { "fleet.config.ts": "export const fleet = {};" });
  t.same(none, ["COMPILE_E_CONFIG_EXPORT", "fleet.config.ts"]);
  const place = { file: "/fleet.config.ts" };
  for (const exported of [{}, { default: () => ({}) }, { default: [] }, { default: null }, { default: "x" }])
    t.match(
      await judge(exported, place.file),
      { kind: "failure", code: "COMPILE_E_CONFIG_EXPORT", place },
      inspect(exported),
    );
  t.match(await judge({ default: {} }, place.file), { kind: "invalid" });
});

t.test("a promise of a fleet is waited for", async (t) => {
  const text = fleet.replace("defineFleet({", "Promise.resolve({");
  t.equal((await evaluate(t, { "fleet.config.ts": text })).ok, true);
});

t.test("a file that never comes to its end is stopped", async (t) => {
  // As an endless loop does, it lets nothing else in its process run; but it leaves the processor to others.
  const stuck = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);";
  const [code] = await failure(t, { "fleet.config.ts": stuck }, 2_000);
  t.equal(code, "COMPILE_E_CONFIG_TIMEOUT");
});

t.test("a process that the file leaves behind does not hold up the end", async (t) => {
  const leave = `import { spawn } from "node:child_process";
    import { writeFileSync } from "node:fs";
    const child = spawn("sleep", ["600"], { stdio: ["ignore", 1, 2, 3] });
    writeFileSync(new URL("./pid", import.meta.url), String(child.pid));
    process.exit(0);`;
  const evaluation = await evaluate(t, { "fleet.config.ts": leave });
  process.kill(Number(await readFile(join(evaluation.root, "pid"), "utf8")));
  t.match(evaluation, { ok: false, error: { code: "COMPILE_E_CONFIG_EXITED" } });
});

t.test("an end without a fleet is told apart", async (t) => {
  const endings = [
    "process.exit(0);",
    "process.kill(process.pid, 'SIGKILL'); for (;;);",
    "export default await new Promise(() => {});",
    "process.on('exit', () => {}); process.exitCode = 3; await new Promise(() => {});",
  ];
  for (const text of endings)
    t.equal((await failure(t, { "fleet.config.ts": text }))[0], "COMPILE_E_CONFIG_EXITED", text);
});

t.test(
  "a file that is not there, is a directory or is no module is refused before anything runs",
  async (t) => {
    const root = t.testdir({ "fleet.yaml": "", "fleet.config.ts": {} });
    for (const name of ["none.ts", "fleet.config.ts", "fleet.yaml"]) {
      const evaluation = await evaluateFleet({ configFile: join(root, name) });
      t.match(evaluation, {
        ok: false,
        error: { code: "COMPILE_E_CONFIG_MISSING" },
        dependencies: [join(root, name)],
      });
    }
  },
);

t.test("an unreadable file is refused", async (t) => {
  const configFile = join(t.testdir({ "fleet.config.ts": "" }), "fleet.config.ts");
  await chmod(configFile, 0o000);
  const evaluation = await asPlainUser(() => evaluateFleet({ configFile }));
  t.match(evaluation, { ok: false, error: { code: "COMPILE_E_CONFIG_MISSING" } });
});

t.test("an evaluation can be given up", async (t) => {
  const root = t.testdir({ "fleet.config.ts": "await new Promise((done) => setTimeout(done, 600_000));" });
  const reason = new Error("enough");
  const giveUp = new AbortController();
  const configFile = join(root, "fleet.config.ts");
  const evaluation = evaluateFleet({ configFile, program: bundle, signal: giveUp.signal });
  setTimeout(() => giveUp.abort(reason), 200);
  await t.rejects(evaluation, reason);
  await t.rejects(
    evaluateFleet({ configFile: join(root, "fleet.config.ts"), signal: giveUp.signal }),
    reason,
  );
});

t.test("loadFleet throws what is wrong", async (t) => {
  try {
    await loadFleet({ configFile: join(t.testdir({}), "none.ts") });
    t.fail("did not throw");
  } catch (error) {
    t.ok(isDarumaError(error) && error.code === "COMPILE_E_CONFIG_MISSING");
  }
});
