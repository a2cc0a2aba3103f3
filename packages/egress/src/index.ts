export { type AddressClass, classOf } from "./address.ts";
export { egressErrors } from "./catalogue.ts";
export { type Decision, decide, decideAddresses, type Reason } from "./decide.ts";
export type { DoorStatus, UpstreamFailure } from "./door.ts";
export { type AgentDoorStatus, type EgressdStatus, startEgressd } from "./egressd.ts";
export { type ExplainedRule, type Explanation, explain, explainTarget } from "./explain.ts";
export type { Proof } from "./self-test/proofs.ts";
export { formatTarget, type ParsedTarget, parseTarget, type Target } from "./target.ts";
