-- Plans: right on shapes large enough to be cut into chunks, blocks and tiles, with the same bits on any number of
-- threads and whatever else a program computes.
local builder = require "spec.engine.graph_builder"
local support = require "spec.engine.support"
local engine = require "hyla.ffi"
local ffi = require "ffi"
local C = engine.C

local random = math.random
local function draw() return random() * 2 - 1 end

local function bytes(t)
  return ffi.string(C.hyla_tensor_data(t), tonumber(C.hyla_tensor_size(t)) * (t.dtype == "float64" and 8 or 4))
end

local function on_threads(n, f)
  local before = C.hyla_threads(0)
  C.hyla_threads(n)
  local results = { pcall(f) }
  C.hyla_threads(before)
  if not results[1] then error(results[2], 0) end
  return unpack(results, 2)
end

-- The gradient of a softmax regression: rows, partial sums, a join, an update; X with this share of non-zeros.
local function regression(n, k, m, share, dtype)
  local g = builder.new()
  local X = g:constant(builder.make({ n, k }, function() return random() < share and draw() or 0 end, dtype))
  local y = g:constant(builder.make({ n }, function() return random(0, m - 1) end, "int32"))
  local W = g:input(builder.make({ k, m }, draw, dtype))
  local b = g:input(builder.make({ 1, m }, draw, dtype))
  local z = g:apply("add", nil, g:apply("matmul", { v = { 0, 0 } }, X, W), g:apply("expand", { v = { n, m } }, b))
  local lse = g:apply("reshape", { v = { n } }, g:apply("logsumexp", { v = { 1 } }, z))
  local loss = g:apply("sub", nil, lse, g:apply("take_along", nil, z, y))
  return g, g:apply("sum", { v = { 0 } }, loss), W, b, loss
end

