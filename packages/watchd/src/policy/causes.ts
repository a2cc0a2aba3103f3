/** Kinds of failures. `start-failed` is one before there was a run; what each rests on, docs/concepts/recovery.md tells. */
export type FailureCause =
  | "crash"
  | "hang"
  | "unhealthy"
  | "leak"
  | "resource"
  | "start-failed"
  | "dependency"
  | "configuration"
  | "killed-by-operator";

/** What a person may have to be told of an agent; once for each incident. */
export type AlertKind = "outside" | "held" | "failed" | "stuck" | "resource" | "restarts";
