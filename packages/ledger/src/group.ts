import type { DarumaError } from "@daruma/base";
import { ledgerErrors } from "./catalogue.ts";
import { type Head, maxEntryBytes, type PreparedEntry, type SealedEntry, sealEntry } from "./entry.ts";

/**
 * Makes an append idempotent: within one epoch, `n` only grows; an epoch is any text, new for each new outbox. A writer may have several
 * outboxes, whose appends come in any order.
 */
export interface OutboxKey {
  readonly epoch: string;
  readonly n: number;
}

/** Everything that the next group builds on. Stored in the same batch as the entries. */
export interface ChainState {
  readonly head: Head;
  readonly writers: Writers;
}

/** For each writer that uses keys, the last key of each of its epochs: of the last `mostEpochs` that it has used, the latest first. */
export type Writers = ReadonlyMap<string, readonly OutboxKey[]>;

/** Some writers begin an epoch with each start. */
const mostEpochs = 16;

export interface GroupRequest {
  readonly writer: string;
  readonly prepared: PreparedEntry;
  readonly key: OutboxKey | null;
}

export type Outcome =
  | { readonly kind: "written"; readonly seq: number; readonly hash: string; readonly time: string }
  | { readonly kind: "duplicate" }
  | { readonly kind: "refused"; readonly error: DarumaError };

export interface GroupPlan {
  /** One for each request, in order. They come true once `entries` are durable. */
  readonly outcomes: readonly Outcome[];
  readonly entries: readonly SealedEntry[];
  readonly next: ChainState;
  /** For each writer and epoch, the first key that this group writes. */
  readonly firstKeys: readonly { readonly writer: string; readonly key: OutboxKey }[];
  readonly held: HeldKeys;
}

/**
 * For each writer and epoch (`slotOf`), the first key whose append was refused or failed. Later ones are refused until it has
 * been written: were they written first, it would pass for a duplicate when it comes again.
 */
export type HeldKeys = ReadonlyMap<string, OutboxKey>;

/** Decides what a group of requests writes. Pure: nothing has happened until the caller has stored the plan. */
export function planGroup(
  state: ChainState,
  held: HeldKeys,
  requests: readonly GroupRequest[],
  time: string,
): GroupPlan {
  let head = state.head;
  const writers = new Map(state.writers);
  const firstKeys = new Map<string, GroupPlan["firstKeys"][number]>();
  const entries: SealedEntry[] = [];
  let heldNow = held;
  const outcomes = requests.map((request): Outcome => {
    const { writer, key } = request;
    const early = answerByKey(request, writers, heldNow);
    if (early !== null) return early;
    const sealed = sealEntry(request.prepared, head.hash, head.seq + 1, time);
    if (isTooLarge(sealed.line)) {
      if (key !== null) heldNow = holdKey(writers, heldNow, writer, key);
      return { kind: "refused", error: tooLarge() };
    }
    if (key !== null) {
      writers.set(writer, withKey(writers.get(writer) ?? [], key));
      const slot = slotOf(writer, key);
      if (!firstKeys.has(slot)) firstKeys.set(slot, { writer, key });
    }
    head = { seq: sealed.seq, hash: sealed.hash };
    entries.push(sealed);
    return { kind: "written", seq: sealed.seq, hash: sealed.hash, time };
  });
  return { outcomes, entries, next: { head, writers }, firstKeys: [...firstKeys.values()], held: heldNow };
}

/** What is held after a plan could not be stored; `state` is still what it was. */
export function heldAfterFailure(state: ChainState, held: HeldKeys, plan: GroupPlan): HeldKeys {
  let heldNow = held;
  for (const { writer, key } of plan.firstKeys) heldNow = holdKey(state.writers, heldNow, writer, key);
  return heldNow;
}

/** Holds `key`, unless an earlier one of its epoch is held already. */
export function holdKey(writers: Writers, held: HeldKeys, writer: string, key: OutboxKey): HeldKeys {
  const slot = slotOf(writer, key);
  const before = held.get(slot);
  if (before !== undefined && isHeld(before, key, lastOf(writers, writer, key))) return held;
  return new Map(held).set(slot, key);
}

/** No writer has a blank in its name. */
function slotOf(writer: string, { epoch }: OutboxKey): string {
  return `${writer} ${epoch}`;
}

function lastOf(writers: Writers, writer: string, { epoch }: OutboxKey): OutboxKey | undefined {
  return writers.get(writer)?.find((each) => each.epoch === epoch);
}

function withKey(keys: readonly OutboxKey[], key: OutboxKey): readonly OutboxKey[] {
  return [key, ...keys.filter(({ epoch }) => epoch !== key.epoch)].slice(0, mostEpochs);
}

export function tooLarge(): DarumaError {
  return ledgerErrors.make("LEDGER_E_TOO_LARGE", `an entry may have ${maxEntryBytes} bytes`);
}

function answerByKey({ writer, key }: GroupRequest, writers: Writers, heldKeys: HeldKeys): Outcome | null {
  if (key === null) return null;
  const last = lastOf(writers, writer, key);
  if (last !== undefined && key.n <= last.n) return { kind: "duplicate" };
  const held = heldKeys.get(slotOf(writer, key));
  if (held === undefined || !isHeld(held, key, last)) return null;
  const message = `append ${held.n} of epoch ${held.epoch} was not written and must come before ${key.n}`;
  return { kind: "refused", error: ledgerErrors.make("LEDGER_E_OUT_OF_ORDER", message) };
}

/** Whether `key` would overtake `held`, all of one epoch. Once `held` itself is written it holds nothing any more. */
function isHeld(held: OutboxKey, key: OutboxKey, last: OutboxKey | undefined): boolean {
  return key.n > held.n && (last === undefined || last.n < held.n);
}

function isTooLarge(line: string): boolean {
  // A UTF-16 code unit is at most 3 bytes of UTF-8: counting is needed only for long lines.
  return line.length * 3 > maxEntryBytes && Buffer.byteLength(line) > maxEntryBytes;
}
