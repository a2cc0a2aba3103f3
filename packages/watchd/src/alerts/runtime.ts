import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { type Journal, openJournal } from "../journal/journal.ts";
import { followLedger, type LedgerFollow } from "../ledger-follow.ts";
import type { State } from "../policy/state.ts";
import type { Clock, CurrentGeneration } from "../ports.ts";
import type { Waiting } from "../supervisor/durable.ts";
import { type LedgerPort, Outbox } from "../supervisor/outbox.ts";
import { type DurableAlerts, encodeAlerts, recoverAlerts } from "./durable.ts";
import { type AlertsEngine, createAlertsEngine } from "./engine.ts";
import { Heartbeat, type HeartbeatStatus } from "./heartbeat.ts";
import type { Secrets } from "./secrets.ts";
import { createSender } from "./sender.ts";
import { initialAlerts, type Setting } from "./state.ts";
import type { Transport } from "./transport.ts";

export interface AlertsOptions {
  readonly journalDir: string;
  readonly clock: Clock;
  readonly connectLedger: () => Promise<LedgerPort>;
  /** A socket of ledgerd, to be asked for entries. */
  readonly ledgerSocket: string;
  readonly secrets: Secrets;
  readonly transport: Transport;
  readonly log: (message: string) => void;
  /** The journal failed: this watchd must end, so that a fresh one can start from what is durable. */
  readonly onFatal: (error: unknown) => void;
}

/** Who tells people. What watchd does never waits for it. */
export interface Alerts {
  readonly setting: Setting;
  /** Null as long as this state directory has never had a sink. */
  readonly engine: AlertsEngine | null;
  readonly heartbeat: HeartbeatStatus;
  /**
   * Entries of an outbox, before the ledger has them. Resolves once what comes of them is durable; it waits for the first
   * `follow`, since before that nobody knows who is to be told. Never rejects.
   */
  hear(source: string, epoch: string, entries: readonly Waiting[]): Promise<void>;
  /** Tells which generation is current, and with null that there is none. */
  follow(current: CurrentGeneration | null): Promise<void>;
  /** Called after each completed look at everything, with what the policy knows. */
  reconciled(state: State): void;
  /** Ends telling, within a few seconds. What waits is sent by the next watchd. */
  close(): Promise<void>;
}

/** A watchd that has not looked at everything for this long does not get on. In ms; a look is due every 5 s. */
const unhealthyAfterMs = 30_000;
/** ledgerd may be away for a moment, as in a switch. */
const ledgerAwayAfterMs = 30_000;
const beatLookMs = 1_000;
const closeWithinMs = 2_000;

/** A journal of its own: what agents need is never behind a storm of alerts. */
export function openAlerts(options: AlertsOptions): Alerts {
  const { clock } = options;
  let setting: Setting = { host: "", alerts: null };
  let begun: Begun | null = null;
  let following: Promise<void> = Promise.resolve();
  let closed = false;
  let path: string | null = null;
  let reconciledAt: number | null = null;
  let awaySince: number | null = null;
  const known = Promise.withResolvers<void>();
  const wallNow = () => clock.now().wall;
  const heartbeat = new Heartbeat({
    setting: () => setting.alerts?.deadMansSwitch ?? null,
    isHealthy: () => reconciledAt !== null && clock.now().mono - reconciledAt < unhealthyAfterMs,
    secrets: options.secrets,
    transport: options.transport,
    wallNow,
    monoNow: () => clock.now().mono,
    note: (record) => begun?.engine.note(record),
  });
  const beating = setInterval(() => void heartbeat.look(), beatLookMs);

  const follow = async (current: CurrentGeneration | null) => {
    if (closed || (current !== null && current.path === path)) return;
    path = current?.path ?? null;
    const alerts = current?.manifest.alerts ?? null;
    setting = { host: current?.manifest.host ?? "", alerts };
    if (begun === null && (alerts !== null || existsSync(options.journalDir)))
      begun = await begin(options, () => setting);
    // What is told to others now, or to nobody any more, is judged at once.
    begun?.engine.dispatch({ type: "tick" });
    known.resolve();
  };

  return {
    get setting() {
      return setting;
    },
    get engine() {
      return begun?.engine ?? null;
    },
    get heartbeat() {
      return heartbeat.status;
    },
    async hear(source, epoch, entries) {
      await known.promise;
      if (begun === null) return;
      const heard = entries.map(({ n, record }) => ({ ...record, n }));
      // After the end nothing is heard any more, and the ledger has to wait: the next watchd hears of it.
      await begun.engine
        .ask({ type: "entries", source, epoch, entries: heard })
        .catch(() => new Promise(() => undefined));
    },
    follow(current) {
      following = following.then(() => follow(current)).catch(options.onFatal);
      return following;
    },
    reconciled(state) {
      const { mono } = clock.now();
      reconciledAt = mono;
      awaySince = state.ledgerAway ? (awaySince ?? mono) : null;
      if (begun === null || setting.alerts === null) return;
      const open = Object.entries(state.agents).flatMap(([name, { incident }]) =>
        incident === null ? [] : [[name, incident.id] as const],
      );
      begun.engine.dispatch({ type: "incidents", open: Object.fromEntries(open) });
      const away = awaySince !== null && mono - awaySince >= ledgerAwayAfterMs;
      begun.engine.dispatch({ type: "ledger", away });
    },
    async close() {
      closed = true;
      clearInterval(beating);
      await following;
      await begun?.close();
    },
  };
}

