--- Files of svmlight's format, as those of LIBSVM's collection: an example a line, its label, then the features that
-- are not zero, by ascending index from 1.
--
--     +1 3:0.25 17:1.5 904:0.125  # a comment
--
-- Read strictly: what does not fit is an error with file and line. The examples become a dense matrix; where one that
-- is mostly zero stays constant, the planner packs it, so that its products take the time of the entries.
-- @module hyla.data.svmlight
local ffi = require "ffi"
local dataset = require "hyla.data.dataset"
local engine = require "hyla.ffi"
local interrupt = require "hyla.interrupt"
local options = require "hyla.options"
local site = require "hyla.site"
local sources = require "hyla.data.sources"
local tensor = require "hyla.tensor"
local zlib = require "hyla.lib.zlib"

local CHUNK = 2 ^ 20        -- bytes read at a time
local MOST = 2 ^ 31 - 1     -- features a tensor can have

local function is_labels(v)
  local seen = {}
  if type(v) ~= "table" or #v == 0 then return false end
  for _, label in ipairs(v) do
    if type(label) ~= "number" or label % 1 ~= 0 or seen[label] then return false end
    seen[label] = true
  end
  return true
end

local fields = {
  width = options.count,
  labels = { expected = "a list of distinct whole numbers, such as { -1, 1 }", is = is_labels },
  name = { kind = "string" },
}

-- The whole file, unpacked; or nil and a message.
local function contents(path)
  local reader, problem = zlib.open(path)
  if not reader then return nil, problem end
  local buffer, parts, count = ffi.new("uint8_t[?]", CHUNK), {}
  repeat
    count, problem = reader:read(buffer, CHUNK)
    if count then parts[#parts + 1] = ffi.string(buffer, count) end
  until not count or count == 0
  reader:close()
  if not count then return nil, problem end
  return table.concat(parts)
end

-- A finite decimal number, or nil and what is wrong.
local function number_of(text)
  local low = text:lower()
  if low:find "^[+-]?nan" or low:find "^[+-]?inf" then return nil, text .. " is not finite" end
  local value = text:find "^[%d.eE+-]+$" and tonumber(text)
  if not value then return nil, ("'%s' is no number"):format(text) end
  if math.abs(value) == math.huge then return nil, text .. " is not finite" end
  return value
end

local function label_of(text)
  if text:find(":", 1, true) then return nil, ("expected a label first, got '%s'"):format(text) end
  local label, problem = number_of(text:gsub("^%+", ""))
  if not label then return nil, "label: " .. problem end
  if label % 1 ~= 0 then return nil, ("label: expected a whole number, got %s"):format(text) end
  return label
end

-- Adds the features of a line to the entries; nil, or what is wrong.
local function add_features(entries, words, width)
  local last = 0
  for word in words do
    local index, text = word:match "^(%d+):(.+)$"
    if not index then return ("expected index:value, got '%s'"):format(word) end
    index = tonumber(index)
    if index < 1 then return "indices begin at 1, got " .. word end
    if index > (width or MOST) then
      return ("index %.0f is larger than the width, %d"):format(index, width or MOST)
    end
    if index == last then return ("index %d comes twice"):format(index) end
    if index < last then return ("expected ascending indices, got %d after %d"):format(index, last) end
    local value, problem = number_of(text)
    if not value then return ("feature %d: %s"):format(index, problem) end
    entries.n = entries.n + 1
    entries.column[entries.n], entries.value[entries.n], last = index, value, index
  end
  entries.width = math.max(entries.width, last)
  return nil
end

-- All entries: column and value of each, first[i] the first of example i, labels.
local function parse(text, path, o)
  local entries, line = { n = 0, width = 0, column = {}, value = {}, first = {}, label = {}, line = {} }, 0
  for words in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch "(.-)\n" do
    interrupt.look()
    line = line + 1
    local each = words:gsub("#.*$", ""):gmatch "%S+"
    local first = each()
    if first then
      local label, problem = label_of(first)
      entries.first[#entries.first + 1] = entries.n + 1
      problem = problem or add_features(entries, each, o.width)
      if problem then return nil, ("%s:%d: %s"):format(path, line, problem) end
      entries.label[#entries.label + 1], entries.line[#entries.line + 1] = label, line
    end
  end
  if #entries.label == 0 then return nil, path .. ": there is no example in it" end
  if not o.width and entries.width == 0 then
    return nil, path .. ": no example has a feature; width = ... says how many there are"
  end
  return entries
end

-- The labels that there are, ascending, or those that were given; then the position of each from 0.
local function classes_of(entries, given)
  local list, position = given, {}
  if not given then
    local seen = {}
    list = {}
    for _, label in ipairs(entries.label) do
      if not seen[label] then list[#list + 1], seen[label] = label, true end
    end
    table.sort(list)
  end
  for i, label in ipairs(list) do position[label] = i - 1 end
  return list, position
end

local function examples(entries, width)
  local n = #entries.label
  local x = tensor.zeros({ n, width }, "float32")
  local to = ffi.cast("float *", engine.C.hyla_tensor_data(x))
  for i = 1, n do
    for k = entries.first[i], (entries.first[i + 1] or entries.n + 1) - 1 do
      to[(i - 1) * width + entries.column[k] - 1] = entries.value[k]
    end
  end
  return x
end

--- Reads a file.
-- @tparam string path plain or gzip
-- @tparam[opt] table given { width = features there are (by default the largest index); labels = those that may come,
--   in the order of the classes 0, 1, ... (by default all that come, ascending; a test set takes both from its training
--   set); name = of the data set (by default the path) }
-- @treturn Dataset x float32 [n, width], names the labels as text; an error for what does not fit
return function(path, given)
  if type(path) ~= "string" then site.fail("svmlight: expected a path, got a %s", type(path)) end
  local o = options.read("svmlight", given, fields)
  local text, problem = contents(path)
  if not text then site.fail("data: %s", problem) end
  sources.note(o.name or path, { path })
  local entries
  entries, problem = parse(text, path, o)
  if not entries then site.fail("data: %s", problem) end
  local list, position = classes_of(entries, o.labels)
  local y = tensor.zeros({ #entries.label }, "int32")
  local to = ffi.cast("int32_t *", engine.C.hyla_tensor_data(y))
  for i, label in ipairs(entries.label) do
    if not position[label] then
      site.fail("data: %s:%d: label %d is none of the labels given", path, entries.line[i], label)
    end
    to[i - 1] = position[label]
  end
  local names = {}
  for i, label in ipairs(list) do names[i] = ("%d"):format(label) end
  return dataset.new {
    x = examples(entries, o.width or entries.width), y = y, name = o.name or path, classes = #list, names = names,
  }
end
