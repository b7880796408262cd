--- What a comparison comes to: ratios, shares of the machine's floor, the bars, and all of it as text.
-- @module hyla.cli.bench.figures
local number = require "hyla.number"
local tree = require "hyla.cli.tree"

local figures = {}

local MIB = 2 ^ 20

local function declared() return dofile(tree.root .. "/bench/cases.lua") end

--- The cases of bench/cases.lua, in order.
-- @treturn {table,...}
function figures.cases() return declared().cases end

-- ---- ratios ----

local function least(list) return math.min(unpack(list)) end

local function median(list)
  local sorted = { unpack(list) }
  table.sort(sorted)
  local n = #sorted
  return (sorted[math.ceil(n / 2)] + sorted[math.floor(n / 2) + 1]) / 2
end

-- A peer's form beside ours: the one key that it measures.
local function compared(form)
  local out = { form = form.form, library = form.library, versions = form.versions, peak_bytes = form.peak_bytes,
                difference = form.difference, problem = form.problem }
  out.key = next(form.turns.peer)
  local ours, theirs = form.turns.ours[out.key], form.turns.peer[out.key]
  out.seconds, out.ours_seconds = least(theirs), least(ours)
  out.ratio, out.median_ratio = out.ours_seconds / out.seconds, median(ours) / median(theirs)
  return out
end

-- ---- shares of the floor ----

-- flops and bytes of `seconds`, plain_flops of plain_seconds: rates, and their shares of the floor.
local function rates(result, floor)
  local all = result.threads > 1
  local peak = all and floor.sgemm_gflops or floor.sgemm_gflops_1
  local stream = all and floor.stream_gbytes or floor.stream_gbytes_1
  for _, which in ipairs { "", "plain_" } do
    local flops, seconds = result[which .. "flops"], result[which .. "seconds"]
    if flops then
      result[which .. "gflops"] = flops / seconds * 1e-9
      result[which .. "floor_share"] = result[which .. "gflops"] / peak
    end
  end
  if result.bytes then
    result.gbytes = result.bytes / result.seconds * 1e-9
    result.floor_share = result.gbytes / stream
  end
end

-- ---- bars ----

local function among(form, forms) return (" " .. forms .. " "):find(" " .. form .. " ", 1, true) end

-- A bar of time: the ratio to the fastest of the forms it names.
local function time_bar(bar, peers)
  local key, forms, at_most = unpack(bar)
  local fastest
  for _, peer in ipairs(peers) do
    if peer.key == key and among(peer.form, forms) and (not fastest or peer.seconds < fastest.seconds) then
      fastest = peer
    end
  end
  local out = { what = "time", key = key, form = fastest and fastest.form or forms, at_most = at_most }
  if fastest then out.measured, out.met = fastest.ratio, fastest.ratio <= at_most end
  return out
end

