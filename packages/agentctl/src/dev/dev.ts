import { stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { ExitCode, UnixServer } from "@daruma/base";
import { createDirectoryGenerations, createProcessManager, type DirectoryGenerations } from "@daruma/watchd";
import type { Context } from "../cli/command.ts";
import { whenAborted } from "../cli/interrupts.ts";
import { loadFleet } from "../compile/index.ts";
import { type Sockets, stateDirectoryName, stateLayout } from "../instance/layout.ts";
import { watchdClient } from "../instance/watchd-client.ts";
import { type Daemons, type DaemonsOptions, startDaemons } from "./daemons.ts";
import type { Plan, Prepared } from "./deploy.ts";
import { EgressKeeper } from "./egress.ts";
import { lockState } from "./lock.ts";
import { findPrograms, type Programs } from "./programs.ts";
import { prepareAloud, Redeployer } from "./redeploy.ts";
import { DevReport } from "./report.ts";
import {
  linkedRuntimeDirectory,
  markState,
  prepareDirectories,
  removeRuntimeDirectory,
} from "./runtime-directory.ts";
import { drain } from "./shutdown.ts";
import { Story } from "./story.ts";
import type { WatchTargets } from "./watch.ts";

export interface DevInput {
  readonly options: {
    readonly config: string;
    readonly host: string | undefined;
    readonly state: string | undefined;
    readonly watch: boolean;
  };
}

interface Session {
  readonly context: Context;
  readonly plan: Plan;
  readonly state: string;
  readonly sockets: Sockets;
  readonly programs: Programs;
  readonly report: DevReport;
  readonly watch: boolean;
}

/** Runs a host until it is interrupted. Ends with the reason of the interrupt, or the error that made it impossible. */
export async function dev(context: Context, { options }: DevInput): Promise<ExitCode> {
  const config = resolve(context.cwd, options.config);
  const state = resolve(context.cwd, options.state ?? join(dirname(config), stateDirectoryName));
  const programs = await findPrograms();
  const { agentctl } = programs;
  await refuseMissing(config, agentctl);
  const sockets = await prepareDirectories(state, context.environment);
  const self = {
    schemaVersion: 1,
    pid: process.pid,
    config,
    state,
    startedAt: new Date().toISOString(),
  } as const;
  const lock = await lockState(sockets, await linkedRuntimeDirectory(state), self);
  const report = new DevReport(context.output, context.cwd);
  const host = options.host ?? null;
  const { environment } = context;
  const plan = { config, host, root: stateLayout(state).generations, agentctl, environment };
  const session = { context, plan, state, sockets, programs, report, watch: options.watch };
  return underLock(lock, session);
}

/** Makes no directories for a fleet file that is not there. */
async function refuseMissing(config: string, agentctl: string): Promise<void> {
  const missing = await stat(config).then(
    () => false,
    () => true,
  );
  if (missing)
    await loadFleet({ configFile: config, program: { execPath: process.execPath, args: [agentctl] } });
}

async function underLock(lock: UnixServer, session: Session): Promise<never> {
  const { state, sockets, context, plan, report, programs } = session;
  let watched = false;
  try {
    await markState(state, sockets);
    const first = await prepareAloud(plan, report, context.interrupt);
    if (!first.ok) throw first.error;
    const { spec, build } = first.prepared;
    await report.started({ host: spec.host, config: plan.config, state, pid: process.pid });
    report.build(build);
    const generations = await createDirectoryGenerations({ root: plan.root });
    const { environment } = plan;
    const place = { programs, host: spec.host, state, sockets, environment };
    const options = { ...place, report, signal: context.interrupt };
    const daemons = await startDaemons(options);
    watched = true;
    return await withDaemons(session, {
      daemons,
      options,
      generations,
      first: first.prepared,
      targets: first.targets,
    });
  } catch (error) {
    if (!watched) await tellSurvivors(session);
    throw error;
  } finally {
    await lock.close();
  }
}

/** Agents outlive a dev that was killed. One that ends before it could look after them again must not do so in silence. */
async function tellSurvivors({ state, sockets, report }: Session): Promise<void> {
  const place = { stateDir: state, runtimeDir: sockets.directory };
  const manager = createProcessManager(place);
  const routines = createProcessManager({ ...place, kind: "routines" });
  try {
    const runs = [...(await manager.list()), ...(await routines.list())];
    if (runs.length === 0) return;
    const names = runs.map(({ agent, pid }) => `${agent} (process ${pid})`).join(", ");
    report.note(
      `agents of an earlier agentctl dev still run, and nobody watches them: ${names}. The next agentctl dev adopts them; to end one, kill its process.`,
    );
  } finally {
    await manager.close();
    await routines.close();
  }
}

interface Running {
  readonly daemons: Daemons;
  readonly options: DaemonsOptions;
  readonly generations: DirectoryGenerations;
  readonly first: Prepared;
  readonly targets: WatchTargets;
}

async function withDaemons(session: Session, running: Running): Promise<never> {
  const { context, sockets, report, plan } = session;
  const { daemons, options, generations, first, targets } = running;
  const egress = new EgressKeeper(options);
  const watchd = watchdClient(sockets.watchd);
  const story = new Story({ socket: sockets.operatorLedger, after: daemons.headSeq, report });
  const target = { watchd, generations, ledgerSocket: sockets.operatorLedger, config: plan.config };
  const redeployer = new Redeployer({
    // A host that is renamed later is another one: this ledger is not its ledger.
    plan: { ...plan, host: first.spec.host },
    target,
    beforeDeploy: (build) => egress.prepare(build),
    report,
    watch: session.watch,
    signal: context.interrupt,
  });
  try {
    await redeployer.begin(first, targets);
    return await whenAborted(context.interrupt);
  } finally {
    await redeployer.close();
    await windDown(session, { daemons, egress, story });
    await generations.close();
  }
}

/**
 * Stops the agents, then watchd and egressd, then ledgerd, so that everything that happens is recorded.
 *
 * @throws DEV_E_STOP, after the daemons have been stopped all the same
 */
async function windDown(
  { context, state, sockets, report }: Session,
  {
    daemons,
    egress,
    story,
  }: { readonly daemons: Daemons; readonly egress: EgressKeeper; readonly story: Story },
): Promise<void> {
  const { hurry } = context;
  await report.stopping();
  try {
    await drain({ watchd: watchdClient(sockets.watchd), hurry, report });
  } finally {
    await daemons.watchd.stop(hurry.aborted ? 1_000 : 10_000);
    // After the agents, whose last connections it has to tell of.
    await egress.stop();
    await story.finish();
    await daemons.ledgerd.stop(10_000);
  }
  await removeRuntimeDirectory(state, sockets);
  await report.stopped();
}