describe("a program", function()
  before_each(function() math.randomseed(3) end)

  it("gives the same bits on one, two and three threads", function()
    for _, case in ipairs { { 3000, 300, 10, 1 }, { 3000, 300, 10, 0.15 }, { 700, 90, 100, 1 }, { 200, 20, 1, 1 } } do
      for _, dtype in ipairs { "float32", "float64" } do
        local g, y, W, b = regression(case[1], case[2], case[3], case[4], dtype)
        local run = g:program { y, g:vjp(y, nil, { W, b }) }
        local results = {}
        for threads = 1, 3 do
          on_threads(threads, function()
            for _, t in ipairs { run() } do results[threads] = (results[threads] or "") .. bytes(t) end
          end)
        end
        assert.is_true(results[1] == results[2] and results[1] == results[3])
      end
    end
  end)

  -- The gradient of a logistic regression with one output: a product with a vector, dot products along all rows. The
  -- longest is shared out whatever a loop costs.
  it("gives the same bits on one, two and three threads with one column", function()
    for _, n in ipairs { 300, 600, 20000 } do
      for _, dtype in ipairs { "float32", "float64" } do
        local g = builder.new()
        local X = g:constant(builder.make({ n, 20 }, draw, dtype))
        local w = g:input(builder.make({ 20, 1 }, draw, dtype))
        local s = g:apply("sigmoid", nil, g:apply("matmul", { v = { 0, 0 } }, X, w))
        local run = g:program { g:vjp(g:apply("sum", { v = { 0 } }, s), nil, { w }) }
        local results = {}
        for threads = 1, 3 do on_threads(threads, function() results[threads] = bytes((run())) end) end
        assert.is_true(results[1] == results[2] and results[1] == results[3])
        local rows, probabilities, wanted = g:program { X }():totable(), g:program { s }():totable(), {}
        for j = 1, 20 do
          wanted[j] = 0
          for i = 1, n do
            wanted[j] = wanted[j] + rows[i][j] * probabilities[i][1] * (1 - probabilities[i][1])
          end
        end
        local got = run():totable()
        for j = 1, 20 do assert.is_near(wanted[j], got[j][1], n * (dtype == "float32" and 1e-6 or 1e-14)) end
      end
    end
  end)

  it("gives a value the same bits whatever else it computes", function()
    for _, case in ipairs { { 7, 1 }, { 7, 0.15 }, { 150, 1 } } do
      local m, share = unpack(case)
      local g, y, W, b, loss = regression(1100, 120, m, share, "float32")
      local W_bar, b_bar = g:vjp(y, nil, { W, b })
      local dots = { g:input(builder.make({ 120, m }, draw, "float32")),
        g:input(builder.make({ 1, m }, draw, "float32")) }
      local second = { g:jvp({ W, b }, dots, { W_bar, b_bar }) }
      local alone, gradient = bytes((g:program { y }())), bytes((g:program { W_bar }()))
      local loss_alone = bytes((g:program { loss }()))
      local all = { g:program { second[1], W_bar, second[2], y, loss, b_bar }() }
      assert.is_true(bytes(all[4]) == alone and bytes(all[2]) == gradient and bytes(all[5]) == loss_alone)
    end
  end)

  it("gives back inputs, constants, numbers, views and one value twice", function()
    local g = builder.new()
    local x = g:input(builder.make({ 3, 2 }, function(i) return i end))
    local c = g:constant(builder.make({ 2 }, function(i) return 10 + i end))
    local turned = g:apply("transpose", { v = { 1, 0 } }, x)
    local y = g:apply("add", nil, x, x)
    local got = { g:program { x, c, g:fill({ 2, 2 }, 7), turned, y, y, turned }() }
    assert.same({ { 0, 1 }, { 2, 3 }, { 4, 5 } }, got[1]:totable())
    assert.same({ 10, 11 }, got[2]:totable())
    assert.same({ { 7, 7 }, { 7, 7 } }, got[3]:totable())
    assert.same({ { 0, 2, 4 }, { 1, 3, 5 } }, got[4]:totable())
    assert.same({ { 0, 2 }, { 4, 6 }, { 8, 10 } }, got[5]:totable())
    assert.same(got[5]:totable(), got[6]:totable())
    assert.same(got[4]:totable(), got[7]:totable())
  end)

  it("names the line of an index out of range, on whatever thread it met it", function()
    local g = builder.new()
    local index = builder.make({ 20000 }, function(i) return i == 17321 and 9 or 3 end, "int32")
    local x = g:input(builder.make({ 9, 120 }, draw))
    local y = g:apply("gather", nil, x, g:input(index))
    local run = g:program { y }
    for threads = 1, 2 do
      local ok, message = pcall(on_threads, threads, run)
      assert.is_false(ok)
      assert.is_truthy(message:find("spec.lua:3: gather: expected indices from 0 to 8, got 9", 1, true), message)
    end
  end)

  it("refuses tensors of another shape or dtype, and a value it needs and is not given", function()
    local g = builder.new()
    local x = g:input(builder.make({ 3 }, draw))
    local z = g:input(builder.make({ 3 }, draw), "z")
    local run = g:program { g:apply("add", nil, x, z) }
    assert.error_matches(function() run { builder.make({ 4 }, draw), g.values[2] } end,
      "expected float64%[3%], got float64%[4%]")
    assert.error_matches(function() run { builder.make({ 3 }, draw, "float32"), g.values[2] } end, "got float32%[3%]")
    g.inputs[2] = nil
    assert.error_matches(function() g:program { g:apply("add", nil, x, z) } end, "needs 'z'")
  end)

  it("leaves outputs alone when it fails, and may write where it reads", function()
    local g = builder.new()
    local i = g:input(builder.make({ 2 }, function(k) return k * 5 end, "int32"))
    local x = g:input(builder.make({ 3 }, function(k) return k end))
    local turned = g:apply("gather", nil, x, g:constant(builder.make({ 3 }, function(k) return 2 - k end, "int32")))
    local _, program = g:program { g:apply("neg", nil, x), g:apply("gather", nil, x, i), turned }
    local first, second = builder.make({ 3 }, function() return 9 end), builder.make({ 2 }, function() return 9 end)
    local into = ffi.new("hyla_tensor *[2]", g.values[1], g.values[2])
    local out = ffi.new("hyla_tensor *[3]", first, second, g.values[2])
    assert.equal(C.HYLA_EVALUE, C.hyla_program_run(program, into, out))
    assert.same({ 9, 9, 9 }, first:totable())
    local kept = builder.make({ 2 }, function(k) return k end, "int32")
    into[0] = kept
    engine.check(C.hyla_program_run(program, into, out))
    assert.same({ 2, 1, 0 }, g.values[2]:totable())
    assert.same({ 0, 1 }, second:totable())
  end)

  it("takes a number as it is stored", function()
    local g = builder.new()
    local x, y = g:input(builder.make({ 1 }, function() return 1 end, "float32")),
      g:input(builder.make({ 1 }, function() return 2 end, "float32"))
    assert.same({ 2 }, g:program { g:apply("where", nil, g:fill({ 1 }, 1e-50, "float32"), x, y) }():totable())
  end)

  it("frees everything when any allocation fails", function()
    local g, y, W, b = regression(200, 100, 5, 0.1, "float32")
    local bars = { g:vjp(y, nil, { W, b }) }
    local outs, ins = ffi.new("int[2]", bars), ffi.new("int[2]", W, b)
    local ready = g:program(bars) -- constants are folded and packed: those stay with the graph
    assert.is_truthy(ready)
    local failed = support.fail_each_allocation(function()
      local out = ffi.new "hyla_program *[1]"
      local status = C.hyla_program_new(g.handle, 2, ins, 2, outs, out)
      return status, function() C.hyla_program_drop(out[0]) end
    end)
    assert.is_true(failed > 10)
  end)

  it("shows its phases", function()
    local g, y, W, b = regression(1000, 30, 4, 1, "float32")
    local _, program = g:program { g:vjp(y, nil, { W, b }) }
    local text = ffi.string(C.hyla_program_print(program))
    assert.is_truthy(text:find "1000 rows, ")
    assert.is_truthy(text:find "matmul gram" and text:find "join" and text:find "softmax")
  end)

  it("lets rows wait for a later phase over the same rows, and no longer than for who needs them", function()
    math.randomseed(3)
    local g = builder.new()
    local x = g:input(builder.make({ 500, 20 }, draw))
    local z = g:input(builder.make({ 300, 20 }, draw))
    local both = g:apply("mul", nil, g:apply("sin", nil, x), g:apply("cos", nil, x))
    local function for_all(of) return g:apply("expand", { v = { 500, 20 } }, g:apply("sum", { v = { 0, 1 } }, of)) end
    local late = g:apply("add", nil, both, for_all(z))
    local run, program = g:program { late }
    local text = ffi.string(C.hyla_program_print(program))
    assert.matches("phase 3: 500 rows", text)          -- z's rows, their sum, and all that has x's rows
    assert.is_nil(text:find "phase 4")
    assert.is_true(text:find "= sin" > text:find "phase 3")
    local out = run()                                  -- held: elements are its memory
    local got, a, b = builder.elements(out), builder.elements(g.values[1]), builder.elements(g.values[2])
    local sum = 0
    for i = 0, 5999 do sum = sum + b[i] end
    for i = 0, 9999, 7 do assert.is_near(math.sin(a[i]) * math.cos(a[i]) + sum, got[i], 1e-11) end
    local _, needed = g:program { g:apply("add", nil, late, for_all(both)) }
    text = ffi.string(C.hyla_program_print(needed))    -- the product is summed, too: it cannot wait
    assert.is_true(text:find "= sin" < text:find "phase 2")
  end)
end)

