import { own } from "@daruma/base";
import type { Command } from "../policy/events.ts";
import type { Process } from "./process.ts";
import type { Watchd } from "./watchd.ts";
import { later, type World } from "./world.ts";

type Of<T extends Command["type"]> = Extract<Command, { type: T }>;

interface Pending {
  readonly life: number;
  readonly command: Command;
}

/** Carries out what the core asks for, in its own time, and reports the end of it to the watchd that asked. */
export class Hands {
  readonly #world: World;
  readonly #watchd: Watchd;
  readonly #pending = new Set<Pending>();

  constructor(world: World, watchd: Watchd) {
    this.#world = world;
    this.#watchd = watchd;
  }

  take(command: Command, life: number): void {
    this.#world.ledger.expect(command);
    if (command.type === "stop") {
      const process = this.#world.machine.process(command.runId);
      if (process !== undefined) process.stopAsked = true;
    }
    const pending: Pending = { life, command };
    this.#pending.add(pending);
    later(this.#world, this.#latency(command), () => {
      if (!this.#pending.delete(pending)) return;
      this.#carryOut(command, life);
    });
  }

  /**
   * watchd is gone, or all of the machine. Of what was on its way some has happened and some has not; nobody will be told.
   * A rollback that has begun is a unit of its own and goes on without watchd.
   */
  drop(why: "watchd" | "power"): void {
    const { random, machine } = this.#world;
    const dropped = [...this.#pending];
    this.#pending.clear();
    for (const { command, life } of dropped) {
      if (random.chance(0.5)) continue;
      if (command.type === "rollback") {
        if (why === "watchd") later(this.#world, random.delay(1, 3_000), () => this.#switch(command));
        else this.#switch(command);
      } else if (why === "power") {
        if (command.type === "promote") this.#link(command);
      } else if (command.type === "start") this.#spawn(command, life);
      else if (command.type === "stop") this.#signal(command, machine.process(command.runId), null);
      else if (command.type === "promote") this.#link(command);
    }
  }

  #latency(command: Command): number {
    const { random } = this.#world;
    switch (command.type) {
      case "start":
        return random.delay(1, 200);
      case "stop":
        return random.delay(0, 30);
      case "probe":
        return random.delay(0, 5);
      case "promote":
        return random.delay(1, 200);
      case "verify-closure":
      case "find-earlier":
      case "rollback":
        return random.delay(1, 2_000);
    }
  }

  #carryOut(command: Command, life: number): void {
    const { machine } = this.#world;
    switch (command.type) {
      case "start":
        return this.#start(command, life);
      case "stop":
        return this.#signal(command, machine.process(command.runId), life);
      case "probe":
        return this.#probe(command);
      case "verify-closure":
        return this.#verify(command);
      case "promote":
        return this.#promote(command);
      case "find-earlier":
        return this.#findEarlier(command);
      case "rollback":
        return this.#rollback(command, life);
    }
  }

