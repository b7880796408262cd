--- JSON out, with every number written so that reading it gives the same bits (cjson writes 14 digits), keys in a
-- fixed order, and NaN or infinity refused. Reading is cjson's.

local cjson = require "cjson"
local number = require "hyla.number"

local json = {}

local list_mark = {}

--- Marks a table as a JSON array, which an empty one needs.
function json.list(t) return setmetatable(t, list_mark) end

local escapes = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

local function text_of(s)
  return '"' .. s:gsub('[%c"\\\127]', function(c) return escapes[c] or ("\\u%04x"):format(c:byte()) end) .. '"'
end

local function order_of(t, first)
  local keys, rank = {}, {}
  for i, key in ipairs(first or {}) do rank[key] = i end
  for key in pairs(t) do
    if type(key) ~= "string" then
      error(("json: expected a list or string keys, got a key of type %s"):format(type(key)), 0)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    local i, j = rank[a] or math.huge, rank[b] or math.huge
    if i ~= j then return i < j end
    return a < b
  end)
  return keys
end

local put

local function put_list(out, t, where, first)
  out[#out + 1] = "["
  for i = 1, #t do
    if i > 1 then out[#out + 1] = "," end
    put(out, t[i], where .. "[" .. i .. "]", first)
  end
  out[#out + 1] = "]"
end

local function put_object(out, t, where, first)
  out[#out + 1] = "{"
  for i, key in ipairs(order_of(t, first)) do
    if i > 1 then out[#out + 1] = "," end
    out[#out + 1] = text_of(key) .. ":"
    put(out, t[key], where .. "." .. key, first)
  end
  out[#out + 1] = "}"
end

function put(out, value, where, first)
  local kind = type(value)
  if kind == "number" then
    if value ~= value or math.abs(value) == math.huge then
      error(("%s: expected a finite number, got %s"):format(where, number.format(value)), 0)
    end
    out[#out + 1] = number.format(value)
  elseif kind == "string" then
    out[#out + 1] = text_of(value)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif kind ~= "table" then
    error(("%s: cannot write a %s as JSON"):format(where, kind), 0)
  elseif getmetatable(value) == list_mark or value[1] ~= nil then
    put_list(out, value, where, first)
  else
    put_object(out, value, where, first)
  end
end

--- Text of numbers, strings, booleans, lists and tables with string keys, on one line.
-- @param value what to write; an error names the place of anything else in it
-- @tparam[opt] string where what to call the value in errors; "value" by default
-- @tparam[opt] {string,...} first keys that come first, in this order, in every object; the others are sorted
-- @treturn string
function json.encode(value, where, first)
  local out = {}
  put(out, value, where or "value", first)
  return table.concat(out)
end

--- The value a text stands for, or nil and why it is none.
-- @tparam string text
function json.decode(text)
  local ok, value = pcall(cjson.decode, text)
  if not ok then return nil, tostring(value) end
  return value
end

return json
