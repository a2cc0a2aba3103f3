# What agents may reach: the rules of services.daruma as packages/config/src/egress/rule.ts has them, and what is wrong with
# those that somebody wrote by hand. The fleet compiler writes them normalised; here they have to be so already, for
# nothing in Nix could do the same to a name as the proxy does (IDNA).
let
  inherit (builtins)
    attrNames
    concatLists
    elem
    foldl'
    fromTOML
    hashString
    lessThan
    listToAttrs
    sort
    substring
    filter
    genList
    elemAt
    isAttrs
    isBool
    isInt
    isString
    length
    match
    toJSON
    ;
  inherit (import ./measures.nix) bytes milliseconds;

  isPort = value: isInt value && value >= 1 && value <= 65535;

  # What an option leaves open is null there, and is not there in a rule.
  given =
    rule: if isAttrs rule then removeAttrs rule (filter (key: rule.${key} == null) (attrNames rule)) else rule;

  # Defaults of the parts that a rule may leave out.
  filled = scope: rule: withDefaults scope (given rule);
  withDefaults =
    scope: rule:
    if rule ? cidr then
      {
        inherit (rule) cidr;
        port = rule.port or null;
        scope = rule.scope or scope;
      }
    else
      {
        inherit (rule) host;
        port = rule.port or null;
        protocol = rule.protocol or (if rule.port or null == 443 then "tls" else "tcp");
        private = rule.private or false;
        forward = rule.forward or null;
        scope = rule.scope or scope;
      };

  problems =
    { deny, rule }:
    let
      known = if rule ? cidr then [ "cidr" "port" "scope" ] else [ "host" "port" "protocol" "private" "forward" "scope" ];
      port = rule.port or null;
    in
    if !isAttrs rule || !(rule ? host || rule ? cidr) then
      [ "a rule is { host, port, ... } or { cidr, port }" ]
    else
      map (key: "a rule has no ${toJSON key}") (filter (key: !elem key known) (attrNames rule))
      ++ (
        if rule ? cidr then
          (if isString rule.cidr && match "(([0-9]{1,3}[.]){3}[0-9]{1,3}|[0-9a-f:]*:[0-9a-f:.]*)/[0-9]{1,3}" rule.cidr != null then [ ] else [
            "cidr must be a network such as 10.0.0.0/8"
          ])
        else if
          isString rule.host && match "([*][.])?[a-z0-9_-]{1,63}([.][a-z0-9_-]{1,63})*" rule.host != null
        then
          [ ]
        else
          [ "host must be a name in lower case and ASCII, or *. and one" ]
      )
      ++ (if isPort port || deny && port == null then [ ] else [ "port must be from 1 to 65535" ])
      ++ (
        if elem (rule.protocol or "tcp") [ "tls" "tcp" "postgres" ] then [ ] else [ "protocol must be tls, tcp or postgres" ]
      )
      ++ (if isBool (rule.private or false) then [ ] else [ "private must be true or false" ])
      ++ (
        if rule.forward or null == null || isPort rule.forward then [ ] else [ "forward must be a port" ]
      )
      ++ (if elem (rule.scope or "host") [ "agent" "host" "fleet" ] then [ ] else [ "scope must be agent, host or fleet" ]);
in
{
  # Problems of a list of rules: [ { at, problem } ].
  listProblems =
    { at, deny, rules }:
    concatLists (
      genList (
        index:
        map (problem: {
          at = "${at}[${toString index}]";
          inherit problem;
        }) (problems {
          inherit deny;
          rule = given (elemAt rules index);
        })
      ) (length rules)
    );

  # The port of 127.0.0.1 on which each agent finds its proxy, by name: proxyPorts in packages/config/src/egress/ports.ts.
  proxyPorts =
    { names, taken }:
    let
      first = 20480;
      count = 12288;
      # The first four digits of a hash, as a number: TOML has a hexadecimal form, Nix has none.
      hashed =
        name:
        let
          number = (fromTOML "n = 0x${substring 0 4 (hashString "sha256" name)}").n;
        in
        first + number - number / count * count;
      free =
        used: port:
        if !elem port used then
          port
        else
          free used (if port + 1 < first + count then port + 1 else first);
      place =
        sum: name:
        let
          port = free sum.used (hashed name);
        in
        {
          used = sum.used ++ [ port ];
          ports = sum.ports ++ [
            {
              inherit name;
              value = port;
            }
          ];
        };
      placed = foldl' place {
        used = taken;
        ports = [ ];
      } (sort lessThan names);
    in
    listToAttrs placed.ports;

  # All by which the connections of one agent are judged; null for one that may reach everything. As agentEgress in rule.ts.
  policy =
    { host, own }:
    if own == null && host.allow == [ ] && host.deny == [ ] then
      null
    else
      {
        inherit (host) mode;
        allow = map (filled "agent") (if own == null then [ ] else own) ++ map (filled "host") host.allow;
        deny = map (filled "host") host.deny;
        limits = {
          inherit (host.limits) connections;
          idleMs = milliseconds host.limits.idle;
          bytes = if host.limits.bytes == null then null else bytes host.limits.bytes;
        };
      };
}
