import { parseArgs } from "node:util";
import { suggest } from "@daruma/base";
import type { Argument, Command, Option, Options, Value, Values } from "./command.ts";
import { globalOptions } from "./command.ts";

export interface Globals {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly color: "auto" | "always" | "never";
}

export type Parsed = { readonly globals: Globals } & (
  | { readonly kind: "run"; readonly command: Command; readonly values: Values }
  | { readonly kind: "version" }
  /** `words` name a command, a group of commands, or (empty) all of them. */
  | { readonly kind: "help"; readonly words: readonly string[] }
  | { readonly kind: "fault"; readonly message: string; readonly hint: string | undefined }
);

interface Fault {
  readonly message: string;
  readonly hint?: string;
}

class UsageFault extends Error {
  readonly hint: string | undefined;
  constructor({ message, hint }: Fault) {
    super(message);
    this.hint = hint;
  }
}

type Token = NonNullable<ReturnType<typeof tokenize>>[number];
type OptionToken = Extract<Token, { kind: "option" }>;

/** What a command line asks for. Never throws: what is wrong with it is a result like the others. */
export function parseCommandLine(table: readonly Command[], argv: readonly string[]): Parsed {
  const tokens = tokenize(table, argv);
  const given = tokens.filter((token) => token.kind === "option");
  const globals = globalsOf(given);
  try {
    return { globals, ...interpret(table, tokens, given) };
  } catch (error) {
    if (!(error instanceof UsageFault)) throw error;
    return { globals, kind: "fault", message: error.message, hint: error.hint };
  }
}

