/* Memory that is there or ends the program: a port that runs out of memory has nothing better to say than that. */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/* Says so and ends the program. */
_Noreturn void out_of_memory(void);

/* `count` items of `size` bytes, all zero. Free with free(). */
void *allocate(size_t count, size_t size);

/* The same block, moved if need be, with room for `count` items; new items are not set. */
void *reallocate(void *block, size_t count, size_t size);

#endif
