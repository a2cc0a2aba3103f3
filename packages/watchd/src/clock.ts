import { readFileSync } from "node:fs";
import { messageOf } from "@daruma/base";
import { watchdErrors } from "./catalogue.ts";
import type { Clock } from "./ports.ts";

const bootIdFile = "/proc/sys/kernel/random/boot_id";

/**
 * The machine's own clocks. `mono` is CLOCK_MONOTONIC (clock_gettime(2)): the same in every process of one boot, never
 * stepped, and it stands still while the machine is suspended.
 *
 * @throws WATCHD_E_PLATFORM where there is no /proc.
 */
export function createClock(): Clock {
  return {
    bootId: readBootId(),
    now: () => ({ mono: Number(process.hrtime.bigint()) / 1e6, wall: Date.now() }),
  };
}

/**
 * The kernel's random id of this boot (random(4)), a UUID.
 *
 * @throws WATCHD_E_PLATFORM where there is no /proc.
 */
export function readBootId(file = bootIdFile): string {
  try {
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    throw watchdErrors.make("WATCHD_E_PLATFORM", `cannot read the id of this boot: ${messageOf(cause)}`, {
      where: file,
      cause,
    });
  }
}
