import { type Markers, markerVariables } from "./markers.ts";

/** All that an agent gets of our own environment; the rest (tokens, a session bus) is none of its business. */
const passedOn = ["PATH", "HOME", "LANG", "TZ"] as const;

export interface EnvironmentInput {
  readonly own: Readonly<Record<string, string | undefined>>;
  readonly declared: Readonly<Record<string, string>>;
  readonly markers: Markers;
  readonly stateDirectory: string;
  readonly checkpointDirectory: string;
  /** Through which the agent speaks to watchd. */
  readonly socket: string;
  readonly credentialsDirectory: string | null;
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
    ...input.declared,
    DARUMA_STATE_DIR: input.stateDirectory,
    DARUMA_CHECKPOINT_DIR: input.checkpointDirectory,
    DARUMA_SOCKET: input.socket,
    ...(input.credentialsDirectory === null ? {} : { CREDENTIALS_DIRECTORY: input.credentialsDirectory }),
    ...markerVariables(input.markers),
  };
}
