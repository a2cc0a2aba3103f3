import { parseArgs } from "node:util";
import { messageOf } from "@daruma/base";
import { metricsErrors } from "./catalogue.ts";

export interface ProgramOptions {
  /** Status sockets of the daemons. */
  readonly watchd: string;
  readonly ledgerd: string;
  readonly egressd: string | null;
  /** Socket to serve. */
  readonly socket: string;
  readonly listen: { readonly address: string; readonly port: number } | null;
  /** Control group that the agents' units are in; without it they are looked up by their processes. */
  readonly cgroup: string | null;
  readonly disks: readonly string[];
}

/** @throws METRICS_E_USAGE */
export function parseOptions(argv: readonly string[]): ProgramOptions {
  const text = { type: "string" } as const;
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        watchd: text,
        ledgerd: text,
        egressd: text,
        socket: text,
        port: text,
        address: text,
        cgroup: text,
        disk: { type: "string", multiple: true },
      },
    });
    const need = (name: "watchd" | "ledgerd" | "socket"): string => {
      const value = values[name];
      if (value === undefined || value === "") throw new Error(`--${name} is missing`);
      return value;
    };
    const { port, address = "127.0.0.1" } = values;
    if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535))
      throw new Error(`--port: ${port} is no port`);
    return {
      watchd: need("watchd"),
      ledgerd: need("ledgerd"),
      egressd: values.egressd ?? null,
      socket: need("socket"),
      listen: port === undefined ? null : { address, port: Number(port) },
      cgroup: values.cgroup ?? null,
      disks: values.disk ?? [],
    };
  } catch (cause) {
    throw metricsErrors.make("METRICS_E_USAGE", messageOf(cause), { cause });
  }
}
