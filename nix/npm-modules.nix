# What of package-lock.json the bundles are made from, as a list of things to put below the source tree:
# { path, url, hash } for a package of the registry, { path, link } for one of ours. In builtins only.
#
# The lock file names no addresses, and has ours in it, so that the ways of nixpkgs to read it do not apply
# (importNpmLock), or want a hash that changes with every change of the lock file (npmDepsHash).
{
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
    concatMap
    elemAt
    length
    match
    split
    isString
    filter
    ;

  # Programs of the build itself are development dependencies.
  needed =
    path: entry:
    !(entry.dev or false)
    || path == "node_modules/esbuild"
    || path == "node_modules/@esbuild/linux-${cpu}";

  # node_modules/a/node_modules/@scope/b -> @scope/b
  nameOf =
    path:
    let
      parts = filter isString (split "node_modules/" path);
    in
    elemAt parts (length parts - 1);

  urlOf =
    name: version:
    let
      scoped = match "@[^/]+/(.+)" name;
      base = if scoped == null then name else elemAt scoped 0;
    in
    "${registry}/${name}/-/${base}-${version}.tgz";

  module =
    path:
    let
      entry = lock.packages.${path};
    in
    if match "node_modules/.*" path == null || !needed path entry then
      [ ]
    else if entry.link or false then
      [
        {
          inherit path;
          link = entry.resolved;
        }
      ]
    else
      [
        {
          inherit path;
          url = entry.resolved or (urlOf (entry.name or (nameOf path)) entry.version);
          hash = entry.integrity;
        }
      ];
in
concatMap module (attrNames lock.packages)
