--- A word for the shell: whatever is in it, sh reads it as one word.
-- @module hyla.quote

--- Quotes a word.
-- @tparam string word
-- @treturn string
return function(word) return "'" .. word:gsub("'", "'\\''") .. "'" end
