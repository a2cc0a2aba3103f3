import { isIP, type Socket } from "node:net";
import type { EgressManifest } from "@daruma/config";
import { classOf } from "./address.ts";
import { type Decision, decide, decideAddresses, protocolFor } from "./decide.ts";
import { DialFailure, dial } from "./dial.ts";
import { type Explanation, explain, isRefused } from "./explain.ts";
import { type Gate, gateFor, tlsAccessDenied } from "./gate.ts";
import type { Recorder, Via } from "./recorder.ts";
import { LookupFailure, type Resolver } from "./resolver.ts";
import { formatTarget, type ParsedTarget, type Target } from "./target.ts";
import { joinSockets, type TunnelSummary } from "./tunnel.ts";
import type { UpstreamsFeed } from "./upstreams.ts";

export interface DoorSetting {
  readonly resolver: Pick<Resolver, "resolve">;
  readonly recorder: Pick<Recorder, "denied" | "connected" | "failed">;
  readonly upstreams: Pick<UpstreamsFeed, "failed" | "reached">;
  /** Ports of 127.0.0.1 that egressd itself listens on. */
  readonly ownPorts: () => ReadonlySet<number>;
  readonly times: Times;
}

export interface Times {
  /** From the connection to the end of the request's headers, and between two requests. */
  readonly headersMs: number;
  readonly connectMs: number;
  /** For the first bytes in a tunnel, where they are judged. */
  readonly gateMs: number;
}

export const defaultTimes: Times = { headersMs: 10_000, connectMs: 10_000, gateMs: 30_000 };

/** Why there is no connection, for the front to put into its protocol. */
export type Refusal =
  | { readonly kind: "denied"; readonly explanation: Explanation }
  | { readonly kind: "busy"; readonly message: string }
  | { readonly kind: "failed"; readonly code: string; readonly message: string; readonly isTimeout: boolean };

export interface Opened {
  readonly socket: Socket;
  readonly target: Target;
  readonly gate: Gate | null;
  /** What ends it when the rules do not allow it any longer. Until it is called, the socket is just destroyed. */
  readonly cutWith: (cut: () => void) => void;
  /** Counts the connection until it is called with what it has carried. */
  readonly release: (summary: Pick<TunnelSummary, "sentBytes" | "receivedBytes" | "durationMs">) => void;
}

export interface UpstreamFailure {
  readonly target: string;
  readonly code: string;
  readonly at: string;
}

export interface DoorStatus {
  readonly connections: number;
  readonly opened: number;
  readonly denied: number;
  readonly failed: number;
  /** From the agent to its targets, and back: of connections that are over and of those that are open. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
  /** The newest failure of each target that has not been reached since. */
  readonly failures: readonly UpstreamFailure[];
}

interface Live {
  readonly socket: Socket;
  readonly target: Target;
  readonly address: string;
  cut: () => void;
}

const maxFailures = 64;

/**
 * All that is known and allowed of one agent: whatever way a connection of it comes in, it goes out through here. Its
 * counters and limits are its own; another agent does not notice when they are reached.
 */
export class Door {
  readonly agent: string;
  readonly #setting: DoorSetting;
  readonly #live = new Set<Live>();
  readonly #failures = new Map<string, UpstreamFailure>();
  #rules: EgressManifest;
  #pending = 0;
  #counts = { opened: 0, denied: 0, failed: 0 };
  /** Of connections that are over. */
  #carried = { sentBytes: 0, receivedBytes: 0 };

  constructor(agent: string, rules: EgressManifest, setting: DoorSetting) {
    this.agent = agent;
    this.#rules = rules;
    this.#setting = setting;
  }

  get rules(): EgressManifest {
    return this.#rules;
  }

  get times(): Times {
    return this.#setting.times;
  }

