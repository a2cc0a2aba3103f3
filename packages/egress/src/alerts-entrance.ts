import { rmSync } from "node:fs";
import { chmod } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { dirname, join } from "node:path";
import { messageOf } from "@daruma/base";
import { type AlertsManifest, alertsEgress, alertsSocketName, type EgressManifest } from "@daruma/config";
import { Door, type DoorSetting } from "./door.ts";
import { HttpFront } from "./http-front.ts";

/** Who is meant in the ledger. No agent has such a name. */
export const alertsSubject = "@alerts";

/**
 * The way out for watchd's alerts: a socket that only root and egressd itself may open, and through which only the hosts of the
 * declared sinks are reached. It enforces also where agents are only observed: there is nobody whom that could surprise.
 */
export class AlertsEntrance {
  readonly #path: string;
  readonly #setting: DoorSetting;
  readonly #log: (message: string) => void;
  #open: { readonly door: Door; readonly server: Server } | null = null;

  /** @param socket of egressd, beside which it is */
  constructor(socket: string, setting: DoorSetting, log: (message: string) => void) {
    this.#path = join(dirname(socket), alertsSocketName);
    // That a sink is down says nothing about the upstreams of agents.
    this.#setting = { ...setting, upstreams: { failed: () => undefined, reached: () => undefined } };
    this.#log = log;
  }

  /** Resolves once it is open for what the manifest declares, or closed where nothing is (null). */
  async follow(alerts: AlertsManifest | null): Promise<void> {
    if (alerts === null) {
      this.close();
      return;
    }
    const rules: EgressManifest = { ...alertsEgress(alerts), port: 0 };
    if (this.#open !== null) {
      this.#open.door.setRules(rules);
      return;
    }
    try {
      await this.#listen(new Door(alertsSubject, rules, this.#setting));
    } catch (error) {
      // Alerts are kept by watchd until it is there; that it is not is no reason to keep agents from theirs.
      this.#log(`alerts have no way out, ${this.#path}: ${messageOf(error)}`);
    }
  }

  close(): void {
    this.#open?.server.close();
    this.#open?.door.close();
    this.#open = null;
  }

  async #listen(door: Door): Promise<void> {
    const front = new HttpFront(door);
    const server = createServer({ allowHalfOpen: true }, (socket) => front.accept(socket));
    // egressd's own socket beside it is served by one process alone, which has seen to that before.
    rmSync(this.#path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(this.#path, () => resolve());
    });
    await chmod(this.#path, 0o600);
    this.#open = { door, server };
  }
}
