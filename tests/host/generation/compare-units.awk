# How units of two generations differ, by the rules of switch-to-configuration-ng. Reads lines of
#   UNIT <tab> OLD FILES <tab> NEW FILES          (files separated by ":", a unit and then its drop-ins)
# and prints for each
#   UNIT <tab> equal|reload|restart <tab> SOCKETS <tab> FLAGS
# SOCKETS: what the new unit names in Sockets=, separated by spaces. FLAGS: X- keys and their like that are not at their
# default, separated by spaces, " " at both ends. X-StopOnRemoval is the old unit's, the rest are the new one's.
BEGIN {
  FS = OFS = "\t"
  split("X-Reload-Triggers Description Documentation OnFailure OnSuccess OnFailureJobMode IgnoreOnIsolate " \
    "StopWhenUnneeded RefuseManualStart RefuseManualStop AllowIsolate CollectMode SourcePath", names, " ")
  for (i in names) ignored["Unit\n" names[i]]
}

{
  split("", old)
  split("", new)
  read(old, $2)
  read(new, $3)
  print $1, verdict(), ("Service\nSockets" in new ? sockets(new["Service\nSockets"]) : ""), " " flags()
}

# Adds the settings of the files to `unit`: "Section\nKey" -> values, each with a newline at its end.
function read(unit, files,    list, count, i, line, section, at, key, value) {
  count = split(files, list, ":")
  for (i = 1; i <= count; i++) {
    section = ""
    while ((getline line < list[i]) > 0) {
      sub(/^[ \t]+/, "", line)
      sub(/[ \t\r]+$/, "", line)
      if (line ~ /^\[.*\]$/) section = substr(line, 2, length(line) - 2)
      else if (line !~ /^[#;]/ && (at = index(line, "=")) && section != "" && section != "Install") {
        key = substr(line, 1, at - 1)
        sub(/[ \t]+$/, "", key)
        value = substr(line, at + 1)
        sub(/^[ \t]+/, "", value)
        key = section "\n" key
        # An empty value takes back what was set before.
        unit[key] = value == "" ? "" : unit[key] value "\n"
      }
    }
    close(list[i])
  }
}

function verdict(    key, worst, each) {
  worst = "equal"
  for (key in old) if (!(key in new) || old[key] != new[key]) {
    each = change(key)
    if (each == "restart") return each
    if (each == "reload") worst = each
  }
  for (key in new) if (!(key in old)) {
    each = change(key)
    if (each == "restart") return each
    if (each == "reload") worst = each
  }
  return worst
}

# What it takes to apply a setting that was changed, added or removed.
function change(key) {
  if (key == "Unit\nX-Reload-Triggers" || key == "Service\nExecReload") return (key in new) ? "reload" : "equal"
  if (key in ignored) return "equal"
  if (key == "Mount\nOptions" && (key in old) && (key in new)) return "reload"
  return "restart"
}

function flags() {
  return flag(new, "Service", "X-ReloadIfChanged", 0) flag(new, "Service", "X-RestartIfChanged", 1) \
    flag(new, "Service", "X-StopIfChanged", 1) flag(new, "Service", "X-NotSocketActivated", 0) \
    flag(new, "Unit", "RefuseManualStart", 0) flag(new, "Unit", "RefuseManualStop", 0) \
    flag(new, "Unit", "X-OnlyManualStart", 0) flag(new, "Unit", "X-StopOnReconfiguration", 0) \
    flag(old, "Unit", "X-StopOnRemoval", 1)
}

# The last value counts, and what is not true is false.
function flag(unit, section, key, default_,    values, count, value) {
  if (!((section "\n" key) in unit) || unit[section "\n" key] == "") return ""
  count = split(unit[section "\n" key], values, "\n")
  value = values[count - 1] ~ /^(1|yes|true|on)$/
  return value == default_ ? "" : (value ? "" : "no-") key " "
}

function sockets(values) {
  gsub(/\n/, " ", values)
  return values
}
