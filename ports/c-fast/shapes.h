/* What the parts of the program say to each other: lists, the shape of a model and its training, the numbers of Adam. */
#pragma once
#include "exact.h"

typedef struct { int32_t count, *item; } List; /* of characters, of tokens, of positions */
/* 0, 1, ..., count - 1 */
static List range(int32_t count) {
    List list = {count, allocate((size_t)count, sizeof *list.item)};
    for (int32_t i = 0; i < count; i++) list.item[i] = i;
    return list;
}
typedef struct {
    int32_t layers, heads, embedding, block, vocabulary;
    bool squared_relu;
    List *attention; /* for each position those to which it attends */
    double learning_rate, beta1, beta2, epsilon;
    bool cosine; /* as schedule; else it is linear */
    int32_t steps, samples;
    double sigma, output_sigma; /* at first: of all parameters, and of those that write to the residual stream */
} Settings;
typedef struct { double rate, correction1, correction2; } Factors;
