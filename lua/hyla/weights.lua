--- Trained weights apart from the training that found them: kept in a folder with a .npy file for each weight, which
-- numpy opens too, and applied to expressions on other data.
-- @module hyla.weights
local lfs = require "lfs"
local unistd = require "posix.unistd"
local engine = require "hyla.ffi"
local lower = require "hyla.lower"
local names = require "hyla.names"
local site = require "hyla.site"
local tensor = require "hyla.tensor"
local trace = require "hyla.trace"
local C, check = engine.C, engine.check

local weights = {}

-- ---- the folder ----

local function is_folder(path) return lfs.attributes(path, "mode") == "directory" end

-- Names of the weights in a folder; anything else in it is an error.
local function names_in(what, path)
  local list = {}
  for file in lfs.dir(path) do
    local name = file:match "^([%a_][%w_.%-]*)%.npy$"
    if name then
      list[#list + 1] = name
    elseif file ~= "." and file ~= ".." then
      site.fail("%s: %s: expected a folder of .npy files alone, found '%s'", what, path, file)
    end
  end
  table.sort(list)
  return list
end

local function remove(path)
  for _, name in ipairs(names_in("save_weights", path)) do os.remove(path .. "/" .. name .. ".npy") end
  lfs.rmdir(path)
end

-- Gives a whole folder its name; what had the name before stays when that fails.
local function put(fresh, path, previous)
  local there = is_folder(path)
  if is_folder(previous) then remove(previous) end
  local ok, message = true, nil
  if there then ok, message = os.rename(path, previous) end
  if ok then
    ok, message = os.rename(fresh, path)
    if not ok and there then os.rename(previous, path) end
  end
  if not ok then
    remove(fresh)
    site.fail("save_weights: %s", message)
  end
  if there then remove(previous) end
end

local function write(folder, by_name)
  local ok, message = lfs.mkdir(folder)
  if not ok then site.fail("save_weights: %s: cannot make the folder: %s", folder, message) end
  for _, name in ipairs(names.keys(by_name)) do by_name[name]:save(("%s/%s.npy"):format(folder, name)) end
end

--- Writes weights into a folder, PATH/NAME.npy each. The folder appears whole, under its name, or not at all; one of
-- weights that is there already is replaced.
-- @tparam string path its parent exists
-- @tparam table by_name name -> tensor
function weights.save(path, by_name)
  if type(path) ~= "string" or path == "" then
    site.fail("save_weights: expected a folder's path, got a %s", type(path))
  end
  path = path:gsub("/+$", "")
  local there = lfs.attributes(path, "mode")
  if there and there ~= "directory" then site.fail("save_weights: %s: a %s is in the way", path, there) end
  if there then names_in("save_weights", path) end
  local fresh = ("%s.%d.next"):format(path, unistd.getpid())
  if is_folder(fresh) then remove(fresh) end           -- left by a save of this process that failed
  local ok, message = pcall(write, fresh, by_name)
  if not ok then
    if is_folder(fresh) then remove(fresh) end
    error(message, 0)
  end
  put(fresh, path, path .. ".previous")
  check(C.hyla_file_sync(path:match "^(.*/)[^/]+$" or "."))
end

--- Reads the weights of a folder.
-- @tparam string path
-- @treturn table name -> tensor
function weights.load(path)
  if type(path) ~= "string" then site.fail("load_weights: expected a folder's path, got a %s", type(path)) end
  if not is_folder(path) then
    local previous = path:gsub("/+$", "") .. ".previous"
    site.fail("load_weights: %s: no such folder%s", path,
              is_folder(previous) and ("; a save was cut short, %s has the weights before it"):format(previous) or "")
  end
  local by_name = {}
  for _, name in ipairs(names_in("load_weights", path)) do
    by_name[name] = tensor.load(("%s/%s.npy"):format(path, name))
  end
  if next(by_name) == nil then site.fail("load_weights: %s: no .npy file in it", path) end
  return by_name
end

-- ---- methods of problems ----

-- Weights as a problem has them: each of its own, in its shape and dtype, and no other.
local function fitting(self, what, by_name)
  if type(by_name) ~= "table" then
    site.fail("%s: expected weights by name, as p:weights() and hyla.load_weights give them, got %s", what,
              trace.show(by_name))
  end
  local fit, known = {}, {}
  for i, leaf in ipairs(self.layout.weights) do known[i] = leaf.name end
  for _, leaf in ipairs(self.layout.weights) do
    local value = by_name[leaf.name]
    if value == nil then
      site.fail("%s: the weight '%s' (%s) is missing; there are: %s", what, leaf.name, leaf.site,
                table.concat(names.keys(by_name), ", "))
    end
    local shape = table.concat(leaf.shape, ", ")
    if not tensor.is(value) or value.dtype == "int32" or table.concat(value.shape, ", ") ~= shape then
      site.fail("%s: expected '%s' as a real tensor of shape [%s], got %s", what, leaf.name, shape, trace.show(value))
    end
    if not value:is_finite() then site.fail("%s: '%s' has NaN or infinity", what, leaf.name) end
    fit[leaf] = value:to(self.dtype)
  end
  for name in pairs(by_name) do
    local hint = names.hint(tostring(name), known)
    local is_known = false
    for _, each in ipairs(known) do is_known = is_known or each == name end
    if not is_known then site.fail("%s: the problem has no weight '%s'%s", what, tostring(name), hint) end
  end
  return fit
end

local function program_of(self, e)
  local program = self.applied[e]
  if not program then
    program = lower.program({ e }, self.dtype)
    self.applied[e] = program
  end
  return program
end

local methods = {}
weights.methods = methods

--- Writes the weights at the current state into a folder: see hyla.weights.
-- @tparam string path
-- @tparam[opt] table given as for `weights`
function methods:save_weights(path, given) weights.save(path, self:weights(given)) end

--- The value of an expression of this problem's weights and hyperparameters (at their current values) for other
-- weights: those that hyla.load_weights reads, that another problem of the same weights trained, or that a stage kept.
-- The state of training stays as it is.
-- @tparam expression e
-- @tparam table by_name name -> tensor, all weights of the problem
-- @return number (of a scalar) or tensor
function methods:apply(e, by_name)
  e = trace.lift("apply", e)
  local fit = fitting(self, "apply", by_name)
  local value = program_of(self, e):run(function(leaf)
    local hyper = self.hypers[leaf.name] or self.frozen[leaf.name]
    if hyper and hyper.leaf == leaf then return hyper.value end
    if fit[leaf] then return fit[leaf] end
    site.fail("apply: %s '%s' (%s) is no weight and no hyperparameter of this problem", leaf.op, leaf.name, leaf.site)
  end)[1]
  return value.rank == 0 and value:item() or value
end

return weights
