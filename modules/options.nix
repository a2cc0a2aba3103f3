# Generated from the schema of the fleet file (packages/config/src/schema.ts) by `make generate`. Do not edit.
# Durations ("15s") and sizes ("512MiB") are strings here as they are there, so that a value means the same in both.
{ lib, ... }:
let
  inherit (lib) literalExpression mkOption types;
  inherit (import ./units/measures.nix) bytes milliseconds;

  # POSIX extended regular expressions, matched against the whole text.
  duration = measure "a duration" ''"15s"'' milliseconds "(0|[1-9][0-9]*)(ms|s|m|h|d)";
  size = measure "a size" ''"512MiB"'' bytes "(0|[1-9][0-9]*)(B|KiB|MiB|GiB|TiB)";
  measure =
    what: such: read: pattern: least: most:
    described "${what} from ${least} to ${most}, such as ${such}" (
      types.addCheck (types.strMatching pattern) (
        text:
        let
          # What is too large to be read is not in the range either.
          value = builtins.tryEval (read text);
        in
        value.success && value.value >= read least && value.value <= read most
      )
    );

  # Everybody can read the store.
  outsideStore =
    type:
    described "${type.description}, not in ${builtins.storeDir}" (
      types.addCheck type (path: !lib.hasPrefix "${builtins.storeDir}/" path)
    );

  # Nothing in it is there twice.
  distinct =
    type: described "${type.description}, none of them twice" (types.addCheck type lib.allUnique);

  described = description: type: type // { inherit description; };
