import { parseArgs } from "node:util";
import { messageOf } from "@daruma/base";
import { watchdErrors } from "./catalogue.ts";

export interface Arguments {
  /** Parent of `watchd/`, `agents/` and `stopped/`. */
  readonly state: string;
  readonly runtime: string;
  /** Directory of content-addressed generations; null on a host, where agents are units and generations systems. */
  readonly generations: string | null;
  /** Socket of ledgerd. */
  readonly ledger: string;
  /** Socket of egressd, which knows what agents do not reach. */
  readonly egressd?: string;
  /** Socket to serve. */
  readonly socket: string;
  /** Socket for those who may know what is counted here and ask nothing else. */
  readonly statusSocket: string | null;
  readonly exitWithParent: boolean;
}

/** @throws WATCHD_E_USAGE */
export function parseArguments(argv: readonly string[]): Arguments {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        state: text,
        runtime: text,
        generations: text,
        systemd: flag,
        ledger: text,
        socket: text,
        egressd: text,
        "status-socket": text,
        "exit-with-parent": flag,
      },
    });
    const need = (name: "state" | "runtime" | "ledger" | "socket"): string => {
      const value = values[name];
      if (value === undefined) throw new Error(`--${name} is missing`);
      return value;
    };
    if ((values.generations === undefined) === (values.systemd !== true))
      throw new Error("one of --generations and --systemd has to be given");
    return {
      state: need("state"),
      runtime: need("runtime"),
      generations: values.generations ?? null,
      ledger: need("ledger"),
      socket: need("socket"),
      statusSocket: values["status-socket"] ?? null,
      ...(values.egressd === undefined ? {} : { egressd: values.egressd }),
      exitWithParent: values["exit-with-parent"] ?? false,
    };
  } catch (cause) {
    throw watchdErrors.make("WATCHD_E_USAGE", messageOf(cause), { cause });
  }
}
