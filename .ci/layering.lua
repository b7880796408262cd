-- The order of the house. In engine/ a folder may include only those above it in the list below; constraint and
-- hypergrad, the last two, do not know each other; kernels, which come before the graph's passes use them, take of
-- graph the op table alone. The modules of lua/hyla require each other without a cycle.
--
--   luajit .ci/layering.lua [ROOT]      prints what breaks the order, and exits with 1 if anything does
local lfs = require "lfs"

local root = arg[1] or "."
local order = { "base", "tensor", "graph", "autodiff", "kernels", "plan", "dynamics", "hypergrad", "constraint" }
-- Exceptions to "those above it": what a folder may not take although it is above.
local strangers = { kernels = { "graph", "autodiff" }, constraint = { "hypergrad" } }
-- Files of such a folder that may be taken all the same.
local open_files = { ["graph/ops.def"] = true }

local problems = 0
local function complain(...)
  problems = problems + 1
  print(string.format(...))
end

-- Calls visit(path) for every file under a folder, in order of name.
local function walk(folder, visit)
  local entries = {}
  for entry in lfs.dir(folder) do
    if entry:sub(1, 1) ~= "." then entries[#entries + 1] = entry end
  end
  table.sort(entries)
  for _, entry in ipairs(entries) do
    local path = folder .. "/" .. entry
    if lfs.attributes(path, "mode") == "directory" then walk(path, visit) else visit(path) end
  end
end

local function contains(list, item)
  for _, x in ipairs(list or {}) do
    if x == item then return true end
  end
  return false
end

local function check_engine()
  local rank = {}
  for i, folder in ipairs(order) do rank[folder] = i end
  walk(root .. "/engine", function(path)
    local folder = path:match "/engine/([^/]+)/"
    if not folder or not path:match "%.[ch]$" then return end
    if not rank[folder] then return complain("%s: engine/%s is not in the order of %s", path, folder, arg[0]) end
    local number = 0
    for line in io.lines(path) do
      number = number + 1
      local included = line:match '^%s*#%s*include%s+"([^"]+)"'
      local other = included and included:match "^([^/]+)/"
      local allowed = not other or other == folder or open_files[included]
        or (rank[other] and rank[other] < rank[folder] and not contains(strangers[folder], other))
      if not allowed then
        complain("%s:%d: %s includes %s; expected folders above it: %s", path, number, folder, included,
                 table.concat(order, ", ", 1, rank[folder] - 1))
      end
    end
  end)
end

-- module name -> { path =, requires = { {name, line}, ... } }; only modules of Hyla.
local function read_modules()
  local modules = {}
  walk(root .. "/lua", function(path)
    local name = path:match "/lua/(hyla.*)%.lua$"
    if not name then return end
    name = name:gsub("/init$", ""):gsub("/", ".")
    local module = { path = path, requires = {} }
    local number = 0
    for line in io.lines(path) do
      number = number + 1
      local code = line:gsub("%-%-.*$", "")
      for required in code:gmatch "require%s*%(?%s*[\"'](hyla[%w_.]*)[\"']" do
        module.requires[#module.requires + 1] = { name = required, line = number }
      end
    end
    modules[name] = module
  end)
  return modules
end

local function check_lua()
  local modules = read_modules()
  local state, trail = {}, {}
  local function visit(name)
    state[name] = "open"
    trail[#trail + 1] = name
    for _, required in ipairs(modules[name].requires) do
      if not modules[required.name] then
        complain("%s:%d: requires %s, which is no module", modules[name].path, required.line, required.name)
      elseif state[required.name] == "open" then
        complain("%s:%d: a cycle of requires: %s -> %s", modules[name].path, required.line,
                 table.concat(trail, " -> "), required.name)
      elseif not state[required.name] then
        visit(required.name)
      end
    end
    trail[#trail] = nil
    state[name] = "done"
  end
  local names = {}
  for name in pairs(modules) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    if not state[name] then visit(name) end
  end
end

check_engine()
check_lua()
os.exit(problems == 0 and 0 or 1)