-- ---- against plain loops ----

local function at(list, strides, index)
  local k = 0
  for i = 1, #index do k = k + index[i] * strides[i] end
  return list[k]
end

local function strides_of(dims)
  local s, step = {}, 1
  for i = #dims, 1, -1 do
    s[i] = step
    step = step * dims[i]
  end
  return s
end

describe("a product of matrices", function()
  local function product(x, y, tx, ty, n, k, m)
    local a, b = builder.elements(x), builder.elements(y)
    return builder.make({ n, m }, function(i)
      local row, col, sum = math.floor(i / m), i % m, 0
      for l = 0, k - 1 do
        sum = sum + a[tx == 1 and l * n + row or row * k + l] * b[ty == 1 and col * k + l or l * m + col]
      end
      return sum
    end)
  end

  local shapes = { { 300, 70, 10 }, { 10, 300, 70 }, { 70, 10, 300 }, { 1, 500, 1 }, { 500, 1, 3 }, { 3, 400, 60 },
    { 60, 400, 3 }, { 90, 100, 80 }, { 1, 7, 200 }, { 200, 130, 49 }, { 49, 130, 48 }, { 1300, 4, 2 },
    -- rows a multiple of 1024 bytes apart, on one side, on the other and in the result
    { 60, 256, 70 }, { 256, 60, 3 }, { 20, 128, 4 }, { 9, 60, 256 } }
  it("is right for every shape, transposition and kernel", function()
    math.randomseed(5)
    for _, s in ipairs(shapes) do
      for flags = 0, 15 do
        local n, k, m = unpack(s)
        local tx, ty, sparse = flags % 2, math.floor(flags / 2) % 2, flags >= 4 and flags < 8
        local x_kept, y_kept = flags >= 4 and flags < 12, flags >= 12
        local function value() return (not sparse or random() < 0.1) and draw() or 0 end
        local x = builder.make(tx == 1 and { k, n } or { n, k }, value)
        local y = builder.make(ty == 1 and { m, k } or { k, m }, draw)
        local g = builder.new()
        local out = g:apply("matmul", { v = { tx, ty } }, x_kept and g:constant(x) or g:input(x),
          y_kept and g:constant(y) or g:input(y))
        local got, expected = g:program { out }(), product(x, y, tx, ty, n, k, m)
        local a, size = builder.elements(got)
        local b = builder.elements(expected)
        for i = 0, size - 1 do -- sums of k products of order one, in another order
          assert(math.abs(a[i] - b[i]) <= 1e-13 * k, ("%dx%dx%d flags %d: %g for %g"):format(n, k, m, flags, a[i],
            b[i]))
        end
      end
    end
  end)

  it("waits for a right factor that is made with as many rows", function()
    math.randomseed(9)
    local g = builder.new()
    local x = g:input(builder.make({ 40, 40 }, draw))
    local t = g:apply("tanh", nil, x)
    local y = g:apply("matmul", { v = { 0, 1 } }, t, t)
    local tanh = builder.make({ 40, 40 }, function(i) return (builder.elements(g:program { t }()))[i] end)
    local got, expected = g:program { y }(), product(tanh, tanh, 0, 1, 40, 40, 40)
    local a, b = builder.elements(got), builder.elements(expected)
    for i = 0, 1599 do assert.is_near(b[i], a[i], 1e-13) end
  end)

  it("is right for slices, strides and batches", function()
    math.randomseed(6)
    local g = builder.new()
    local x, y = g:input(builder.make({ 2, 3, 60, 50 }, draw)), g:input(builder.make({ 2, 3, 50, 40 }, draw))
    local both = { g:program { g:apply("matmul", { v = { 0, 0 } }, x, y) }() }
    local a, b, c = builder.elements(g.values[1]), builder.elements(g.values[2]), builder.elements(both[1])
    for trial = 1, 200 do
      local batch, i, j, sum = random(0, 5), random(0, 59), random(0, 39), 0
      for k = 0, 49 do sum = sum + a[batch * 3000 + i * 50 + k] * b[batch * 2000 + k * 40 + j] end
      assert.is_near(sum, c[batch * 2400 + i * 40 + j], 1e-12)
    end
    local h = builder.new()
    local z = h:input(builder.make({ 40, 60 }, draw))
    local cut = h:apply("slice", { v = { 1, 2, 40, 58, 3, 7 } }, z) -- [13, 8]
    local square = h:program { h:apply("matmul", { v = { 0, 1 } }, cut, cut), cut }
    local p, q = square()
    local u, v = builder.elements(p), builder.elements(q)
    for i = 0, 12 do
      for j = 0, 12 do
        local sum = 0
        for k = 0, 7 do sum = sum + v[i * 8 + k] * v[j * 8 + k] end
        assert.is_near(sum, u[i * 13 + j], 1e-13)
      end
    end
  end)
end)

