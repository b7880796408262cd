std = "luajit"
max_line_length = 120
cache = false
exclude_files = { "build*" }
-- A method may leave its object unused, and a function of a fixed signature an argument.
unused_args = false
self = false
ignore = { "581" }   -- not (x <= y) is how a NaN is refused
files["spec"] = { std = "luajit+busted" }
