import { messageOf } from "@daruma/base";
import { type SinkManifest, sinkUrl } from "@daruma/config";
import type { Outcome } from "./notice.ts";
import { redact, type Secrets, sinkCredential, withoutSecrets } from "./secrets.ts";
import { sendMail } from "./sinks/email.ts";
import { httpSinks } from "./sinks/index.ts";
import type { SendCommand, Setting } from "./state.ts";
import { type Transport, TransportFailure } from "./transport.ts";

export interface SenderOptions {
  readonly setting: () => Setting;
  readonly secrets: Secrets;
  readonly transport: Transport;
  readonly wallNow: () => number;
  /** For one attempt as a whole. Default 15,000. */
  readonly withinMs?: number;
}

/** Makes one attempt to deliver a message. Never rejects: whatever goes wrong is the outcome, and holds no secret. */
export function createSender(options: SenderOptions): (command: SendCommand) => Promise<Outcome> {
  return async ({ sink, message }) => {
    const { host, alerts } = options.setting();
    const config = alerts?.sinks[sink];
    if (config === undefined)
      return { kind: "later", why: "the sink is not declared any more", retryAfterMs: null };
    const found = await secretOf(options.secrets, sink, config);
    if ("problem" in found) return { kind: "denied", why: found.problem };
    try {
      const outcome = await attempt(options, { sink, message }, host, config, found.secret);
      return safe(outcome, found.secret);
    } catch (error) {
      const why = error instanceof TransportFailure ? error.message : `${messageOf(error)}`;
      return safe({ kind: "later", why, retryAfterMs: null }, found.secret);
    }
  };
}

async function attempt(
  options: SenderOptions,
  { message }: SendCommand,
  host: string,
  config: SinkManifest,
  secret: string | null,
): Promise<Outcome> {
  const { transport, wallNow, withinMs = 15_000 } = options;
  if (config.kind === "email") {
    const connection = await transport.connect(sinkUrl(config), AbortSignal.timeout(withinMs));
    return sendMail(message, { host, config, password: secret, connection, withinMs });
  }
  const sink = httpSinks[config.kind];
  const request = sink.request(message, { host, config, secret: secret ?? "", now: wallNow() });
  if ("problem" in request) return { kind: "denied", why: request.problem };
  const answer = await transport.send(request, withinMs);
  return sink.judge(secret === null ? answer : withoutSecrets(answer, [secret]), wallNow());
}

async function secretOf(
  secrets: Secrets,
  name: string,
  { credential }: SinkManifest,
): Promise<{ readonly secret: string | null } | { readonly problem: string }> {
  return credential === null ? { secret: null } : secrets.read(sinkCredential(name), credential);
}

function safe(outcome: Outcome, secret: string | null): Outcome {
  if (secret === null) return outcome;
  if (outcome.kind !== "sent") return { ...outcome, why: redact(outcome.why, [secret]) };
  return outcome.providerId === null
    ? outcome
    : { ...outcome, providerId: redact(outcome.providerId, [secret]) };
}
