--- Numbers as text. Every number that Hyla writes to a file or shows goes through here: a file gets all bits
-- (float32 needs up to 9 digits, float64 up to 17), people get as many digits as they asked for.
-- @module hyla.number
local ffi = require "ffi"

local number = {}

local float = ffi.typeof "float"

-- Whole numbers of a moderate size in full, without a point or an exponent.
local function whole(x)
  if x % 1 ~= 0 or x <= -1e15 or x >= 1e15 then return nil end
  return x == 0 and 1 / x < 0 and "-0" or ("%.0f"):format(x)
end

local function same_float(a, b) return tonumber(float(a)) == tonumber(float(b)) end
local function same_double(a, b) return a == b end

--- The shortest of the usual forms that reads back as the same number.
-- @tparam number x
-- @tparam[opt="float64"] string dtype "float32": x is one, so fewer digits tell it from its neighbours
-- @treturn string a JSON number, or "nan", "inf", "-inf" (LuaJIT formats by itself, so a NaN's sign is not shown)
function number.format(x, dtype)
  local text = whole(x)
  if text then return text end
  local first, last, same = 15, 17, same_double
  if dtype == "float32" then first, last, same = 6, 9, same_float end
  for digits = first, last do
    text = ("%." .. digits .. "g"):format(x)
    if same(tonumber(text), x) then break end
  end
  return text
end

--- A number for people.
-- @tparam number x
-- @tparam[opt=4] number digits significant ones
-- @treturn string
function number.short(x, digits)
  return ("%." .. (digits or 4) .. "g"):format(x)
end

--- A number in a column of a table: whole ones in full, others to four places, or to four digits where places would
-- show nothing or a long row.
-- @tparam number x
-- @treturn string
function number.cell(x)
  local size = math.abs(x)
  if x % 1 == 0 and size < 1e15 then return ("%.0f"):format(x == 0 and 0 or x) end
  return size >= 1e-3 and size < 1e6 and ("%.4f"):format(x) or number.short(x)
end

--- A count for people: "1 step", "5,000 steps".
-- @tparam number n at least 0; shown to a tenth where it is not whole
-- @tparam string word what is counted, one of it
-- @treturn string
function number.count(n, word)
  local digits, tenth = ("%.1f"):format(n):match "^(%d+)(.*)$"
  digits = digits:reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "")
  return ("%s%s %s%s"):format(digits, tenth == ".0" and "" or tenth, word, n == 1 and "" or "s")
end

local units = { "bytes", "KiB", "MiB", "GiB", "TiB" }

--- A size in memory for people: "812 bytes", "61.04 MiB" (powers of 1024).
-- @tparam number bytes
-- @treturn string
function number.size(bytes)
  local unit = 1
  while bytes >= 1024 and unit < #units do bytes, unit = bytes / 1024, unit + 1 end
  return number.short(bytes) .. " " .. units[unit]
end

local spans = { { 1e-6, 1e9, "ns" }, { 1e-3, 1e6, "us" }, { 1, 1e3, "ms" }, { math.huge, 1, "s" } }

--- A short time for people: "812 us", "3.25 s".
-- @tparam number seconds
-- @treturn string
function number.time(seconds)
  for _, span in ipairs(spans) do
    if seconds < span[1] then return number.short(seconds * span[2], 3) .. " " .. span[3] end
  end
  return number.format(seconds) .. " s"
end

return number
