--- What the machine can do, to hold other figures against: sgemm and memory bandwidth, on one thread and on all asked
-- for. sgemm is the faster of OpenBLAS and of the engine's own product, both of two large square matrices: an OpenBLAS
-- that does not know the processor falls back on kernels for an older one.
local here = debug.getinfo(1, "S").source:match "^@(.*[/\\])" or "./"
local lib = dofile(here .. "lib.lua")
local ffi = require "ffi"
local C = require("hyla.ffi").C
local load_library = require "hyla.lib.load"
local quote = require "hyla.quote"
local tensor = require "hyla.tensor"
require "hyla.functions"                               -- products of tensors

local ROW_MAJOR, NO_TRANSPOSE = 101, 111

-- OpenBLAS's own names; the library is the one that the engine has loaded.
local function openblas()
  pcall(ffi.cdef, [[
    void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                     const float *b, int ldb, float beta, float *c, int ldc);
    void openblas_set_num_threads(int n);
    char *openblas_get_corename(void);
  ]])
  return load_library("libopenblas.so.0", "libopenblas0")
end

local function data(t) return ffi.cast("float *", C.hyla_tensor_data(t)) end

-- GFLOP/s of OpenBLAS and of the engine's product.
local function products(blas, o, threads)
  local n = o.size
  local a, b = tensor.normal({ n, n }, { seed = 1 }), tensor.normal({ n, n }, { seed = 2 })
  local c = tensor.zeros { n, n }
  C.hyla_threads(threads)
  blas.openblas_set_num_threads(threads)
  local theirs = lib.best(o.repeats, function()
    blas.cblas_sgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, n, n, n, 1, data(a), n, data(b), n, 0, data(c), n)
  end)
  blas.openblas_set_num_threads(1)
  local ours = lib.best(o.repeats, function() a:matmul(b) collectgarbage() end)
  return 2e-9 * n ^ 3 / theirs, 2e-9 * n ^ 3 / ours
end

local function read(line)
  local pipe = assert(io.popen(line))
  local text = pipe:read "*a"
  pipe:close()
  return text
end

-- GB/s on each number of threads, by a program that is compiled for this processor.
local function bandwidths(o, counts)
  local program, rates = os.tmpname(), {}
  local compile = ("cc -O3 -march=native -pthread -o %s %s"):format(quote(program), quote(here .. "floor/stream.c"))
  if os.execute(compile) ~= 0 then error("bench floor: this failed: " .. compile, 0) end
  for i, count in ipairs(counts) do
    rates[i] = tonumber(read(("%s %d %.17g"):format(quote(program), count, o.mib)))
  end
  os.remove(program)
  for i, count in ipairs(counts) do
    if not rates[i] then error(("bench floor: no bandwidth on %d threads"):format(count), 0) end
  end
  return rates
end

return {
  about = "What the machine can do: sgemm and memory bandwidth, on one thread and on all",
  options = { size = 2048, mib = 128, threads = 2, repeats = 5 },
  bounds = { size = { 1, 16384, integer = true }, mib = { 1 }, threads = { 1, 256, integer = true },
             repeats = { 1, integer = true } },

  run = function(o)
    local blas = openblas()
    local openblas_1, engine_1 = products(blas, o, 1)
    local openblas_all, engine_all = products(blas, o, o.threads)
    local stream = bandwidths(o, { 1, o.threads })
    return {
      workload = "floor", threads = o.threads, kernels = lib.kernels(),
      openblas_core = ffi.string(blas.openblas_get_corename()),
      openblas_gflops_1 = openblas_1, openblas_gflops = openblas_all,
      engine_gflops_1 = engine_1, engine_gflops = engine_all,
      sgemm_gflops_1 = math.max(openblas_1, engine_1), sgemm_gflops = math.max(openblas_all, engine_all),
      sgemm_by = openblas_all > engine_all and "OpenBLAS" or "engine",
      stream_gbytes_1 = stream[1], stream_gbytes = stream[2], peak_bytes = lib.peak_bytes(),
    }
  end,
}
