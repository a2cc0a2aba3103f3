import type { Judgement } from "./ways.ts";

/** What is known about whether the kernel keeps an agent to its proxy. */
export type Proof =
  /** Nothing keeps it, and nothing claims to. */
  | { readonly state: "none" }
  /** It has not been tried since the wall or the rules changed. */
  | { readonly state: "untested" }
  | { readonly state: "proven"; readonly at: string }
  /** `open`: there is a way out. `unclear`: the test did not show whether; it is tried again. */
  | { readonly state: "open" | "unclear"; readonly at: string; readonly problems: readonly string[] };

interface Place {
  /** Its rules, as text. */
  readonly rules: string;
  /** Of the test that would count. What an earlier one has found is void. */
  readonly test: number;
  readonly proof: Proof;
  /** When an unclear test is to be tried again (ms since 1970); null for never. */
  readonly retryAt: number | null;
}

/**
 * Which agents are proven to be walled in, and which have to be tested. A proof is of the wall and the rules of one moment:
 * whenever either changes, there is none until the next test has passed. No I/O, no clock.
 */
export class Proofs {
  readonly #retryMs: number;
  readonly #places = new Map<string, Place>();
  #wall: string | null = null;
  #tests = 0;

  constructor({ retryMs }: { readonly retryMs: number }) {
    this.#retryMs = retryMs;
  }

  /** @param wall text that changes whenever the wall was loaded; null while there is none */
  setWall(wall: string | null): void {
    if (wall === this.#wall) return;
    this.#wall = wall;
    for (const [agent, place] of this.#places) {
      // The wall is taken away where there is a hole in it. What was found is then still what there is to know.
      if (wall === null && place.proof.state === "open") continue;
      this.#void(agent, place.rules);
    }
  }

  /** @param rules of the agents that are to be walled in */
  setAgents(rules: ReadonlyMap<string, string>): void {
    for (const agent of this.#places.keys()) if (!rules.has(agent)) this.#places.delete(agent);
    for (const [agent, text] of rules) {
      if (this.#places.get(agent)?.rules !== text) this.#void(agent, text);
    }
  }

  /** The tests that are to be made. None while there is no wall: nobody behind it can run either. */
  wanted(now: number): readonly { readonly agent: string; readonly test: number }[] {
    if (this.#wall === null) return [];
    return [...this.#places].flatMap(([agent, { proof, retryAt, test }]) =>
      proof.state === "untested" || (retryAt !== null && now >= retryAt) ? [{ agent, test }] : [],
    );
  }

  /** What a test has found. Returns false where it does not count any longer. */
  found(agent: string, test: number, { verdict, problems }: Judgement, now: number): boolean {
    const place = this.#places.get(agent);
    if (place === undefined || place.test !== test || this.#wall === null) return false;
    const at = new Date(now).toISOString();
    const proof: Proof = verdict === "passed" ? { state: "proven", at } : { state: verdict, at, problems };
    const retryAt = verdict === "unclear" ? now + this.#retryMs : null;
    this.#places.set(agent, { ...place, proof, retryAt });
    return true;
  }

  of(agent: string): Proof {
    return this.#places.get(agent)?.proof ?? { state: "none" };
  }

  #void(agent: string, rules: string): void {
    this.#tests += 1;
    this.#places.set(agent, { rules, test: this.#tests, proof: { state: "untested" }, retryAt: null });
  }
}
