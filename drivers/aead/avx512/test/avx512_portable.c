/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 *
 * The engine's source, compiled for any CPU: tests compare it with libsodium where the instructions
 * are missing, sanitizers see its loads and stores, and valgrind can follow it.
 */
#include "avx512_portable.h"

#define chacha20_keystream chacha20_keystream_portable
#define cells_xor_mac cells_xor_mac_portable
#define peel_aead_avx512 peel_aead_avx512_portable
/* whatever the CPU is, and also where these names are unknown */
#define __builtin_cpu_init()
#define __builtin_cpu_supports(feature) true
#include "chacha20.c"
#include "xor_mac.c"
#include "avx512.c"
