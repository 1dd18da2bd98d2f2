/* Memory and failure. What a request allocates is gone once it is answered, and nothing is freed before. */
#pragma once
#include <inttypes.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static jmp_buf failed;   /* where that ends which cannot be done, */
static char reason[200]; /* and the sentence that says why */
#define fail(...) (snprintf(reason, sizeof reason, __VA_ARGS__), longjmp(failed, 1))
typedef struct Block { _Alignas(max_align_t) struct Block *next; } Block;
static Block *blocks;
/* An array of zeros. */
static void *allocate(size_t count, size_t size) {
    Block *block = count < SIZE_MAX / 4 / size ? calloc(1, sizeof *block + count * size) : NULL;
    if (block == NULL) fail("there is not enough memory for this");
    block->next = blocks;
    return (blocks = block) + 1;
}
/* The array of `count` items, with room for one more at least: for 1, 2, 4, 8, ... */
static void *grown(void *array, size_t count, size_t size) {
    if (count == 0) return allocate(1, size);
    return count & (count - 1) ? array : memcpy(allocate(2 * count, size), array, count * size);
}
#define GROW(array, count) ((array) = grown((array), (size_t)(count), sizeof *(array)))
#define APPEND(array, count, item) (GROW(array, count), (array)[(count)++] = (item))
static void free_all(void) { for (Block *next; blocks != NULL; blocks = next) next = blocks->next, free(blocks); }
