-- The command `bench`: every workload at a tiny size, and the comparison with peers, which a small script stands for.
-- No time is judged.
local cjson = require "cjson"
local shell = dofile "spec/lua/shell.lua"
local run = shell.run

local function bench(words) return run("./hyla bench " .. words) end

local function measured(words)
  local r = bench(words .. " --json")
  assert.equal(0, r.code, r.err)
  return cjson.decode(r.out), r.out
end

describe("workloads", function()
  local tiny = {
    cleaning = { words = "data=digits steps=2 repeats=1",
                 keys = { "forward_seconds", "response", "gradient_norm", "kernels", "data", "features", "flops" } },
    small = { words = "steps=3 iterations=1 repeats=1", keys = { "response", "flops" } },
    tasks = { words = "classes=3 steps=2 repeats=1", keys = { "classes", "response", "kernels", "flops" } },
    realtime = { words = "batch=1 steps=1 repeats=1 tangents=1",
                 keys = { "batch", "plain_seconds", "ratio", "kernels", "flops", "plain_flops" } },
    projection = { words = "size=100 repeats=1", keys = { "size", "bytes" } },
    startup = { words = "steps=2 repeats=1", keys = { "median_seconds", "response" } },
  }

  for name, one in pairs(tiny) do
    it(name .. " tells its documented keys, the leading ones first", function()
      local result, text = measured(name .. " " .. one.words)
      assert.equal(name, result.workload)
      for _, key in ipairs { "threads", "seconds", "peak_bytes" } do assert.is_true(result[key] > 0, key) end
      for _, key in ipairs(one.keys) do assert.is_not_nil(result[key], key) end
      assert.matches('^{"workload":"%w+",.*"threads":%d+,"seconds":[%d.e-]+,"peak_bytes":%d+', text)
    end)
  end

  it("floor tells what the machine can do", function()
    local result = measured "floor size=64 mib=1 repeats=1"
    for _, key in ipairs { "sgemm_gflops", "sgemm_gflops_1", "stream_gbytes", "stream_gbytes_1" } do
      assert.is_true(result[key] > 0, key)
    end
    assert.equal(math.max(result.openblas_gflops, result.engine_gflops), result.sgemm_gflops)
  end)

  it("growth has a row a measurement and sums them up", function()
    local result = measured "growth what=steps most_steps=1000 repeats=1"
    assert.equal(2, #result.rows)
    for i, row in ipairs(result.rows) do
      assert.equal(10 ^ (i + 1), row.x)
      assert.equal("steps", row.part)
      assert.is_true(row.held_bytes > 0 and row.stated_bytes > 0 and row.step_seconds > 0)
    end
    local a, b = result.rows[1].step_seconds, result.rows[2].step_seconds
    assert.is_near(math.max(a, b) / math.min(a, b) - 1, result.steps_spread, 1e-9)
    assert.matches("expected all or one of steps, size", bench("growth what=depth").err)
  end)

  it("keep a budget, and take dense features", function()
    -- A state and its velocity are 24.6 kB: a budget of four of them makes checkpoints, to the same bits.
    local few = measured "tasks classes=3 steps=20 repeats=1 memory=100K"
    local all = measured "tasks classes=3 steps=20 repeats=1"
    assert.equal(all.response, few.response)
    local data = measured "cleaning data=digits steps=2 repeats=1"
    local dense = measured "cleaning data=digits steps=2 repeats=1 features=dense"
    assert.are_not.equal(data.response, dense.response)
    assert.matches("expected data or dense, got 'thick'", bench("cleaning data=digits features=thick").err)
  end)

  it("are listed, and wrong words are answered", function()
    local r = bench "--list"
    for name in pairs(tiny) do assert.matches(name .. " +%u", r.out) end
    assert.is_nil(r.out:find("cases", 1, true))
    r = bench "small growht"
    assert.equal(2, r.code)
    assert.matches("unknown workload 'growht'; did you mean 'growth'", r.err)
    r = bench "small projection size=10"
    assert.equal(2, r.code)
    assert.matches("bench small: unknown option 'size'", r.err)
    for _, words in ipairs { "threads=0", "threads=1.5", "iterations=0", "steps=0.5" } do
      r = bench("small " .. words)
      assert.equal(2, r.code)
      assert.matches("bench small: option '" .. words:match "^%w+" .. "': expected ", r.err, 1, true)
    end
    assert.equal(2, bench("small --peers --seconds -1").code)
    assert.equal(2, bench("small --report x.md").code)
    assert.equal(2, bench("growth --serve").code)
  end)

  it("run several, each in a process of its own", function()
    local r = bench "projection startup repeats=1 --json"
    assert.equal(0, r.code, r.err)
    local cases = {}
    for line in r.out:gmatch "[^\n]+" do cases[#cases + 1] = cjson.decode(line).case end
    assert.same({ "projection", "projection, 1,000 components", "startup" }, cases)
  end)
end)

describe("a comparison", function()
  -- A comparison measures the floor, a minute's work under sanitizers, and has no engine code of its own.
  local it = os.getenv "HYLA_CHECK_LEAKS" and pending or it
  local folder

  -- A python that has every library, or `lacks` one, and whose peers answer at once with what Hyla itself makes of
  -- the words `as`; `wrong` is done to it before it ends.
  local function peers(given)
    shell.write(folder .. "/bin/python", ([[
#!/bin/sh
if [ "$1" = -c ]; then
  case $2 in *'"%s"'*) exit 1 ;; esac
  exit 0
fi
echo '{"ready":true,"numpy":"0.0"}'
while read -r line; do %s; done
./hyla bench %s export="$2/again" > /dev/null || exit 1
mv "$2/again/ours" "$2/$3"
%s
echo '{"peak_bytes":1048576}'
]]):format(given.lacks or "-", given.answer or [[echo '{"seconds":0.5}']], given.as, given.wrong or ""))
    run("chmod +x " .. folder .. "/bin/python")
  end

  before_each(function()
    folder = shell.folder()
    run("mkdir -p " .. folder .. "/bin")
  end)
  after_each(function() shell.remove(folder) end)

  local words = "startup steps=3 --peers --rounds 2 --seconds 0 --json --peers-dir "
  local as = "small steps=3 iterations=1 repeats=1"

  it("measures both sides in turns, and tells ratio, rates and bars", function()
    peers { as = as }
    local r = bench(words .. folder)
    assert.equal(0, r.code, r.err)
    local record = cjson.decode(r.out)
    local peer = record.peers[1]
    assert.equal("jax plain", peer.library .. " " .. peer.form)
    assert.equal(0.5, peer.seconds)
    assert.is_near(peer.ours_seconds / 0.5, peer.ratio, 1e-12)
    assert.equal(0, peer.difference)
    assert.equal(1048576, peer.peak_bytes)
    assert.equal("time", record.bars[1].what)
    assert.equal(peer.ratio <= record.bars[1].at_most, record.bars[1].met)
    assert.is_true(record.floor.sgemm_gflops > 0)
  end)

  it("fails loudly where a gradient is wrong, or none is there", function()
    peers { as = as:gsub("steps=3", "steps=4") }
    local r = bench(words .. folder)
    assert.equal(1, r.code)
    assert.matches("results differ from the peers':\n  startup, jax plain: decay: [%d.]+ apart, at most 1e%-05", r.err)
    peers { as = as, wrong = 'rm "$2/$3/decay.npy"' }
    r = bench(words .. folder)
    assert.equal(1, r.code)
    assert.matches("decay: the peer wrote none", r.err)
  end)

  it("says so when a peer ends early or talks nonsense", function()
    peers { as = as, answer = "exit 3" }
    local r = bench(words .. folder)
    assert.equal(1, r.code)
    assert.matches("the process ended without an answer %(exited 3%)", r.err)
    peers { as = as, answer = "echo hello" }
    r = bench(words .. folder)
    assert.equal(1, r.code)
    assert.matches("expected a line of JSON, got 'hello'", r.err)
  end)

  it("passes over what is not installed, and says how to install when nothing is", function()
    peers { as = as, lacks = "jax" }
    local r = bench(words:gsub("%-%-json", "") .. folder)
    assert.equal(0, r.code, r.err)
    assert.matches("not installed, so not measured: jax", r.out)
    assert.matches("not measured\n", r.out)
    r = bench("small --peers --peers-dir " .. folder .. "/none")
    assert.equal(1, r.code)
    assert.matches("no peers in .*/none: ./hyla bench %-%-setup%-peers installs them", r.err)
  end)

  it("writes its part of a page, and leaves the rest", function()
    peers { as = as }
    local page = folder .. "/page.md"
    local before, after = "# Mine\n\nA paragraph.\n\n<!-- measured: begin -->\n", "<!-- measured: end -->\n\nThe end.\n"
    shell.write(page, before .. "old\n" .. after)
    local r = bench(words .. folder .. " --report " .. page)
    assert.equal(0, r.code, r.err)
    local text = run("cat " .. page).out
    assert.equal(before, text:sub(1, #before))
    assert.equal(after, text:sub(-#after))
    assert.is_nil(text:find("old", 1, true))
    assert.matches("| startup | jax plain | 500 ms |", text, 1, true)
    assert.matches("`./hyla bench startup steps=3 --peers --report", text, 1, true)
    shell.write(page, before .. "old\n")
    r = bench(words .. folder .. " --report " .. page)
    assert.equal(1, r.code)
    assert.matches("expected <!%-%- measured: begin %-%-> and then <!%-%- measured: end %-%->", r.err)
    assert.equal(2, bench(words .. folder .. " --report " .. folder .. "/none/page.md").code)
  end)

  it("shows how peers are installed, and what is missing for it", function()
    local r = bench("--setup-peers --torch --dry-run --peers-dir " .. folder)
    assert.equal(0, r.code)
    assert.matches("python3 %-m venv '" .. folder:gsub("%p", "%%%0") .. "'", r.out)
    assert.matches("pip install .*requirements.txt' %-r .*requirements%-torch.txt'", r.out)
    shell.write(folder .. "/bin/python3", '#!/bin/sh\ncase $2 in *ensurepip*) exit 1 ;; esac\n')
    run("chmod +x " .. folder .. "/bin/python3")
    r = run(("PATH=%s/bin:$PATH ./hyla bench --setup-peers --peers-dir %s/peers"):format(folder, folder))
    assert.equal(1, r.code)
    assert.matches("install the Debian package python3%-venv", r.err)
    assert.equal("", run("ls " .. folder .. "/peers 2>/dev/null").out)
  end)
end)

describe("the difference of results", function()
  local difference = require "hyla.cli.bench.difference"
  local tensor = require "hyla.tensor"

  it("is relative to the peer's norm, and infinite for NaN", function()
    local b = tensor { 3, 4 }
    assert.equal(0, difference.relative(b, b))
    assert.is_near(0.2, difference.relative(tensor { 3, 5 }, b), 1e-15)
    assert.equal(math.huge, difference.relative(tensor { 0 / 0, 4 }, b))
    assert.equal(math.huge, difference.relative(b, tensor { 0, 0 }))
  end)
end)

describe("growth", function()
  it("is drawn", function()
    local report, folder = require "hyla.cli.bench.report", shell.folder()
    local rows = {
      { part = "steps", problem = "small", x = 100, step_seconds = 4e-6, stated_bytes = 5e5, held_bytes = 5e5 },
      { part = "steps", problem = "small", x = 1000, step_seconds = 4e-6, stated_bytes = 9e5, held_bytes = 9e5 },
      { part = "size", problem = "small", x = 20, step_seconds = 4e-6 },
      { part = "size", problem = "small", x = 200, step_seconds = 9e-6 },
      { part = "tangents", problem = "realtime", x = 1, step_seconds = 0.3, plain_seconds = 0.1 },
      { part = "tangents", problem = "realtime", x = 2, step_seconds = 0.5, plain_seconds = 0.1 },
    }
    report.draw(rows, folder .. "/growth.png")
    assert.equal("\137PNG", run("head -c 4 " .. folder .. "/growth.png").out)
    assert.has_error(function() report.draw(rows, folder .. "/none/growth.png") end)
    shell.remove(folder)
  end)
end)
