/* SPDX-License-Identifier: BSD-3-Clause
 * Copyright (c) 2026, the Peel authors
 */
#pragma once

/* The machine that a benchmark program runs on: CPUs, the time stamp counter, memory. */

#include <stdint.h>

/** Pin the calling thread to the nth CPU from the end of those the process may use (0: the last
 * one). Thread: any. */
void bench_pin(unsigned int nth);
/** Let the calling thread run on every CPU that the program may use. Thread: any. */
void bench_unpin(void);
/** How many CPUs the process may use. */
unsigned int bench_cpus(void);
/** Cycles per second of the time stamp counter, measured by the first call. Thread: any, once
 * bench_begin has returned. */
double bench_tsc_hz(void);
/** Cycles that it takes to read the counter twice; measured and called as above. */
uint64_t bench_timer_cost(void);
/** Bytes of memory that can be had without swapping. */
uint64_t bench_memory_available(void);
/** Repeatable randomness. Thread: main. */
uint64_t bench_random(void);
