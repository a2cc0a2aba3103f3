import { setTimeout as delay } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { isDarumaError, messageOf, own } from "@daruma/base";
import type { AgentManifest } from "@daruma/config";
import type { Command, Event } from "../policy/events.ts";
import type { CurrentGeneration, Generations, Prober, ServiceManager } from "../ports.ts";
import { withFallback } from "../settings.ts";

export interface World {
  readonly services: ServiceManager;
  readonly generations: Generations;
  readonly prober: Prober;
}

export interface ExecutorOptions {
  readonly world: World;
  /** The generation whose manifests starts are made from: the one the core was last told of. */
  readonly current: () => CurrentGeneration | null;
  readonly dispatch: (event: Event) => void;
  /** Tells the core which generation is current now. */
  readonly refresh: () => Promise<void>;
  /** Resolves at once, or when the switch that is under way has ended and its generation has been told. */
  readonly afterSwitch: () => Promise<void>;
  /** Whether the ledger has what was recorded up to now, or comes to have it soon. */
  readonly isRecorded: () => Promise<boolean>;
  /** How long after a closure could not be read it is read once more, in milliseconds. Default 5,000. */
  readonly readAgainMs?: number;
}

/** Carries out what the core asks for. However a command ends, exactly one event says so. */
export function createExecutor(options: ExecutorOptions): (command: Command) => void {
  return (command) => {
    void execute(options, command);
  };
}

function execute(options: ExecutorOptions, command: Command): Promise<void> {
  switch (command.type) {
    case "start":
      return start(options, command);
    case "stop":
      return stop(options, command);
    case "probe":
      return probe(options, command);
    case "verify-closure":
      return verifyClosure(options, command.path);
    case "promote":
      return promote(options, command.path, command.promotedAt);
    case "find-earlier":
      return findEarlier(options, command);
    case "rollback":
      return rollback(options, command);
  }
}

/** In mid-switch nothing is started: it could be the code of either generation. After it, another one may be wanted. */
async function start(options: ExecutorOptions, command: Extract<Command, { type: "start" }>): Promise<void> {
  const { agent, runId, digest } = command;
  try {
    await options.afterSwitch();
  } catch (error) {
    options.dispatch({
      type: "start-failed",
      agent,
      runId,
      code: "WATCHD_E_START",
      message: messageOf(error),
    });
    return;
  }
  const manifest = await settingsOf(options, command).catch(() => undefined);
  if (manifest?.digest !== digest) {
    const message = "the generation has changed since this start was decided";
    options.dispatch({ type: "start-failed", agent, runId, code: "WATCHD_E_OUTDATED", message });
    return;
  }
  try {
    const run = await options.world.services.start({ agent, runId, manifest });
    options.dispatch({ type: "started", run });
  } catch (error) {
    options.dispatch({ type: "start-failed", agent, runId, code: codeOf(error), message: messageOf(error) });
  }
}

/** What the agent is to run with: as declared, or what stands in for that. */
async function settingsOf(
  { current, world }: ExecutorOptions,
  { agent, standIn }: Extract<Command, { type: "start" }>,
): Promise<AgentManifest | undefined> {
  const declared = own(current()?.manifest.agents ?? {}, agent);
  if (standIn === undefined || declared === undefined) return declared;
  if (standIn.kind === "fallback") return withFallback(declared);
  return own((await world.generations.manifestOf(standIn.generation)).agents, agent);
}

async function stop(options: ExecutorOptions, command: Extract<Command, { type: "stop" }>): Promise<void> {
  const { agent, runId, policy } = command;
  try {
    const { forced } = await options.world.services.stop(runId, policy);
    options.dispatch({ type: "stopped", agent, runId, forced });
  } catch (error) {
    options.dispatch({ type: "stop-failed", agent, runId, message: messageOf(error) });
  }
}

