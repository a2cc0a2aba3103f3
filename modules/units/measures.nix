# Durations ("15s") and sizes ("512MiB"), as packages/config/src/measures.ts reads them.
let
  inherit (builtins)
    elemAt
    fromJSON
    isInt
    match
    ;

  parse =
    {
      what,
      units,
      names,
    }:
    text:
    let
      parts = match "(0|[1-9][0-9]*)(${names})" text;
      number = fromJSON (elemAt parts 0);
      factor = units.${elemAt parts 1};
    in
    if parts == null then
      throw "daruma: ${builtins.toJSON text} is not a ${what}"
    # What is beyond 64 bits is read as a float; multiplying must not wrap around either.
    else if !isInt number || number > 9007199254740991 / factor then
      throw "daruma: the ${what} ${text} is too large"
    else
      number * factor;
in
{
  milliseconds = parse {
    what = "duration";
    names = "ms|s|m|h|d";
    units = {
      ms = 1;
      s = 1000;
      m = 60 * 1000;
      h = 60 * 60 * 1000;
      d = 24 * 60 * 60 * 1000;
    };
  };

  bytes = parse {
    what = "size";
    names = "B|KiB|MiB|GiB|TiB";
    units = {
      B = 1;
      KiB = 1024;
      MiB = 1024 * 1024;
      GiB = 1024 * 1024 * 1024;
      TiB = 1024 * 1024 * 1024 * 1024;
    };
  };
}
