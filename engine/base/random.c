/* Philox 4x32-10, a counter-based generator: any position of any stream costs the same, and nothing is stored.
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), section 3. */
#include "base/base.h"

enum { ROUNDS = 10 };

void hy_philox(uint64_t seed, uint64_t stream, uint64_t counter, uint32_t out[4]) {
  const uint32_t multiplier0 = 0xD2511F53u, multiplier1 = 0xCD9E8D57u; /* chosen by the authors for avalanche */
  const uint32_t weyl0 = 0x9E3779B9u, weyl1 = 0xBB67AE85u;             /* golden ratio; sqrt(3) - 1 */
  uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
  uint32_t c0 = (uint32_t)counter, c1 = (uint32_t)(counter >> 32);
  uint32_t c2 = (uint32_t)stream, c3 = (uint32_t)(stream >> 32);
  for (int round = 0; round < ROUNDS; round++) {
    uint64_t product0 = (uint64_t)multiplier0 * c0, product1 = (uint64_t)multiplier1 * c2;
    c0 = (uint32_t)(product1 >> 32) ^ c1 ^ key0;
    c1 = (uint32_t)product1;
    c2 = (uint32_t)(product0 >> 32) ^ c3 ^ key1;
    c3 = (uint32_t)product0;
    key0 += weyl0;
    key1 += weyl1;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}
