# What option types cannot say of routines. Rules across options, and whether a schedule can be read, are checked when the host is
# built (checks.nix).
{
  routines,
  duration,
  check,
  isUnitPath,
  unitPathProblem,
  inStore,
  programAsserts,
  backoffAsserts,
}:
let
  inherit (builtins) attrNames concatLists toJSON;

  durationOrNull =
    at: value: least: most:
    if value == null then [ ] else [ (duration at value least most) ];

  routineAsserts =
    name:
    let
      routine = routines.${name};
      at = "routines.${toJSON name}";
    in
    programAsserts "routine" at name routine
    ++ backoffAsserts "${at}.backoff" routine.backoff
    ++ [
      (duration "${at}.catchUp" routine.catchUp "0ms" "366d")
      (duration "${at}.jitter" routine.jitter "0ms" "1d")
    ]
    ++ durationOrNull "${at}.deadline" routine.deadline "1s" "366d"
    ++ durationOrNull "${at}.timeout" routine.timeout "1s" "366d"
    ++ map (file: check "${at}.on.files" (isUnitPath file) unitPathProblem) routine.on.files
    ++ (
      if routine.webhook == null then
        [ ]
      else
        map (
          secret: check "${at}.webhook.secrets" (isUnitPath secret && !inStore secret) unitPathProblem
        ) routine.webhook.secrets
    );
in
concatLists (map routineAsserts (attrNames routines))
