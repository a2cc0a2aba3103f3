/** Where agents' units have their control groups on a host (systemd.special(7)); modules/units/metrics.nix has the same. */
export const hostCgroup = "/sys/fs/cgroup/system.slice";

/** What must not become full: the system, its store, and what Daruma keeps. */
export const hostDisks: readonly string[] = ["/", "/nix", "/var/lib/daruma"];
