import t from "tap";
import { commandTable } from "../commands/table.ts";
import { type Command, defineCommand } from "./command.ts";
import { parseCommandLine } from "./parse.ts";

const spec = { description: "", json: "document", examples: [], exits: [] } as const;
const load = async () => async () => 0 as const;
const table: readonly Command[] = [
  defineCommand({ ...spec, path: ["status"], summary: "", args: {}, options: {}, load }),
  defineCommand({ ...spec, path: ["things"], summary: "", args: {}, options: {}, load }),
  defineCommand({
    ...spec,
    path: ["things", "allow"],
    summary: "",
    args: { N: { type: "integer", required: true, min: 1, description: "Number of the thing" } },
    options: {
      to: { type: "integer", value: "N", short: "t", min: 1, max: 9, description: "" },
      out: { type: "text", value: "FILE", default: "here", description: "" },
      mode: { type: "choice", value: "MODE", choices: ["slow", "fast", "odd"], description: "" },
      wait: { type: "flag", default: true, description: "" },
      yes: { type: "flag", short: "y", description: "" },
    },
    load,
  }),
];

function parsed(...argv: string[]) {
  return parseCommandLine(table, argv);
}

function fault(...argv: string[]) {
  const result = parsed(...argv);
  return result.kind === "fault" ? result : undefined;
}

t.test("a command gets its arguments and options converted, with defaults filled in", async (t) => {
  const result = parsed("things", "allow", "7", "--to=3", "-y", "--no-wait", "--mode", "fast");
  t.match(result, {
    kind: "run",
    command: { path: ["things", "allow"] },
    values: {
      args: { N: 7 },
      options: { to: 3, out: "here", mode: "fast", wait: false, yes: true, json: false },
    },
  });
  t.match(parsed("things", "allow", "1"), {
    values: { options: { to: undefined, wait: true, yes: false, mode: undefined } },
  });
});

t.test("options may stand before the command and between its words", async (t) => {
  const result = parsed("--json", "things", "-t", "4", "allow", "2", "--color", "never");
  t.match(result, { kind: "run", values: { args: { N: 2 }, options: { to: 4 } } });
  t.match(result.globals, { json: true, color: "never" });
});

t.test("the longest matching command is meant", async (t) => {
  t.match(parsed("things"), { kind: "run", command: { path: ["things"] } });
});

t.test("help and version win over what else is on the line", async (t) => {
  t.match(parsed("--version"), { kind: "version" });
  t.match(parsed("--help"), { kind: "help", words: [] });
  t.match(parsed("help"), { kind: "help", words: [] });
  t.match(parsed("things", "allow", "--help", "--nonsense"), { kind: "help", words: ["things", "allow"] });
  t.match(parsed("help", "status"), { kind: "help", words: ["status"] });
  t.ok(fault("help", "nonsense"));
});

t.test("a command that does not exist is a fault, with the likeliest meant one as hint", async (t) => {
  t.match(fault("statsu"), { message: "there is no command `statsu`", hint: /agentctl status/ });
  t.match(fault("allow", "3"), { hint: /agentctl things allow/ });
  t.match(fault("things", "alow"), { hint: /agentctl things allow/ });
  t.match(fault("frobnicate"), { hint: undefined });
  t.match(fault(), { message: "no command was given" });
});

t.test("words without a command of their own name what they need", async (t) => {
  const result = parseCommandLine(commandTable, ["ledger"]);
  t.match(result, { kind: "fault", message: /^`ledger` needs one of: tail, query, .*verify/ });
});

t.test("an option that does not exist is a fault, with the likeliest meant one as hint", async (t) => {
  t.match(fault("things", "allow", "1", "--tto", "2"), { hint: "Did you mean --to?" });
  t.match(fault("status", "--to", "2"), {
    message: "`status` has no option --to",
    hint: "It is an option of `things allow`.",
  });
  t.match(fault("status", "--frobnicate"), { hint: /agentctl status --help/ });
  t.match(fault("status", "-x"), { message: "`status` has no option -x" });
});

t.test("only a flag that is on by default can be turned off", async (t) => {
  t.ok(fault("things", "allow", "1", "--no-yes"));
  t.ok(fault("things", "allow", "1", "--no-json"));
  t.equal(parsed("things", "allow", "1", "--no-wait").kind, "run");
});

t.test("a value that is missing, wrong, twice there, or not wanted is a fault", async (t) => {
  for (const options of [
    ["--to"],
    ["--to", "--yes"],
    ["--to", "-1"],
    ["--to=0"],
    ["--to=10"],
    ["--to=2.5"],
    ["--to=1e0"],
    ["--to="],
    ["--to", "1", "--to", "2"],
    ["--mode", "loud"],
    ["--out="],
    ["--yes=true"],
  ]) {
    t.ok(fault("things", "allow", "1", ...options), options.join(" "));
  }
  t.match(fault("things", "allow", "1", "--to", "--yes"), { hint: "If it is the value, write --to=--yes." });
});

t.test("an argument that is missing, wrong or too many is a fault", async (t) => {
  t.match(fault("things", "allow"), { message: "`things allow` needs N: number of the thing" });
  t.ok(fault("things", "allow", "0"));
  t.ok(fault("things", "allow", "one"));
  t.ok(fault("things", "allow", "1", "2"));
  t.match(fault("status", "now"), { message: '`status` takes no argument, but "now" was given' });
});

t.test("what follows -- is never an option", async (t) => {
  t.match(parsed("things", "allow", "--", "5"), { kind: "run", values: { args: { N: 5 } } });
  t.ok(fault("status", "--", "--json"));
  t.equal(parsed("status", "--", "--json").globals.json, false);
});

t.test("even a command line with a fault tells how the answer is wanted", async (t) => {
  t.match(parsed("statsu", "--json", "-q", "--color=always").globals, {
    json: true,
    quiet: true,
    color: "always",
  });
});

t.test("a name means the same option in every command of the real table", async (t) => {
  const seen = new Map<string, string>();
  // Where something goes: back to a generation by its number, or out to a receiver by its address.
  const homonyms = ["to"];
  for (const command of commandTable) {
    for (const [name, option] of Object.entries(command.options)) {
      if (homonyms.includes(name)) continue;
      const shape = `${option.type} ${option.short ?? ""}`;
      t.equal(seen.get(name) ?? shape, shape, `--${name} of ${command.path.join(" ")}`);
      seen.set(name, shape);
      if (option.short === undefined) continue;
      const short = `-${option.short}`;
      t.equal(seen.get(short) ?? name, name, `${short} of ${command.path.join(" ")}`);
      seen.set(short, name);
    }
  }
});
