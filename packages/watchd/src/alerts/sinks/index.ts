import type { SinkKind } from "@daruma/config";
import { discord } from "./discord.ts";
import { opsgenie } from "./opsgenie.ts";
import { pagerduty } from "./pagerduty.ts";
import type { HttpSink } from "./sink.ts";
import { slack } from "./slack.ts";
import { telegram } from "./telegram.ts";
import { webhook } from "./webhook.ts";
import { whatsapp } from "./whatsapp.ts";

/** All but e-mail are spoken to over HTTP. */
export const httpSinks: Readonly<Record<Exclude<SinkKind, "email">, HttpSink>> = {
  webhook,
  slack,
  discord,
  telegram,
  pagerduty,
  opsgenie,
  whatsapp,
};
