import type { Refusal } from "./door.ts";
import { remedyFor } from "./explain.ts";

/** What a client is told, in HTTP. Short: agents put it in front of a model. */
export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** The answer to a request that is refused: what, by which rule, and what to ask the operator for. */
export function answerOf(refusal: Refusal): Answer {
  switch (refusal.kind) {
    case "denied": {
      const { reason, rule, target, message } = refusal.explanation;
      const status = reason === "invalid-target" ? 400 : 403;
      const hint = `${remedyFor(refusal.explanation)} Other ways out are closed as well.`;
      return answer(status, { error: "egress-denied", reason, target, rule, message, hint });
    }
    case "busy":
      return answer(503, {
        error: "egress-busy",
        message: refusal.message,
        hint: "Close connections, or wait.",
      });
    case "failed": {
      const { code, message } = refusal;
      const hint = "The target is allowed; it, its name server or the network is down.";
      return answer(refusal.isTimeout ? 504 : 502, { error: "egress-upstream", reason: code, message, hint });
    }
  }
}

/** The same for a tunnel that was asked for with CONNECT, as bytes: such a client speaks HTTP only up to the answer. */
export function rawAnswer({ status, body }: Answer): string {
  return [
    `HTTP/1.1 ${status} ${reasonPhrases[status] ?? "Refused"}`,
    "Content-Type: application/json",
    `Content-Length: ${Buffer.byteLength(body)}`,
    "Connection: close",
    "",
    body,
  ].join("\r\n");
}

const reasonPhrases: Readonly<Record<number, string>> = {
  400: "Bad Request",
  403: "Forbidden",
  408: "Request Timeout",
  431: "Request Header Fields Too Large",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
};

export function answer(status: number, document: object): Answer {
  return { status, body: `${JSON.stringify({ schemaVersion: 1, ...document })}\n` };
}
