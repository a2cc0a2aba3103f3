import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { systemCode } from "@daruma/base";
import { watchdErrors } from "../catalogue.ts";
import { isAlive, type UnitFacts } from "./facts.ts";
import { readIfThere } from "./traces.ts";

/** What has just ended may be counted for a moment yet. */
const settleMs = 200;

/**
 * What is left of a unit's last run. That its main process has ended says nothing of those that it has started: one that waits for the
 * kernel (a disk or a network that does not answer) outlives SIGKILL, and systemd, which takes the unit for failed then.
 */
export class Remains {
  readonly #cgroupRoot: string;
  #group = "";

  constructor(cgroupRoot: string) {
    this.#cgroupRoot = cgroupRoot;
  }

  note({ controlGroup }: UnitFacts): void {
    if (controlGroup !== "") this.#group = controlGroup;
  }

  /** Whether the main process is gone, and others are not. */
  linger(facts: UnitFacts | null): boolean {
    return (facts === null || !isAlive(facts)) && this.#pids() !== null;
  }

  /** As `linger`, for a unit that systemd is done with. What is left, in words; null for nothing. */
  async told(facts: UnitFacts | null): Promise<string | null> {
    if (!this.linger(facts)) return null;
    await sleep(settleMs);
    const pids = this.#pids();
    return (
      pids && `SIGKILL has not ended what is left of its last run (in ${this.#group}: ${pids.join(", ")})`
    );
  }

  /** @throws WATCHD_E_START if anything of `who`, for which systemd is done with `unit`, is left */
  async refuse(facts: UnitFacts | null, who: string, unit: string): Promise<void> {
    const left = await this.told(facts);
    if (left !== null) throw watchdErrors.make("WATCHD_E_START", `${who}: ${left}`, { where: unit });
  }

  #pids(): readonly number[] | null {
    if (this.#group === "") return null;
    const group = join(this.#cgroupRoot, this.#group);
    try {
      // Of groups below it as well (cgroups(7), version 2).
      if (!/^populated 1$/m.test(readIfThere(join(group, "cgroup.events")) ?? "")) return null;
      const procs = readIfThere(join(group, "cgroup.procs")) ?? "";
      return procs.split("\n").flatMap((line) => (line === "" ? [] : [Number(line)]));
    } catch (error) {
      if (systemCode(error) === "ENODEV") return null;
      throw error;
    }
  }
}
