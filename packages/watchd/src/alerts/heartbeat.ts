import { messageOf } from "@daruma/base";
import type { DeadMansSwitch } from "@daruma/config";
import type { LedgerRecord } from "../policy/events.ts";
import { redact, type Secrets, switchCredential, withoutSecrets } from "./secrets.ts";
import { judgeStatus, secretUrl } from "./sinks/sink.ts";
import type { Transport } from "./transport.ts";

export interface HeartbeatOptions {
  readonly setting: () => DeadMansSwitch | null;
  /** Whether this watchd does its work. */
  readonly isHealthy: () => boolean;
  readonly secrets: Secrets;
  readonly transport: Transport;
  readonly wallNow: () => number;
  readonly monoNow: () => number;
  readonly note: (record: LedgerRecord) => void;
}

export interface HeartbeatStatus {
  /** Unix ms of the last time that the monitor has answered; null for never, since this watchd began. */
  readonly lastBeatAt: number | null;
  /** Why the monitor is not reached or not asked; null if it is. */
  readonly why: string | null;
}

const withinMs = 10_000;

/**
 * A dead man's switch: asks for a URL of a monitor elsewhere as long as watchd does its work. Silence is the alarm: so a machine
 * that is off, and a watchd that hangs, are noticed by somebody who is neither.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #status: HeartbeatStatus = { lastBeatAt: null, why: null };
  /** Monotonic. */
  #triedAt: number | null = null;
  #busy = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  get status(): HeartbeatStatus {
    return this.#status;
  }

  /** Called often; asks when it is time. */
  async look(): Promise<void> {
    const setting = this.#options.setting();
    if (setting === null || this.#busy) return;
    const now = this.#options.monoNow();
    if (this.#triedAt !== null && now - this.#triedAt < setting.everyMs) return;
    if (!this.#options.isHealthy()) {
      this.#become("watchd does not get on with its work");
      return;
    }
    this.#busy = true;
    this.#triedAt = now;
    const why = await this.#beat(setting);
    this.#busy = false;
    this.#become(why);
  }

  async #beat({ credential, url: base }: DeadMansSwitch): Promise<string | null> {
    const { secrets, transport, wallNow } = this.#options;
    const found = await secrets.read(switchCredential, credential);
    if ("problem" in found) return found.problem;
    const url = secretUrl(found.secret, base);
    if (url === null) return `the credential ${credential} is no URL below ${base}`;
    try {
      const request = {
        method: "GET",
        url: url.href,
        headers: { "user-agent": "Daruma" },
        body: "",
      } as const;
      const answer = withoutSecrets(await transport.send(request, withinMs), [found.secret]);
      const outcome = judgeStatus(answer, wallNow());
      return outcome === null || outcome.kind === "sent" ? null : outcome.why;
    } catch (error) {
      return redact(messageOf(error), [found.secret]);
    }
  }

  /** Each change is one entry; a beat is none. */
  #become(why: string | null): void {
    const at = this.#options.wallNow();
    const before = this.#status.why;
    this.#status = { lastBeatAt: why === null ? at : this.#status.lastBeatAt, why };
    if ((before === null) === (why === null)) return;
    this.#options.note({
      action: "alert.heartbeat",
      subject: "heartbeat",
      at,
      severity: why === null ? "info" : "warning",
      details: { outcome: why === null ? "restored" : "failing", ...(why === null ? {} : { why }) },
    });
  }
}
