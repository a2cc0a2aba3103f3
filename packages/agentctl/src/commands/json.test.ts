import { glob, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { documents, runAgentctl, scratchDirectory } from "../test-support/agentctl.ts";
import { startHere } from "../test-support/run-here.ts";
import { commandTable } from "./table.ts";

const here = (argv: readonly string[], cwd: string) => {
  const environment = { PATH: process.env.PATH ?? "", XDG_RUNTIME_DIR: cwd };
  return startHere(commandTable, argv, { cwd, environment }).ended;
};

/*
 * Whatever a command does, with --json its stdout is JSON and nothing else. Here none of them finds what it looks for;
 * what they print when all is well is in the tests of each.
 */
t.test("every command prints one JSON document and nothing else on stdout when it fails", async (t) => {
  const cwd = scratchDirectory(t);
  await mkdir(join(cwd, ".daruma"));
  for (const command of commandTable) {
    const name = command.path.join(" ");
    // It looks for nothing, so there is nothing that it could not find.
    if (name === "schema") continue;
    // `init` makes its directory, except where there can be none.
    const word = name === "init" ? "/dev/null/missing" : "missing";
    const args = Object.values(command.args).map(({ type }) => (type === "integer" ? "1" : word));
    const argv = [...command.path, ...args, "--json", "--quiet", "--color", "always"];
    const ended = await here(argv, cwd);
    const printed = documents(ended.stdout);
    t.equal(printed.length, 1, `${name}: ${ended.stdout}`);
    t.match(printed[0], {
      schemaVersion: 1,
      error: { code: /^[A-Z]+_E_[A-Z_]+$/, message: String, hint: String },
    });
    t.notMatch(printed[0], { error: { code: "CLI_E_BUG" } });
    t.not(ended.code, 0, name);
  }
});

t.test("no command can print past its output, which is the program's stdout and stderr", async (t) => {
  const source = join(import.meta.dirname, "..");
  const printing = /\bconsole\.|\bprocess\.(stdout|stderr)\b/;
  const found: string[] = [];
  for await (const file of glob("**/*.ts", { cwd: source, exclude: ["**/*.test.ts", "**/fixtures/**"] }))
    if (printing.test(await readFile(join(source, file), "utf8"))) found.push(file);
  t.same(found.sort(), ["main.ts", "program.ts"]);
});

t.test("a wrong option is an error document too, and help is a document", async (t) => {
  const wrong = await runAgentctl(t, ["status", "--no-such-option", "--json"], { cwd: "/" });
  t.match(documents(wrong.stdout), [{ error: { code: "CLI_E_USAGE" } }]);
  const help = await here(["dev", "--help", "--json"], "/");
  t.match(documents(help.stdout), [{ schemaVersion: 1, commands: [{ command: "dev" }] }]);
});

t.test("a JSON Schema is printed for people, and inside a document for programs", async (t) => {
  const plain = await here(["schema"], "/");
  const schema: unknown = JSON.parse(plain.stdout);
  t.match(schema, { $schema: /2020-12/, properties: { hosts: {} } });
  const host = await here(["schema", "--of", "host", "--json"], "/");
  t.match(documents(host.stdout), [{ schemaVersion: 1, schema: { properties: { hostDigest: {} } } }]);
});

t.test("exit codes are the same with and without --json", async (t) => {
  const cwd = scratchDirectory(t);
  await writeFile(join(cwd, "broken.config.ts"), "export default {");
  await writeFile(join(cwd, "bad.jsonl"), "{}\n");
  /** What is made of the code by the program itself, and what needs a program to evaluate a fleet file with. */
  const started: readonly string[] = ["status", "dev", "--version"];
  for (const [argv, code] of [
    [["status"], 5],
    [["rollback", "--yes"], 5],
    [["rollback", "--timeout", "soon"], 2],
    [["ledger", "tail"], 5],
    [["ledger", "verify", "nothing.jsonl"], 2],
    [["ledger", "verify", "bad.jsonl"], 6],
    [["compile"], 1],
    [["dev", "--config", "broken.config.ts", "--state", "state"], 1],
    [["frobnicate"], 2],
    [["--version"], 0],
  ] as const) {
    for (const extra of [[], ["--json"]]) {
      const words = [...argv, ...extra];
      const ended = await (started.includes(argv[0])
        ? runAgentctl(t, words, { cwd, environment: { XDG_RUNTIME_DIR: cwd } })
        : here(words, cwd));
      t.equal(ended.code, code, `${argv.join(" ")} ${extra.join("")}: ${ended.stderr}`);
    }
  }
});

t.test("without --json errors go to stderr only", async (t) => {
  const ended = await runAgentctl(t, ["ledger", "verify", "nothing"], { cwd: scratchDirectory(t) });
  t.equal(ended.stdout, "");
  t.match(ended.stderr, /^error LEDGER_E_NOT_FOUND: .*\n(.*\n)*hint: /);
});
