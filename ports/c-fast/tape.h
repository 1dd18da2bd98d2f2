/* The tape: automatic differentiation for training, on flat arrays.
 *
 * The numbers of a document's graph stand in one array, their gradients in another, and an Index is a place in
 * both. Each function below computes its result at once and notes an instruction. tape_backward goes through
 * the instructions from the last to the first. One instruction stands for many nodes of the graph of SPEC,
 * section 5: a whole dot product, say.
 *
 * Bits. A gradient is a sum, so its bits depend on the order in which it is added up: the specification asks
 * for the reverse of the depth-first post-order from the loss. The tape gives the same bits without searching
 * for that order, if two things hold.
 *
 *   1. For every number, the nodes that consume it come in the same order on the tape and in the post-order:
 *      it is they who add to its gradient. The caller sees to that; model.c says how.
 *   2. Everything noted leads to the loss. Or else gradients of 0 would flow, and 0 times infinity is not 0.
 *
 * Why one instruction may stand for a chain of nodes, ((x0 + 0) + x1) + ...: each inner sum and product has one
 * consumer, so its gradient is the gradient of the result times 1. (It starts as 0.0 + that, which changes no
 * bits: a gradient is never -0.0, since it starts at +0.0.) So an instruction adds the same products to the
 * same gradients as its nodes would.
 */
#ifndef TAPE_H
#define TAPE_H

#include <stdint.h>

#include "functions.h"

typedef int32_t Index;

typedef struct Instruction Instruction;

typedef struct {
    const Functions *math;
    double *value, *gradient;
    Index count, capacity;
    Instruction *instruction;
    int32_t instructions, instruction_capacity;
} Tape;

void tape_free(Tape *tape);

/* Forget all instructions, and all numbers but the first `keep`. The memory stays, so a second document like
 * the first needs no more.
 */
void tape_rewind(Tape *tape, Index keep);

/* Room for `count` numbers side by side; the first one's index. They are not set. */
Index tape_numbers(Tape *tape, Index count);

/* Rows of a matrix: row i begins at first + (which ? which[i] : i) * stride. `which` must live as long as the
 * tape's instructions.
 */
typedef struct {
    Index first;
    int32_t count, stride;
    const int32_t *which;
} Rows;

/* The operations. The first three put their results where the caller wants them, the others append them. */

/* result[i] = the dot product of row i with x[0..width-1]. The rows and x must not overlap. */
void tape_linear(Tape *tape, Index result, Rows rows, Index x, int32_t width);

/* result[j] = the sum over the rows of weight[i] * row i's element j, for j = 0..width-1. */
void tape_mix(Tape *tape, Index result, Index weight, Rows rows, int32_t width);

/* result[i] = a[i] * number. */
void tape_multiply_number(Tape *tape, Index result, Index a, double number, int32_t count);

Index tape_add(Tape *tape, Index a, Index b, int32_t count);             /* a[i] + b[i] */
Index tape_sum(Tape *tape, Index a, int32_t count);                      /* a[0] + a[1] + ... */
Index tape_sum_of_squares(Tape *tape, Index a, int32_t count);           /* a[0]*a[0] + a[1]*a[1] + ... */
Index tape_scale(Tape *tape, Index a, Index factor, int32_t count);      /* a[i] * factor */
Index tape_divide(Tape *tape, Index a, Index divisor, int32_t count);    /* a[i] * divisor^-1, a power for each */
Index tape_add_number(Tape *tape, Index a, double number, int32_t count); /* a[i] + number */
Index tape_power(Tape *tape, Index a, double exponent, int32_t count);
Index tape_exp(Tape *tape, Index a, int32_t count);
Index tape_log(Tape *tape, Index a, int32_t count);
Index tape_relu(Tape *tape, Index a, int32_t count);

/* The gradient of every number, the loss being the last instruction's only result. */
void tape_backward(Tape *tape, Index loss);

#endif
