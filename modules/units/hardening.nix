# What a process of ours may do, from least trusted to most. systemd.exec(5) "Sandboxing" explains each setting.
let
  # Nothing that a service in user space needs.
  common = {
    AmbientCapabilities = "";
    CapabilityBoundingSet = "";
    DevicePolicy = "closed";
    KeyringMode = "private";
    LockPersonality = true;
    NoNewPrivileges = true;
    PrivateDevices = true;
    PrivateTmp = true;
    ProtectClock = true;
    ProtectControlGroups = true;
    ProtectHome = true;
    ProtectHostname = true;
    ProtectKernelLogs = true;
    ProtectKernelModules = true;
    ProtectKernelTunables = true;
    ProtectProc = "invisible";
    ProtectSystem = "strict";
    RemoveIPC = true;
    RestrictNamespaces = true;
    RestrictRealtime = true;
    RestrictSUIDSGID = true;
    SystemCallArchitectures = "native";
    # A refused call is an error that a runtime can handle, not a death that looks like a crash of the agent.
    SystemCallErrorNumber = "EPERM";
    # @pkey: V8 guards its own code pages with memory protection keys where the processor has them.
    SystemCallFilter = [
      "@system-service"
      "@pkey"
    ];
    UMask = "0077";
    # Not MemoryDenyWriteExecute: V8 (and every other JIT) maps memory that is writable and executable.
    # Not ProcSubset=pid: Node and Python count processors and memory in /proc/cpuinfo and /proc/meminfo.
  };
in
{
  agent = common // {
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
      # getifaddrs(3), which Node and Python call to list addresses, asks through it.
      "AF_NETLINK"
    ];
  };

  # Services that would resolve names, or act, for whoever reaches their socket: none of them knows what an agent may reach.
  confined = {
    IPAddressAllow = "localhost";
    IPAddressDeny = "any";
    InaccessiblePaths = map (path: "-${path}") [
      "/run/nscd"
      "/run/systemd/resolve/io.systemd.Resolve"
      "/run/systemd/resolve/io.systemd.Resolve.Monitor"
      "/run/systemd/userdb"
      "/run/avahi-daemon"
      "/run/dbus"
      "/nix/var/nix/daemon-socket"
      "/run/docker.sock"
      "/run/containerd"
      "/run/podman"
      "/run/libvirt"
    ];
  };

  egressd = common // {
    # The ids that files and the wall's rules (skuid) know are the host's own, inside and outside.
    PrivateUsers = true;
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
    ];
  };

  # It asks the daemons for numbers and tells them to whoever reaches it. What the host uses is in /proc, which ProtectProc=
  # leaves readable as far as it is nobody's process.
  metricsd = common // {
    RestrictAddressFamilies = "AF_UNIX";
    IPAddressDeny = "any";
  };

  networkedMetricsd = common // {
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
    ];
  };

  # It changes rules of the kernel, and talks to systemd when it cannot.
  wall = common // {
    CapabilityBoundingSet = "CAP_NET_ADMIN";
    RestrictAddressFamilies = [
      "AF_NETLINK"
      "AF_UNIX"
    ];
  };

  # It starts and stops units, and talks to egressd behind a directory that is not root's.
  selfTest = common // {
    CapabilityBoundingSet = "CAP_DAC_OVERRIDE";
    RestrictAddressFamilies = "AF_UNIX";
  };

  # It copies files below /run/systemd and asks systemd to read them.
  standIns = common // {
    IPAddressDeny = "any";
    PrivateNetwork = true;
    ReadWritePaths = "/run/systemd";
    RestrictAddressFamilies = "AF_UNIX";
  };

  # It asks systemd how far the boot is, and reads a file.
  bootComplete = common // {
    IPAddressDeny = "any";
    PrivateNetwork = true;
    RestrictAddressFamilies = "AF_UNIX";
  };

  ledgerd = common // {
    IPAddressDeny = "any";
    PrivateNetwork = true;
    PrivateUsers = true;
    RestrictAddressFamilies = "AF_UNIX";
  };

  # With witnesses that are asked over the network. Names are resolved by whatever the host does it with.
  networkedLedgerd = common // {
    PrivateUsers = true;
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_UNIX"
    ];
  };

  # watchd is root and switches the system; it sees the file system as it is, so that what it finds (mounts, agents'
  # files, control groups) is what there is: nothing here gives it a mount namespace of its own. Nix, which it asks, makes
  # itself one to write to the store, so that namespaces, mounts and CAP_SYS_ADMIN are left to it.
  watchd = {
    CapabilityBoundingSet = "~${toString [
      "CAP_AUDIT_CONTROL"
      "CAP_AUDIT_READ"
      "CAP_AUDIT_WRITE"
      "CAP_BLOCK_SUSPEND"
      "CAP_IPC_OWNER"
      "CAP_LEASE"
      "CAP_MAC_ADMIN"
      "CAP_MAC_OVERRIDE"
      "CAP_MKNOD"
      "CAP_NET_BROADCAST"
      "CAP_NET_RAW"
      "CAP_SETFCAP"
      "CAP_SYS_BOOT"
      "CAP_SYS_MODULE"
      "CAP_SYS_PACCT"
      "CAP_SYS_RAWIO"
      "CAP_SYS_TIME"
      "CAP_SYS_TTY_CONFIG"
      "CAP_SYSLOG"
      "CAP_WAKE_ALARM"
    ]}";
    DevicePolicy = "closed";
    KeyringMode = "private";
    LockPersonality = true;
    NoNewPrivileges = true;
    ProtectClock = true;
    RestrictAddressFamilies = [
      "AF_INET"
      "AF_INET6"
      "AF_NETLINK"
      "AF_UNIX"
    ];
    RestrictRealtime = true;
    # Not RestrictSUIDSGID: the homes of routines and the directories of their sockets are set-gid.
    SystemCallArchitectures = "native";
    SystemCallErrorNumber = "EPERM";
    SystemCallFilter = "~@clock @cpu-emulation @module @obsolete @raw-io @reboot @swap";
    UMask = "0077";
  };
}
