import type { AgentManifest, StopPolicy } from "@daruma/config";
import { watchdErrors } from "../catalogue.ts";
import { bind } from "./binding.ts";
import { hasProcesses, isAlive, type UnitFacts } from "./facts.ts";
import type { Remains } from "./remains.ts";
import type { Outcome } from "./systemctl.ts";
import { stopSlackMs, stopWithinMs, type UnitContext } from "./unit-context.ts";

/** What has come of a try to start the unit. */
export interface Attempt extends Outcome {
  readonly facts: UnitFacts | null;
  /** systemd has begun a run that we had not heard of. */
  readonly isNew: boolean;
  /** systemd was asked to start it and has not: the unit's condition is that no person has stopped it. */
  readonly isBarred: boolean;
}

export interface StarterOptions {
  readonly agent: string;
  readonly unit: string;
  readonly context: UnitContext;
  readonly remains: Remains;
  readonly facts: () => Promise<UnitFacts | null>;
  /** It was started by another definition, and stopped again. */
  readonly onGivenUp: (facts: UnitFacts | null) => void;
  /** Invocations that are no news. */
  readonly known: () => readonly (string | undefined)[];
}

/** Has systemd start the unit of an agent, and nothing but that: not beside what is left, nor beside a stranger, nor by another definition. */
export class UnitStarter {
  readonly #options: StarterOptions;

  constructor(options: StarterOptions) {
    this.#options = options;
  }

  /** @throws AGENT_E_PORT_IN_USE, AGENT_E_START_FAILED, WATCHD_E_START */
  async start(manifest: AgentManifest): Promise<Attempt> {
    const { agent, context } = this.#options;
    await this.#refuseStrangers(manifest);
    await this.#refuseRemains(manifest.stop);
    const attempt = await this.#attempt();
    context.held.drop(agent);
    if (attempt.isBarred || this.#digest(attempt.facts) === manifest.digest) return attempt;
    return this.#attemptAnew(manifest);
  }

  async #attempt(): Promise<Attempt> {
    const { unit, context, facts: look, known } = this.#options;
    const before = known();
    const started = await context.systemctl.start(unit);
    const facts = await look();
    const isNew = facts !== null && facts.invocation !== "" && !before.includes(facts.invocation);
    const isBarred = started.ok && facts !== null && !isAlive(facts) && !facts.conditionHeld;
    return { ...started, facts, isNew, isBarred };
  }

  /**
   * Whoever answers on the agent's port while it is down would pass for it. Unless that is the agent itself: a switch or a
   * person may have started it, and what is left of its last run may be on its way out, which systemd waits for.
   */
  async #refuseStrangers({ health }: AgentManifest): Promise<void> {
    const { agent, context, facts: look } = this.#options;
    const refused = health === null ? null : await context.checkPort(agent, health.url);
    if (refused === null) return;
    const facts = await look();
    if (facts === null || !hasProcesses(facts)) throw refused;
  }

  /** systemd would start the agent beside what is left of its last run. What is on its way out takes its time, which a stop waits for. */
  async #refuseRemains(policy: StopPolicy): Promise<void> {
    const { agent, unit, context, remains, facts } = this.#options;
    if (!remains.linger(null) || !remains.linger(await facts())) return;
    await context.systemctl.stop(unit, stopWithinMs(policy));
    await remains.refuse(await facts(), `agent ${agent}`, unit);
  }

  /**
   * systemd goes by another definition than this generation's, or by none: a switch was cut off before it had systemd read
   * the new units. @throws AGENT_E_START_FAILED if reading them does not help
   */
  async #attemptAnew({ digest, stop }: AgentManifest): Promise<Attempt> {
    const { agent, unit, context, facts, onGivenUp } = this.#options;
    const { systemctl } = context;
    await systemctl.stop(unit, stopSlackMs);
    await this.#refuseRemains(stop);
    await systemctl.reload();
    const again = await this.#attempt();
    if (this.#digest(again.facts) === digest) return again;
    await systemctl.stop(unit, stopSlackMs);
    onGivenUp(await facts());
    const none = again.facts === null || again.facts.digest === "";
    const what = none
      ? `systemd has no definition of ${unit}`
      : `systemd has another definition of ${unit} than this generation`;
    throw watchdErrors.make("AGENT_E_START_FAILED", `agent ${agent}: ${what}`, {
      where: unit,
      hint: "Switch to the generation again; look for units in /run/systemd/system.",
    });
  }

  /** Of what runs, or else of what would. */
  #digest(facts: UnitFacts | null): string {
    return facts === null ? "" : bind("", facts, this.#options.context.surroundings()).digest;
  }
}
