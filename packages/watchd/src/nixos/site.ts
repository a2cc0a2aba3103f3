/** Where things are on a NixOS host. Only tests have them elsewhere. */
export interface Site {
  /** Link to the system generation that boots next; its generations are `PROFILE-N-link` beside it. */
  readonly profile: string;
  /** Directory of the links that keep known-good generations from the garbage collector. */
  readonly gcroots: string;
  /** Link to the system that runs. Activation makes it, at its end. */
  readonly currentSystem: string;
  readonly store: string;
  /** watchd's own state directory. */
  readonly state: string;
  /** The rollback program (rollback.sh). */
  readonly rollback: string;
  /** Held by switch-to-configuration while it works, whoever started it. */
  readonly switchLock: string;
  /** proc(5): all file locks of the machine. */
  readonly locks: string;
  /** The manifest, relative to a generation. */
  readonly hostFile: string;
}

export const nixosSite: Site = {
  profile: "/nix/var/nix/profiles/system",
  gcroots: "/nix/var/nix/gcroots/daruma",
  currentSystem: "/run/current-system",
  store: "/nix/store",
  state: "/var/lib/daruma/watchd",
  rollback: "/etc/daruma/bin/rollback",
  switchLock: "/run/nixos/switch-to-configuration.lock",
  locks: "/proc/locks",
  hostFile: "etc/daruma/host.json",
};

/** nixpkgs' `store-path` names, and no `.` or `..`. The shell programs take nothing else. */
const storeName = /^[0-9A-Za-z+_?=-][0-9A-Za-z+._?=-]*$/;

/** Whether `path` is a path directly in the store, written as Nix writes it. */
export function isStorePath(site: Pick<Site, "store">, path: string): boolean {
  const prefix = `${site.store}/`;
  return path.startsWith(prefix) && storeName.test(path.slice(prefix.length));
}
