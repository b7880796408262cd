--- Run by busted before the specs. C declarations and metatypes live as long as the process while busted forgets
-- modules between files, so the modules that own them are loaded here, once, and with them those that share their
-- tables of methods.
package.path = "./lua/?.lua;./lua/?/init.lua;" .. package.path

require "hyla.spec"     -- it declares them all, and knows which golden files were asked for
