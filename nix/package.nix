# agentctl, watchd and ledgerd, bundled from source, and the shell programs that work without Node.
#
# Not run where Daruma is developed: there is no nixpkgs. Tested there is that npm-modules.nix lists all that
# scripts/build.ts needs (tests/nix/package.test.ts).
{
  autoPatchelfHook,
  fetchurl,
  lib,
  makeBinaryWrapper,
  nodejs_24,
  stdenv,
  # Address of the npm registry to fetch from, by the hashes of the lock file. nixpkgs knows npm's own by this name.
  npmRegistry ? "mirror://npm",
}:
let
  modules = import ./npm-modules.nix {
    registry = npmRegistry;
    lock = lib.importJSON ../package-lock.json;
    cpu = if stdenv.buildPlatform.isAarch64 then "arm64" else "x64";
  };

  place =
    module:
    if module ? link then
      ''
        mkdir -p "$(dirname ${lib.escapeShellArg module.path})"
        ln -s "$PWD/"${lib.escapeShellArg module.link} ${lib.escapeShellArg module.path}
      ''
    else
      ''
        mkdir -p ${lib.escapeShellArg module.path}
        tar --extract --gzip --strip-components=1 --directory=${lib.escapeShellArg module.path} \
          --file=${fetchurl { inherit (module) url hash; }}
      '';

  # As `agentctl dev` runs them.
  nodeOptions = lib.importJSON ../packages/agentctl/src/dev/node-options.json;
  optionsFor = program: "${program}) options=${lib.escapeShellArg (toString nodeOptions.${program})} ;; ";
in
stdenv.mkDerivation {
  pname = "daruma";
  inherit (lib.importJSON ../package.json) version;

  src = lib.fileset.toSource {
    root = ../.;
    # Without what does not end up in the result: a test that changes must not look like another Daruma.
    fileset = lib.fileset.difference (lib.fileset.unions [
      ../package.json
      ../packages
      ../scripts/build.ts
      ../scripts/bundling.ts
      ../templates
    ]) (lib.fileset.fileFilter (file: lib.hasSuffix ".test.ts" file.name) ../packages);
  };

  nativeBuildInputs = [
    # classic-level brings a native library, which wants libstdc++.
    autoPatchelfHook
    makeBinaryWrapper
    nodejs_24
  ];
  buildInputs = [ (lib.getLib stdenv.cc.cc) ];
  strictDeps = true;

  configurePhase = ''
    runHook preConfigure
    ${lib.concatMapStrings place modules}
    runHook postConfigure
  '';

  buildPhase = ''
    runHook preBuild
    node scripts/build.ts
    runHook postBuild
  '';

  installPhase = ''
    runHook preInstall
    mkdir -p $out/lib
    cp -r dist $out/lib/daruma
    for program in agentctl egressd ledgerd metricsd watchd; do
      case $program in
      ${lib.concatMapStrings optionsFor (lib.attrNames nodeOptions)}
      *) options= ;;
      esac
      makeWrapper ${lib.getExe nodejs_24} $out/bin/$program --add-flags "$options $out/lib/daruma/$program.mjs"
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
}