local function bars_of(case, result, peers)
  local list = {}
  for _, bar in ipairs(case.bars) do list[#list + 1] = time_bar(bar, peers) end
  if case.memory then
    local mib = result.peak_bytes / MIB
    list[#list + 1] = { what = "memory", key = "peak_bytes", at_most = case.memory, measured = mib,
                        met = mib <= case.memory }
  end
  return list
end

--- The record of a case.
-- @tparam table case of bench/cases.lua, with `words`, its options
-- @tparam table result what our side told at its end
-- @tparam {table,...} forms { form, library, versions, turns = { ours, peer = key -> seconds of each turn },
--   peak_bytes, difference, problem }
-- @tparam {string,...} skipped libraries that are not installed
-- @tparam table floor what the workload `floor` measured
-- @treturn table { case, workload, options, threads, ours, peers, bars, skipped, floor }
function figures.record(case, result, forms, skipped, floor)
  local peers = {}
  for i, form in ipairs(forms) do peers[i] = compared(form) end
  rates(result, floor)
  local record = { case = case.name, workload = case.workload, options = table.concat(case.words, " "),
                   threads = result.threads, ours = result, peers = peers, bars = bars_of(case, result, peers),
                   tolerance = case.tolerance, floor = floor }
  if #peers == 0 then record.peers = nil end
  if #record.bars == 0 then record.bars = nil end
  if #skipped > 0 then record.skipped = table.concat(skipped, " ") end
  return record
end

--- Growth held against its bars.
-- @tparam table result what the workload `growth` measured
-- @treturn {table,...} { key, about, at_most or at_least, measured, met }; those whose part was not measured are absent
function figures.growth(result)
  local list = {}
  for _, bar in ipairs(declared().growth) do
    local measured = result[bar.key]
    if measured then
      list[#list + 1] = { key = bar.key, about = bar.about, at_most = bar.at_most, at_least = bar.at_least,
                          measured = measured,
                          met = measured <= (bar.at_most or measured) and measured >= (bar.at_least or measured) }
    end
  end
  return list
end

-- ---- text ----

local function mib(bytes) return ("%.0f MiB"):format(bytes / MIB) end

--- Rate and share of a side of a case, such as "195 GFLOP/s, 92 % of sgemm"; "" where nothing was counted.
-- @tparam table ours of a record
-- @tparam[opt=""] string which "plain_" for the plain step
-- @treturn string
function figures.rate(ours, which)
  which = which or ""
  local share = ours[which .. "floor_share"]
  if not share then return "" end
  if which == "" and ours.gbytes then
    return ("%s GB/s, %.0f %% of stream"):format(number.short(ours.gbytes, 3), 100 * share)
  end
  return ("%s GFLOP/s, %.0f %% of sgemm"):format(number.short(ours[which .. "gflops"], 3), 100 * share)
end

--- A bar in words, such as ".21 of plain, at most .22: met".
-- @tparam table bar of a record
-- @treturn string
function figures.bar(bar)
  local verdict = bar.met == nil and "not measured" or bar.met and "met" or "NOT MET"
  local measured = bar.measured and number.short(bar.measured, 3) or "?"
  if bar.what == "memory" then return ("%s MiB, at most %g: %s"):format(measured, bar.at_most, verdict) end
  if bar.about then
    return ("%s: %s, at %s %g: %s"):format(bar.about, measured, bar.at_most and "most" or "least",
                                         bar.at_most or bar.at_least, verdict)
  end
  return ("%s %s of %s, at most %g: %s"):format(bar.key == "seconds" and "time" or "plain step", measured, bar.form,
                                              bar.at_most, verdict)
end

local function peer_line(peer, tolerance)
  local agrees = peer.problem and "DIFFERS: " .. peer.problem
    or ("differs by %s, %s allowed"):format(number.short(peer.difference, 2), number.short(tolerance, 2))
  return ("  %-22s %-10s %-9s ours takes %s (of medians %s); %s"):format(
    peer.library .. " " .. peer.form .. (peer.key == "seconds" and "" or ", plain step"), number.time(peer.seconds),
    mib(peer.peak_bytes), number.short(peer.ratio, 3), number.short(peer.median_ratio, 3), agrees)
end

--- A record as lines.
-- @tparam table record
-- @treturn string
function figures.text(record)
  local ours = record.ours
  local lines = { ("%s  (%s%d threads)"):format(record.case, record.options ~= "" and record.options .. ", " or "",
                                               record.threads) }
  lines[#lines + 1] = ("  %-22s %-10s %-9s %s"):format("hyla", number.time(ours.seconds), mib(ours.peak_bytes),
                                                      figures.rate(ours))
  if ours.plain_seconds then
    lines[#lines + 1] = ("  %-22s %-10s %-9s %s"):format("hyla, plain step", number.time(ours.plain_seconds), "",
                                                        figures.rate(ours, "plain_"))
  end
  for _, peer in ipairs(record.peers or {}) do lines[#lines + 1] = peer_line(peer, record.tolerance) end
  if record.skipped then
    lines[#lines + 1] = ("  not installed, so not measured: %s"):format(record.skipped)
  end
  for _, bar in ipairs(record.bars or {}) do lines[#lines + 1] = "  bar: " .. figures.bar(bar) end
  return table.concat(lines, "\n")
end

return figures
