# What option types cannot say of routines. Whether a schedule can be read, watchd alone knows: it says so, and does not run by it.
{
  agents,
  routines,
  check,
  duration,
  within,
  isUnitPath,
  unitPathProblem,
  inStore,
  programAsserts,
  backoffAsserts,
}:
let
  inherit (builtins)
    all
    attrNames
    concatLists
    filter
    fromJSON
    length
    match
    toJSON
    ;
  inherit (import ./units/measures.nix) bytes;
  names = attrNames routines;

  durationOrNull =
    at: value: least: most:
    if value == null then [ ] else [ (duration at value least most) ];

  known =
    at: noun: set: wanted:
    map (name: check at (set ? ${name}) "there is no ${noun} ${toJSON name} on this host") wanted;

  # An action of the ledger, or the beginning of some.
  isAction = action: match "[a-z][a-z.-]*[*]?" action != null;

  # By its own end, or by an entry about itself.
  firesItself =
    name: entry:
    let
      own = (entry.subject or null) == null || entry.subject == name;
      prefix = match "(.*)[*]" (entry.action or "");
      isPrefix = prefix != null && match "(r(o(u(t(i(n(e([.].*)?)?)?)?)?)?)?)?" (builtins.head prefix) != null;
    in
    own && (match "routine[.].*" (entry.action or "") != null || isPrefix);

  isAddress =
    address:
    let
      parts = match "([0-9]{1,3}([.][0-9]{1,3}){3}|[[][0-9a-fA-F:]+[]]):([1-9][0-9]{0,4})" address;
    in
    parts != null && fromJSON (builtins.elemAt parts 2) <= 65535;

  webhookAsserts =
    at: name: webhook:
    [
      (check "${at}.path" (match "/[A-Za-z0-9/_.-]{1,200}" webhook.path != null)
        "must be a path such as \"/hooks/orders\""
      )
      (check "${at}.listen" (isAddress webhook.listen)
        "must be an IP address and a port, such as \"127.0.0.1:8788\""
      )
      (within bytes "${at}.body" webhook.body "1B" "25MiB")
      (check "${at}.path" (
        length (
          filter (
            other:
            let
              its = routines.${other}.webhook;
            in
            other != name && its != null && its.path == webhook.path && its.listen == webhook.listen
          ) names
        ) == 0
      ) "another routine has the same one")
    ]
    ++ map (secret: check "${at}.secrets" (isUnitPath secret && !inStore secret) unitPathProblem) webhook.secrets;

  routineAsserts =
    name:
    let
      routine = routines.${name};
      at = "routines.${toJSON name}";
      inherit (routine) on webhook;
    in
    programAsserts "routine" at name routine
    ++ backoffAsserts "${at}.backoff" routine.backoff
    ++ [
      (duration "${at}.catchUp" routine.catchUp "0ms" "366d")
      (duration "${at}.jitter" routine.jitter "0ms" "1d")
      (check "${at}.group" (
        routine.group == null || match "[a-z][a-z0-9-]{0,62}" routine.group != null
      ) "a group's name has characters from a-z, 0-9 and \"-\", and starts with a letter")
      (check at (
        all (other: other != name) (routine.after ++ on.failed) && all (entry: !firesItself name entry) on.ledger
      ) "the routine would fire itself for ever")
    ]
    ++ durationOrNull "${at}.deadline" routine.deadline "1s" "366d"
    ++ durationOrNull "${at}.timeout" routine.timeout "1s" "366d"
    ++ known "${at}.after" "routine" routines routine.after
    ++ known "${at}.on.failed" "routine" routines on.failed
    ++ known "${at}.on.recovered" "agent" agents on.recovered
    ++ map (
      entry:
      check "${at}.on.ledger" (entry ? action && isAction entry.action) "an entry is { action, subject }, with an action of the ledger, or the beginning of some and *"
    ) on.ledger
    ++ map (file: check "${at}.on.files" (isUnitPath file) unitPathProblem) on.files
    ++ (if webhook == null then [ ] else webhookAsserts "${at}.webhook" name webhook);
in
concatLists (map routineAsserts names)
