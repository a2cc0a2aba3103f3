import type { Event } from "../policy/events.ts";
import type { Step } from "../policy/policy.ts";
import type { State } from "../policy/state.ts";
import type { Instant } from "../ports.ts";
import { Agenda } from "./agenda.ts";
import type { Keeping } from "./bookkeeper.ts";
import { Broken } from "./broken.ts";
import { Fleet } from "./fleet.ts";
import { Ledger } from "./ledger.ts";
import { Machine } from "./machine.ts";
import { Nature } from "./nature.ts";
import { Profile } from "./profile.ts";
import { Random } from "./random.ts";

/** What is simulated against: the policy core, or one that was broken on purpose. */
export interface Core {
  readonly step: (state: State, event: Event, now: Instant) => Step;
  readonly nextWake: (state: State) => number | null;
  /** How its journal is kept. Default: as it really is. */
  readonly keeping?: Keeping;
}

/** How unkind this world is; fixed for one run. */
export interface Climate {
  /** Share of exits that nobody sees. */
  readonly lostExits: number;
  /** Share of events that come twice. */
  readonly doubled: number;
  /** Whether the causes of exits survive watchd, as with systemd; else they are unknown to the next one. */
  readonly exitsOutliveWatchd: boolean;
  /** Whether going back to a generation gives it its old number. */
  readonly reuseNumbers: boolean;
  /** Share of switches that fail; changes as the run goes on. */
  switchFailures: number;
}

/** Everything around watchd. */
export interface World {
  readonly random: Random;
  readonly agenda: Agenda;
  readonly fleet: Fleet;
  readonly machine: Machine;
  readonly nature: Nature;
  readonly profile: Profile;
  readonly ledger: Ledger;
  readonly climate: Climate;
}

export function createWorld(seed: number): World {
  const random = new Random(seed);
  const agenda = new Agenda();
  const fleet = new Fleet(random);
  const machine = new Machine(fleet);
  const climate: Climate = {
    lostExits: random.pick([0, 0, 0.05, 0.3]),
    doubled: random.pick([0, 0.02, 0.1]),
    exitsOutliveWatchd: random.chance(0.5),
    reuseNumbers: random.chance(0.5),
    switchFailures: 0,
  };
  const nature = new Nature(agenda, random, machine);
  return { random, agenda, fleet, machine, nature, profile: new Profile(), ledger: new Ledger(), climate };
}

/** Plans something to happen in `inMs` from now. */
export function later(world: World, inMs: number, happen: () => void): void {
  world.agenda.plan(world.machine.time + inMs, happen);
}

/** Lets the next thing happen. */
export function advance(world: World): void {
  const next = world.agenda.take();
  if (next === null) throw new Broken("liveness", "nothing will ever happen again");
  world.machine.time = Math.max(world.machine.time, next.at);
  next.happen();
}
