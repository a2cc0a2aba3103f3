import type { ExitCode } from "@daruma/base";
import type { Output } from "./output.ts";

/*
 * A command is data. Parsing, help, the reference in docs/ and the tests all read the same table, so that none of them
 * can say something else than the others.
 */

export interface Flag {
  readonly type: "flag";
  readonly short?: string;
  readonly description: string;
  /** What it is when not given. A flag that is on by default is turned off with `--no-NAME`. */
  readonly default?: boolean;
}

export interface Text {
  readonly type: "text";
  /** What help shows in place of the value: `FILE`. */
  readonly value: string;
  readonly short?: string;
  readonly description: string;
  readonly default?: string;
}

export interface Integer {
  readonly type: "integer";
  readonly value: string;
  readonly short?: string;
  readonly description: string;
  readonly min: number;
  readonly max: number;
  readonly default?: number;
}

export interface Choice {
  readonly type: "choice";
  readonly value: string;
  readonly choices: readonly string[];
  readonly short?: string;
  readonly description: string;
  readonly default?: string;
}

export type Option = Flag | Text | Integer | Choice;
export type Options = Readonly<Record<string, Option>>;

export interface Argument {
  readonly type: "text" | "integer";
  readonly description: string;
  readonly required: boolean;
  /** For integers. Default 0. */
  readonly min?: number;
}
/** In their order on the command line; the key is what help shows: `FILE`. */
export type Arguments = Readonly<Record<string, Argument>>;

type Base<O extends Option> = O extends Flag ? boolean : O extends Integer ? number : string;
type Given<O extends Option> = O extends Flag | { readonly default: string | number }
  ? Base<O>
  : Base<O> | undefined;
type GivenArgument<A extends Argument> =
  | (A["type"] extends "integer" ? number : string)
  | (A["required"] extends true ? never : undefined);

/** What a command gets: every option that it declares, converted, with its default filled in. */
export interface Input<O extends Options, A extends Arguments> {
  readonly options: { readonly [K in keyof O]: Given<O[K]> };
  readonly args: { readonly [K in keyof A]: GivenArgument<A[K]> };
}

export interface Context {
  readonly output: Output;
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborted by SIGINT, SIGTERM or a closed stdout, with the error to end with as its reason. */
  readonly interrupt: AbortSignal;
  /** Aborted by a second signal: stop being careful about anything but data. */
  readonly hurry: AbortSignal;
  /** Asks a yes-or-no question on the terminal; `null` where there is nobody to ask. */
  readonly confirm: (question: string) => Promise<boolean | null>;
}

export type Handler<I> = (context: Context, input: I) => Promise<ExitCode>;

export interface CommandSpec<O extends Options, A extends Arguments> {
  /** The words that call it: `["ledger", "tail"]`. */
  readonly path: readonly [string, ...string[]];
  /** One line, without a full stop. */
  readonly summary: string;
  readonly description: string;
  readonly args: A;
  readonly options: O;
  /** What `--json` prints: one document, or JSON lines. */
  readonly json: "document" | "lines";
  readonly examples: readonly { readonly run: string; readonly does: string }[];
  /** What exit codes mean here, where it is more than in every command. */
  readonly exits: readonly { readonly code: ExitCode; readonly means: string }[];
  /**
   * After an interrupt the command comes to its own end, however long that takes. Others are left behind when they have
   * not ended soon.
   */
  readonly stopsItself?: boolean;
  /** Imports the command only when it is called: `--version` must not wait for a database. */
  readonly load: () => Promise<Handler<Input<O, A>>>;
}

/** A command of the table, whatever its options are. */
export interface Command extends Omit<CommandSpec<Options, Arguments>, "load"> {
  readonly run: (context: Context, values: Values) => Promise<ExitCode>;
}

/** Options and arguments as parsed, by name. */
export interface Values {
  readonly options: Readonly<Record<string, Value>>;
  readonly args: Readonly<Record<string, Value>>;
}
export type Value = string | number | boolean | undefined;

export function defineCommand<const O extends Options, const A extends Arguments>(
  spec: CommandSpec<O, A>,
): Command {
  const { load, ...rest } = spec;
  return {
    ...rest,
    run: async (context, values) => {
      const handler = await load();
      // The parser converts by this very table, so the values have the types that it declares.
      return handler(context, values as Input<O, A>);
    },
  };
}

/** Options that every command takes. */
export const globalOptions = {
  json: { type: "flag", description: "Print JSON on stdout; everything else goes to stderr" },
  quiet: { type: "flag", short: "q", description: "Do not report progress on stderr" },
  color: {
    type: "choice",
    value: "WHEN",
    choices: ["auto", "always", "never"],
    default: "auto",
    description: "Use colour: auto, always or never. auto honours NO_COLOR and pipes",
  },
  help: { type: "flag", short: "h", description: "Show what a command does and takes" },
  version: { type: "flag", description: "Show the version" },
} as const satisfies Options;
