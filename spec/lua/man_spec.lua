-- The manual page has all that --help has of every command, and every variable of Hyla's own.
local shell = dofile "spec/lua/shell.lua"
local run = shell.run

local function words(text) return (text:gsub("\\%-", "-"):gsub("\\f[BR]", ""):gsub("\\[&e]", ""):gsub("%s+", " ")) end

describe("the manual page", function()
  local page

  setup(function()
    local r = run "SOURCE_DATE_EPOCH=0 ./hyla man"
    assert.same({ 0, "" }, { r.code, r.err })
    page = r.out
  end)

  it("begins with its name and day", function()
    assert.matches('^%.TH HYLA 1 "1970%-01%-01" "hyla %d+%.%d+%.%d+" "Hyla"\n%.SH NAME\nhyla \\%- ', page)
  end)

  it("has every command with all that --help says of it", function()
    local text, count = words(page), 0
    for name in run "./hyla --help".out:match "\nCommands:\n(.-)\n\n":gmatch "\n? +(%l[%l-]*) " do
      if page:find("\n.SS hyla " .. name .. "\n", 1, true) then count = count + 1 end
    end
    assert.is_true(count > 10, page)
    for section in page:gmatch "\n%.SS hyla (%l+)\n" do
      local elements = section ~= "help" and run("./hyla help " .. section).out:match "\n%u%l+:\n.*" or ""
      for line in elements:gmatch "\n(   [^\n]+)" do         -- a label, and from column 26 on what it is
        local label, told = line:sub(4, 25):match "^(%S.-)%s*$", line:sub(26)
        if line:sub(25, 25) ~= " " then label, told = line:sub(4), "" end
        label = label and "\n\\fB" .. label:gsub("%-", "\\-") .. "\\fR\n"
        if label and told ~= "" then assert.truthy(page:find(label, 1, true), line) end
        assert.truthy(text:find(words(told), 1, true), line)
      end
    end
  end)

  it("has every variable of Hyla's", function()
    local own = { HYLA_CHECK_LEAKS = true, HYLA_UPDATE_GOLDEN = true }   -- set by Hyla's own tools
    for name in run [[grep -rhoE '(getenv|variable) *\(?"HYLA_[A-Z_]+' lua engine]].out:gmatch '"([A-Z_]+)' do
      if not own[name] then assert.truthy(page:find("\\fB" .. name .. "\\fR\n", 1, true), name) end
    end
  end)
end)
