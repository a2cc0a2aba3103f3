import type { Socket } from "node:net";
import { hostname } from "node:os";
import { messageOf } from "@daruma/base";
import { isLoopback, type SinkManifest, sinkAuthority, sinkUrl } from "@daruma/config";
import type { Message, Outcome } from "../notice.ts";
import { loginSecrets, redact } from "../secrets.ts";
import { body, cut, cutBytes, headline } from "./text.ts";

/* E-mail (RFC 5322) over SMTP (RFC 5321), with TLS from the start or by STARTTLS (RFC 8314, RFC 3207). */

export interface Mail {
  readonly from: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  readonly messageId: string;
  readonly date: Date;
  readonly headers: Readonly<Record<string, string>>;
}

/** RFC 5322 2.1.1 advises 78 characters a line; longer subjects are folded, and cut by what shows them. */
const mostSubjectBytes = 200;

/** Pure. What is said of one condition is one thread: its end answers its beginning. */
export function mailOf(message: Message, host: string, { from, to }: SinkManifest): Mail {
  const sender = from ?? "";
  const domain = sender.slice(sender.indexOf("@") + 1);
  const heading = headline(message, host);
  const lines = body(message);
  const all = lines.slice(0, 2_000);
  const more =
    lines.length > all.length ? [`… and ${lines.length - all.length} more: agentctl alert list`] : [];
  const thread = `<${encodeURIComponent(message.notice.key)}.thread@${domain}>`;
  return {
    from: sender,
    to,
    subject: cutBytes(heading, mostSubjectBytes),
    text: [heading, "", ...all.map((line) => cut(line, 900)), ...more, "", `message ${message.id}`, ""].join(
      "\n",
    ),
    messageId: `<${message.id}@${domain}>`,
    date: new Date(message.createdAt),
    headers: {
      // RFC 3834: nobody's holiday notice answers it.
      "Auto-Submitted": "auto-generated",
      References: thread,
      ...(message.notice.severity === "critical" && message.notice.state !== "over"
        ? { Importance: "high" }
        : {}),
    },
  };
}

/** How the server is spoken to. Nothing but a server on this machine is told anything before TLS. */
export function smtpOptions(config: SinkManifest, password: string | null) {
  const url = sinkUrl(config);
  const { host, port } = sinkAuthority(url);
  const secure = url.startsWith("smtps:");
  const local = isLoopback(new URL(url).hostname);
  return {
    host,
    port,
    secure,
    requireTLS: !secure && !local,
    ignoreTLS: !secure && local,
    name: hostname(),
    ...(config.user === null || password === null ? {} : { auth: { user: config.user, pass: password } }),
    // What a message is made of is given here: nothing is to be read from files or fetched.
    disableFileAccess: true,
    disableUrlAccess: true,
  };
}

/** Sends it, on a connection that was made already. Resolves with how that has ended, within `withinMs`. */
export async function sendMail(
  message: Message,
  setting: {
    readonly host: string;
    readonly config: SinkManifest;
    readonly password: string | null;
    readonly connection: Socket;
    readonly withinMs: number;
  },
): Promise<Outcome> {
  const { config, connection, withinMs } = setting;
  const secrets = loginSecrets(config.user, setting.password);
  // Some MiB, for those alone who send mail.
  const { createTransport } = await import("nodemailer");
  const transport = createTransport({
    ...smtpOptions(config, setting.password),
    connectionTimeout: withinMs,
    greetingTimeout: withinMs,
    socketTimeout: withinMs,
    getSocket: (_options: unknown, callback: (error: Error | null, socket: object) => void) =>
      callback(null, { connection }),
  });
  const { headers, to, ...mail } = mailOf(message, setting.host, config);
  const timer = setTimeout(() => connection.destroy(new Error(`no end within ${withinMs} ms`)), withinMs);
  try {
    const sent = await transport.sendMail({ ...mail, to: [...to], headers: { ...headers } });
    const refused = sent.rejected;
    const said = cut(redact(sent.response, secrets), 150);
    return {
      kind: "sent",
      providerId: refused.length === 0 ? said : `${said}; refused: ${refused.join(", ")}`,
    };
  } catch (error) {
    return judgeFailure(error, secrets);
  } finally {
    clearTimeout(timer);
    transport.close();
    connection.destroy();
  }
}

/**
 * RFC 5321 4.2.1: what begins with 4 may go another time, what begins with 5 will not. Of those, what is about the session and the
 * people (login, TLS, sender, every recipient) is how the sink is set up; only the refusal of the content is the message's.
 */
function judgeFailure(error: unknown, secrets: readonly string[]): Outcome {
  const fields = typeof error === "object" && error !== null ? error : {};
  const [status, code, command] = ["responseCode", "code", "command"].map((key) => Reflect.get(fields, key));
  const why = cut(redact(messageOf(error), secrets).replace(/\s+/g, " "), 200);
  if (code === "EAUTH" || code === "ETLS" || code === "ENOAUTH") {
    const passing = typeof status === "number" && status >= 400 && status < 500;
    return passing ? { kind: "later", why, retryAfterMs: null } : { kind: "denied", why };
  }
  if (typeof status !== "number" || status < 500) return { kind: "later", why, retryAfterMs: null };
  return command === "DATA" ? { kind: "refused", why } : { kind: "denied", why };
}
