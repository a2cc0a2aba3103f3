# The template of a routine's runs, `daruma-routine-NAME@RUN`: watchd starts an instance for each attempt of a run, and tells it
# which one it is. systemd starts none by itself.
{
  name,
  routine,
  digest,
  # As in host.json; null for one that is not confined.
  egress ? null,
}:
let
  paths = import ./paths.nix;
  self = paths.routine name;
  process = import ./process.nix {
    program = routine;
    inherit self digest egress;
    hook = "${name}@%i";
    variables = {
      DARUMA_ROUTINE = name;
      DARUMA_RUN = "%i";
      DARUMA_SOCKET = self.socket;
    };
    fields = [
      "DARUMA_ROUTINE=${name}"
      "DARUMA_RUN=%i"
    ];
  };
in
{
  Unit = process.Unit // {
    Description = "Daruma routine ${name}, %i";
    # When the host is shut down, watchd is stopped first: a run that is ended then was not stopped by anybody, and goes on after it.
    Before = [ "daruma-watchd.service" ];
    # A deploy kills no run: one whose routine is gone goes on to its end.
    X-StopOnRemoval = false;
  };

  Service = process.Service // {
    # What watchd tells this attempt. Without it nobody has asked for the run, and it does not start.
    EnvironmentFile = "${paths.routineRuns}/${name}@%i.env";
    # What belongs to the user is not this run's alone where several go on at once.
    RemoveIPC = routine.overlap != "parallel";
    # It is tried again by watchd, which knows how often it is to be.
    Restart = "no";
    X-RestartIfChanged = false;
  };
}