interface Begun {
  readonly engine: AlertsEngine;
  close(): Promise<void>;
}

/** The source of entries that others than watchd have written. Its numbers are those of the ledger. */
const ledgerSource = "ledger";

async function begin(options: AlertsOptions, setting: () => Setting): Promise<Begun> {
  const { clock, log, ledgerSocket, secrets, transport } = options;
  const wallNow = () => clock.now().wall;
  const journal = await openJournal({ dir: options.journalDir, capacityBytes: 1024 * 1024 });
  const durable = await recover(journal);
  const outbox = new Outbox({
    epoch: durable.state.epoch,
    connect: options.connectLedger,
    nextEntry: durable.nextEntry,
    waiting: durable.waiting,
    wallNow,
    log,
  });
  const send = createSender({ setting, secrets, transport, wallNow });
  const engine: AlertsEngine = createAlertsEngine({
    state: durable.state,
    setting,
    journal,
    outbox,
    wallNow,
    execute: ({ sink, message }) => {
      void send({ sink, message }).then((outcome) => {
        engine.dispatch({ type: "attempted", sink, message: message.id, outcome });
      });
    },
    onFatal: options.onFatal,
  });
  engine.dispatch({ type: "boot" });
  outbox.start();
  const ledger = followOthers(engine, ledgerSocket, log);
  return {
    engine,
    async close() {
      await ledger.close();
      await engine.untilWithin(
        ({ sinks }) => Object.values(sinks).every(({ inFlight }) => inFlight === null),
        closeWithinMs,
      );
      await outbox.settle(1_000);
      engine.close();
      await outbox.close();
      await journal.close();
    },
  };
}

/** What watchd writes it has heard of already. */
function followOthers(engine: AlertsEngine, socket: string, log: (message: string) => void): LedgerFollow {
  const epoch = ledgerSource;
  return followLedger({
    socket,
    after: engine.state.cursors[ledgerSource]?.n ?? null,
    onStart: (seq) =>
      engine.dispatch({ type: "entries", source: ledgerSource, epoch, entries: [], upTo: seq }),
    onEntry: ({ seq, time, actor, action, subject, details, incident, run }) => {
      if (actor !== "egressd") return;
      const entry = { n: seq, action, subject, details, incident, run, at: Date.parse(time) };
      engine.dispatch({ type: "entries", source: ledgerSource, epoch, entries: [entry] });
    },
    listener: "alerts",
    log,
  });
}

async function recover(journal: Journal): Promise<DurableAlerts> {
  try {
    const durable: DurableAlerts =
      journal.recovered === null
        ? {
            schemaVersion: 1,
            state: initialAlerts(randomBytes(5).toString("hex")),
            nextEntry: 1,
            waiting: [],
          }
        : recoverAlerts(journal.recovered);
    await journal.snapshot(encodeAlerts(durable));
    return durable;
  } catch (error) {
    await journal.close();
    throw error;
  }
}
