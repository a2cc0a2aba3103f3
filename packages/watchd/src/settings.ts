import type { AgentManifest } from "@daruma/config";

/** The agent with its fallback settings; undefined where it has none. */
export function withFallback(declared: AgentManifest): AgentManifest | undefined {
  const { fallback, ...rest } = declared;
  if (fallback === undefined) return undefined;
  const { digest, command, environment } = fallback;
  return { ...rest, digest, command, environment: { ...declared.environment, ...environment } };
}
