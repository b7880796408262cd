--- The one strict YAML loader: a document is read against a declared type, and nothing is guessed.
--
-- Refused, each with file and line: a second document, a key given twice, aliases, anchors and tags, an unknown key
-- (the right ones are listed), a missing key, a value of another type. A `text` stays text whatever it looks like
-- ("1e5", "no"), because types come from the declaration and never from the spelling.
--
-- A type is "text", "integer", "number" or "boolean", or is made by `list` and `map`, or is `any`: what `text` wrote.
-- @module hyla.yaml
local events = require "yaml"   -- libyaml's own events, which know their lines
local file = require "hyla.file"
local names = require "hyla.names"
local number = require "hyla.number"
local utf8 = require "hyla.report.text".utf8

--- A list whose elements have one type.
-- @param of type of an element
-- @treturn table a type
local function list(of) return { kind = "list", of = of } end

--- A mapping with declared keys.
-- @tparam table required key -> type
-- @tparam[opt] table optional key -> type
-- @treturn table a type
local function map(required, optional) return { kind = "map", required = required, optional = optional or {} } end

--- Whatever comes. A plain scalar that spells a number, true or false is one, every other scalar is text; that is how
-- `text` writes them, and no way to read what people wrote.
local any = { kind = "any" }

-- Scalars: what a plain spelling must look like, and what it becomes.
local scalar = {
  text = function(text) return text end,
  integer = function(text) return text:match("^[-+]?%d+$") and tonumber(text) or nil end,
  number = function(text) return text:match("^[-+.%d]") and not text:match("^[-+]?0[xX]") and tonumber(text) or nil end,
  boolean = function(text)
    if text == "true" then return true elseif text == "false" then return false end
    return nil
  end,
}

local function type_name(declared) return type(declared) == "table" and declared.kind or declared end

-- A reader walks the events of one text. Failures are raised as {message} tables and caught in `load` alone.
local Reader = {}
Reader.__index = Reader

function Reader:fail(event, message, ...)
  local line = event and event.start_mark and event.start_mark.line + 1
  local place = line and ("%s:%d"):format(self.source, line) or self.source
  error({ place .. ": " .. message:format(...) }, 0)
end

function Reader:next()
  local ok, event = pcall(self.advance)
  if not ok then
    local words, line = tostring(event):match("^(.-) at document: %d+, line: (%d+)")
    error({ words and ("%s:%s: %s"):format(self.source, line, words) or self.source .. ": " .. tostring(event) }, 0)
  end
  if event.type == "ALIAS" then self:fail(event, "an alias (*%s) is not allowed", event.anchor) end
  if event.anchor then self:fail(event, "an anchor (&%s) is not allowed", event.anchor) end
  if event.tag then self:fail(event, "a tag (%s) is not allowed", event.tag) end
  return event
end

local function keys_of(declared)
  local known = {}
  for _, fields in ipairs { declared.required, declared.optional } do
    for name in pairs(fields) do known[name] = true end
  end
  return names.keys(known)
end

local what_is = { SCALAR = "text", SEQUENCE_START = "a list", MAPPING_START = "a map" }

function Reader:read_map(event, declared, where)
  if event.type ~= "MAPPING_START" then self:fail(event, "%s: expected a map, got %s", where, what_is[event.type]) end
  local result = {}
  for key in self.next, self do
    if key.type == "MAPPING_END" then break end
    if key.type ~= "SCALAR" then self:fail(key, "%s: a key must be text", where) end
    local name = key.value
    local field = declared.required[name] or declared.optional[name]
    if not field then
      local known = keys_of(declared)
      self:fail(key, "%s: unknown key '%s'%s; known are: %s", where, name, names.hint(name, known),
                table.concat(known, ", "))
    end
    if result[name] ~= nil then self:fail(key, "%s: key '%s' is given twice", where, name) end
    result[name] = self:read(self:next(), field, name)
  end
  for _, name in ipairs(names.keys(declared.required)) do
    if result[name] == nil then self:fail(event, "%s: key '%s' is missing", where, name) end
  end
  return result
end

