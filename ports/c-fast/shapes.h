/* What the parts of the program say to each other: lists, the shape of a model, the numbers of Adam. */
#pragma once
#include "exact.h"

typedef struct {
    int32_t count, *item;
} List; /* of characters, of tokens, of positions */

static List make_list(int32_t count) { return (List){count, allocate((size_t)count, sizeof(int32_t))}; }

typedef struct {
    int32_t layers, heads, embedding, block, vocabulary;
    bool squared_relu;
    List *attention; /* for each position those to which it attends */
} Config;

typedef struct {
    double learning_rate, beta1, beta2, epsilon;
    bool cosine;
    int32_t steps;
} Optimizer;

typedef struct {
    double rate, correction1, correction2;
} Factors;