  get status(): DoorStatus {
    const failures = [...this.#failures.values()];
    const carried = [...this.#live].reduce((sum, { socket }) => added(sum, socket), this.#carried);
    return { connections: this.#live.size, ...this.#counts, ...carried, failures };
  }

  /** Changes the rules. Connections that they still allow go on; the others are cut, and counted. */
  setRules(rules: EgressManifest): number {
    this.#rules = rules;
    const doomed = [...this.#live].filter(({ target, address }) =>
      isRefused(rules.mode, decideAddresses(rules, target, [address])),
    );
    for (const { cut } of doomed) cut();
    return doomed.length;
  }

  /** Cuts everything. */
  close(): number {
    const all = [...this.#live];
    for (const { cut } of all) cut();
    return all.length;
  }

  /** From what a client asked for to a connection to it, or why there is none. */
  async open(parsed: ParsedTarget, via: Via): Promise<Opened | Refusal> {
    if (!parsed.ok) return this.#refuse(invalid(parsed.problem), via);
    const { target } = parsed;
    const decision = decide(this.#rules, target);
    const denied = this.#judge(decision, target, via) ?? this.#judgePlain(decision, target, via);
    if (denied !== null) return denied;
    if (this.#live.size + this.#pending >= this.#rules.limits.connections) {
      return {
        kind: "busy",
        message: `${this.agent} has ${this.#rules.limits.connections} connections already`,
      };
    }
    this.#pending += 1;
    try {
      return await this.#connect(target, decision, via);
    } catch (error) {
      if (error instanceof LookupFailure || error instanceof DialFailure)
        return this.#fail(target, via, error);
      throw error;
    } finally {
      this.#pending -= 1;
    }
  }

  /** Joins a client with what was opened for it. */
  join(opened: Opened, client: Socket, head: Buffer, via: Via): void {
    const { socket, target, gate } = opened;
    const { idleMs, bytes } = this.#rules.limits;
    const tunnel = joinSockets({
      client,
      upstream: socket,
      head,
      gate,
      idleMs,
      maxBytes: bytes,
      gateMs: this.times.gateMs,
      farewell:
        gate !== null && protocolFor(decide(this.#rules, target), target) === "tls" ? tlsAccessDenied : null,
      onEnd: (summary) => {
        if (summary.end === "upstream-error") this.#remember(target, "reset", via);
        opened.release(summary);
      },
      onRefuse: (reason, message) => {
        const { rule } = decide(this.#rules, target);
        const explanation = { ...explain({ decision: "deny", reason, rule }, formatTarget(target)), message };
        const refused = isRefused(this.#rules.mode, explanation);
        this.#tell(explanation, via, refused);
        return refused;
      },
    });
    opened.cutWith(tunnel.cut);
  }

  /** A plain request to a port where something else is to be spoken would get around what is asked of the first bytes. */
  #judgePlain(decision: Decision, target: Target, via: Via): Refusal | null {
    if (via !== "http" || protocolFor(decision, target) === "tcp") return null;
    const denial: Decision = { decision: "deny", reason: "wrong-protocol", rule: decision.rule };
    return this.#judge(denial, target, via);
  }

  async #connect(target: Target, decision: Decision, via: Via): Promise<Opened | Refusal> {
    const addresses =
      target.host.kind === "address"
        ? [target.host.address]
        : await this.#setting.resolver.resolve(target.host.name);
    const denied =
      // What the name alone has decided is told already.
      decision.decision === "deny"
        ? null
        : this.#judge(decideAddresses(this.#rules, target, addresses), target, via);
    if (denied !== null) return denied;
    if (addresses.some((address) => this.#isOwn(address, target.port))) {
      return this.#refuse(
        explain({ decision: "deny", reason: "proxy-itself", rule: null }, formatTarget(target)),
        via,
      );
    }
    const socket = await dial({ addresses, port: target.port, timeoutMs: this.times.connectMs });
    return this.#enter(socket, target, via);
  }

  /** The rules may have changed while it was being connected. */
  #enter(socket: Socket, target: Target, via: Via): Opened | Refusal {
    const address = socket.remoteAddress ?? "";
    if (isIP(address) !== 0) {
      const decision = decideAddresses(this.#rules, target, [address]);
      if (isRefused(this.#rules.mode, decision)) {
        socket.destroy();
        return this.#refuse(explain(decision, formatTarget(target)), via);
      }
    }
    const live: Live = { socket, target, address, cut: () => socket.destroy() };
    this.#live.add(live);
    this.#counts.opened += 1;
    this.#failures.delete(formatTarget(target));
    this.#setting.upstreams.reached(formatTarget(target));
    const rules = decide(this.#rules, target);
    const release: Opened["release"] = ({ sentBytes, receivedBytes, durationMs }) => {
      if (!this.#live.delete(live)) return;
      this.#carried = added(this.#carried, socket);
      const sums = { sentBytes, receivedBytes, durationMs };
      this.#setting.recorder.connected({ agent: this.agent, target: formatTarget(target), via, ...sums });
    };
    const cutWith: Opened["cutWith"] = (cut) => {
      live.cut = cut;
    };
    return { socket, target, gate: gateFor(protocolFor(rules, target), target), cutWith, release };
  }

  #judge(decision: Decision, target: Target, via: Via): Refusal | null {
    if (decision.decision === "allow") return null;
    const explanation = explain(decision, formatTarget(target));
    if (isRefused(this.#rules.mode, decision)) return this.#refuse(explanation, via);
    this.#tell(explanation, via, false);
    return null;
  }

  #refuse(explanation: Explanation, via: Via): Refusal {
    this.#tell(explanation, via, true);
    return { kind: "denied", explanation };
  }

  #tell(explanation: Explanation, via: Via, refused: boolean): void {
    this.#counts.denied += 1;
    this.#setting.recorder.denied({ agent: this.agent, explanation, via, isRefused: refused });
  }

  #fail(target: Target, via: Via, error: LookupFailure | DialFailure): Refusal {
    this.#remember(target, error.code, via);
    const isTimeout = error.code === "dns-timeout" || error.code === "connect-timeout";
    return {
      kind: "failed",
      code: error.code,
      message: `${formatTarget(target)}: ${error.message}`,
      isTimeout,
    };
  }

  #remember(target: Target, code: string, via: Via): void {
    const text = formatTarget(target);
    this.#counts.failed += 1;
    this.#failures.delete(text);
    this.#failures.set(text, { target: text, code, at: new Date().toISOString() });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > maxFailures && oldest !== undefined) this.#failures.delete(oldest);
    this.#setting.upstreams.failed(this.agent, text, code);
    this.#setting.recorder.failed({ agent: this.agent, target: text, via, code });
  }

  #isOwn(address: string, port: number): boolean {
    const found = classOf(address);
    return (found === "loopback" || found === "unspecified") && this.#setting.ownPorts().has(port);
  }
}

function invalid(problem: string): Explanation {
  const message = `the target ${problem}`;
  return { decision: "deny", reason: "invalid-target", rule: null, target: null, message };
}

function added(sum: Pick<DoorStatus, "sentBytes" | "receivedBytes">, socket: Socket): typeof sum {
  const { bytesWritten, bytesRead } = socket;
  return { sentBytes: sum.sentBytes + bytesWritten, receivedBytes: sum.receivedBytes + bytesRead };
}
