import { isIP } from "node:net";
import { parseArgs } from "node:util";
import { messageOf } from "@daruma/base";
import { egressErrors } from "./catalogue.ts";

export interface ProgramOptions {
  readonly manifest: string;
  /** Socket of ledgerd for this writer. */
  readonly ledger: string;
  /** Socket to serve. */
  readonly socket: string;
  /** File that is written whenever the wall is loaded; absent where there is none. */
  readonly wall?: string;
  /** Refuse nothing: `agentctl dev`. */
  readonly observe: boolean;
  /** Name servers; empty for those of /etc/resolv.conf. */
  readonly dns: readonly string[];
  readonly exitWithParent: boolean;
  /** Socket for those who may know how egressd is and ask nothing else of it. */
  readonly statusSocket?: string;
}

/** @throws EGRESSD_E_USAGE */
export function parseOptions(argv: readonly string[]): ProgramOptions {
  const text = { type: "string" } as const;
  const flag = { type: "boolean" } as const;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        manifest: text,
        ledger: text,
        socket: text,
        wall: text,
        observe: flag,
        dns: { type: "string", multiple: true },
        "exit-with-parent": flag,
        "status-socket": text,
      },
    });
    const need = (name: "manifest" | "ledger" | "socket"): string => {
      const value = values[name];
      if (value === undefined || value === "") throw new Error(`--${name} is missing`);
      return value;
    };
    const dns = values.dns ?? [];
    const odd = dns.find((server) => isIP(server.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1")) === 0);
    if (odd !== undefined) throw new Error(`--dns: ${odd} is no address, with or without a port`);
    return {
      manifest: need("manifest"),
      ledger: need("ledger"),
      socket: need("socket"),
      observe: values.observe ?? false,
      ...(values.wall === undefined ? {} : { wall: values.wall }),
      dns,
      exitWithParent: values["exit-with-parent"] ?? false,
      ...(values["status-socket"] === undefined ? {} : { statusSocket: values["status-socket"] }),
    };
  } catch (cause) {
    throw egressErrors.make("EGRESSD_E_USAGE", messageOf(cause), { cause });
  }
}
