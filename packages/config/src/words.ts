/** The Nix systems that Daruma is made for. */
export const systems = ["x86_64-linux", "aarch64-linux"] as const;
export type System = (typeof systems)[number];

/** Which ends of an agent lead to a restart. */
export const restartConditions = ["always", "on-failure", "never"] as const;

/** The ways in which an agent may tell that it is alive. */
export const heartbeatPaths = ["notify", "http"] as const;

/** How the delay between restarts grows. */
export const backoffKinds = ["immediate", "fixed", "linear", "exponential"] as const;

/** What an end of an agent may mean. */
export const exitMeanings = ["success", "failure", "temporary", "configuration"] as const;

/** What is done about drift. */
export const driftPolicies = ["report", "correct"] as const;

/** Signals that can end a process (signal(7)). */
export const endingSignals = [
  "SIGHUP",
  "SIGINT",
  "SIGQUIT",
  "SIGILL",
  "SIGTRAP",
  "SIGABRT",
  "SIGBUS",
  "SIGFPE",
  "SIGKILL",
  "SIGUSR1",
  "SIGSEGV",
  "SIGUSR2",
  "SIGPIPE",
  "SIGALRM",
  "SIGTERM",
  "SIGXCPU",
  "SIGXFSZ",
  "SIGVTALRM",
  "SIGPROF",
  "SIGIO",
  "SIGPWR",
  "SIGSYS",
] as const;
