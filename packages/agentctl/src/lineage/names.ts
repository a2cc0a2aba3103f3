import type { ActivityNode, GenerationNode, LineageNode, RecordNode } from "./graph.ts";

/** A record as people write it: `TYPE:ID@VERSION`. */
export function nameOfRecord({ type, name, version }: Pick<RecordNode, "type" | "name" | "version">): string {
  return `${type}:${name}${version === null ? "" : `@${version}`}`;
}

export function nameOfActivity({ agent, run, activity, generation }: ActivityNode): string {
  return [
    agent,
    ...(run === null ? [] : [`run ${run}`]),
    ...(activity === null ? [] : [`activity ${activity}`]),
    ...(generation === null ? [] : [`generation ${generation}`]),
  ].join(", ");
}

export function nameOfGeneration({ number }: GenerationNode): string {
  return `generation ${number}`;
}

export function nameOfNode(node: LineageNode): string {
  switch (node.kind) {
    case "record":
      return nameOfRecord(node);
    case "activity":
      return nameOfActivity(node);
    case "generation":
      return nameOfGeneration(node);
  }
}
