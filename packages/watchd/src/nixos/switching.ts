import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { messageOf } from "@daruma/base";
import { run } from "../commands.ts";
import { type RollbackResult, readRollbackResult } from "./rollback-result.ts";
import type { Site } from "./site.ts";
import { switchUnderWay } from "./switch-lock.ts";

/** nixos-rebuild's own name for it: whoever starts a second unit of this name is refused by systemd. */
export const switchUnit = "nixos-rebuild-switch-to-configuration.service";

export interface SwitchLimits {
  /** How long somebody else's switch is waited for. */
  readonly turnMs: number;
  readonly pollMs: number;
  /** For each step of the rollback program, in whole seconds; what is not given is as in rollback.sh. */
  readonly bootSeconds?: number;
  readonly switchSeconds?: number;
  readonly lockSeconds?: number;
}

export interface Switching {
  readonly id: string;
  readonly from: string;
  readonly target: string;
}

/** systemd itself ends the unit before that (rollback.sh, RuntimeMaxSec). */
const unitEndsWithinMs = 45 * 60_000;
const commandWithinMs = 15_000;
/** How often the result is looked for until the unit is asked about. */
const looksPerQuestion = 10;
/** switch-to-configuration itself gives systemd 180 s to come back from executing itself anew. */
const busSilentMs = 180_000;

/**
 * Runs the rollback program as a transient unit, which outlives this process, and waits for its end. After a restart of
 * watchd the unit may run still, or have ended meanwhile; both are found out.
 */
export class SwitchRunner {
  readonly #site: Site;
  readonly #limits: SwitchLimits;
  readonly #signal: AbortSignal;
  /** Ids whose result has been told: asked for again, they are tried again. */
  readonly #told = new Set<string>();

  constructor(site: Site, limits: SwitchLimits, signal: AbortSignal) {
    this.#site = site;
    this.#limits = limits;
    this.#signal = signal;
  }

  /** Everything that went wrong. Whether the target is current is for the caller to see. */
  async run(order: Switching): Promise<readonly string[]> {
    try {
      const problems = await this.#attempt(order);
      this.#told.add(order.id);
      return problems;
    } catch (error) {
      if (this.#signal.aborted) throw error;
      return [messageOf(error)];
    }
  }

  async #attempt(order: Switching): Promise<readonly string[]> {
    const endsAt = performance.now() + this.#limits.turnMs;
    let refused = false;
    for (;;) {
      const unit = await this.#unit();
      if (unit === order.id) return this.#ended(order, null);
      if (unit === null && !switchUnderWay(this.#site)) {
        // An earlier watchd began it, and has not told its end.
        const earlier = await this.#result(order);
        if (earlier !== null && !this.#told.has(order.id)) return problemsOf(earlier);
        const problem = await this.#launch(order);
        if (problem === null) return this.#ended(order, earlier);
        // The first time, somebody may have taken the name in the last moment.
        if (refused) return [problem];
        refused = true;
      }
      if (performance.now() > endsAt) {
        const seconds = Math.round(this.#limits.turnMs / 1_000);
        return [`another switch (${switchUnit}) has been running for more than ${seconds} s`];
      }
      await this.#pause();
    }
  }

  /**
   * The result is the last thing that the program writes, and costs nothing to look for; the unit, which costs a process each
   * time, tells of a program that ended without one. `earlier` is what an attempt before this one has left.
   */
  async #ended(order: Switching, earlier: RollbackResult | null): Promise<readonly string[]> {
    const endsAt = performance.now() + unitEndsWithinMs;
    for (let looks = 1; looks % looksPerQuestion !== 0 || (await this.#unit()) === order.id; looks += 1) {
      const result = await this.#result(order);
      if (result !== null && result.finishedAt !== earlier?.finishedAt) return problemsOf(result);
      if (performance.now() > endsAt) return [`${switchUnit} does not end`];
      await this.#pause();
    }
    const result = await this.#result(order);
    if (result !== null) return problemsOf(result);
    return [`${switchUnit} ended without a result: see journalctl -u ${switchUnit}`];
  }

  /**
   * The id that the unit of a running switch was started under, "" for somebody else's, null if there is none. Where
   * systemd does not answer (it may be executing itself anew in mid-switch) it is asked again.
   */
  async #unit(): Promise<string | null> {
    const endsAt = performance.now() + busSilentMs;
    for (;;) {
      const args = ["show", "--property=ActiveState,Description", "--", switchUnit];
      const shown = await this.#command("systemctl", args);
      const fields = new Map(shown.stdout.split("\n").map((line) => splitOnce(line, "=")));
      const active = fields.get("ActiveState");
      if (active === "inactive" || active === "failed") return null;
      if (active !== undefined)
        return /^Daruma rollback (\S+)$/.exec(fields.get("Description") ?? "")?.[1] ?? "";
      if (performance.now() > endsAt || shown.problem.includes("ENOENT"))
        throw new Error(`${shown.problem} ${shown.stderr}`.trim());
      await this.#pause();
    }
  }

  async #launch({ id, from, target }: Switching): Promise<string | null> {
    const { rollback, profile, currentSystem, store } = this.#site;
    const { bootSeconds, switchSeconds, lockSeconds } = this.#limits;
    const options = {
      "--id": id,
      "--from": from,
      "--target": target,
      "--result": resultFile(this.#site),
      "--profile": profile,
      "--current-system": currentSystem,
      "--store": store,
      "--boot-seconds": bootSeconds,
      "--switch-seconds": switchSeconds,
      "--lock-seconds": lockSeconds,
    };
    const given = Object.entries(options).flatMap(([name, value]) =>
      value === undefined ? [] : [name, String(value)],
    );
    const launched = await this.#command(rollback, ["--launch", ...given]);
    return launched.ok
      ? null
      : [launched.problem, launched.stderr.trim()].filter((text) => text !== "").join(": ");
  }

  async #result({ id }: Switching): Promise<RollbackResult | null> {
    const result = await readRollbackResult(resultFile(this.#site));
    return result?.id === id ? result : null;
  }

  #command(program: string, args: readonly string[]) {
    return run(program, args, { timeoutMs: commandWithinMs, signal: this.#signal });
  }

  async #pause(): Promise<void> {
    await sleep(this.#limits.pollMs, undefined, { signal: this.#signal });
  }
}

/** The rollback program writes it when it ends, and keeps `FILE.begun` beside it until then. */
export function resultFile(site: Site): string {
  return join(site.state, "rollback.json");
}

function problemsOf({ verdict, problems }: RollbackResult): readonly string[] {
  return verdict === "switched" ? problems : [`the rollback program ended with ${verdict}`, ...problems];
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + separator.length)];
}
