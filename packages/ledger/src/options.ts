import { parseArgs } from "node:util";
import { type DarumaError, messageOf } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { type CheckpointPace, defaultPace } from "./checkpointer.ts";
import { isLabel } from "./entry.ts";
import { ledgerdActor } from "./loss-entry.ts";
import { parseHttpWitness } from "./witness-options.ts";
import type { WitnessSpec } from "./witnesses.ts";

export interface ProgramOptions {
  readonly store: string;
  readonly sockets: string;
  /** Directories of writers whose socket is somewhere else: who may enter there is another question. */
  readonly writerDirectories: Readonly<Record<string, string>>;
  readonly host: string;
  readonly writers: readonly string[];
  /** Go on from a damaged ledger without what does not verify. */
  readonly acceptLoss: boolean;
  /** When checkpoints are signed. */
  readonly pace: CheckpointPace;
  readonly witnesses: readonly WitnessSpec[];
  /** Stop when stdin ends, as it does when the process at its other end dies. */
  readonly exitWithParent: boolean;
  /** Socket for those who may know how the ledger is and nothing of what is in it. */
  readonly statusSocket: string | undefined;
}

const namePattern = /^[a-z][a-z0-9-]{0,26}[a-z0-9]$/;

/** @throws LEDGER_E_USAGE */
export function parseOptions(argv: readonly string[]): ProgramOptions {
  const values = parse(argv);
  const writers = required(values, "writers").split(",");
  const odd = writers.find((name) => !namePattern.test(name));
  if (odd !== undefined) throw usage(`--writers: "${odd}" must match ${namePattern.source}`);
  if (new Set(writers).size !== writers.length) throw usage("--writers names one writer twice");
  if (writers.includes(ledgerdActor)) throw usage(`--writers: ${ledgerdActor} is the name of ledgerd itself`);
  const host = required(values, "host");
  if (!isLabel(host)) throw usage("--host must be 1 to 256 characters without control characters");
  return {
    store: required(values, "store"),
    sockets: required(values, "sockets"),
    host,
    writers,
    writerDirectories: Object.fromEntries(
      list(values, "writer-directory").map((given) => {
        const [, writer = "", directory = ""] = /^([^=]+)=(\/.+)$/.exec(given) ?? [];
        if (writers.includes(writer)) return [writer, directory];
        throw usage("--writer-directory is WRITER=DIR, a writer of --writers and an absolute path");
      }),
    ),
    acceptLoss: values["accept-loss"] === true,
    pace: {
      everyEntries: integer(values, "checkpoint-entries", defaultPace.everyEntries),
      everyMs: 1000 * integer(values, "checkpoint-seconds", defaultPace.everyMs / 1000),
    },
    witnesses: [
      ...list(values, "witness").map(parseHttpWitness),
      ...list(values, "witness-file").map((path): WitnessSpec => ({ kind: "file", path })),
      ...list(values, "witness-command").map((program): WitnessSpec => ({ kind: "command", program })),
    ],
    exitWithParent: values["exit-with-parent"] === true,
    statusSocket: typeof values["status-socket"] === "string" ? values["status-socket"] : undefined,
  };
}

type Values = Readonly<Record<string, string | boolean | readonly string[] | undefined>>;

function parse(argv: readonly string[]): Values {
  const text = { type: "string" } as const;
  const texts = { type: "string", multiple: true } as const;
  try {
    return parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        store: text,
        sockets: text,
        host: text,
        writers: text,
        "writer-directory": texts,
        "checkpoint-entries": text,
        "checkpoint-seconds": text,
        witness: texts,
        "witness-file": texts,
        "witness-command": texts,
        "status-socket": text,
        "accept-loss": { type: "boolean" },
        "exit-with-parent": { type: "boolean" },
      },
    }).values;
  } catch (error) {
    throw usage(messageOf(error));
  }
}

function required(values: Values, name: string): string {
  const value = values[name];
  if (typeof value === "string" && value !== "") return value;
  throw usage(`--${name} is missing`);
}

function list(values: Values, name: string): readonly string[] {
  const value = values[name];
  if (!Array.isArray(value)) return [];
  if (value.includes("")) throw usage(`--${name} is empty`);
  return value;
}

function integer(values: Values, name: string, otherwise: number): number {
  const value = values[name];
  if (value === undefined) return otherwise;
  if (typeof value === "string" && /^[1-9]\d{0,6}$/.test(value)) return Number(value);
  throw usage(`--${name} must be an integer from 1 to 9999999`);
}

function usage(message: string): DarumaError {
  return ledgerErrors.make("LEDGER_E_USAGE", message);
}
