# The programs in /etc/daruma/bin: name -> text of an executable script.
{
  shell,
  daruma,
  path,
}:
let
  paths = import ./paths.nix;

  # The caller may be systemd-run, which passes no environment on.
  program = name: ''
    #!${shell}
    export PATH=${path}
    exec ${daruma}/libexec/daruma/${name} "$@"
  '';
in
{
  # ExecStopPost= of every agent: how the run ended, for watchd. systemd leaves EXIT_CODE and EXIT_STATUS out when there
  # was no process. One write of the shell itself: a program more would make every recovery later, and a reader that comes
  # in between finds no whole line.
  exit-hook = ''
    #!${shell}
    umask 077
    echo "''${SERVICE_RESULT:--} ''${EXIT_CODE:--} ''${EXIT_STATUS:--} ''${INVOCATION_ID:--}" >"${paths.exits}/$1"
  '';

  # ExecStop= of every agent, which systemd also runs where a run has ended by itself and well; then there is no $MAINPID.
  # Nor did anybody ask where systemd itself stops what is left because the kernel ran out of memory for it. That somebody
  # asked it to stop is what tells a stop from a failure.
  stop-hook = ''
    #!${shell}
    [ -n "''${MAINPID:-}" ] && [ "''${SERVICE_RESULT:-success}" = success ] || exit 0
    umask 077
    echo "''${INVOCATION_ID:--}" >"${paths.exits}/$1.asked"
  '';

  # One of system.preSwitchChecks, which have no environment of their own. It is part of the generation that is to come.
  pre-switch = ''PATH=${path} ${daruma}/libexec/daruma/pre-switch "$1" "$2" ${paths.watchdState}/gates'';

  rollback = program "rollback";
  watchd-failed = program "watchd-failed";
  stand-ins = program "stand-ins";
  boot-complete = program "boot-complete";
}
