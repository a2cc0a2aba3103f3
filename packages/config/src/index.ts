export { alertsEgress, alertsSocketName, sinkAuthority } from "./alerts/egress.ts";
export {
  type AgentAlertLevel,
  type AgentAlerts,
  type AlertSeverity,
  type AlertsManifest,
  agentAlertLevels,
  alertSeverities,
  type DeadMansSwitch,
  type DigestPolicy,
  type QuietHours,
  type RoutineAlertEvent,
  type RoutineAlerts,
  type SinkKind,
  type SinkManifest,
  sinkKinds,
  sinkUrl,
} from "./alerts/manifest.ts";
export { isLoopback } from "./alerts/words.ts";
export { configErrors } from "./catalogue.ts";
export { configDeclarations } from "./declarations.ts";
export { type Decoded, decodeFleet, parseFleet } from "./decode.ts";
export { addressBits, parseCidr } from "./egress/entry.ts";
export { type Authority, type Host as EgressHost, parseHost, splitAuthority } from "./egress/host.ts";
export { hostProxyPorts, proxyPorts } from "./egress/ports.ts";
export {
  type AgentEgress,
  agentEgress,
  type EgressLimits,
  type EgressManifest,
  type EgressMode,
  type EgressProtocol,
  type EgressRule,
  egressModes,
  egressSubjects,
  formatRule,
  type HostEgress,
  type HostRule,
  isNetwork,
  type NetworkRule,
  type RuleScope,
  routineSubject,
  type ScopedRule,
  unrestricted,
} from "./egress/rule.ts";
export {
  type AgentInput,
  type AgentSpec,
  defineFleet,
  type Fleet,
  type FleetInput,
  type Host,
  type HostInput,
  type RoutineInput,
  type RoutineSpec,
} from "./fleet.ts";
export { checkHostManifest, checkHostSettings } from "./host-settings.ts";
export { type HostSpec, hostSpec, hostSpecs } from "./host-spec.ts";
export type { JsonSchema } from "./json-schema.ts";
export {
  type AgentManifest,
  type BackoffPolicy,
  type BodyPolicy,
  type CountBounds,
  type CountName,
  countNames,
  type DriftPolicy,
  type Escalation,
  type ExitMeaning,
  type Expectations,
  escalations,
  type FallbackManifest,
  type HealthPolicy,
  type HeartbeatPolicy,
  type HostManifest,
  type JsonScalar,
  type LeakPolicy,
  type MissedRun,
  type OverlapKind,
  type ProgressPolicy,
  type ResourcePolicy,
  type RestartPolicy,
  type RoutineEvents,
  type RoutineManifest,
  type StopPolicy,
  type StopSignal,
  stopSignals,
  type WatchdogPolicy,
  type WebhookScheme,
  type WebhookTrigger,
  webhookSchemes,
} from "./manifest.ts";
export { type KeptManifest, parseManifestPieces } from "./manifest-pieces.ts";
export {
  type Duration,
  formatDuration,
  formatSize,
  type Parsed,
  parseDuration,
  parseSize,
  type Size,
} from "./measures.ts";
export type { HostMetrics } from "./metrics-schema.ts";
export { maxAgentNameLength, reservedVariables } from "./names.ts";
export { isGroup, type LeafType, type OptionField, type OptionType } from "./option-type.ts";
export { anyName, describeOptions, fleetType, hostFields, type OptionRow } from "./options.ts";
export { optionsReference } from "./options-reference.ts";
export { parseManifest } from "./parse-manifest.ts";
export { formatPath } from "./paths.ts";
export { nixpkg, type PackageReference, type SourceReference, source, type Word } from "./references.ts";
export { AgentSchema, FleetSchema, HostSchema } from "./schema.ts";
export { jsonSchemas } from "./schemas.ts";
export { restartConditions, type System, systems } from "./words.ts";
