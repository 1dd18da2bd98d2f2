#include "memory.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void out_of_memory(void)
{
    fputs("microgpt: out of memory\n", stderr);
    exit(EXIT_FAILURE);
}

static void *checked(void *block)
{
    if (block == NULL)
        out_of_memory();
    return block;
}

void *allocate(size_t count, size_t size)
{
    return checked(calloc(count > 0 ? count : 1, size));
}

void *reallocate(void *block, size_t count, size_t size)
{
    return checked(count > SIZE_MAX / size ? NULL : realloc(block, count > 0 ? count * size : 1));
}
