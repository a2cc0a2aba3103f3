import { egressSubjects } from "@daruma/config";
import type { Build } from "@daruma/watchd";
import type { Daemon } from "./daemon.ts";
import { type DaemonsOptions, startEgressDaemon } from "./daemons.ts";

/**
 * egressd under `agentctl dev`: started with the first generation that confines an agent or a routine, or has somebody to tell of
 * alerts. It finds by itself which generation is current, after a deploy and after a rollback alike.
 */
export class EgressKeeper {
  readonly #options: DaemonsOptions;
  #daemon: Daemon | null = null;

  constructor(options: DaemonsOptions) {
    this.#options = options;
  }

  /** Before anything of a generation starts: what finds no proxy would take that for a fault of the network. */
  async prepare({ manifest }: Build): Promise<void> {
    const confined = egressSubjects(manifest).filter(([, { egress }]) => egress !== null);
    if (confined.length > 0 || manifest.alerts != null)
      this.#daemon ??= await startEgressDaemon(this.#options);
    await this.#options.report.egress(confined.map(([name]) => name));
  }

  async stop(): Promise<void> {
    await this.#daemon?.stop(10_000);
  }
}
