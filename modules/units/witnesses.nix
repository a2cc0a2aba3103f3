# When the ledger's checkpoints are signed, and who outside the host sees them (services.daruma.ledger): what is wrong with it, and what ledgerd's unit
# needs for it. In builtins only.
let
  inherit (builtins)
    concatMap
    dirOf
    filter
    match
    toJSON
    ;

  # Null: as ledgerd does it by itself.
  none = {
    checkpointEntries = null;
    checkpointSeconds = null;
    witnesses = [ ];
    witnessFiles = [ ];
    witnessCommands = [ ];
  };

  # NAME+ID+KEY; ledgerd itself looks at what the key is.
  isKey = key: match "[^+[:space:][:cntrl:]]+[+][0-9a-f]{8}[+][A-Za-z0-9+/=]+" key != null;
  isUrl = url: match "https?://[^#[:space:][:cntrl:]]+" url != null;
in
rec {
  # The fleet compiler writes no witnesses; the modules always have them.
  of = spec: none // (spec.ledger or { });

  # Problems, each with the option that it is of. `isPath` is what a unit can hold as a path.
  problems =
    { isPath, spec }:
    let
      ledger = of spec;
      each = option: isGood: problem: value: if isGood value then [ ] else [ { inherit option; problem = "${toJSON value} ${problem}"; } ];
      path = "must be an absolute path that a systemd unit can hold";
    in
    concatMap (
      { url, key }:
      each "witnesses" isUrl "must be a URL of http or https without a #" url
      ++ each "witnesses" isKey "must be a vkey, NAME+ID+KEY" key
    ) ledger.witnesses
    ++ concatMap (each "witnessFiles" (file: isPath file && file != "/") path) ledger.witnessFiles
    ++ concatMap (each "witnessCommands" isPath path) ledger.witnessCommands;

  flags =
    spec:
    let
      ledger = of spec;
      flag = name: concatMap (value: [ name value ]);
      number = name: value: if value == null then [ ] else [ name (toString value) ];
    in
    number "--checkpoint-entries" ledger.checkpointEntries
    ++ number "--checkpoint-seconds" ledger.checkpointSeconds
    ++ flag "--witness" (map ({ url, key }: "${url}#${key}") ledger.witnesses)
    ++ flag "--witness-file" ledger.witnessFiles
    ++ flag "--witness-command" ledger.witnessCommands;

  # A directory that is away (a disk that is not mounted) must not keep ledgerd from starting: it then says so itself.
  writable = spec: map (file: "-${dirOf file}") (of spec).witnessFiles;

  needsNetwork = spec: filter (list: list != [ ]) [ (of spec).witnesses (of spec).witnessCommands ] != [ ];
}
