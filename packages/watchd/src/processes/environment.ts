import { type Markers, markerVariables } from "./markers.ts";

/** All that an agent gets of our own environment; the rest (tokens, a session bus) is none of its business. */
const passedOn = ["PATH", "HOME", "LANG", "TZ"] as const;

export interface EnvironmentInput {
  readonly own: Readonly<Record<string, string | undefined>>;
  readonly declared: Readonly<Record<string, string>>;
  readonly markers: Markers;
  readonly stateDirectory: string;
  readonly checkpointDirectory: string;
  /** Through which the agent speaks to watchd; a run of a routine has none. */
  readonly socket: string | null;
  readonly credentialsDirectory: string | null;
  /** The port of 127.0.0.1 on which egressd serves the agent; null for one that is not confined. */
  readonly proxyPort: number | null;
}

/**
 * How programs are told of a proxy. Lower case, because curl reads http_proxy in no other; NODE_USE_ENV_PROXY, because Node's
 * own fetch looks at none of the others without it.
 */
function proxyVariables(port: number | null): Record<string, string> {
  if (port === null) return {};
  const proxy = `http://127.0.0.1:${port}`;
  // Nothing here is enforced, and what runs on this machine is what a developer is working on.
  const direct = "localhost,127.0.0.1,::1";
  return {
    HTTP_PROXY: proxy,
    http_proxy: proxy,
    HTTPS_PROXY: proxy,
    https_proxy: proxy,
    ALL_PROXY: proxy,
    all_proxy: proxy,
    NO_PROXY: direct,
    no_proxy: direct,
    NODE_USE_ENV_PROXY: "1",
  };
}

/** What was declared wins over what is passed on, and Daruma's own variables over both. */
export function agentEnvironment(input: EnvironmentInput): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const name of passedOn) {
    const value = input.own[name];
    if (value !== undefined) environment[name] = value;
  }
  return {
    ...environment,
    ...proxyVariables(input.proxyPort),
    ...input.declared,
    DARUMA_STATE_DIR: input.stateDirectory,
    DARUMA_CHECKPOINT_DIR: input.checkpointDirectory,
    ...(input.socket === null ? {} : { DARUMA_SOCKET: input.socket }),
    ...(input.credentialsDirectory === null ? {} : { CREDENTIALS_DIRECTORY: input.credentialsDirectory }),
    ...markerVariables(input.markers),
  };
}
