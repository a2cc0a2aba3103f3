import { parseArgs } from "node:util";
import { type DarumaError, messageOf } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { isKeyName, keyType, parseVerifier } from "./signed-note.ts";
import type { WitnessSpec } from "./witnesses.ts";

export interface WitnessProgramOptions {
  readonly state: string;
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Files, each with the vkey of a log. */
  readonly logs: readonly string[];
}

/** @throws LEDGER_E_USAGE */
export function parseWitnessOptions(argv: readonly string[]): WitnessProgramOptions {
  const text = { type: "string" } as const;
  const { state, name, listen, log } = parse(
    () =>
      parseArgs({
        args: [...argv],
        strict: true,
        allowPositionals: false,
        options: { state: text, name: text, listen: text, log: { type: "string", multiple: true } },
      }).values,
  );
  if (state === undefined || state === "") throw usage("--state is missing");
  if (name === undefined || !isKeyName(name))
    throw usage("--name must be a name without spaces and plus signs");
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(listen ?? "") ?? [];
  if (host === "" || Number(port) > 65_535) throw usage("--listen must be ADDRESS:PORT");
  if (log === undefined || log.length === 0)
    throw usage("--log must name at least one file with a log's public key");
  return { state, name, host: host.replace(/^\[(.*)\]$/, "$1"), port: Number(port), logs: log };
}

/** `--witness URL#VKEY`. The part after the hash is never sent. */
export function parseHttpWitness(text: string): WitnessSpec {
  const hash = text.indexOf("#");
  const verifier = hash === -1 ? null : parseVerifier(text.slice(hash + 1));
  const url = hash === -1 ? null : URL.parse(text.slice(0, hash));
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw usage("--witness must be URL#VKEY, with a URL of http or https");
  }
  if (verifier?.type !== keyType.cosignature) throw usage("--witness: what follows # is no key of a witness");
  return { kind: "http", url: url.href.replace(/\/+$/, ""), verifier };
}

function parse<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw usage(messageOf(error));
  }
}

function usage(message: string): DarumaError {
  const hint =
    "Start a witness as `ledgerd witness --state DIR --name NAME --listen ADDRESS:PORT --log FILE [--log FILE]`, and name it to ledgerd as `--witness URL#VKEY`.";
  return ledgerErrors.make("LEDGER_E_USAGE", message, { hint });
}
