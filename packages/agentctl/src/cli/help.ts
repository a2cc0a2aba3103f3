import type { Command, Option, Options } from "./command.ts";
import { globalOptions } from "./command.ts";

/** Exit codes that mean the same in every command; the table in docs/reference/cli.md is made from it too. */
export const commonExits: readonly { readonly code: number; readonly means: string }[] = [
  { code: 0, means: "done" },
  { code: 1, means: "an error; its code is printed" },
  { code: 2, means: "the command line is wrong" },
  { code: 5, means: "a daemon cannot be reached" },
  { code: 130, means: "interrupted (SIGINT)" },
  { code: 143, means: "terminated (SIGTERM, SIGHUP)" },
];

/** Help for what `words` name: one command, a group, or everything. Lines are at most `width` columns wide. */
export function helpText(table: readonly Command[], words: readonly string[], width: number): string {
  const command = table.find((each) => each.path.join(" ") === words.join(" "));
  return command === undefined ? overview(table, words, width) : commandHelp(table, command, width);
}

/** The same as a document, for `--help --json`. */
export function helpDocument(table: readonly Command[], words: readonly string[]): object {
  const commands = table.filter((command) => words.every((word, index) => command.path[index] === word));
  return {
    schemaVersion: 1,
    commands: commands.map(({ path, run: _run, ...command }) => ({ command: path.join(" "), ...command })),
    globalOptions,
    exits: commonExits,
  };
}

function overview(table: readonly Command[], words: readonly string[], width: number): string {
  const commands = table.filter((command) => words.every((word, index) => command.path[index] === word));
  const rows = commands.map((command): Row => [usageOf(command), command.summary]);
  const name = ["agentctl", ...words].join(" ");
  return [
    words.length === 0 ? "agentctl: agents that heal, roll back and leave proof" : undefined,
    `Usage: ${name} COMMAND [options]`,
    section("Commands", rows, width),
    section("Options of every command", optionRows(globalOptions), width),
    "`agentctl COMMAND --help` tells more about one command.",
  ]
    .filter((part) => part !== undefined)
    .join("\n\n");
}

function commandHelp(table: readonly Command[], command: Command, width: number): string {
  const line = command.path.join(" ");
  const children = table.filter((each) => each !== command && each.path.join(" ").startsWith(`${line} `));
  const codes = new Set<number>(command.exits.map((exit) => exit.code));
  const exits = [...command.exits, ...commonExits.filter(({ code }) => !codes.has(code))].sort(
    (a, b) => a.code - b.code,
  );
  return [
    `${command.summary}`,
    `Usage: agentctl ${usageOf(command)}${Object.keys(command.options).length > 0 ? " [options]" : ""}`,
    wrap(command.description, width, "").join("\n"),
    section(
      "Arguments",
      Object.entries(command.args).map(([name, arg]): Row => [name, arg.description]),
      width,
    ),
    section("Options", optionRows(command.options), width),
    section("Options of every command", optionRows(globalOptions), width),
    section(
      "Examples",
      command.examples.map((example): Row => [example.run, example.does]),
      width,
    ),
    section(
      "Exit codes",
      exits.map((exit): Row => [String(exit.code), exit.means]),
      width,
    ),
    section(
      "See also",
      children.map((child): Row => [`agentctl ${usageOf(child)}`, child.summary]),
      width,
    ),
  ]
    .filter((part) => part !== "")
    .join("\n\n");
}

export function usageOf(command: Command): string {
  const args = Object.entries(command.args).map(([name, arg]) => (arg.required ? name : `[${name}]`));
  return [...command.path, ...args].join(" ");
}

type Row = readonly [left: string, right: string];

export function optionRows(options: Options): Row[] {
  return Object.entries(options).map(([name, option]): Row => [spelling(name, option), meaning(option)]);
}

function spelling(name: string, option: Option): string {
  const long = option.type === "flag" && option.default === true ? `--[no-]${name}` : `--${name}`;
  const short = option.short === undefined ? "" : `-${option.short}, `;
  return `${short}${long}${option.type === "flag" ? "" : ` ${option.value}`}`;
}

function meaning(option: Option): string {
  const shown = option.type === "flag" ? (option.default === true ? "on" : undefined) : option.default;
  return shown === undefined ? option.description : `${option.description} (default: ${shown})`;
}

function section(title: string, rows: readonly Row[], width: number): string {
  if (rows.length === 0) return "";
  const left = Math.min(32, Math.max(...rows.map(([text]) => text.length)));
  const indent = " ".repeat(left + 4);
  const lines = rows.flatMap(([text, description]) => {
    const wrapped = wrap(description, width, indent);
    if (text.length > left) return [`  ${text}`, ...wrapped];
    const [first = "", ...more] = wrapped;
    return [`  ${text.padEnd(left)}  ${first.slice(indent.length)}`, ...more];
  });
  return [`${title}:`, ...lines].join("\n");
}

/** Breaks text into lines of at most `width` columns, each after `indent`. Never breaks a word. */
function wrap(text: string, width: number, indent: string): string[] {
  const room = Math.max(24, width - indent.length);
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && line.length + 1 + word.length > room) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line];
}
