/* The table of one variant and dtype. */
#include "kernels/lanes.h"

// clang-format off
const hy_kernel_table HY_KERNEL(table) = {
  .map = HY_KERNEL(map),
  .pair = HY_KERNEL(pair),
#define ENTRY(result, name, parameters) .name = HY_KERNEL(name),
  HY_KERNELS_ANY(ENTRY)
#if HY_REAL
  HY_KERNELS_REAL(ENTRY)
#endif
#undef ENTRY
};
// clang-format on
