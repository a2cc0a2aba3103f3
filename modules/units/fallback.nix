# The drop-in with which an agent runs on its fallback settings: of its unit with them, what differs from its unit without.
{
  name,
  agent,
  # The agent's in host.json.
  manifest,
}:
let
  inherit (builtins)
    attrNames
    filter
    isList
    listToAttrs
    ;
  text = import ./text.nix;

  unit =
    settings: digest:
    (import ./agent.nix {
      inherit name digest;
      agent = agent // settings;
      inherit (manifest) egress;
    }).Service;
  own = unit { } manifest.digest;
  other = unit {
    inherit (manifest.fallback) command;
    environment = agent.environment // manifest.fallback.environment;
  } manifest.fallback.digest;

  # A variable that is set once more has its last value, and what NixOS sets beside ours has to stay. Of all else the empty
  # setting takes away what was said before.
  setting =
    key:
    let
      values = if isList other.${key} then other.${key} else [ other.${key} ];
    in
    if key == "Environment" then filter (value: !builtins.elem value own.${key}) values else [ "" ] ++ values;
in
text.unitText {
  Service = listToAttrs (
    map (key: {
      name = key;
      value = setting key;
    }) (filter (key: other.${key} != own.${key} or null) (attrNames other))
  );
}
