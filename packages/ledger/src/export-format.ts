import { isPlainObject } from "./entry.ts";
import { coverOf, hashBytes, type TreeHash } from "./merkle.ts";
import { decodeBase64 } from "./signed-note.ts";

/*
 * The lines of an export that hold no entry. They stand in the order of the tree, between the entries.
 */

/** What was asked for, in a file that does not hold everything. Says nothing by itself: the gaps do. */
export interface Selection {
  /** RFC 3339, as the entries' own times. */
  readonly since?: string;
  readonly until?: string;
  readonly actor?: string;
  readonly action?: string;
  readonly subject?: string;
}

/** Entries `from` to `to` are left out; `nodes` are the roots of the perfect subtrees that they make up. */
export interface Gap {
  readonly from: number;
  readonly to: number;
  readonly nodes: readonly TreeHash[];
}

export type ProofLine =
  | { readonly kind: "selection"; readonly selection: Selection }
  | { readonly kind: "gap"; readonly gap: Gap }
  | { readonly kind: "checkpoint"; readonly text: string }
  | { readonly kind: "bad"; readonly message: string };

/** Room for the 105 hashes that the largest gap can have; a note has less. */
export const maxProofLineBytes = 256 * 1024;

export const selectionFields = ["since", "until", "actor", "action", "subject"] as const;

export function printSelection(selection: Selection): string {
  return `${JSON.stringify({ selection })}\n`;
}

export function printGap({ from, to, nodes }: Gap): string {
  return `${JSON.stringify({ gap: { from, to, nodes: nodes.map((node) => node.toString("base64")) } })}\n`;
}

export function printCheckpointLine(text: string): string {
  return `${JSON.stringify({ checkpoint: text })}\n`;
}

/** `null` if the line is none of these, and so must be an entry. An entry begins with `{"action":`. */
export function parseProofLine(bytes: Buffer): ProofLine | null {
  const start = bytes.toString("latin1", 0, 14);
  const kind = (["selection", "gap", "checkpoint"] as const).find((name) => start.startsWith(`{"${name}":`));
  if (kind === undefined) return null;
  const value = parseJson(bytes.toString("utf8"));
  const isOne = isPlainObject(value) && Object.keys(value).length === 1;
  if (!isOne) return { kind: "bad", message: `the line of a ${kind} is not one` };
  if (kind === "checkpoint" && typeof value.checkpoint === "string") return { kind, text: value.checkpoint };
  if (kind === "selection" && isSelection(value.selection)) return { kind, selection: value.selection };
  const gap = kind === "gap" ? gapOf(value.gap) : null;
  return gap === null ? { kind: "bad", message: `the ${kind} is not readable` } : { kind: "gap", gap };
}

function isSelection(value: unknown): value is Selection {
  if (!isPlainObject(value)) return false;
  return Object.entries(value).every(
    ([name, text]) => (selectionFields as readonly string[]).includes(name) && typeof text === "string",
  );
}

function gapOf(value: unknown): Gap | null {
  if (!isPlainObject(value) || !Array.isArray(value.nodes)) return null;
  const { from, to } = value;
  if (!isSeq(from) || !isSeq(to) || from > to) return null;
  const nodes = value.nodes.map((node) => (typeof node === "string" ? decodeBase64(node) : null));
  if (nodes.length !== coverOf({ from: from - 1, to }).length) return null;
  if (!nodes.every((node) => node !== null)) return null;
  return nodes.every((node) => node.length === hashBytes) ? { from, to, nodes } : null;
}

function isSeq(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 1;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