function tokenize(table: readonly Command[], argv: readonly string[]) {
  // Which option takes a value has to be known before the command is: so a name means the same in every command.
  const all: Options = Object.assign({}, ...table.map((command) => command.options), globalOptions);
  const options = Object.fromEntries(
    Object.entries(all).map(([name, option]) => [
      name,
      {
        type: option.type === "flag" ? ("boolean" as const) : ("string" as const),
        ...(option.short === undefined ? {} : { short: option.short }),
      },
    ]),
  );
  return parseArgs({ args: [...argv], options, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function globalsOf(given: readonly OptionToken[]): Globals {
  const has = (name: string) => given.some((token) => token.name === name);
  const color = given.findLast((token) => token.name === "color")?.value;
  return {
    json: has("json"),
    quiet: has("quiet"),
    color: color === "always" || color === "never" ? color : "auto",
  };
}

type Interpreted =
  | { readonly kind: "run"; readonly command: Command; readonly values: Values }
  | { readonly kind: "version" }
  | { readonly kind: "help"; readonly words: readonly string[] };

function interpret(
  table: readonly Command[],
  tokens: readonly Token[],
  given: readonly OptionToken[],
): Interpreted {
  const words = tokens.filter((token) => token.kind === "positional").map((token) => token.value);
  const asked = (name: string) => given.some((token) => token.name === name);
  if (words[0] === "help") return { kind: "help", words: topicOf(table, words.slice(1)) };
  if (asked("help")) return { kind: "help", words: topicOf(table, words) };
  if (asked("version") && words.length === 0) return { kind: "version" };
  const command = findCommand(table, words);
  if (command === undefined) throw new UsageFault(unknownCommand(table, words));
  return {
    kind: "run",
    command,
    values: {
      options: readOptions(table, command, given),
      args: readArguments(table, command, words.slice(command.path.length)),
    },
  };
}

function topicOf(table: readonly Command[], words: readonly string[]): readonly string[] {
  const command = findCommand(table, words);
  if (command !== undefined) return command.path;
  const isGroup = table.some((each) => startsWith(each.path, words));
  if (isGroup) return words;
  throw new UsageFault(unknownCommand(table, words));
}

/** The command with the longest path that `words` begin with. */
function findCommand(table: readonly Command[], words: readonly string[]): Command | undefined {
  return table
    .filter((command) => startsWith(words, command.path))
    .toSorted((a, b) => b.path.length - a.path.length)[0];
}

function startsWith(words: readonly string[], path: readonly string[]): boolean {
  return path.every((word, index) => words[index] === word);
}

function unknownCommand(table: readonly Command[], words: readonly string[]): Fault {
  if (words.length === 0) return { message: "no command was given" };
  const group = words.slice(0, 1);
  const members = table.filter((command) => startsWith(command.path, group));
  if (members.length > 0 && words.length === 1) {
    const next = members.map((command) => command.path.slice(1).join(" "));
    return { message: `\`${words[0]}\` needs one of: ${next.join(", ")}` };
  }
  const given = words.slice(0, 2).join(" ");
  const meant = meantCommand(members.length > 0 ? members : table, words);
  return {
    message: `there is no command \`${members.length > 0 ? given : words[0]}\``,
    ...(meant === undefined ? {} : { hint: `Did you mean \`agentctl ${meant}\`?` }),
  };
}

function meantCommand(among: readonly Command[], words: readonly string[]): string | undefined {
  // People leave out the noun (`verify FILE`), so the last word of a path counts as a name too.
  const names = new Map<string, string>();
  for (const { path } of among) {
    names.set(path.at(-1) ?? "", path.join(" "));
    names.set(path.join(" "), path.join(" "));
  }
  for (const attempt of [words.slice(0, 2).join(" "), words[1], words[0]]) {
    const found = attempt === undefined ? undefined : suggest(attempt, [...names.keys()]);
    if (found !== undefined) return names.get(found);
  }
  return undefined;
}

function readOptions(
  table: readonly Command[],
  command: Command,
  given: readonly OptionToken[],
): Record<string, Value> {
  const known: Options = { ...globalOptions, ...command.options };
  const values: Record<string, Value> = {};
  for (const [name, option] of Object.entries(known)) {
    values[name] = option.default ?? (option.type === "flag" ? false : undefined);
  }
  const seen = new Set<string>();
  for (const token of given) {
    const positive = token.name.replace(/^no-/, "");
    const turnedOff = token.name !== positive && known[positive]?.default === true;
    const name = turnedOff ? positive : token.name;
    const option = known[name];
    if (option === undefined) throw new UsageFault(unknownOption(table, command, token, Object.keys(known)));
    if (option.type !== "flag" && seen.has(name)) {
      throw new UsageFault({ message: `${token.rawName} was given more than once` });
    }
    seen.add(name);
    values[name] = option.type === "flag" ? readFlag(token, !turnedOff) : readValue(token, option);
  }
  return values;
}

function unknownOption(
  table: readonly Command[],
  command: Command,
  token: OptionToken,
  known: readonly string[],
): Fault {
  const owners = table.filter((each) => Object.hasOwn(each.options, token.name));
  const message = `\`${command.path.join(" ")}\` has no option ${token.rawName}`;
  const meant = suggest(token.name, known);
  if (meant !== undefined) return { message, hint: `Did you mean --${meant}?` };
  if (owners.length === 0) return { message, hint: `Run \`agentctl ${command.path.join(" ")} --help\`.` };
  const names = owners.map((owner) => `\`${owner.path.join(" ")}\``);
  return { message, hint: `It is an option of ${names.join(", ")}.` };
}

function readFlag(token: OptionToken, value: boolean): boolean {
  if (token.value !== undefined) throw new UsageFault({ message: `${token.rawName} takes no value` });
  return value;
}

function readValue(token: OptionToken, option: Exclude<Option, { type: "flag" }>): Value {
  const { rawName, value } = token;
  if (value === undefined)
    throw new UsageFault({ message: `${rawName} needs a value: ${rawName} ${option.value}` });
  // `--to --yes`: whoever means a value that looks like an option can say so with `=`.
  if (!token.inlineValue && /^-./.test(value)) {
    throw new UsageFault({
      message: `${rawName} needs a value, and ${value} looks like an option`,
      hint: `If it is the value, write ${rawName}=${value}.`,
    });
  }
  if (option.type === "integer") return readInteger(rawName, value, option.min, option.max);
  if (option.type === "choice" && !option.choices.includes(value)) {
    throw new UsageFault({ message: `${rawName} must be ${orList(option.choices)}, not ${quoted(value)}` });
  }
  if (value === "") throw new UsageFault({ message: `the value of ${rawName} is empty` });
  return value;
}

function readInteger(what: string, value: string, min: number, max: number): number {
  const number = /^[0-9]{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  const range =
    max === Number.MAX_SAFE_INTEGER ? `a whole number from ${min}` : `a whole number from ${min} to ${max}`;
  throw new UsageFault({ message: `${what} must be ${range}, not ${quoted(value)}` });
}

function readArguments(
  table: readonly Command[],
  command: Command,
  words: readonly string[],
): Record<string, Value> {
  const declared = Object.entries(command.args);
  const [extra] = words.slice(declared.length);
  if (extra !== undefined) throw new UsageFault(unexpectedWord(table, command, words, extra));
  return Object.fromEntries(
    declared.map(([name, arg], index) => [name, readArgument(command, name, arg, words[index])]),
  );
}

function unexpectedWord(
  table: readonly Command[],
  command: Command,
  words: readonly string[],
  extra: string,
): Fault {
  const line = command.path.join(" ");
  const children = table.filter(
    (each) => each.path.length > command.path.length && startsWith(each.path, command.path),
  );
  const meant = suggest(
    extra,
    children.map((child) => child.path[command.path.length] ?? ""),
  );
  return {
    message:
      words.length === 1 && Object.keys(command.args).length === 0
        ? `\`${line}\` takes no argument, but ${quoted(extra)} was given`
        : `\`${line}\` does not know what to do with ${quoted(extra)}`,
    ...(meant === undefined ? {} : { hint: `Did you mean \`agentctl ${line} ${meant}\`?` }),
  };
}

function readArgument(command: Command, name: string, arg: Argument, word: string | undefined): Value {
  if (word === undefined || word === "") {
    if (!arg.required) return undefined;
    throw new UsageFault({
      message: `\`${command.path.join(" ")}\` needs ${name}: ${lowerFirst(arg.description)}`,
    });
  }
  return arg.type === "integer" ? readInteger(name, word, arg.min ?? 0, Number.MAX_SAFE_INTEGER) : word;
}

function quoted(value: string): string {
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}...` : value);
}

function orList(items: readonly string[]): string {
  return `${items.slice(0, -1).join(", ")} or ${items.at(-1)}`;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