function Reader:read_list(event, declared, where)
  if event.type ~= "SEQUENCE_START" then self:fail(event, "%s: expected a list, got %s", where, what_is[event.type]) end
  local result = {}
  for item in self.next, self do
    if item.type == "SEQUENCE_END" then break end
    result[#result + 1] = self:read(item, declared.of, ("%s[%d]"):format(where, #result + 1))
  end
  return result
end

function Reader:read_any(event, where)
  if event.type == "SEQUENCE_START" then return self:read_list(event, { of = any }, where) end
  if event.type == "SCALAR" then
    local plain, value = event.style == "PLAIN", nil
    if plain then value = scalar.number(event.value) end
    if plain and value == nil then value = scalar.boolean(event.value) end
    if value == nil then return event.value end
    return value
  end
  local result = {}
  for key in self.next, self do
    if key.type == "MAPPING_END" then return result end
    if key.type ~= "SCALAR" then self:fail(key, "%s: a key must be text", where) end
    if result[key.value] ~= nil then self:fail(key, "%s: key '%s' is given twice", where, key.value) end
    result[key.value] = self:read(self:next(), any, key.value)
  end
end

function Reader:read(event, declared, where)
  local kind = type_name(declared)
  if kind == "any" then return self:read_any(event, where) end
  if kind == "map" then return self:read_map(event, declared, where) end
  if kind == "list" then return self:read_list(event, declared, where) end
  if event.type ~= "SCALAR" then self:fail(event, "%s: expected %s, got %s", where, kind, what_is[event.type]) end
  if event.value == "" and event.style == "PLAIN" then self:fail(event, "%s: expected %s, got nothing", where, kind) end
  if kind ~= "text" and event.style ~= "PLAIN" then
    self:fail(event, "%s: expected %s, got the quoted text '%s'", where, kind, event.value)
  end
  local value = scalar[kind](event.value)
  if value == nil then self:fail(event, "%s: expected %s, got '%s'", where, kind, event.value) end
  return value
end

function Reader:document(declared)
  self:next()                                    -- the stream
  local event = self:next()
  if event.type == "STREAM_END" then self:fail(nil, "expected a document, the file is empty") end
  local value = self:read(self:next(), declared, "document")
  self:next()                                    -- the document's end
  event = self:next()
  if event.type ~= "STREAM_END" then self:fail(event, "a second document is not allowed") end
  return value
end

--- Reads a text against a type.
-- @tparam string text YAML, one document
-- @param declared its type
-- @tparam string source what messages call the text: a file's path
-- @return the value; or nil and a message with file and line
local function load(text, declared, source)
  local reader = setmetatable({ source = source, advance = events.parser(text) }, Reader)
  local ok, value = pcall(reader.document, reader, declared)
  if ok then return value end
  if type(value) ~= "table" then error(value, 0) end
  return nil, value[1]
end

--- Reads a file against a type.
-- @tparam string path
-- @param declared its type
-- @return the value; or nil and a message with file and line
local function read(path, declared)
  local text, problem = file.read(path)
  if not text then return nil, problem end
  return load(text, declared, path)
end

local put

-- What other readers of YAML take for no text.
local words = {}
for word in ("true false yes no on off null y n"):gmatch "%S+" do words[word] = true end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\t"] = "\\t" }

local function scalar_text(value)
  if type(value) == "number" then return number.format(value) end
  if type(value) ~= "string" then return tostring(value) end
  if value:match "^[%a/][%w_./ -]*$" and not value:match " $" and not words[value:lower()] then return value end
  value = value:gsub('[%c"\\\127]', function(c) return escapes[c] or ("\\x%02x"):format(c:byte()) end)
  -- YAML is UTF-8: other bytes, as of a path in Latin-1, become the letters of their numbers.
  return '"' .. utf8(value, function(byte) return ("\\x%02x"):format(byte) end) .. '"'
end

local function flow_text(items)
  local parts = {}
  for i, item in ipairs(items) do parts[i] = scalar_text(item) end
  return "[" .. table.concat(parts, ", ") .. "]"
end

local function put_map(out, value, order, indent)
  local keys, first = {}, {}
  for _, key in ipairs(order) do
    if value[key] ~= nil then keys[#keys + 1], first[key] = key, true end
  end
  for _, key in ipairs(names.keys(value)) do
    if not first[key] then keys[#keys + 1] = key end
  end
  for _, key in ipairs(keys) do
    out[#out + 1] = ("%s%s:"):format(indent, scalar_text(key))
    put(out, value[key], order, indent)
  end
end

-- A value behind "key:", or after "-" as a list's item.
function put(out, value, order, indent)
  if type(value) ~= "table" then
    out[#out] = out[#out] .. " " .. scalar_text(value)
  elseif type(value[1]) == "table" then
    for _, item in ipairs(value) do
      local lines = {}
      put_map(lines, item, order, indent .. "    ")
      lines[1] = indent .. "  - " .. lines[1]:sub(#indent + 5)
      for _, line in ipairs(lines) do out[#out + 1] = line end
    end
  elseif value[1] ~= nil or next(value) == nil then
    out[#out] = out[#out] .. " " .. (value[1] ~= nil and flow_text(value) or "{}")
  else
    put_map(out, value, order, indent .. "  ")
  end
end

--- A map as YAML that every reader of YAML takes to be the same: text is quoted where it would not be text otherwise.
-- @tparam table value a map: string keys; values are numbers (finite), strings, booleans, maps, lists of scalars or
--   of maps
-- @tparam[opt] {string,...} order keys that come first, in every map; the others are sorted
-- @treturn string
local function text(value, order)
  local out = {}
  put_map(out, value, order or {}, "")
  return table.concat(out, "\n") .. "\n"
end

return { load = load, read = read, list = list, map = map, any = any, text = text }
