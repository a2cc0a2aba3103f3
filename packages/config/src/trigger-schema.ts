import { Schema } from "effect";
import { absolutePath, choice, nonEmptyList, secretFile, size, text } from "./codecs.ts";
import { defaultWebhookListen, webhookSchemes } from "./manifest.ts";
import { defaulted, optional, required } from "./option.ts";

/* What fires a routine beside its schedule. Names are held against the host in lints.ts. */

const name = text("a name", (value) => (value === "" ? "must not be empty" : undefined), { pattern: ".+" });

const actionPattern = "[a-z][a-z.-]*[*]?";
const actionForm = new RegExp(`^${actionPattern}$`);
const action = text(
  "an action of the ledger",
  (value) =>
    actionForm.test(value)
      ? undefined
      : 'must be an action such as "generation.rolled-back", or the beginning of some: "generation.*"',
  { pattern: actionPattern },
);

const EntrySchema = Schema.Struct({
  action: required(action, {
    description: "Action of the entry, or the beginning of some: `generation.*`.",
    example: "generation.rolled-back",
  }),
  subject: optional(name, {
    description: "What the entry is about. Without it: anything.",
    example: "enricher",
  }),
}).annotate({ expected: "an object with the key action" });

export const EventsSchema = Schema.Struct({
  failed: defaulted(Schema.Array(name).annotate({ expected: "a list of routines" }), {
    description: "Routines of the host after whose failure it also runs.",
    default: [],
    example: ["extract"],
  }),
  recovered: defaulted(Schema.Array(name).annotate({ expected: "a list of agents" }), {
    description: "Agents of the host after whose recovery it also runs.",
    default: [],
    example: ["enricher"],
  }),
  ledger: defaulted(Schema.Array(EntrySchema).annotate({ expected: "a list of {action, subject}" }), {
    description:
      "Entries of the ledger after which it also runs: by their action (docs/reference/ledger-actions.md) and what they are about.",
    default: [],
    example: [{ action: "generation.rolled-back" }],
  }),
  files: defaulted(Schema.Array(absolutePath).annotate({ expected: "a list of absolute paths" }), {
    description: "Files and directories: when something in them appears or changes, it also runs.",
    default: [],
    example: ["/srv/inbox"],
  }),
}).annotate({ expected: "an object" });

const listenPattern = "([0-9]{1,3}([.][0-9]{1,3}){3}|[[][0-9a-fA-F:]+]):[0-9]{1,5}";
const listenForm = new RegExp(`^${listenPattern}$`);
const listen = text(
  "an address",
  (value) => {
    const port = listenForm.test(value) ? Number(value.slice(value.lastIndexOf(":") + 1)) : 0;
    return port >= 1 && port <= 65535
      ? undefined
      : 'must be an IP address and a port, such as "127.0.0.1:8788"';
  },
  { pattern: listenPattern },
);

const pathPattern = "/[A-Za-z0-9/_.-]{1,200}";
const pathForm = new RegExp(`^${pathPattern}$`);
const path = text(
  "a path",
  (value) => (pathForm.test(value) ? undefined : 'must be a path such as "/hooks/orders"'),
  { pattern: pathPattern },
);

export const WebhookSchema = Schema.Struct({
  path: required(path, { description: "Where it is posted to.", example: "/hooks/orders" }),
  scheme: required(choice(webhookSchemes), {
    description: "How the sender proves itself (docs/concepts/webhooks.md).",
    example: "standard",
  }),
  secrets: required(nonEmptyList(secretFile, "a list of absolute paths"), {
    description: "Files with a secret each, read at each delivery; any of them proves it.",
    example: ["/run/secrets/orders-webhook"],
  }),
  listen: defaulted(listen, {
    description: "Address on which it is listened. Routines may share one, with paths of their own.",
    default: defaultWebhookListen,
  }),
  body: defaulted(size("1B", "25MiB"), {
    description: "Longer bodies are refused.",
    default: "1MiB",
  }),
}).annotate({ expected: "an object with the keys path, scheme and secrets" });

export const triggerFields = {
  on: defaulted(EventsSchema, { description: "Events that it also runs after.", default: {} }),
  webhook: optional(WebhookSchema, {
    description: "An HTTP POST that it also runs after, with the body as its input. Without it: none.",
    example: { path: "/hooks/orders", scheme: "standard", secrets: ["/run/secrets/orders-webhook"] },
  }),
};
