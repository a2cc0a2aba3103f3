# Text as systemd reads it back (systemd.syntax(7), systemd.service(5) "Command lines", systemd.exec(5)).
let
  inherit (builtins)
    attrNames
    concatMap
    concatStringsSep
    filter
    isBool
    isList
    replaceStrings
    stringLength
    substring
    toJSON
    ;

  # systemd refuses longer lines (LONG_LINE_MAX).
  maxLineLength = 1024 * 1024 - 1;

  # A JSON string is what systemd calls a double-quoted string with C escapes: the escapes of the one are escapes of the
  # other with the same meaning, and what JSON leaves alone means itself in systemd.
  quoted = toJSON;

  # "%" begins a specifier in nearly every setting.
  plain = replaceStrings [ "%" ] [ "%%" ];

  has = part: text: replaceStrings [ part ] [ "" ] text != text;

  line =
    name: value:
    let
      text = "${name}=${if isBool value then (if value then "true" else "false") else toString value}";
    in
    # The settings are checked before (asserts.nix); this makes sure that nothing ever becomes a setting of its own.
    if has "\n" text || has "\r" text then
      throw "daruma: the value of ${name}= would end its line"
    else if substring (stringLength text - 1) 1 text == "\\" then
      throw "daruma: the value of ${name}= ends with a backslash, which would join the next line to it"
    else if stringLength text > maxLineLength then
      throw "daruma: the value of ${name}= is longer than the 1 MiB that systemd reads"
    else
      text;

  section =
    sections: name:
    let
      settings = sections.${name};
      lines = concatMap (
        key:
        let
          value = settings.${key};
        in
        map (line key) (if isList value then value else [ value ])
      ) (attrNames settings);
    in
    "[${name}]\n" + concatStringsSep "" (map (each: each + "\n") lines);
in
{
  inherit plain;

  # A command line of exactly these words: no word is split, expanded or taken for a separator.
  commandLine =
    words: concatStringsSep " " (map (word: replaceStrings [ "$" ] [ "$$" ] (plain (quoted word))) words);

  # One word of a setting that takes several, such as Environment= or ReadWritePaths=. A "$" has no meaning there.
  word = value: plain (quoted value);

  # The text of a unit from its sections: settings in the order of their names, a list as one line for each element.
  unitText =
    sections:
    concatStringsSep "\n" (
      map (section sections) (
        filter (name: sections ? ${name}) [
          "Unit"
          "Path"
          "Service"
          "Install"
        ]
      )
    );
}
