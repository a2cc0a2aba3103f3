import { type ExitCode, exitCode } from "@daruma/base";
import { ledgerKey, ledgerStatus, readEntries, signLedger } from "@daruma/ledger";
import { agentctlErrors } from "../catalogue.ts";
import type { Context } from "../cli/command.ts";
import { printable } from "../cli/render-error.ts";
import { locateInstance } from "../instance/locate.ts";
import type { LineageGraph } from "../lineage/graph.ts";
import { ledgerSource } from "../lineage/ledger-source.ts";
import { openLineageEvents, type RunEnd } from "../lineage/openlineage.ts";
import { type LineageDocument, proven } from "../lineage/proofs.ts";
import { maxDerivations, provDocument } from "../lineage/prov.ts";
import { nameOfRoot, parseRoot } from "../lineage/root.ts";
import { trace } from "../lineage/trace.ts";
import { treeOf } from "../lineage/tree.ts";

export interface TraceInput {
  readonly args: { readonly RECORD: string };
  readonly options: {
    readonly up: boolean;
    readonly down: boolean;
    readonly depth: number;
    readonly limit: number;
    readonly "record-version": string | undefined;
    readonly format: string;
    readonly state: string | undefined;
  };
}

export async function ledgerTrace(context: Context, { args, options }: TraceInput): Promise<ExitCode> {
  if (options.up && options.down) {
    throw agentctlErrors.make("CLI_E_USAGE", "--up and --down go different ways: ask for one of them");
  }
  const root = parseRoot(args.RECORD, options["record-version"]);
  const { sockets } = await locateInstance(options.state, context);
  const socket = sockets.operatorLedger;
  const { head, host } = await ledgerStatus({ socket });
  const source = ledgerSource({ socket, last: head.seq, signal: context.interrupt });
  const { depth, limit } = options;
  const graph = await trace(source, root, { direction: options.down ? "down" : "up", depth, limit });
  if (graph === null) {
    throw agentctlErrors.make(
      "LINEAGE_E_UNKNOWN",
      `the ledger says nothing about ${printable(nameOfRoot(root))}`,
    );
  }
  await tell(context, graph, { socket, host, root: nameOfRoot(root), format: options.format });
  return exitCode.ok;
}

interface Telling {
  readonly socket: string;
  readonly host: string;
  readonly root: string;
  readonly format: string;
}

async function tell(context: Context, graph: LineageGraph, telling: Telling): Promise<void> {
  const { output } = context;
  const { socket, host, format } = telling;
  if (!graph.complete && (output.json || format !== "tree")) {
    output.note("this is not all of it: a node that is cut says so, and why");
  }
  if (format === "openlineage") {
    const events = openLineageEvents(graph, host, await endsOf(context, graph, socket));
    for (const event of events) await output.jsonLines(`${JSON.stringify(event)}\n`);
  } else if (format === "prov") {
    const document = provDocument(graph, host);
    if (Object.keys(document.wasDerivedFrom).length === maxDerivations) {
      output.note(
        `only ${maxDerivations} derivations are written; the others follow from used and wasGeneratedBy`,
      );
    }
    await output.jsonLines(`${JSON.stringify(document)}\n`);
  } else if (output.json) await output.result(await documentOf(graph, telling), () => []);
  else {
    for (const line of treeOf(graph)) await output.record("", () => line);
    if (!graph.complete) await output.record("", () => "this is not all of it: see --depth and --limit");
  }
}

async function documentOf(graph: LineageGraph, { socket, root }: Telling): Promise<LineageDocument> {
  const { edges, ...rest } = graph;
  const key = await ledgerKey({ socket });
  const checkpoint = await signLedger({ socket });
  const provenEdges = await proven(socket, edges, checkpoint, key);
  return {
    schemaVersion: 1,
    root,
    ...rest,
    edges: provenEdges,
    checkpoint: checkpoint.checkpoint,
    key: key.key,
  };
}

const ends: Readonly<Record<string, RunEnd["eventType"]>> = {
  "agent.complete": "COMPLETE",
  "agent.exit": "FAIL",
  "agent.stopped": "ABORT",
  "agent.stopped-outside": "ABORT",
};

/** The end of each run that has one. */
async function endsOf(
  { interrupt: signal }: Context,
  { nodes }: LineageGraph,
  socket: string,
): Promise<ReadonlyMap<string, RunEnd>> {
  const runs = new Set(
    nodes.flatMap((node) => (node.kind === "activity" && node.run !== null ? [node.run] : [])),
  );
  const found = new Map<string, RunEnd>();
  for (const run of runs) {
    const filter = { run, action: "agent.*" };
    for await (const { entry } of readEntries({ socket, signal, filter, newest: 20 })) {
      const eventType = ends[entry.action];
      if (eventType !== undefined && !found.has(run)) found.set(run, { eventType, time: entry.time });
    }
  }
  return found;
}
