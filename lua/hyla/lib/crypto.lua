--- OpenSSL's libcrypto: SHA-256.
-- @module hyla.lib.crypto
local ffi = require "ffi"

ffi.cdef [[
void *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(void *context);
const void *EVP_sha256(void);
int EVP_DigestInit_ex(void *context, const void *type, void *engine);
int EVP_DigestUpdate(void *context, const void *data, size_t size);
int EVP_DigestFinal_ex(void *context, unsigned char *digest, unsigned *size);
]]
local C = require "hyla.lib.load"("libcrypto.so.3", "libssl3")

local function expect(ok) if ok ~= 1 then error("libcrypto refuses SHA-256", 0) end end

local Digest = {}
Digest.__index = Digest

--- A SHA-256 in progress.
-- @treturn Digest
local function sha256()
  local context = ffi.gc(C.EVP_MD_CTX_new(), C.EVP_MD_CTX_free)
  expect(C.EVP_DigestInit_ex(context, C.EVP_sha256(), nil))
  return setmetatable({ context = context }, Digest)
end

--- Takes in `size` more bytes of `data` (a string or a buffer).
function Digest:add(data, size) expect(C.EVP_DigestUpdate(self.context, data, size)) end

--- The digest of everything taken in, 64 hexadecimal digits; ends the digest.
-- @treturn string
function Digest:hex()
  local bytes = ffi.new "unsigned char[32]"
  expect(C.EVP_DigestFinal_ex(self.context, bytes, nil))
  return (ffi.string(bytes, 32):gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

return { sha256 = sha256 }
