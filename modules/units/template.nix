# An agent that declares nothing. What its unit says is what Daruma says in the unit of every agent.
{
  command = [ "/program" ];
  environment = { };
  workingDirectory = null;
  credentials = { };
  startup = "30s";
  health = null;
  heartbeat = null;
  progress = null;
  resources = null;
  dependencies = { };
  restart = {
    when = "on-failure";
    exits = { };
    backoff = {
      kind = "exponential";
      initial = "100ms";
      factor = 2;
      max = "30s";
      jitter = 0.2;
    };
    attempts = 3;
    within = "10m";
  };
  limits.memory = null;
  stop = {
    signal = "SIGTERM";
    grace = "30s";
  };
  escalate = [ "alert" ];
  fallback = null;
  egress = null;
  required = true;
}