describe("a reduction", function()
  it("is right along every set of axes of large and small tensors", function()
    math.randomseed(8)
    for _, dims in ipairs { { 1500 }, { 700, 5 }, { 5, 700 }, { 40, 6, 30 }, { 1, 900 }, { 130, 1, 7 }, { 300, 70 } } do
      local strides = strides_of(dims)
      for set = 1, 2 ^ #dims - 1 do
        local axes, kept, size = {}, {}, 1
        for i = 1, #dims do
          local reduced = math.floor(set / 2 ^ (i - 1)) % 2 == 1
          if reduced then axes[#axes + 1] = i - 1 end
          kept[i] = reduced and 1 or dims[i]
          size = size * dims[i]
        end
        local g = builder.new()
        local x = g:input(builder.make(dims, draw))
        local total, most, lse, soft = g:program { g:apply("sum", { v = axes }, x), g:apply("max", { v = axes }, x),
          g:apply("logsumexp", { v = axes }, x), g:apply("softmax", { v = axes }, x) }()
        local value, out = builder.elements(g.values[1]), strides_of(kept)
        local sums, maxima, exps = {}, {}, {}
        for i = 0, size - 1 do
          local cell = 0
          for axis = 1, #dims do
            if kept[axis] > 1 then cell = cell + math.floor(i / strides[axis]) % dims[axis] * out[axis] end
          end
          sums[cell] = (sums[cell] or 0) + value[i]
          maxima[cell] = math.max(maxima[cell] or -9, value[i])
          exps[cell] = (exps[cell] or 0) + math.exp(value[i])
        end
        local a, n = builder.elements(total)
        local b, c, d = builder.elements(most), builder.elements(lse), builder.elements(soft)
        for cell = 0, n - 1 do
          assert.is_near(sums[cell], a[cell], 1e-11)
          assert.equal(maxima[cell], b[cell])
          assert.is_near(math.log(exps[cell]), c[cell], 1e-12)
        end
        for trial = 1, 20 do
          local i, index = random(0, size - 1), {}
          for axis = 1, #dims do index[axis] = kept[axis] == 1 and 0 or math.floor(i / strides[axis]) % dims[axis] end
          assert.is_near(math.exp(value[i]) / at(exps, out, index), d[i], 1e-13)
        end
      end
    end
  end)
end)
