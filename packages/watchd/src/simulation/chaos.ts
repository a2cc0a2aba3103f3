import {
  aClosureIsDamaged,
  aKnownGoodLinkIsLost,
  somethingOutsideIsDown,
  switchesFail,
  theDiskTakesNothing,
  theLedgerTakesNothing,
  thePowerFails,
  theWallClockJumps,
  watchdIsKilled,
  watchdIsKilledInMidAction,
  watchdStalls,
} from "./mischief/host.ts";
import {
  aPersonAllows,
  aPersonRollsBack,
  aPersonStarts,
  aPersonStops,
  aRunIsStoppedBehindOurBack,
  aStrangerAppears,
  deployAgain,
  deployBroken,
  deployGood,
} from "./mischief/people.ts";
import {
  aProcessAsksForItsRestart,
  aProcessCrashes,
  aProcessExits,
  aProcessFallsSilent,
  aProcessFalters,
  aProcessGetsStuck,
  aProcessGrows,
  aProcessHangs,
  aProcessHoardsFiles,
  aProcessIgnoresItsStop,
  aProcessIsIdle,
  aProcessLeaks,
} from "./mischief/processes.ts";
import type { Watchd } from "./watchd.ts";
import type { World } from "./world.ts";

type Mischief = (world: World, watchd: Watchd) => void;

/** What may go wrong, and what people may do at the worst moment; the weight says how often. */
const mischief: readonly (readonly [number, Mischief])[] = [
  [6, aProcessCrashes],
  [3, aProcessHangs],
  [2, aProcessFalters],
  [2, aProcessFallsSilent],
  [2, aProcessExits],
  [1, aProcessAsksForItsRestart],
  [1, aProcessGrows],
  [1.5, aProcessLeaks],
  [2.5, aProcessHoardsFiles],
  [1, aProcessGetsStuck],
  [1, aProcessIsIdle],
  [1, aProcessIgnoresItsStop],
  [2, somethingOutsideIsDown],
  [1, theLedgerTakesNothing],
  [1, theDiskTakesNothing],
  [3, deployGood],
  [4, deployBroken],
  [1, deployAgain],
  [1, aPersonRollsBack],
  [1, aPersonAllows],
  [1, aPersonStops],
  [1, aPersonStarts],
  [0.7, aRunIsStoppedBehindOurBack],
  [2, watchdIsKilled],
  [2, watchdIsKilledInMidAction],
  [1, watchdStalls],
  [0.7, thePowerFails],
  [1, aClosureIsDamaged],
  [0.3, aKnownGoodLinkIsLost],
  [2, switchesFail],
  [1, theWallClockJumps],
  [0.5, aStrangerAppears],
];

export function wreakHavoc(world: World, watchd: Watchd): void {
  world.random.weighted(mischief)(world, watchd);
}
