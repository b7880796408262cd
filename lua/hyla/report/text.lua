--- Text that fits a width: paragraphs and lists of names with what they mean.
-- @module hyla.report.text
local text = {}

--- The beginning of a text that fits into so many columns. A character of UTF-8 takes one, and is not cut.
-- @tparam string words
-- @tparam[opt] number columns as many as there are, by default
-- @treturn string
-- @treturn number how many it takes
function text.fitting(words, columns)
  local taken = 0
  for at = 1, #words do
    local byte = words:byte(at)
    if byte < 0x80 or byte >= 0xC0 then                -- the first byte of a character
      if taken == columns then return words:sub(1, at - 1), taken end
      taken = taken + 1
    end
  end
  return words, taken
end

--- Words in lines of at most a width; a longer word has a line of its own.
-- @tparam string words
-- @tparam number width columns
-- @tparam[opt=0] number indent spaces before every line
-- @treturn {string,...}
function text.wrap(words, width, indent)
  local space, lines, line = (" "):rep(indent or 0), {}, ""
  for word in words:gmatch "%S+" do
    if line ~= "" and #space + #line + 1 + #word > width then
      lines[#lines + 1], line = space .. line, ""
    end
    line = line == "" and word or line .. " " .. word
  end
  if line ~= "" then lines[#lines + 1] = space .. line end
  return lines
end

--- Paragraphs of a comment: lines that are indented stay as they are where they fit, others flow.
-- @tparam {string,...} comment its lines
-- @tparam number width columns
-- @tparam number indent spaces before every line
-- @treturn {string,...}
function text.paragraphs(comment, width, indent)
  local lines, words = {}, {}
  local function flush()
    for _, line in ipairs(text.wrap(table.concat(words, " "), width, indent)) do lines[#lines + 1] = line end
    words = {}
  end
  for _, line in ipairs(comment) do
    if line:find "^%s%s+%S" or not line:find "%S" then
      flush()
      local shown = line:find "%S" and (" "):rep(indent) .. line or ""
      local fits = #shown <= width
      for _, part in ipairs(fits and { shown } or text.wrap(line, width, indent + #line:match "^%s*")) do
        lines[#lines + 1] = part
      end
    else
      words[#words + 1] = line
    end
  end
  flush()
  while lines[#lines] == "" do lines[#lines] = nil end
  return lines
end

local WIDEST = 34   -- of the left column, which takes 2/5 at most; what is longer has its meaning on the next line

--- Names with their meanings, in two columns where there is room.
-- @tparam {{string,string},...} list
-- @tparam number width columns
-- @treturn {string,...}
function text.columns(list, width)
  local left = 0
  for _, pair in ipairs(list) do
    if #pair[1] <= math.min(WIDEST, 0.4 * width) then left = math.max(left, #pair[1]) end
  end
  local lines = {}
  for _, pair in ipairs(list) do
    local right = text.wrap(pair[2], width, left + 4)
    local name = "  " .. pair[1]
    if #pair[1] <= left and right[1] then
      name = name .. (" "):rep(left + 4 - #name) .. table.remove(right, 1):sub(left + 5)
    end
    lines[#lines + 1] = name
    for _, line in ipairs(right) do lines[#lines + 1] = line end
  end
  return lines
end

return text
