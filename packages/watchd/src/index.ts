export { agentSocketPath } from "./agent-api/place.ts";
export { watchdErrors } from "./catalogue.ts";
export type { AgentFacts, Facts, RoutineFacts } from "./facts/facts.ts";
export { type Build, type BuildRequest, buildGeneration } from "./generations/build.ts";
export {
  createDirectoryGenerations,
  type Deployed,
  type DirectoryGenerations,
} from "./generations/directory.ts";
export { createProgramResolver, type ResolveProgram } from "./generations/programs.ts";
export type { GenerationInfo, KnownGood } from "./ports.ts";
export { type AgentLog, type LogPart, type LogRun, readAgentLog } from "./processes/log-files.ts";
export { createProcessManager, type ProcessManagerOptions } from "./processes/manager.ts";
export { type DropIn, dropInName, dropInOf, readDropIn } from "./systemd/drop-in.ts";
