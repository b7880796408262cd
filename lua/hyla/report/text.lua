--- Text that fits a width: paragraphs and lists of names with what they mean.
-- @module hyla.report.text
local text = {}

-- How many bytes the character of UTF-8 at a place has; nil where there is none.
local function sequence_at(words, i)
  local lead = words:byte(i)
  local n = lead < 0x80 and 1 or lead >= 0xC2 and lead < 0xE0 and 2 or lead >= 0xE0 and lead < 0xF0 and 3
    or lead >= 0xF0 and lead < 0xF5 and 4
  if not n then return nil end
  for k = i + 1, i + n - 1 do
    local byte = words:byte(k)
    if not byte or byte < 0x80 or byte > 0xBF then return nil end
  end
  return n
end

--- A text in which each byte that is no part of UTF-8 is replaced.
-- @tparam string words
-- @tparam function replacement byte -> text
-- @treturn string
function text.utf8(words, replacement)
  if not words:find "[\128-\255]" then return words end
  local out, i = {}, 1
  while i <= #words do
    local n = sequence_at(words, i)
    out[#out + 1] = n and words:sub(i, i + n - 1) or replacement(words:byte(i))
    i = i + (n or 1)
  end
  return table.concat(out)
end

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
