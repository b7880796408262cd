--- The peers' Python: where it is, how it is made, and what it has.
-- @module hyla.cli.bench.peers
local folders = require "hyla.folders"
local lfs = require "lfs"
local quote = require "hyla.quote"
local tree = require "hyla.cli.tree"

local peers = {}

local DISK = { [false] = "about 700 MB", [true] = "several GB" }

--- The folder of the virtual environment.
-- @tparam[opt] string given what the command line says; then HYLA_PEERS, then the user's cache
-- @treturn string; an error where none of them says
function peers.folder(given)
  local named = given or os.getenv "HYLA_PEERS"
  if named and named ~= "" then return named end
  local cache = folders.cache()
  if not cache then
    error("bench: no folder for peers: neither HYLA_PEERS, XDG_CACHE_HOME nor HOME is set, nor --peers-dir given", 0)
  end
  return cache .. "/peers"
end

local function requirements(torch)
  local list = { tree.root .. "/bench/peers/requirements.txt" }
  if torch then list[2] = tree.root .. "/bench/peers/requirements-torch.txt" end
  return list
end

--- Path of the Python that runs peers, or nil and what to do about it.
-- @tparam string folder
-- @treturn string|nil
function peers.python(folder)
  local python = folder .. "/bin/python"
  if lfs.attributes(python, "mode") then return python end
  return nil, ("bench: no peers in %s: ./hyla bench --setup-peers installs them (--peers-dir or HYLA_PEERS names "
    .. "another folder)"):format(folder)
end

--- Whether the environment has a module.
-- @tparam string folder
-- @tparam string module
-- @treturn boolean
function peers.has(folder, module)
  local line = ("%s -c 'import importlib.util, sys; sys.exit(importlib.util.find_spec(\"%s\") is None)' 2>/dev/null")
    :format(quote(folder .. "/bin/python"), module)
  return os.execute(line) == 0
end

local function runs(line) return os.execute(line .. " >/dev/null 2>&1") == 0 end

-- What this machine lacks, in words; nil when nothing.
local function missing(python)
  if not runs(("command -v %s"):format(python)) then
    return ("bench: --setup-peers: %s is not installed (Debian packages python3 and python3-venv)"):format(python)
  end
  if not runs(python .. " -c 'import sys; sys.exit(sys.version_info < (3, 11))'") then
    return "bench: --setup-peers: the pinned versions want Python 3.11 or later"
  end
  if not runs(python .. " -c 'import venv, ensurepip'") then
    return ("bench: --setup-peers: %s cannot make virtual environments: install the Debian package python3-venv")
      :format(python)
  end
end

--- Makes the environment, or brings it to the pinned versions.
-- @tparam table given folder, torch (boolean), dry (boolean: only shows the commands), python ("python3")
-- @treturn number exit code
-- @treturn string|nil what is wrong
function peers.setup(given)
  local python = given.python or "python3"
  local commands = {
    ("%s -m venv %s"):format(python, quote(given.folder)),
    ("%s -m pip install --quiet --disable-pip-version-check"):format(quote(given.folder .. "/bin/python")),
  }
  for _, file in ipairs(requirements(given.torch)) do commands[2] = commands[2] .. " -r " .. quote(file) end
  if not given.dry then
    local problem = missing(python)
    if problem then return 1, problem end
    io.stdout:write(("installing from PyPI into %s (%s)\n"):format(given.folder, DISK[given.torch or false]))
  end
  for _, command in ipairs(commands) do
    io.stdout:write("+ ", command, "\n")
    io.stdout:flush()
    if not given.dry and os.execute(command) ~= 0 then return 1, "bench: --setup-peers: this failed: " .. command end
  end
  return 0
end

return peers