async function probe(options: ExecutorOptions, command: Extract<Command, { type: "probe" }>): Promise<void> {
  const { agent, runId, health } = command;
  const outcome = await options.world.prober.probe(health);
  options.dispatch({ type: "probed", agent, runId, outcome });
}

/** A closure that could not be read is not promoted, but not damaged either: it is read again. */
async function verifyClosure({ world, dispatch }: ExecutorOptions, path: string): Promise<void> {
  try {
    dispatch({ type: "closure-verified", path, problems: await problemsOf(world, path) });
  } catch (error) {
    dispatch({ type: "closure-unread", path, message: messageOf(error) });
  }
}

async function problemsOf(world: World, path: string): Promise<readonly string[]> {
  const verdict = await world.generations.verifyClosure(path);
  return verdict.ok ? [] : verdict.problems;
}

/** A deploy under which the ledger takes no entries is not trusted, and only an entry that it takes shows that it does. */
async function promote(options: ExecutorOptions, path: string, promotedAt: number): Promise<void> {
  const { generations } = options.world;
  try {
    if (!(await options.isRecorded())) throw new Error("the ledger has not taken the entry of its promotion");
    await generations.markKnownGood(path, promotedAt);
    options.dispatch({ type: "promoted", path, knownGood: await generations.knownGood() });
  } catch (error) {
    options.dispatch({ type: "promotion-failed", path, message: messageOf(error) });
  }
}

/**
 * The closure is verified right before its settings are put in force, as before a switch. Where the agent may reach something
 * else than its generation says, nobody would hold it to that: egressd and the wall know the current generation alone.
 */
async function findEarlier(
  options: ExecutorOptions,
  { agent, id, generation }: Extract<Command, { type: "find-earlier" }>,
): Promise<void> {
  const { world, current, dispatch } = options;
  const { readAgainMs = 5_000 } = options;
  const refuse = (damaged: boolean, problems: readonly string[]) =>
    dispatch({ type: "earlier-refused", agent, id, damaged, problems });
  try {
    const broken = await problemsOf(world, generation).catch(async () => {
      // What kept it from being read may pass; what is refused stays so for as long as this generation is current.
      await delay(readAgainMs);
      return problemsOf(world, generation);
    });
    if (broken.length > 0) return refuse(true, broken);
    const manifest = own((await world.generations.manifestOf(generation)).agents, agent);
    if (manifest === undefined) return refuse(false, [`${generation} has no agent ${agent}`]);
    if (!isDeepStrictEqual(manifest.egress, own(current()?.manifest.agents ?? {}, agent)?.egress))
      return refuse(false, [`${agent} may reach something else in ${generation}`]);
    dispatch({ type: "earlier-found", agent, id, manifest });
  } catch (error) {
    refuse(false, [messageOf(error)]);
  }
}

/**
 * The closure is verified right before the switch: a target that was good once may have been damaged since. Damage
 * strikes it off for good; an error in reading it may pass, and is a failed attempt.
 */
async function rollback(
  options: ExecutorOptions,
  command: Extract<Command, { type: "rollback" }>,
): Promise<void> {
  const { id, from, target } = command;
  const { generations } = options.world;
  try {
    const broken = await problemsOf(options.world, target);
    if (broken.length > 0) {
      options.dispatch({ type: "rollback-refused", id, problems: broken });
      return;
    }
    const current = await generations.current();
    if (current?.path === from) {
      const verdict = await generations.switchTo(target, { id, from });
      if (!verdict.ok && (await generations.current())?.path === from) {
        options.dispatch({ type: "rollback-failed", id, problems: verdict.problems });
        return;
      }
    }
    await options.refresh();
    options.dispatch({ type: "rollback-done", id });
  } catch (error) {
    options.dispatch({ type: "rollback-failed", id, problems: [messageOf(error)] });
  }
}

/** What is no error of the catalogue is our own, or systemd's: it says nothing about the agent. */
function codeOf(error: unknown): string {
  return isDarumaError(error) ? error.code : "WATCHD_E_START";
}
