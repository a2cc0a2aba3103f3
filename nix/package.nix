# agentctl, watchd and ledgerd, bundled from source, and the shell programs that work without Node.
#
# Not built where Daruma is developed: there is no nixpkgs. What is tested there is said in docs/decisions/0015-nix-package.md.
{
  autoPatchelfHook,
  buildNpmPackage,
  fetchurl,
  importNpmLock,
  lib,
  makeBinaryWrapper,
  nodejs_24,
  stdenv,
  # Address of the npm registry to fetch from, by the hashes of the lock file. nixpkgs knows npm's own by this name.
  npmRegistry ? "mirror://npm",
}:
let
  locked = import ./npm-lock.nix {
    registry = npmRegistry;
    package = lib.importJSON ../package.json;
    lock = lib.importJSON ../package-lock.json;
    cpu = if stdenv.buildPlatform.isAarch64 then "arm64" else "x64";
  };

  # As `agentctl dev` runs them.
  nodeOptions = lib.importJSON ../packages/agentctl/src/dev/node-options.json;
  daemonEnvironment = lib.importJSON ../packages/agentctl/src/dev/daemon-environment.json;
  environmentFor =
    program:
    let
      words = lib.mapAttrsToList (name: value: "--set-default ${name} ${value}") daemonEnvironment.${program};
    in
    "${program}) environment=${lib.escapeShellArg (toString words)} ;; ";
  optionsFor = program: "${program}) options=${lib.escapeShellArg (toString nodeOptions.${program})} ;; ";
in
buildNpmPackage (finalAttrs: {
  pname = "daruma";
  inherit (locked.package) version;

  src = lib.fileset.toSource {
    root = ../.;
    # Without what does not end up in the result: a test that changes must not look like another Daruma.
    fileset = lib.fileset.difference (lib.fileset.unions [
      ../package.json
      ../packages
      ../scripts/build.ts
      ../scripts/bundle
      ../templates
      # Settings of the language, which esbuild reads.
      ../tsconfig.json
    ]) (lib.fileset.fileFilter (file: lib.hasSuffix ".test.ts" file.name) ../packages);
  };

  nodejs = nodejs_24;
  npmDeps = importNpmLock {
    # Our own packages are links to directories in it.
    npmRoot = finalAttrs.src;
    inherit (locked) package packageLock;
    # Of addresses importNpmLock itself takes http, https and git, and not mirror.
    packageSourceOverrides = lib.mapAttrs (
      _: module:
      fetchurl {
        url = module.resolved;
        hash = module.integrity;
      }
    ) (lib.filterAttrs (_: module: module ? integrity) locked.packageLock.packages);
  };
  inherit (importNpmLock) npmConfigHook;
  # Nothing is compiled: what packages bring for this platform is what is used.
  npmRebuildFlags = [ "--ignore-scripts" ];

  nativeBuildInputs = [
    # classic-level brings a native library, which wants libstdc++.
    autoPatchelfHook
    makeBinaryWrapper
  ];
  buildInputs = [ (lib.getLib stdenv.cc.cc) ];

  installPhase = ''
    runHook preInstall
    mkdir -p $out/lib
    cp -r dist $out/lib/daruma
    for program in agentctl egressd ledgerd metricsd watchd; do
      case $program in
      ${lib.concatMapStrings optionsFor (lib.attrNames nodeOptions)}
      *) options= ;;
      esac
      case $program in
      ${lib.concatMapStrings environmentFor (lib.attrNames daemonEnvironment)}
      *) environment= ;;
      esac
      makeWrapper ${lib.getExe nodejs_24} $out/bin/$program $environment --add-flags "$options $out/lib/daruma/$program.mjs"
    done
    makeWrapper ${lib.getExe nodejs_24} $out/libexec/daruma/egress-self-test --add-flags $out/lib/daruma/egress-self-test.mjs
    install -D --mode=0755 packages/watchd/src/nixos/rollback.sh $out/libexec/daruma/rollback
    install -D --mode=0755 packages/egress/src/nixos/wall.sh $out/libexec/daruma/egress-wall
    install -D --mode=0755 packages/watchd/src/nixos/failed.sh $out/libexec/daruma/watchd-failed
    install -D --mode=0755 packages/watchd/src/nixos/pre-switch.sh $out/libexec/daruma/pre-switch
    install -D --mode=0755 packages/watchd/src/nixos/stand-ins.sh $out/libexec/daruma/stand-ins
    install -D --mode=0755 packages/watchd/src/nixos/boot-complete.sh $out/libexec/daruma/boot-complete
    runHook postInstall
  '';

  meta = {
    description = "Keeps AI agents running on NixOS, rolls bad deploys back, and can prove what happened";
    license = lib.licenses.asl20;
    mainProgram = "agentctl";
    platforms = [
      "aarch64-linux"
      "x86_64-linux"
    ];
  };
})
