import { userInfo } from "node:os";
import type { Context } from "../cli/command.ts";

/** Whoever is at the keyboard, as far as the system knows: for people to ask, no proof of anything. */
export function person({ environment }: Context): string {
  const behind = environment.SUDO_USER ?? "";
  if (behind !== "") return behind;
  try {
    return userInfo().username;
  } catch {
    return `uid ${process.getuid?.() ?? "?"}`;
  }
}
