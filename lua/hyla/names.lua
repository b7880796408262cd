--- Names: the nearest known ones to one that people meant, for messages, and numbers that stand for names.
-- @module hyla.names
local names = {}

-- Edits (insert, delete, replace, swap neighbours) that turn a into b: Damerau-Levenshtein, three rows.
local function distance(a, b)
  local before, last, row = {}, {}, {}
  for j = 0, #b do last[j] = j end
  for i = 1, #a do
    row[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = math.min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = math.min(row[j], before[j - 2] + 1)
      end
    end
    before, last, row = last, row, before
  end
  return last[#b]
end

--- Keys of a table that are strings, sorted.
-- @tparam table t
-- @treturn {string,...}
function names.keys(t)
  local list = {}
  for key in pairs(t) do
    if type(key) == "string" then list[#list + 1] = key end
  end
  table.sort(list)
  return list
end

--- Keys of a set in the order of a table's columns: those of `first` that it has, then the others by name.
-- @tparam table set string -> true
-- @tparam[opt] {string,...} first
-- @tparam[opt] table lead of the others, those that come before the rest: string -> true
-- @treturn {string,...}
function names.ordered(set, first, lead)
  local list, left = {}, {}
  for key in pairs(set) do left[key] = true end
  local function put(key)
    if left[key] then list[#list + 1], left[key] = key, nil end
  end
  for _, key in ipairs(first or {}) do put(key) end
  local others = names.keys(left)
  for _, key in ipairs(others) do
    if lead and lead[key] then put(key) end
  end
  for _, key in ipairs(others) do put(key) end
  return list
end

--- The known names nearest to a wrong one, best first, at most three; empty when none is near.
-- @tparam string wrong
-- @tparam {string,...} known
-- @treturn {string,...}
function names.nearest(wrong, known)
  local near, how_far = {}, {}
  local allowed = math.max(1, math.floor(#wrong / 3))
  for _, name in ipairs(known) do
    local d = distance(wrong:lower(), name:lower())
    local part = #wrong >= 3 and (name:find(wrong, 1, true) or wrong:find(name, 1, true) and #name >= 3)
    if d <= allowed or part then
      near[#near + 1] = name
      how_far[name] = d
    end
  end
  table.sort(near, function(a, b)
    if how_far[a] ~= how_far[b] then return how_far[a] < how_far[b] end
    return a < b
  end)
  return { near[1], near[2], near[3] }
end

--- A phrase for the end of a message: "; did you mean 'rate'?", or "" when nothing is near.
-- @tparam string wrong
-- @tparam {string,...} known
-- @treturn string
function names.hint(wrong, known)
  local near = names.nearest(tostring(wrong), known)
  if #near == 0 then return "" end
  return "; did you mean '" .. table.concat(near, "', '") .. "'?"
end

--- A whole number below 2^32 that stands for a name: what is drawn for one name does not depend on the others.
-- @tparam string name
-- @treturn number
function names.stream(name)
  local h = 17
  for i = 1, #name do h = (h * 257 + name:byte(i)) % 4294967291 end
  return h
end

return names
