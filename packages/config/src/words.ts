/** The Nix systems that Daruma is made for. */
export const systems = ["x86_64-linux", "aarch64-linux"] as const;
export type System = (typeof systems)[number];

/** Which ends of an agent lead to a restart. */
export const restartConditions = ["always", "on-failure", "never"] as const;

/** The ways in which an agent may tell that it is alive. */
export const heartbeatPaths = ["notify", "http"] as const;
