import { printable } from "../cli/render-error.ts";
import type { Cut, LineageEdge, LineageGraph, LineageNode } from "./graph.ts";
import { nameOfNode } from "./names.ts";

interface Branch {
  readonly text: string;
  readonly node: LineageNode;
  /** Only edges on this side of the entry that led here are below it. */
  readonly seq: number;
  /** It is named, and nothing below it is shown. */
  readonly isLeaf?: true;
}

const cuts: Readonly<Record<Cut, string>> = {
  depth: "more beyond --depth",
  limit: "more beyond --limit",
  lookback: "more than is looked through",
};

const origins = {
  produced: null,
  source: "from outside: nothing says who produced it",
  "missing-version": "this version was never recorded as produced",
  unknown: "too many versions to look through",
} as const;

/** The graph as a tree, each part of it once: what stands further above is only named again. */
export function treeOf(graph: LineageGraph): readonly string[] {
  const tree = new Tree(graph);
  return graph.roots.flatMap((id) => tree.root(id));
}

class Tree {
  readonly #direction: LineageGraph["direction"];
  readonly #nodes: ReadonlyMap<string, LineageNode>;
  readonly #from: ReadonlyMap<string, readonly LineageEdge[]>;
  readonly #to: ReadonlyMap<string, readonly LineageEdge[]>;
  readonly #shown = new Set<string>();

  constructor({ direction, nodes, edges }: LineageGraph) {
    this.#direction = direction;
    this.#nodes = new Map(nodes.map((node) => [node.id, node]));
    this.#from = Map.groupBy(edges, ({ source }) => source);
    this.#to = Map.groupBy(edges, ({ target }) => target);
  }

  root(id: string): readonly string[] {
    const node = this.#nodes.get(id);
    if (node === undefined || (node.kind === "activity" && this.#isShown(node))) return [];
    const seq = this.#direction === "up" ? Number.POSITIVE_INFINITY : 0;
    const inputs = this.#direction === "down" && node.kind === "activity" ? this.#inputs(node) : [];
    return [line(nameOfNode(node), node), ...this.#below({ text: "", node, seq }, inputs)];
  }

  #isShown(node: LineageNode): boolean {
    return [...this.#shown].some((key) => key.startsWith(`${node.id} `));
  }

  #below({ node, seq }: Branch, before: readonly Branch[] = []): readonly string[] {
    const branches = [...before, ...this.#branches(node, seq)];
    return branches.flatMap((branch, index) => {
      const isLast = index === branches.length - 1;
      const key = keyOf(branch);
      const isRepeated = this.#shown.has(key) && this.#branches(branch.node, branch.seq).length > 0;
      if (branch.isLeaf !== true) this.#shown.add(key);
      const text = line(branch.text, branch.node);
      const deeper = branch.isLeaf === true || isRepeated ? [] : this.#below(branch);
      return [
        `${isLast ? "└─ " : "├─ "}${text}${isRepeated ? " (as above)" : ""}`,
        ...deeper.map((below) => `${isLast ? "   " : "│  "}${below}`),
      ];
    });
  }

  #branches(node: LineageNode, seq: number): readonly Branch[] {
    if (node.kind === "generation") return this.#follow(this.#from, node, "began", "target", "", seq);
    if (this.#direction === "up") {
      if (node.kind === "record") {
        return this.#follow(this.#to, node, "generated", "source", "produced by ", Number.POSITIVE_INFINITY);
      }
      return this.#follow(this.#to, node, "used", "source", "", seq);
    }
    if (node.kind === "record") return this.#follow(this.#from, node, "used", "target", "consumed by ", seq);
    return this.#follow(this.#from, node, "generated", "target", "produced ", seq);
  }

  /** What an activity that the trace begins with has consumed: touched by it, and not because of it. */
  #inputs(node: LineageNode): readonly Branch[] {
    const inputs = this.#follow(this.#to, node, "used", "source", "consumed ", 0);
    return inputs.map((branch) => ({ ...branch, isLeaf: true }));
  }

  #follow(
    edges: ReadonlyMap<string, readonly LineageEdge[]>,
    node: LineageNode,
    kind: LineageEdge["kind"],
    end: "source" | "target",
    verb: string,
    seq: number,
  ): readonly Branch[] {
    return (edges.get(node.id) ?? []).flatMap((edge): readonly Branch[] => {
      const there = this.#nodes.get(edge[end]);
      const isOnSide = this.#direction === "up" ? edge.seq < seq : edge.seq > seq;
      if (there === undefined || edge.kind !== kind || (kind !== "began" && !isOnSide)) return [];
      const mismatch = edge.mismatch ? ", OTHER BYTES THAN WERE PRODUCED" : "";
      const text = `${verb}${nameOfNode(there)} (entry ${edge.seq}, ${edge.time}${mismatch})`;
      const from = kind === "began" ? (this.#direction === "up" ? Number.POSITIVE_INFINITY : 0) : edge.seq;
      return [{ text, node: there, seq: from }];
    });
  }
}

function keyOf({ node, seq }: Branch): string {
  return node.kind === "activity" ? `${node.id} ${seq}` : node.id;
}

function line(text: string, node: LineageNode): string {
  const origin = node.kind === "record" ? origins[node.origin] : null;
  const cut = node.cut === null || node.cut === "lookback" ? [] : [cuts[node.cut]];
  const lookback = node.cut === "lookback" && origin === null ? [cuts.lookback] : [];
  const notes = [...(origin === null ? [] : [origin]), ...cut, ...lookback];
  return printable(`${text}${notes.length === 0 ? "" : `: ${notes.join("; ")}`}`.replaceAll(/\s+/g, " "));
}