  #report(event: Parameters<Watchd["send"]>[0], inMs = 0): void {
    this.#watchd.send(event, inMs);
  }

  #start(command: Of<"start">, life: number): void {
    const { random } = this.#world;
    const { agent, runId, digest } = command;
    if (this.#digestOf(command) !== digest) {
      this.#report({ type: "start-failed", agent, runId, code: "WATCHD_E_OUTDATED", message: "outdated" });
    } else if (this.#world.fleet.version(digest).defect === "cannot-start") {
      this.#world.machine.blame(agent, digest, "own");
      this.#report({
        type: "start-failed",
        agent,
        runId,
        code: "AGENT_E_COMMAND_NOT_FOUND",
        message: "none",
      });
    } else {
      const { run } = this.#spawn(command, life);
      this.#report({ type: "started", run }, random.delay(0, 80));
    }
  }

  /** Of what the agent would be started with. */
  #digestOf({ agent, standIn }: Of<"start">): string | undefined {
    const declared = own(this.#watchd.told?.manifest.agents ?? {}, agent);
    if (standIn === undefined) return declared?.digest;
    if (standIn.kind === "fallback") return declared?.fallback?.digest;
    return own(this.#world.profile.at(standIn.generation).manifest.agents, agent)?.digest;
  }

  #findEarlier({ agent, id, generation }: Of<"find-earlier">): void {
    const { random, climate, profile } = this.#world;
    const broken = this.#problems(generation);
    const manifest = own(profile.at(generation).manifest.agents, agent);
    const fails = random.chance(climate.switchFailures);
    if (broken.length === 0 && manifest !== undefined && !fails)
      return this.#report({ type: "earlier-found", agent, id, manifest });
    const problems = broken.length > 0 ? broken : ["it cannot be read"];
    this.#report({ type: "earlier-refused", agent, id, damaged: broken.length > 0, problems });
  }

  #spawn({ agent, runId, digest }: Of<"start">, life: number): Process {
    const process = this.#world.machine.spawn(agent, runId, digest, life);
    this.#world.nature.animate(process);
    return process;
  }

  /** @param life null: nobody is there any more to kill what does not listen, or to tell */
  #signal({ agent, runId, policy }: Of<"stop">, process: Process | undefined, life: number | null): void {
    const { random, machine } = this.#world;
    if (process === undefined) {
      if (life !== null) this.#report({ type: "stopped", agent, runId, forced: false }, random.delay(0, 20));
      return;
    }
    const forced = process.deaf || process.hung;
    const inMs = forced ? policy.graceMs : random.delay(1, Math.min(policy.graceMs, 400));
    later(this.#world, inMs, () => {
      const watched = life !== null && this.#watchd.isAlive(life);
      if (process.stuckUntil > machine.time) {
        if (watched) this.#report({ type: "stop-failed", agent, runId, message: "it is still there" }, 500);
        return;
      }
      if (!forced) machine.end(process, { kind: "exit", code: 143 });
      else if (watched) machine.end(process, { kind: "signal", signal: "SIGKILL" });
      if (watched) this.#report({ type: "stopped", agent, runId, forced }, random.delay(0, 50));
    });
  }

  #probe({ agent, runId, health }: Of<"probe">): void {
    const { machine, random } = this.#world;
    const outcome = machine.answerOf(agent, runId, random.next());
    const latencyMs = Math.min(random.delay(0, 40) + outcome.latencyMs, health.withinMs);
    this.#report({ type: "probed", agent, runId, outcome: { ...outcome, latencyMs } }, latencyMs);
  }

  #problems(path: string): readonly string[] {
    return this.#world.profile.damaged.has(path) ? [`${path} is not what its hash says`] : [];
  }

  #verify({ path }: Of<"verify-closure">): void {
    if (this.#world.random.chance(0.05))
      return this.#report({ type: "closure-unread", path, message: "nix-store: SIGTERM" });
    this.#report({ type: "closure-verified", path, problems: this.#problems(path) });
  }

  #promote(command: Of<"promote">): void {
    const { profile, random } = this.#world;
    const { path } = command;
    if (random.chance(0.05) || !this.#link(command))
      this.#report({ type: "promotion-failed", path, message: "no space left" });
    else this.#report({ type: "promoted", path, knownGood: profile.knownGood });
  }

  #link({ path, promotedAt }: Of<"promote">): boolean {
    const { profile, machine } = this.#world;
    if (machine.diskGone) return false;
    profile.promote(path, promotedAt);
    return true;
  }

  #rollback(command: Of<"rollback">, life: number): void {
    const { random, climate } = this.#world;
    const problems = this.#problems(command.target);
    if (problems.length > 0) {
      this.#report({ type: "rollback-refused", id: command.id, problems });
      return;
    }
    const fails = random.chance(climate.switchFailures);
    // A switch that is reported as failed may have come about all the same.
    const moves = !fails || random.chance(0.2);
    later(this.#world, random.delay(1, 3_000), () => {
      const isWritten = moves && this.#switch(command);
      if (!this.#watchd.isAlive(life)) return;
      if (fails || !isWritten)
        this.#report({ type: "rollback-failed", id: command.id, problems: ["exit code 1"] });
      else {
        const done = () => this.#report({ type: "rollback-done", id: command.id });
        this.#watchd.refresh(random.delay(0, 20), done);
      }
    });
  }

  /** Only from where the decision was made: whoever switched meanwhile has the last word. False where nothing can be written. */
  #switch({ from, target }: Of<"rollback">): boolean {
    const { profile, climate, machine } = this.#world;
    if (machine.diskGone) return false;
    if (profile.current?.path === from) profile.switchTo(target, climate.reuseNumbers);
    return true;
  }
}
