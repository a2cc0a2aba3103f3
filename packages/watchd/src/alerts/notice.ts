import type { AlertSeverity } from "@daruma/config";

/** What a person is told: that something is wrong, that it is over, or that something has happened. */
export interface Notice {
  /**
   * Names the condition, `HOST/agent/NAME` and the like: what is told of it twice is one alert to a service that keeps alerts, and
   * its end closes that alert.
   */
  readonly key: string;
  readonly state: "open" | "over" | "event";
  readonly severity: AlertSeverity;
  /** One line. */
  readonly title: string;
  /** A line each. */
  readonly details: readonly string[];
  readonly about: { readonly kind: "agent" | "routine" | "host"; readonly name: string };
  readonly incident: string | null;
  /** Unix time in milliseconds. */
  readonly at: number;
  /** How often it has come about since it was told last. */
  readonly times: number;
}

/** One message for one sink. */
export interface Message {
  /** The same however often it is sent: a receiver can know it again. */
  readonly id: string;
  /** Messages of one sink go out in this order. */
  readonly n: number;
  readonly sink: string;
  readonly notice: Notice;
  /** What a digest is about, without details; empty otherwise, and once it is sent. */
  readonly members: readonly Notice[];
  /** How many it is about, with those that are not listed. */
  readonly count: number;
  /** How many of those were counted only. Missing for none, and in what an older release has written. */
  readonly unlisted?: number;
  readonly createdAt: number;
  readonly attempts: number;
  readonly status: "waiting" | "sent" | "failed";
  readonly finishedAt: number | null;
  /** Of the last attempt: why it did not come through. Holds no secret. */
  readonly why: string | null;
  /** The name that the service has given it. */
  readonly providerId: string | null;
  /** The sink in whose place it is sent. */
  readonly insteadOf: string | null;
  /** Whether the fallback of its sink has been told. */
  readonly fellBack: boolean;
  readonly isTest: boolean;
}

/** How an attempt to deliver a message has ended. */
export type Outcome =
  | { readonly kind: "sent"; readonly providerId: string | null }
  /** The service has it, and says that this message will never do. */
  | { readonly kind: "refused"; readonly why: string }
  /** The service will take none as the sink is set up: a wrong or missing secret, a channel that is gone. */
  | { readonly kind: "denied"; readonly why: string }
  /** It may be taken later; possibly it has been taken already. */
  | { readonly kind: "later"; readonly why: string; readonly retryAfterMs: number | null };
