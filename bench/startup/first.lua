-- What `bench startup` starts, as a user's script would: the problem `small` and its hypergradient. Arguments: steps,
-- threads, seed.
local here = arg[0]:match "^(.*[/\\])" or "./"
local steps, threads, seed = tonumber(arg[1]), tonumber(arg[2]), tonumber(arg[3])
local small = dofile(here .. "../small.lua")
require("hyla.ffi").C.hyla_threads(threads)
local p = small.problem { steps = steps, seed = seed, examples = small.options.examples,
                          features = small.options.features }
local _, response = p:hypergradient()
local peak = dofile(here .. "../lib.lua").peak_bytes()
io.write(('{"response":%.17g,"peak_bytes":%.0f}\n'):format(response, peak))