in
{
  options.services.daruma = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether Daruma runs the agents and routines of this host.";
    };

    host = mkOption {
      type = types.strMatching "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?";
      description = "Name of the host in the fleet.";
      example = "etl-01";
    };

    system = mkOption {
      type = types.enum [
        "x86_64-linux"
        "aarch64-linux"
      ];
      description = "Nix system of the host.";
      example = "x86_64-linux";
    };

    agents = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            command = mkOption {
              type = types.nonEmptyListOf types.str;
              description = "The program and its arguments. The program is a file of a package, of the agent's own code, or of the host.";
              example = literalExpression "[ \"\${pkgs.nodejs_24}/bin/node\" \"\${./enricher}/main.js\" ]";
            };

            environment = mkOption {
              type = types.attrsOf types.str;
              default = { };
              description = "Environment variables. Not for secrets: the values are in generated files and in the store; see `credentials`.";
              example = {
                LOG_LEVEL = "info";
              };
            };

            workingDirectory = mkOption {
              type = types.nullOr (types.strMatching "/.*");
              default = null;
              description = "Directory in which the program starts. Without it: the agent's own state directory.";
              example = "/srv/enricher";
            };

            credentials = mkOption {
              type = types.attrsOf (outsideStore (types.strMatching "/.*"));
              default = { };
              description = "Secrets: name in $CREDENTIALS_DIRECTORY -> file on the host. Only the path is ever written down.";
              example = {
                API_KEY = "/run/secrets/enricher-api-key";
              };
            };

            startup = mkOption {
              type = duration "1ms" "1d";
              default = "30s";
              description = "With a health check: time in which failing probes do not count. Without: how long a run lasts until it counts as healthy.";
              example = "60s";
            };

            health = mkOption {
              type = types.nullOr (
                types.submodule {
                  options = {
                    http = mkOption {
                      type = types.strMatching "[Hh][Tt][Tt][Pp][Ss]?://[^ \t\n\r]+";
                      description = "URL that answers while the agent is healthy.";
                      example = "http://127.0.0.1:8080/health";
                    };

                    every = mkOption {
                      type = duration "10ms" "1h";
                      default = "3s";
                      description = "Time between the starts of two probes.";
                    };

                    failures = mkOption {
                      type = types.ints.between 1 1000;
                      default = 3;
                      description = "Consecutive failing probes that make a healthy agent unhealthy. Half of the last 20 do so as well, or of the last `2 × failures` where that is more.";
                    };

                    expect = {
                      status = mkOption {
                        type = types.ints.between 100 599;
                        default = 200;
                        description = "HTTP status of a healthy answer.";
                      };

                      within = mkOption {
                        type = duration "1ms" "10m";
                        default = "1s";
                        description = "Time in which the whole answer has to be there.";
                      };

                      contains = mkOption {
                        type = types.nullOr (types.strMatching ".+");
                        default = null;
                        description = "Text that is in the body of a healthy answer.";
                        example = "ready";
                      };

                      json = mkOption {
                        type = types.attrsOf (
                          types.nullOr (
                            types.oneOf [
                              types.str
                              types.number
                              types.bool
                            ]
                          )
                        );
                        default = { };
                        description = "What is in the body of a healthy answer, which then is JSON: JSON Pointer (RFC 6901) -> the value there.";
                        example = {
                          "/status" = "ok";
                          "/queue/stuck" = false;
                        };
                      };
                    };
                  };
                }
              );
              default = null;
              description = "How the agent's health is probed. Without it: an agent that runs is healthy.";
              example = {
                http = "http://127.0.0.1:8080/health";
                every = "3s";
                expect = {
                  status = 200;
                  within = "1s";
                };
              };
            };

            heartbeat = mkOption {
              type = types.nullOr (
                types.submodule {
                  options = {
                    through = mkOption {
                      type = types.enum [
                        "notify"
                        "http"
                      ];
                      description = "How the agent tells: `http`, any request through its own socket (POST /v1/heartbeat says nothing else), or `notify`, WATCHDOG=1 of sd_notify(3) to systemd.";
                      example = "http";
                    };

                    every = mkOption {
                      type = duration "10ms" "1h";
                      default = "5s";
                      description = "How often the agent is to tell. POST /v1/heartbeat answers with it.";
                    };

                    silence = mkOption {
                      type = duration "100ms" "1d";
                      default = "15s";
                      description = "After this long without a word the agent hangs, and is restarted.";
                    };
                  };
                }
              );
              default = null;
              description = "How the agent shows that it gets on. Without it: an agent that hangs is found by its health check alone.";
              example = {
                through = "http";
                every = "5s";
                silence = "15s";
              };
            };

            progress = mkOption {
              type = types.nullOr (
                types.submodule {
                  options = {
                    within = mkOption {
                      type = duration "100ms" "7d";
                      description = "The counter that the agent tells (POST /v1/progress) has to rise within this time, in which it does not call itself idle; otherwise the agent hangs, and is restarted.";
                      example = "10m";
                    };
                  };
                }
              );
              default = null;
              description = "How the agent shows that its work gets on. Without it: nobody looks.";
              example = {
                within = "10m";
              };
            };

            resources = mkOption {
              type = types.nullOr (
                types.submodule {
                  options = {
                    memory = mkOption {
                      type = types.nullOr (size "1MiB" "1024TiB");
                      default = null;
                      description = "Memory of all processes of the agent together. Less than `limits.memory`, which is enforced at once.";
                      example = "384MiB";
                    };

                    leak = mkOption {
                      type = types.nullOr (
                        types.submodule {
                          options = {
                            growth = mkOption {
                              type = size "1KiB" "1024TiB";
                              description = "Growth within `within` that is a leak.";
                              example = "64MiB";
                            };

                            within = mkOption {
                              type = duration "10s" "7d";
                              default = "30m";
                              description = "The window over which growth is measured: by the median of the slopes between all its points, so that neither a single peak nor a single step counts.";
                            };
                          };
                        }
                      );
                      default = null;
                      description = "Growth of memory that does not end.";
                      example = {
                        growth = "64MiB";
                        within = "30m";
                      };
                    };

                    cpu = mkOption {
                      type = types.nullOr (types.numbers.between 0.001 4096);
                      default = null;
                      description = "Processors in use: 1 is one of them all the time.";
                      example = 1.5;
                    };

                    openFiles = mkOption {
                      type = types.nullOr (types.ints.between 1 1000000000);
                      default = null;
                      description = "Open file descriptors of all processes of the agent together.";
                      example = 4096;
                    };

                    tasks = mkOption {
                      type = types.nullOr (types.ints.between 1 1000000000);
                      default = null;
                      description = "Processes and threads.";
                      example = 512;
                    };

                    io = mkOption {
                      type = types.nullOr (size "1B" "1024TiB");
                      default = null;
                      description = "What is read from and written to disks, in a second.";
                      example = "64MiB";
                    };

                    latency = mkOption {
                      type = types.nullOr (duration "1ms" "10m");
                      default = null;
                      description = "Time that a passing health check takes. Less than `health.expect.within`.";
                      example = "400ms";
                    };

                    sustained = mkOption {
                      type = duration "1s" "1d";
                      default = "1m";
                      description = "How long more than that has to be in use without a break. Not for `leak`, which has a window of its own.";
                    };

                    restartWithin = mkOption {
                      type = duration "0ms" "7d";
                      default = "10m";
                      description = "How long the restart waits for a moment that the agent calls idle (POST /v1/idle).";
                    };
                  };
                }
              );
              default = null;
              description = "What the agent may use; if it uses more, it is restarted at a moment that suits it. Without it: whatever there is.";
              example = {
                memory = "384MiB";
                leak = {
                  growth = "64MiB";
                  within = "30m";
                };
                openFiles = 4096;
              };
            };

            dependencies = mkOption {
              type = types.attrsOf (types.strMatching "(tcp|[Hh][Tt][Tt][Pp][Ss]?)://[^ ]+");
              default = { };
              description = "What the agent needs of others: name -> where it is. While it is not reached, failures are put down to it, and nothing is rolled back.";
              example = {
                db = "tcp://db.example.com:5432";
                api = "https://api.example.com/health";
              };
            };

            restart = {
              when = mkOption {
                type = types.enum [
                  "always"
                  "on-failure"
                  "never"
                ];
                default = "on-failure";
                description = "Which ends of the agent lead to a restart.";
              };

              exits = mkOption {
                type = types.attrsOf (
                  types.enum [
                    "success"
                    "failure"
                    "temporary"
                    "configuration"
                  ]
                );
                default = { };
                description = "What it means if the agent ends with this exit code or signal: `success`, `failure`, `temporary` (the fault is outside) or `configuration` (to start it again would change nothing). By itself, 0 is a success (where there is a health check or a heartbeat: of a run that has been healthy), 75 temporary, 78 a configuration, and all else a failure.";
                example = {
                  "3" = "temporary";
                  SIGUSR1 = "success";
                };
              };

              backoff = {
                kind = mkOption {
                  type = types.enum [
                    "immediate"
                    "fixed"
                    "linear"
                    "exponential"
                  ];
                  default = "exponential";
                  description = "How the delay grows: not at all (`immediate`: there is none; `fixed`: it is always `initial`), by `initial` each time (`linear`), or by `factor` (`exponential`).";
                };

                initial = mkOption {
                  type = duration "0ms" "1h";
                  default = "100ms";
                  description = "Delay before the first restart.";
                };

                factor = mkOption {
                  type = types.numbers.between 1 100;
                  default = 2;
                  description = "By how much the delay grows from one restart to the next.";
                };

                max = mkOption {
                  type = duration "1ms" "1d";
                  default = "30s";
                  description = "The delay never grows beyond this.";
                };

                jitter = mkOption {
                  type = types.numbers.between 0 1;
                  default = 0.2;
                  description = "Share of the delay, 0 to 1, by which it varies at random either way.";
                };
              };

              attempts = mkOption {
                type = types.ints.between 1 1000;
                default = 3;
                description = "Failures within the window `within` after which restarting is not enough.";
              };

              within = mkOption {
                type = duration "1ms" "7d";
                default = "10m";
                description = "The window in which `attempts` failures are counted.";
              };
            };

            limits = {
              memory = mkOption {
                type = types.nullOr (size "1MiB" "1024TiB");
                default = null;
                description = "Memory of all processes of the agent together. Without it: no limit.";
                example = "512MiB";
              };
            };

            stop = {
              signal = mkOption {
                type = types.enum [
                  "SIGTERM"
                  "SIGINT"
                  "SIGQUIT"
                  "SIGHUP"
                  "SIGUSR1"
                  "SIGUSR2"
                ];
                default = "SIGTERM";
                description = "Signal that asks the agent to stop.";
              };

              grace = mkOption {
                type = duration "1ms" "1h";
                default = "30s";
                description = "Time from that signal to SIGKILL.";
              };
            };

            escalate = mkOption {
              type = distinct (
                types.nonEmptyListOf (
                  types.enum [
                    "fallback"
                    "rollback-agent"
                    "rollback"
                    "alert"
                  ]
                )
              );
              default = [
                "rollback"
                "alert"
              ];
              description = "What is tried, in this order, when restarting is not enough: the `fallback` settings, the agent alone as a known-good generation has it (`rollback-agent`), the whole system (`rollback`). `alert` tells a person whenever nothing of that is left.";
              example = [
                "rollback-agent"
                "rollback"
                "alert"
              ];
            };

            fallback = mkOption {
              type = types.nullOr (
                types.submodule {
                  options = {
                    command = mkOption {
                      type = types.nullOr (types.nonEmptyListOf types.str);
                      default = null;
                      description = "The program and its arguments. Without it: the agent's own.";
                    };

                    environment = mkOption {
                      type = types.attrsOf types.str;
                      default = { };
                      description = "Variables that are set beside the agent's own, and in place of those of the same name.";
                      example = {
                        SAFE_MODE = "1";
                      };
                    };
                  };
                }
              );
              default = null;
              description = "Other settings to run with when restarting is not enough: before anything else, unless `escalate` names `fallback` at another place.";
              example = {
                environment = {
                  SAFE_MODE = "1";
                };
              };
            };

            egress = mkOption {
              type = types.nullOr (
                types.listOf (
                  types.submodule {
                    options = {
                      host = mkOption {
                        type = types.nullOr types.str;
                        default = null;
                        description = "A host by its name, or `*.` and a name for all that is below it.";
                        example = "api.example.com";
                      };

                      port = mkOption {
                        type = types.nullOr (types.ints.between 1 65535);
                        default = null;
                        description = "The port that may be reached.";
                        example = 443;
                      };

                      protocol = mkOption {
                        type = types.nullOr (
                          types.enum [
                            "tls"
                            "tcp"
                            "postgres"
                          ]
                        );
                        default = null;
                        description = "What the first bytes of a connection have to be; `tcp`: anything. Without it: tls for port 443, else tcp.";
                        example = "postgres";
                      };

                      private = mkOption {
                        type = types.nullOr types.bool;
                        default = null;
                        description = "Whether the name may lead to an address that is not public. Without it: it may not.";
                        example = true;
                      };

                      forward = mkOption {
                        type = types.nullOr (types.ints.between 1024 65535);
                        default = null;
                        description = "A port of the loopback address that leads there without any proxy protocol. Without it: none.";
                        example = 15432;
                      };

                      cidr = mkOption {
                        type = types.nullOr types.str;
                        default = null;
                        description = "A network, for addresses and for names that lead there.";
                        example = "10.0.0.0/8";
                      };

                      scope = mkOption {
                        type = types.nullOr (
                          types.enum [
                            "agent"
                            "host"
                            "fleet"
                          ]
                        );
                        default = null;
                        internal = true;
                        description = "Where the rule was written. Without it: here.";
                      };
                    };
                  }
                )
              );
              default = null;
              description = "What the agent may reach: names and networks with their ports; nothing else. Without it, and without rules of its host or fleet: everything.";
              example = [
                {
                  host = "db.example.com";
                  port = 5432;
                  protocol = "postgres";
                  forward = 15432;
                }
              ];
            };

            alerts = {
              on = mkOption {
                type = types.nullOr (
                  types.enum [
                    "recovery"
                    "escalation"
                    "unresolved"
                    "never"
                  ]
                );
                default = null;
                description = "Of what it tells. Without it: as the host says.";
                example = "recovery";
              };

              after = mkOption {
                type = types.nullOr (duration "0ms" "30d");
                default = null;
                description = "How long a failure lasts until it counts as unresolved. Without it: as the host says.";
                example = "2m";
              };

              to = mkOption {
                type = types.nullOr (types.listOf (types.strMatching "[a-z][a-z0-9-]{0,30}"));
                default = null;
                description = "Sinks that are told. Without it: as the host says.";
              };
            };

            required = mkOption {
              type = types.bool;
              default = true;
              description = "Whether a generation counts as known-good only once this agent stayed healthy.";
            };
          };
        }
      );
      default = { };
      description = "The agents that run on the host, by name.";
    };

    routines = mkOption {
      type = types.attrsOf (
        types.submodule {
          options = {
            command = mkOption {
              type = types.nonEmptyListOf types.str;
              description = "The program and its arguments. The program is a file of a package, of the routine's own code, or of the host.";
              example = literalExpression "[ \"\${pkgs.nodejs_24}/bin/node\" \"\${./enricher}/main.js\" ]";
            };

            environment = mkOption {
              type = types.attrsOf types.str;
              default = { };
              description = "Environment variables. Not for secrets: the values are in generated files and in the store; see `credentials`.";
              example = {
                LOG_LEVEL = "info";
              };
            };

            workingDirectory = mkOption {
              type = types.nullOr (types.strMatching "/.*");
              default = null;
              description = "Directory in which the program starts. Without it: the routine's own state directory.";
              example = "/srv/enricher";
            };

            credentials = mkOption {
              type = types.attrsOf (outsideStore (types.strMatching "/.*"));
              default = { };
              description = "Secrets: name in $CREDENTIALS_DIRECTORY -> file on the host. Only the path is ever written down.";
              example = {
                API_KEY = "/run/secrets/enricher-api-key";
              };
            };

            schedule = mkOption {
              type = types.nullOr (types.strMatching ".+");
              default = null;
              description = "When it runs: a cron expression, @daily and the like, or @every 15m (docs/concepts/schedules.md); several of them, one a line. Without it: only by events or by hand.";
              example = "0 2 * * *";
            };

            timezone = mkOption {
              type = types.str;
              default = "UTC";
              description = "Time zone of the schedule.";
              example = "Europe/Berlin";
            };

            atBoot = mkOption {
              type = types.bool;
              default = false;
              description = "Whether it also runs once for each boot of the host.";
            };

            after = mkOption {
              type = types.listOf (types.strMatching ".+");
              default = [ ];
              description = "Routines of the host after whose success it also runs.";
              example = [ "extract" ];
            };

            on = {
              failed = mkOption {
                type = types.listOf (types.strMatching ".+");
                default = [ ];
                description = "Routines of the host after whose failure it also runs.";
                example = [ "extract" ];
              };

              recovered = mkOption {
                type = types.listOf (types.strMatching ".+");
                default = [ ];
                description = "Agents of the host after whose recovery it also runs.";
                example = [ "enricher" ];
              };

              ledger = mkOption {
                type = types.listOf (
                  types.submodule {
                    options = {
                      action = mkOption {
                        type = types.strMatching "[a-z][a-z.-]*[*]?";
                        description = "Action of the entry, or the beginning of some: `generation.*`.";
                        example = "generation.rolled-back";
                      };

                      subject = mkOption {
                        type = types.nullOr (types.strMatching ".+");
                        default = null;
                        description = "What the entry is about. Without it: anything.";
                        example = "enricher";
                      };
                    };
                  }
                );
                default = [ ];
                description = "Entries of the ledger after which it also runs: by their action (docs/reference/ledger-actions.md) and what they are about.";
                example = [
                  {
                    action = "generation.rolled-back";
                  }
                ];
              };

              files = mkOption {
                type = types.listOf (types.strMatching "/.*");
                default = [ ];
                description = "Files and directories: when something in them appears or changes, it also runs.";
                example = [ "/srv/inbox" ];
              };
            };

            webhook = mkOption {
              type = types.nullOr (
                types.submodule {
                  options = {
                    path = mkOption {
                      type = types.strMatching "/[A-Za-z0-9/_.-]{1,200}";
                      description = "Where it is posted to.";
                      example = "/hooks/orders";
                    };

                    scheme = mkOption {
                      type = types.enum [
                        "standard"
                        "github"
                        "stripe"
                        "shared"
                      ];
                      description = "How the sender proves itself (docs/concepts/webhooks.md).";
                      example = "standard";
                    };

                    secrets = mkOption {
                      type = types.nonEmptyListOf (outsideStore (types.strMatching "/.*"));
                      description = "Files with a secret each, read at each delivery; any of them proves it.";
                      example = [ "/run/secrets/orders-webhook" ];
                    };

                    listen = mkOption {
                      type = types.strMatching "([0-9]{1,3}([.][0-9]{1,3}){3}|[[][0-9a-fA-F:]+]):[0-9]{1,5}";
                      default = "127.0.0.1:8788";
                      description = "Address on which it is listened. Routines may share one, with paths of their own.";
                    };

                    body = mkOption {
                      type = size "1B" "25MiB";
                      default = "1MiB";
                      description = "Longer bodies are refused.";
                    };
                  };
                }
              );
              default = null;
              description = "An HTTP POST that it also runs after, with the body as its input. Without it: none.";
              example = {
                path = "/hooks/orders";
                scheme = "standard";
                secrets = [ "/run/secrets/orders-webhook" ];
              };
            };

            overlap = mkOption {
              type = types.enum [
                "skip"
                "queue"
                "parallel"
                "replace"
              ];
              default = "skip";
              description = "What becomes of a run that is due while another is active.";
            };

            limit = mkOption {
              type = types.ints.between 1 1000;
              default = 10;
              description = "With overlap queue: how many runs wait at most. With parallel: how many are active at most.";
            };

            missed = mkOption {
              type = types.enum [
                "skip"
                "one"
                "all"
              ];
              default = "one";
              description = "Which of the times that passed while the host was off are caught up.";
            };

            catchUp = mkOption {
              type = duration "0ms" "366d";
              default = "1d";
              description = "Times that are longer ago than this are never caught up.";
            };

            jitter = mkOption {
              type = duration "0ms" "1d";
              default = "0ms";
              description = "A run is put off by up to this, by a share that depends on its name and time alone.";
            };

            deadline = mkOption {
              type = types.nullOr (duration "1s" "366d");
              default = null;
              description = "A run that has not started this long after its time is dropped. Without it: it waits.";
              example = "1h";
            };

            group = mkOption {
              type = types.nullOr (types.strMatching "[a-z][a-z0-9-]{0,62}");
              default = null;
              description = "At most one run of all routines in a group is active at a time.";
              example = "warehouse";
            };

            retries = mkOption {
              type = types.ints.between 0 1000;
              default = 0;
              description = "How many times a run that failed is started again.";
            };

            backoff = {
              kind = mkOption {
                type = types.enum [
                  "immediate"
                  "fixed"
                  "linear"
                  "exponential"
                ];
                default = "exponential";
                description = "How the delay grows: not at all (`immediate`: there is none; `fixed`: it is always `initial`), by `initial` each time (`linear`), or by `factor` (`exponential`).";
              };

              initial = mkOption {
                type = duration "0ms" "1h";
                default = "100ms";
                description = "Delay before the first restart.";
              };

              factor = mkOption {
                type = types.numbers.between 1 100;
                default = 2;
                description = "By how much the delay grows from one restart to the next.";
              };

              max = mkOption {
                type = duration "1ms" "1d";
                default = "30s";
                description = "The delay never grows beyond this.";
              };

              jitter = mkOption {
                type = types.numbers.between 0 1;
                default = 0.2;
                description = "Share of the delay, 0 to 1, by which it varies at random either way.";
              };
            };

            timeout = mkOption {
              type = types.nullOr (duration "1s" "366d");
              default = null;
              description = "How long one attempt may take. Without it: as long as it likes.";
              example = "2h";
            };

            expect = {
              extracted = mkOption {
                type = types.nullOr (
                  types.submodule {
                    options = {
                      min = mkOption {
                        type = types.nullOr (types.ints.between 0 9007199254740991);
                        default = null;
                        description = "Less than this is an anomaly. Without it: no bound.";
                        example = 1;
                      };

                      max = mkOption {
                        type = types.nullOr (types.ints.between 0 9007199254740991);
                        default = null;
                        description = "More than this is an anomaly. Without it: no bound.";
                        example = 100000;
                      };

                      deviation = mkOption {
                        type = types.nullOr (types.numbers.between 0 1000);
                        default = null;
                        description = "Share by which it may differ from the median of the last results, of which there have to be 5. Without it: they are not compared.";
                        example = 0.5;
                      };
                    };
                  }
                );
                default = null;
                description = "How many records it reads. Without it: as many as there are.";
              };

              transformed = mkOption {
                type = types.nullOr (
                  types.submodule {
                    options = {
                      min = mkOption {
                        type = types.nullOr (types.ints.between 0 9007199254740991);
                        default = null;
                        description = "Less than this is an anomaly. Without it: no bound.";
                        example = 1;
                      };

                      max = mkOption {
                        type = types.nullOr (types.ints.between 0 9007199254740991);
                        default = null;
                        description = "More than this is an anomaly. Without it: no bound.";
                        example = 100000;
                      };

                      deviation = mkOption {
                        type = types.nullOr (types.numbers.between 0 1000);
                        default = null;
                        description = "Share by which it may differ from the median of the last results, of which there have to be 5. Without it: they are not compared.";
                        example = 0.5;
                      };
                    };
                  }
                );
                default = null;
                description = "How many records it changes. Without it: as many as there are.";
              };

              loaded = mkOption {
                type = types.nullOr (
                  types.submodule {
                    options = {
                      min = mkOption {
                        type = types.nullOr (types.ints.between 0 9007199254740991);
                        default = null;
                        description = "Less than this is an anomaly. Without it: no bound.";
                        example = 1;
                      };

                      max = mkOption {
                        type = types.nullOr (types.ints.between 0 9007199254740991);
                        default = null;
                        description = "More than this is an anomaly. Without it: no bound.";
                        example = 100000;
                      };

                      deviation = mkOption {
                        type = types.nullOr (types.numbers.between 0 1000);
                        default = null;
                        description = "Share by which it may differ from the median of the last results, of which there have to be 5. Without it: they are not compared.";
                        example = 0.5;
                      };
                    };
                  }
                );
                default = null;
                description = "How many records it writes. Without it: as many as there are.";
              };

              errors = mkOption {
                type = types.nullOr (
                  types.submodule {
                    options = {
                      min = mkOption {
                        type = types.nullOr (types.ints.between 0 9007199254740991);
                        default = null;
                        description = "Less than this is an anomaly. Without it: no bound.";
                        example = 1;
                      };

                      max = mkOption {
                        type = types.nullOr (types.ints.between 0 9007199254740991);
                        default = null;
                        description = "More than this is an anomaly. Without it: no bound.";
                        example = 100000;
                      };

                      deviation = mkOption {
                        type = types.nullOr (types.numbers.between 0 1000);
                        default = null;
                        description = "Share by which it may differ from the median of the last results, of which there have to be 5. Without it: they are not compared.";
                        example = 0.5;
                      };
                    };
                  }
                );
                default = null;
                description = "How many records it gives up on. Without it: as many as there are.";
              };
            };

            alerts = {
              on = mkOption {
                type = types.nullOr (
                  types.listOf (
                    types.enum [
                      "success"
                      "failure"
                      "anomaly"
                    ]
                  )
                );
                default = null;
                description = "Of which ends of a run it tells. Without it: as the host says.";
                example = [
                  "success"
                  "failure"
                  "anomaly"
                ];
              };

              to = mkOption {
                type = types.nullOr (types.listOf (types.strMatching "[a-z][a-z0-9-]{0,30}"));
                default = null;
                description = "Sinks that are told. Without it: as the host says.";
              };
            };

            limits = {
              memory = mkOption {
                type = types.nullOr (size "1MiB" "1024TiB");
                default = null;
                description = "Memory of all processes of the routine together. Without it: no limit.";
                example = "512MiB";
              };
            };

            stop = {
              signal = mkOption {
                type = types.enum [
                  "SIGTERM"
                  "SIGINT"
                  "SIGQUIT"
                  "SIGHUP"
                  "SIGUSR1"
                  "SIGUSR2"
                ];
                default = "SIGTERM";
                description = "Signal that asks the routine to stop.";
              };

              grace = mkOption {
                type = duration "1ms" "1h";
                default = "30s";
                description = "Time from that signal to SIGKILL.";
              };
            };

            egress = mkOption {
              type = types.nullOr (
                types.listOf (
                  types.submodule {
                    options = {
                      host = mkOption {
                        type = types.nullOr types.str;
                        default = null;
                        description = "A host by its name, or `*.` and a name for all that is below it.";
                        example = "api.example.com";
                      };

                      port = mkOption {
                        type = types.nullOr (types.ints.between 1 65535);
                        default = null;
                        description = "The port that may be reached.";
                        example = 443;
                      };

                      protocol = mkOption {
                        type = types.nullOr (
                          types.enum [
                            "tls"
                            "tcp"
                            "postgres"
                          ]
                        );
                        default = null;
                        description = "What the first bytes of a connection have to be; `tcp`: anything. Without it: tls for port 443, else tcp.";
                        example = "postgres";
                      };

                      private = mkOption {
                        type = types.nullOr types.bool;
                        default = null;
                        description = "Whether the name may lead to an address that is not public. Without it: it may not.";
                        example = true;
                      };

                      forward = mkOption {
                        type = types.nullOr (types.ints.between 1024 65535);
                        default = null;
                        description = "A port of the loopback address that leads there without any proxy protocol. Without it: none.";
                        example = 15432;
                      };

                      cidr = mkOption {
                        type = types.nullOr types.str;
                        default = null;
                        description = "A network, for addresses and for names that lead there.";
                        example = "10.0.0.0/8";
                      };

                      scope = mkOption {
                        type = types.nullOr (
                          types.enum [
                            "agent"
                            "host"
                            "fleet"
                          ]
                        );
                        default = null;
                        internal = true;
                        description = "Where the rule was written. Without it: here.";
                      };
                    };
                  }
                )
              );
              default = null;
              description = "What its runs may reach: names and networks with their ports; nothing else. Without it, and without rules of its host or fleet: everything.";
              example = [
                {
                  host = "db.example.com";
                  port = 5432;
                  protocol = "postgres";
                }
              ];
            };
          };
        }
      );
      default = { };
      description = "The routines that run on the host, by name.";
    };

    watchdog = {
      probation = mkOption {
        type = duration "1ms" "7d";
        default = "10m";
        description = "How long every required agent stays healthy until a generation is known-good.";
      };

      rollbackBudget = mkOption {
        type = types.ints.between 0 10;
        default = 1;
        description = "How many automatic rollbacks may leave one and the same generation. 0 turns them off.";
      };

      restartsAtOnce = mkOption {
        type = types.ints.between 1 100000;
        default = 10;
        description = "How many agents that have failed may be starting up again at the same time; others wait for their turn.";
      };
    };

    drift = {
      policy = mkOption {
        type = types.enum [
          "report"
          "correct"
        ];
        default = "report";
        description = "Whether a difference is only recorded, or put right as well.";
      };

      every = mkOption {
        type = duration "100ms" "1d";
        default = "1m";
        description = "Time between two looks. What the kernel tells of changed files is looked at sooner.";
      };

      storeEvery = mkOption {
        type = duration "1s" "365d";
        default = "7d";
        description = "Time in which every store path in use is hashed once, a few at each look.";
      };

      attempts = mkOption {
        type = types.ints.between 1 100;
        default = 3;
        description = "How often the same difference is put right within the window `within`; then it is left, with an alert.";
      };

      within = mkOption {
        type = duration "1s" "30d";
        default = "1d";
        description = "The window in which `attempts` corrections are counted.";
      };

      ignore = mkOption {
        type = types.listOf types.str;
        default = [ ];
        description = "Files that are yours: what is at these paths, or below them, is left alone.";
        example = [
          "/etc/resolv.conf"
          "/run/systemd/system/nginx.service.d"
        ];
      };
    };

    egress = {
      mode = mkOption {
        type = types.enum [
          "enforce"
          "observe"
        ];
        default = "enforce";
        description = "Whether what the rules refuse is refused, or only recorded.";
      };

      allow = mkOption {
        type = types.listOf (
          types.submodule {
            options = {
              host = mkOption {
                type = types.nullOr types.str;
                default = null;
                description = "A host by its name, or `*.` and a name for all that is below it.";
                example = "api.example.com";
              };

              port = mkOption {
                type = types.nullOr (types.ints.between 1 65535);
                default = null;
                description = "The port that may be reached.";
                example = 443;
              };

              protocol = mkOption {
                type = types.nullOr (
                  types.enum [
                    "tls"
                    "tcp"
                    "postgres"
                  ]
                );
                default = null;
                description = "What the first bytes of a connection have to be; `tcp`: anything. Without it: tls for port 443, else tcp.";
                example = "postgres";
              };

              private = mkOption {
                type = types.nullOr types.bool;
                default = null;
                description = "Whether the name may lead to an address that is not public. Without it: it may not.";
                example = true;
              };

              forward = mkOption {
                type = types.nullOr (types.ints.between 1024 65535);
                default = null;
                description = "A port of the loopback address that leads there without any proxy protocol. Without it: none.";
                example = 15432;
              };

              cidr = mkOption {
                type = types.nullOr types.str;
                default = null;
                description = "A network, for addresses and for names that lead there.";
                example = "10.0.0.0/8";
              };

              scope = mkOption {
                type = types.nullOr (
                  types.enum [
                    "agent"
                    "host"
                    "fleet"
                  ]
                );
                default = null;
                internal = true;
                description = "Where the rule was written. Without it: here.";
              };
            };
          }
        );
        default = [ ];
        description = "What every agent and routine may reach beside what it lists itself.";
        example = [
          {
            cidr = "10.0.0.0/8";
            port = 5432;
          }
        ];
      };

      deny = mkOption {
        type = types.listOf (
          types.submodule {
            options = {
              host = mkOption {
                type = types.nullOr types.str;
                default = null;
                description = "A host by its name, or `*.` and a name for all that is below it.";
                example = "api.example.com";
              };

              port = mkOption {
                type = types.nullOr (types.ints.between 1 65535);
                default = null;
                description = "The port. Without it: every port.";
                example = 25;
              };

              cidr = mkOption {
                type = types.nullOr types.str;
                default = null;
                description = "A network, for addresses and for names that lead there.";
                example = "10.0.0.0/8";
              };

              scope = mkOption {
                type = types.nullOr (
                  types.enum [
                    "agent"
                    "host"
                    "fleet"
                  ]
                );
                default = null;
                internal = true;
                description = "Where the rule was written. Without it: here.";
              };
            };
          }
        );
        default = [ ];
        description = "What no agent and no routine may reach, whatever else allows it.";
        example = [
          {
            cidr = "203.0.113.0/24";
          }
        ];
      };

      limits = {
        connections = mkOption {
          type = types.ints.between 1 100000;
          default = 512;
          description = "Connections of one agent, or of all runs of one routine, at the same time.";
        };

        idle = mkOption {
          type = duration "1s" "1d";
          default = "10m";
          description = "How long a connection may carry nothing.";
        };

        bytes = mkOption {
          type = types.nullOr (size "1KiB" "1024TiB");
          default = null;
          description = "What one connection may carry, both ways together. Without it: any amount.";
          example = "10GiB";
        };
      };
    };

    alerts = {
      sinks = mkOption {
        type = types.attrsOf (
          types.submodule {
            options = {
              kind = mkOption {
                type = types.enum [
                  "webhook"
                  "slack"
                  "discord"
                  "telegram"
                  "pagerduty"
                  "opsgenie"
                  "whatsapp"
                  "email"
                ];
                description = "What kind of service it is.";
                example = "slack";
              };

              credential = mkOption {
                type = types.nullOr (outsideStore (types.strMatching "/.*"));
                default = null;
                description = "File of the secret: the webhook's URL for slack and discord, the token or key for telegram, pagerduty, opsgenie and whatsapp, the signing secret (whsec_…) for webhook, the password for email.";
                example = "/run/secrets/slack-url";
              };

              url = mkOption {
                type = types.nullOr (types.strMatching "(https?|smtps?)://.+");
                default = null;
                description = "Where it is. Needed for webhook (https://…) and email (smtps://HOST:465 or smtp://HOST:587); for others only where it is not the usual place.";
                example = "https://events.eu.pagerduty.com";
              };

              from = mkOption {
                type = types.nullOr (types.strMatching ".{1,320}");
                default = null;
                description = "Sender: an address for email, the ID of the phone number for whatsapp.";
                example = "daruma@example.com";
              };

              to = mkOption {
                type = types.listOf (types.strMatching ".{1,320}");
                default = [ ];
                description = "Recipients: addresses for email; the chat for telegram and the number for whatsapp, one each.";
                example = [ "oncall@example.com" ];
              };

              user = mkOption {
                type = types.nullOr (types.strMatching ".{1,320}");
                default = null;
                description = "Name under which email logs in. Without it: no login.";
                example = "daruma";
              };

              template = mkOption {
                type = types.nullOr (types.strMatching ".{1,320}");
                default = null;
                description = "Name of the approved whatsapp template, whose body has three variables: state, title and details.";
                example = "daruma_alert";
              };

              language = mkOption {
                type = types.strMatching ".{1,320}";
                default = "en";
                description = "Language of the whatsapp template.";
              };

              fallback = mkOption {
                type = types.nullOr (types.strMatching "[a-z][a-z0-9-]{0,30}");
                default = null;
                description = "Sink that is told as well where this one cannot be.";
                example = "mail";
              };

              private = mkOption {
                type = types.bool;
                default = false;
                description = "Whether its host may have an address that is not public.";
              };
            };
          }
        );
        default = { };
        description = "Those who are told, by name.";
        example = {
          chat = {
            kind = "slack";
            credential = "/run/secrets/slack-url";
          };
        };
      };

      to = mkOption {
        type = types.listOf (types.strMatching "[a-z][a-z0-9-]{0,30}");
        default = [ ];
        description = "Sinks for what no agent and no routine sends elsewhere. Empty: every sink that is not the fallback of another.";
      };

      agents = mkOption {
        type = types.enum [
          "recovery"
          "escalation"
          "unresolved"
          "never"
        ];
        default = "unresolved";
        description = "Of what agents tell that do not say so themselves: of any recovery, of escalations only, or only of what stays unresolved.";
      };

      after = mkOption {
        type = duration "0ms" "30d";
        default = "10m";
        description = "How long a failure of an agent lasts until it counts as unresolved.";
      };

      routines = mkOption {
        type = types.listOf (
          types.enum [
            "success"
            "failure"
            "anomaly"
          ]
        );
        default = [
          "failure"
          "anomaly"
        ];
        description = "Of which ends of a run routines tell that do not say so themselves.";
      };

      quiet = mkOption {
        type = types.nullOr (
          types.submodule {
            options = {
              from = mkOption {
                type = types.strMatching "([01][0-9]|2[0-3]):[0-5][0-9]";
                description = "When it begins, each day.";
                example = "22:00";
              };

              to = mkOption {
                type = types.strMatching "([01][0-9]|2[0-3]):[0-5][0-9]";
                description = "When it ends; before `from` if it goes over midnight.";
                example = "07:00";
              };

              timezone = mkOption {
                type = types.str;
                default = "UTC";
                description = "Time zone of both.";
                example = "Europe/Berlin";
              };

              except = mkOption {
                type = types.enum [
                  "info"
                  "warning"
                  "error"
                  "critical"
                ];
                default = "critical";
                description = "The least severity that is sent all the same.";
              };
            };
          }
        );
        default = null;
        description = "A time of each day in which only what is serious is sent. Without it: none.";
        example = {
          from = "22:00";
          to = "07:00";
          timezone = "Europe/Berlin";
        };
      };

      digest = {
        after = mkOption {
          type = types.ints.between 1 1000;
          default = 5;
          description = "Messages to one sink within `within` after which further ones are gathered.";
        };

        within = mkOption {
          type = duration "1s" "1d";
          default = "1m";
          description = "Time in which `after` are counted.";
        };

        every = mkOption {
          type = duration "1s" "1d";
          default = "5m";
          description = "How often what was gathered is sent, as one message.";
        };
      };

      giveUp = mkOption {
        type = duration "1m" "30d";
        default = "3d";
        description = "What could not be delivered for this long is given up.";
      };

      deadMansSwitch = mkOption {
        type = types.nullOr (
          types.submodule {
            options = {
              credential = mkOption {
                type = outsideStore (types.strMatching "/.*");
                description = "File of the URL that is asked for as long as all is well.";
                example = "/run/secrets/monitor-url";
              };

              url = mkOption {
                type = types.strMatching "(https?|smtps?)://.+";
                description = "Beginning of that URL: scheme and host, and the port if it is not the usual one.";
                example = "https://hc-ping.com";
              };

              every = mkOption {
                type = duration "10s" "1d";
                default = "1m";
                description = "How often it is asked for.";
              };

              private = mkOption {
                type = types.bool;
                default = false;
                description = "Whether its host may have an address that is not public.";
              };
            };
          }
        );
        default = null;
        description = "A URL of a monitor elsewhere, which raises the alarm when nobody asks for it any more.";
        example = {
          credential = "/run/secrets/monitor-url";
          url = "https://hc-ping.com";
        };
      };
    };

    metrics = mkOption {
      type = types.nullOr (
        types.submodule {
          options = {
            port = mkOption {
              type = types.nullOr (types.ints.between 1 65535);
              default = null;
              description = "TCP port that Prometheus reads. Without it: the socket alone.";
              example = 9464;
            };

            address = mkOption {
              type = types.strMatching "[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*";
              default = "127.0.0.1";
              description = "Address on which the port is listened on. Whoever reaches it reads the names and numbers of all agents.";
              example = "10.0.0.7";
            };
          };
        }
      );
      default = null;
      description = "That Prometheus can read metrics of the host: at the socket /run/daruma-metrics/metrics.sock, and at a port. Without it: nothing serves them.";
      example = {
        port = 9464;
      };
    };
  };
}
