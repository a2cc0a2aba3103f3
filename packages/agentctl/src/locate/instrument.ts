import { type AnyNode, parse } from "acorn";

/** Offsets into a module's text, in UTF-16 units; `end` is the first one behind. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** One part of an object literal: a property, or a spread (`...base`). */
export interface Member {
  /** `null`: a spread, or a computed name, which is known only when it runs. */
  readonly key: string | null;
  readonly spread: boolean;
  readonly name: Span;
  readonly value: Span;
}

/** An object or list literal of a module. */
export interface Site extends Span {
  readonly kind: "object" | "list";
  readonly members: readonly Member[];
  /** What it spreads cannot be told apart: it waits in its middle, and another evaluation may come in between. */
  readonly suspends: boolean;
}

export interface Comment extends Span {
  readonly text: string;
}

export interface Instrumented {
  readonly code: string;
  readonly sites: readonly Site[];
  readonly comments: readonly Comment[];
}

/** The global through which instrumented code reaches the recorder; `Symbol.for` this. */
export const recorderGlobal = "daruma.locate";

/**
 * Rewrites a module so that each object and list that a literal of it makes is reported to the recorder, with what was
 * spread into it. Everything else stays as it is, also every line break.
 *
 * @param text JavaScript, or TypeScript whose types are blanked out, so that offsets are those of the original
 * @throws SyntaxError when the text does not parse
 */
export function instrument(text: string, file: number): Instrumented {
  const comments: Comment[] = [];
  const program = parse(text, {
    ecmaVersion: "latest",
    sourceType: "module",
    allowHashBang: true,
    onComment: (_, content, start, end) => comments.push({ text: content, start, end }),
  });
  const rewriting = new Rewriting(file);
  rewriting.visit(program);
  return { code: rewriting.apply(text), sites: rewriting.sites, comments };
}

interface Edit {
  readonly offset: number;
  readonly text: string;
}

const recorder = `globalThis[Symbol.for(${JSON.stringify(recorderGlobal)})]`;

class Rewriting {
  readonly sites: Site[] = [];
  readonly #file: number;
  readonly #openings: Edit[] = [];
  readonly #closings: Edit[] = [];

  constructor(file: number) {
    this.#file = file;
  }

  visit(node: AnyNode): void {
    if (node.type === "ObjectExpression") this.#object(node);
    if (node.type === "ArrayExpression") this.#list(node);
    // `new {…}.x()` would construct the recorder's function in place of what it is to construct.
    const skipped = node.type === "NewExpression" ? node.callee : undefined;
    for (const child of childrenOf(node)) if (child !== skipped) this.visit(child);
  }

  #object(node: Extract<AnyNode, { type: "ObjectExpression" }>): void {
    const site = this.sites.length;
    const members = node.properties.map((each): Member => {
      if (each.type === "SpreadElement") {
        return { key: null, spread: true, name: spanOf(each), value: spanOf(each.argument) };
      }
      return { key: nameOf(each), spread: false, name: spanOf(each.key), value: spanOf(each.value) };
    });
    const { start, end } = node;
    this.sites.push({ kind: "object", start, end, members, suspends: suspends(node) });
    this.#wrap(node, "object", `${this.#file},${site}`);
    for (const [index, each] of node.properties.entries()) {
      if (each.type === "SpreadElement") {
        this.#wrap(each.argument, "part", `${this.#file},${site},${index}`);
      } else if (each.computed) {
        this.#wrap(each.key, "part", `${this.#file},${site},${index}`);
      }
    }
  }

  #list(node: Extract<AnyNode, { type: "ArrayExpression" }>): void {
    const site = this.sites.length;
    const members = node.elements.map((each): Member => {
      // A hole has no place.
      const span = each === null ? { start: node.start, end: node.end } : spanOf(each);
      return { key: null, spread: each?.type === "SpreadElement", name: span, value: span };
    });
    const { start, end } = node;
    this.sites.push({ kind: "list", start, end, members, suspends: false });
    this.#wrap(node, "list", `${this.#file},${site}`);
  }

  /** What is wrapped first is outside where two begin or end at the same place. */
  #wrap({ start, end }: Span, method: string, identity: string): void {
    // The space keeps it apart from a keyword in front: `return{}` is allowed.
    this.#openings.push({ offset: start, text: ` ${recorder}.${method}(${identity},` });
    this.#closings.push({ offset: end, text: ")" });
  }

  apply(text: string): string {
    const byOffset = (a: Edit, b: Edit) => a.offset - b.offset;
    // What ends at a place ends before anything begins there; of several ends the inner one comes first.
    const edits = [...this.#closings.reverse(), ...this.#openings].sort(byOffset);
    const pieces: string[] = [];
    let done = 0;
    for (const edit of edits) {
      pieces.push(text.slice(done, edit.offset), edit.text);
      done = edit.offset;
    }
    pieces.push(text.slice(done));
    return pieces.join("");
  }
}

function nameOf(property: Extract<AnyNode, { type: "Property" }>): string | null {
  const { key, computed } = property;
  if (computed) return null;
  if (key.type === "Identifier") return key.name;
  return key.type === "Literal" ? String(key.value) : null;
}

/** Whether it waits, or hands control away, before it is whole. */
function suspends(node: AnyNode): boolean {
  if (node.type === "AwaitExpression" || node.type === "YieldExpression") return true;
  // A function in it is called some other time, or by what waits itself.
  if (/Function/.test(node.type)) return false;
  return childrenOf(node).some(suspends);
}

function childrenOf(node: AnyNode): AnyNode[] {
  return Object.values(node)
    .flat()
    .filter((value): value is AnyNode => typeof value?.type === "string" && typeof value.start === "number");
}

function spanOf({ start, end }: Span): Span {
  return { start, end };
}
