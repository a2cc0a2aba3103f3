import { everyActionIsRecorded, noAgentIsGivenUpSilently, noRunIsBlamedWithoutCause } from "./books.ts";
import { nobodyIsForgotten, timersAreNeverForgotten } from "./coherence.ts";
import { neverTwoCopies, noStartWhileARunIsAlive, whatAPersonStoppedStaysStopped } from "./copies.ts";
import type { Invariant } from "./invariant.ts";
import { ownRestartsAreFew, preemptionsAreNeverAStorm, preemptionsAreRareAndTimely } from "./preemptions.ts";
import { completionIsEarned, nothingIsProvenWithoutTheLedger, promotionIsEarned } from "./promotion.ts";
import { restartsAreNeverAStorm, restartsAreNeverTooFast } from "./restarts.ts";
import {
  failureBeganAfterTheSwitch,
  oneRollbackPerIncident,
  rollbackBudgetIsKept,
  rollbackChangesSomething,
  rollbackHasACause,
  rollbackTargetIsGood,
} from "./rollbacks.ts";
import {
  earlierSettingsAreVerified,
  earlierSettingsMeetWhatTheyKnow,
  oneAgentRollbackPerGeneration,
  standInsAreNoProof,
  standInsHaveACause,
  startsAreWithWhatIsInForce,
} from "./stand-ins.ts";
import { falteringIsNoProof, whoFlapsIsFound } from "./steadiness.ts";

/** By name, in the order in which they are judged. */
const byName: Readonly<Record<string, Invariant>> = {
  noRunIsBlamedWithoutCause,
  oneRollbackPerIncident,
  rollbackBudgetIsKept,
  rollbackTargetIsGood,
  rollbackChangesSomething,
  rollbackHasACause,
  failureBeganAfterTheSwitch,
  oneAgentRollbackPerGeneration,
  earlierSettingsAreVerified,
  earlierSettingsMeetWhatTheyKnow,
  standInsHaveACause,
  standInsAreNoProof,
  startsAreWithWhatIsInForce,
  restartsAreNeverTooFast,
  restartsAreNeverAStorm,
  preemptionsAreRareAndTimely,
  preemptionsAreNeverAStorm,
  ownRestartsAreFew,
  noStartWhileARunIsAlive,
  neverTwoCopies,
  whatAPersonStoppedStaysStopped,
  everyActionIsRecorded,
  noAgentIsGivenUpSilently,
  promotionIsEarned,
  falteringIsNoProof,
  whoFlapsIsFound,
  nothingIsProvenWithoutTheLedger,
  completionIsEarned,
  timersAreNeverForgotten,
  nobodyIsForgotten,
};

export const invariants = Object.entries(byName).map(([name, holds]) => ({ name, holds }));
