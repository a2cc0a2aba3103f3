# Who is told of what: `alerts` of host.json (packages/config/src/alerts/manifest.ts), and the secrets for it in watchd's unit.
spec:
let
  inherit (builtins)
    attrNames
    attrValues
    concatLists
    elem
    filter
    length
    lessThan
    mapAttrs
    match
    sort
    toJSON
    ;
  inherit (import ./measures.nix) milliseconds;
  text = import ./text.nix;
  inherit (spec) alerts;
  sorted = sort lessThan;

  spare = map (sink: sink.fallback) (attrValues alerts.sinks);
  to = sorted (
    if alerts.to != [ ] then alerts.to else filter (name: !elem name spare) (attrNames alerts.sinks)
  );
  or' = value: default: if value == null then default else value;

  # By the names under which watchd looks for them (packages/watchd/src/alerts/secrets.ts).
  files =
    map (name: {
      id = "alerts.sink.${name}";
      file = alerts.sinks.${name}.credential;
    }) (filter (name: alerts.sinks.${name}.credential != null) (attrNames alerts.sinks))
    ++ (
      if alerts.deadMansSwitch == null then
        [ ]
      else
        [
          {
            id = "alerts.dead-mans-switch";
            file = alerts.deadMansSwitch.credential;
          }
        ]
    );
in
{
  isUsed = alerts.sinks != { } || alerts.deadMansSwitch != null;

  # Problems that the types of the options cannot see: [ { at, problem } ].
  problems =
    { isPath }:
    let
      names = attrNames alerts.sinks;
      problem = at: text: {
        inherit at;
        problem = text;
      };
      unknown =
        at: list:
        map (name: problem at "there is no sink ${toJSON name}") (
          filter (name: !elem name names) (if list == null then [ ] else list)
        );
      needs = {
        webhook = [ "url" "credential" ];
        whatsapp = [ "credential" "from" "template" ];
        email = [ "url" "from" ];
      };
      sinkProblems =
        name:
        let
          sink = alerts.sinks.${name};
          at = "alerts.sinks.${name}";
          recipients = length sink.to;
        in
        (
          if match "[a-z][a-z0-9-]{0,30}" name != null then
            [ ]
          else
            [ (problem at "a sink's name has 1 to 31 characters from a-z, 0-9 and \"-\", and starts with a letter") ]
        )
        ++ map (key: problem "${at}.${key}" "a sink of kind ${sink.kind} needs one") (
          filter (key: sink.${key} == null) (needs.${sink.kind} or [ "credential" ])
        )
        ++ (
          if sink.kind == "email" && recipients == 0 then
            [ (problem "${at}.to" "a sink of kind email needs a recipient") ]
          else if elem sink.kind [ "telegram" "whatsapp" ] && recipients != 1 then
            [ (problem "${at}.to" "a sink of kind ${sink.kind} has exactly one recipient") ]
          else
            [ ]
        )
        ++ unknown "${at}.fallback" (if sink.fallback == null then [ ] else [ sink.fallback ])
        ++ (
          if leadsBack name sink.fallback (length names) then
            [ (problem "${at}.fallback" "leads back to the sink itself") ]
          else
            [ ]
        );
      leadsBack =
        name: next: steps:
        if next == null || steps < 0 || !alerts.sinks ? ${next} then
          false
        else
          next == name || leadsBack name alerts.sinks.${next}.fallback (steps - 1);
      badPaths = filter ({ file, ... }: !isPath file) files;
    in
    concatLists (map sinkProblems names)
    ++ unknown "alerts.to" alerts.to
    ++ concatLists (
      map (name: unknown "agents.${toJSON name}.alerts.to" spec.agents.${name}.alerts.to) (attrNames spec.agents)
    )
    ++ map (
      { id, ... }:
      problem "credential of ${id}" "must be an absolute path without spaces, backslashes and control characters, and without empty, \".\" or \"..\" parts"
    ) badPaths;

  manifest = {
    sinks = mapAttrs (_: sink: {
      inherit (sink)
        kind
        credential
        url
        from
        to
        user
        template
        language
        fallback
        private
        ;
    }) alerts.sinks;
    inherit to;
    agents = mapAttrs (_: agent: {
      on = or' agent.alerts.on alerts.agents;
      afterMs = milliseconds (or' agent.alerts.after alerts.after);
      to = or' agent.alerts.to to;
    }) spec.agents;
    routines = mapAttrs (_: routine: {
      on = or' routine.alerts.on alerts.routines;
      to = or' routine.alerts.to to;
    }) (spec.routines or { });
    quiet =
      if alerts.quiet == null then
        null
      else
        { inherit (alerts.quiet) from to timezone except; };
    digest = {
      inherit (alerts.digest) after;
      withinMs = milliseconds alerts.digest.within;
      everyMs = milliseconds alerts.digest.every;
    };
    giveUpMs = milliseconds alerts.giveUp;
    deadMansSwitch =
      if alerts.deadMansSwitch == null then
        null
      else
        {
          inherit (alerts.deadMansSwitch) credential url private;
          everyMs = milliseconds alerts.deadMansSwitch.every;
        };
  };

  # An empty one stands in for a file that is missing (systemd.exec(5)): a watchdog that does not start because nobody can be
  # told would be the worse failure. What is missing is told through the other sinks.
  credentials =
    if files == [ ] then
      { }
    else
      {
        LoadCredential = map ({ id, file }: "${id}:${text.plain file}") files;
        SetCredential = map ({ id, ... }: "${id}:") files;
      };
}
