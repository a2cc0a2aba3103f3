import { createInterface } from "node:readline/promises";
import type { Readable, Writable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { type DarumaError, exitCode } from "@daruma/base";
import manifest from "../../package.json" with { type: "json" };
import { agentctlErrors } from "../catalogue.ts";
import type { Command, Context } from "./command.ts";
import { helpDocument, helpText } from "./help.ts";
import { type Interrupts, readerLeft, whenAborted } from "./interrupts.ts";
import { Output, usesColor } from "./output.ts";
import { type Parsed, parseCommandLine } from "./parse.ts";
import { describeFailure } from "./render-error.ts";

type Terminal<S> = S & { readonly isTTY?: boolean; readonly columns?: number };

export interface World {
  readonly stdin: Terminal<Readable>;
  readonly stdout: Terminal<Writable>;
  readonly stderr: Terminal<Writable>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Throws if the directory is gone. */
  readonly cwd: () => string;
  readonly interrupts: Interrupts;
}

/** Time for a command to come to its own end after an interrupt, in milliseconds. */
const graceMs = 2_000;

/** Runs one command line. Never throws: whatever happens has been told, and is in the exit code. */
export async function run(table: readonly Command[], argv: readonly string[], world: World): Promise<number> {
  const parsed = parseCommandLine(table, argv);
  const { globals } = parsed;
  const output = new Output({
    stdout: world.stdout,
    stderr: world.stderr,
    json: globals.json,
    quiet: globals.quiet,
    color: {
      stdout: usesColor(globals.color, world.stdout, world.environment),
      stderr: usesColor(globals.color, world.stderr, world.environment),
    },
  });
  const lost = watchOutput(world);
  const exit = await perform(table, parsed, output, world);
  await output.flush();
  const error = lost();
  if (error === null || exit !== exitCode.ok) return exit;
  output.note(describeFailure(error, output.paintNote).text);
  return error.exit;
}

/** Returns a function that tells whether output was lost: a command that did its work has failed then all the same. */
function watchOutput({ stdout, stderr, interrupts }: World): () => DarumaError | null {
  let lost: DarumaError | null = null;
  stdout.on("error", (error: NodeJS.ErrnoException) => {
    // The reader of a pipe may go when it has seen enough; there is nobody left to be told.
    if (error.code === "EPIPE" || error.code === "ERR_STREAM_DESTROYED") return interrupts.readerLeft();
    lost = agentctlErrors.make("CLI_E_OUTPUT", `cannot write to stdout: ${error.message}`, { cause: error });
    interrupts.fail(lost);
  });
  stderr.on("error", () => undefined);
  return () => lost;
}

async function perform(
  table: readonly Command[],
  parsed: Parsed,
  output: Output,
  world: World,
): Promise<number> {
  try {
    return await dispatch(table, parsed, output, world);
  } catch (thrown) {
    const error = causeOf(thrown, world.interrupts.interrupt);
    if (error === readerLeft) return exitCode.ok;
    const failure = describeFailure(error, output.paintNote);
    if (output.json) await output.record(JSON.stringify(failure.document), () => null);
    output.note(failure.text);
    return failure.exit;
  }
}

/** Node's own functions reject with an AbortError of theirs when they are given our signal. */
function causeOf(thrown: unknown, interrupt: AbortSignal): unknown {
  const aborted = thrown instanceof Error && thrown.name === "AbortError";
  return aborted && interrupt.aborted ? interrupt.reason : thrown;
}

function dispatch(table: readonly Command[], parsed: Parsed, output: Output, world: World): Promise<number> {
  switch (parsed.kind) {
    case "version":
      return showVersion(output);
    case "help":
      return showHelp(table, parsed.words, output, world);
    case "fault":
      throw agentctlErrors.make(
        "CLI_E_USAGE",
        parsed.message,
        parsed.hint === undefined ? {} : { hint: parsed.hint },
      );
    case "run":
      return runCommand(parsed.command, parsed.values, output, world);
  }
}

async function showVersion(output: Output): Promise<number> {
  const { version } = manifest;
  const document = { schemaVersion: 1, version, node: process.versions.node } as const;
  await output.result(document, () => [`agentctl ${version}`]);
  return exitCode.ok;
}

async function showHelp(
  table: readonly Command[],
  words: readonly string[],
  output: Output,
  world: World,
): Promise<number> {
  const width = Math.min(Math.max(world.stdout.columns ?? 100, 60), 120);
  await output.result({ schemaVersion: 1, ...helpDocument(table, words) }, () => [
    helpText(table, words, width),
  ]);
  return exitCode.ok;
}

function runCommand(
  command: Command,
  values: Parameters<Command["run"]>[1],
  output: Output,
  world: World,
): Promise<number> {
  const { interrupt, hurry } = world.interrupts;
  const context: Context = {
    output,
    cwd: currentDirectory(world),
    environment: world.environment,
    interrupt,
    hurry,
    confirm: (question) => confirm(question, world),
  };
  const running = command.run(context, values);
  return command.stopsItself ? running : Promise.race([running, afterGrace(interrupt)]);
}

function currentDirectory(world: World): string {
  try {
    return world.cwd();
  } catch (cause) {
    throw agentctlErrors.make("CLI_E_USAGE", "the current directory does not exist any more", {
      cause,
      hint: "Change into a directory that exists.",
    });
  }
}

/** Rejects some time after an interrupt, for commands that wait for something that does not come. */
async function afterGrace(interrupt: AbortSignal): Promise<never> {
  try {
    return await whenAborted(interrupt);
  } catch (reason) {
    await sleep(graceMs);
    throw reason;
  }
}

async function confirm(question: string, world: World): Promise<boolean | null> {
  const { stdin, stderr, interrupts } = world;
  if (stdin.isTTY !== true || stderr.isTTY !== true) return null;
  // Without `terminal`, Ctrl-C stays a signal, which is how every other moment of a command treats it.
  const terminal = createInterface({ input: stdin, output: stderr, terminal: false });
  try {
    const ended = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    const answer = await Promise.race([
      terminal.question(`${question} [y/N] `),
      ended,
      whenAborted(interrupts.interrupt),
    ]);
    return /^\s*(y|yes)\s*$/i.test(answer);
  } finally {
    terminal.close();
  }
}
