# package.json and package-lock.json as nixpkgs' importNpmLock takes them: what the bundles are made from and no more, and with
# addresses, of which our lock file names none. In builtins only.
{
  # The content of package.json.
  package,
  # The content of package-lock.json.
  lock,
  # As npm calls it: x64 or arm64.
  cpu,
  # Address of the npm registry to fetch from, without a slash at its end.
  registry,
}:
let
  inherit (builtins)
    attrNames
    elemAt
    filter
    mapAttrs
    match
    removeAttrs
    ;

  # Programs of the build itself are development dependencies.
  isNeeded =
    path:
    !(lock.packages.${path}.dev or false)
    || path == "node_modules/esbuild"
    || path == "node_modules/@esbuild/linux-${cpu}";

  # node_modules/a/node_modules/@scope/b is @scope/b, whose file is b-VERSION.tgz.
  nameOf = path: elemAt (match "(.*/)?node_modules/((@[^/]+/)?[^/]+)" path) 1;
  addressOf =
    path: entry:
    let
      name = entry.name or (nameOf path);
    in
    "${registry}/${name}/-/${baseNameOf name}-${entry.version}.tgz";

  # What has a hash is of a registry. What has none is ours: a package, or a link to one.
  filled =
    path: entry: if entry ? integrity then { resolved = addressOf path entry; } // entry else entry;
in
{
  package = package // {
    devDependencies = { inherit (package.devDependencies) esbuild; };
  };

  packageLock = lock // {
    packages = mapAttrs filled (
      removeAttrs lock.packages (filter (path: !isNeeded path) (attrNames lock.packages))
    );
  };
}
