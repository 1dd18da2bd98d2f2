#include "tape.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

typedef enum {
    LINEAR, MIX, ADD, SUM, SUM_OF_SQUARES, SCALE, DIVIDE, ADD_NUMBER, MULTIPLY_NUMBER, POWER, EXP, LOG, RELU
} Operation;

struct Instruction {
    Operation operation;
    int32_t count;         /* how many numbers `a` has; for LINEAR and MIX, the width of a row */
    Index result, a, b;
    double number;         /* the plain number or the exponent */
    Rows rows;
};

void tape_free(Tape *tape)
{
    free(tape->value);
    free(tape->gradient);
    free(tape->instruction);
}

void tape_rewind(Tape *tape, Index keep)
{
    tape->count = keep;
    tape->instructions = 0;
}

Index tape_numbers(Tape *tape, Index count)
{
    Index first = tape->count;
    if (count > INT32_MAX / 2 - first)
        out_of_memory();
    tape->count += count;
    if (tape->count > tape->capacity) {
        tape->capacity = tape->count + tape->count / 2;
        tape->value = reallocate(tape->value, (size_t)tape->capacity, sizeof *tape->value);
        tape->gradient = reallocate(tape->gradient, (size_t)tape->capacity, sizeof *tape->gradient);
    }
    return first;
}

static void note(Tape *tape, Instruction instruction)
{
    if (tape->instructions == tape->instruction_capacity) {
        int32_t capacity = tape->instructions > 0 ? 2 * tape->instructions : 1024;
        tape->instruction = reallocate(tape->instruction, (size_t)capacity, sizeof *tape->instruction);
        tape->instruction_capacity = capacity;
    }
    tape->instruction[tape->instructions++] = instruction;
}

static Index row_start(const Rows *rows, int32_t i)
{
    return rows->first + (rows->which != NULL ? rows->which[i] : i) * rows->stride;
}

/* ------------------------------------------------------------------ forward */

static double dot(const double *a, const double *b, int32_t count)
{
    double sum = 0.0;
    for (int32_t i = 0; i < count; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Four dot products at a time, each still summed from the left: the processor waits for one addition while it
 * makes three others.
 */
static void four_dots(const double *const row[4], const double *x, int32_t count, double result[4])
{
    double s0 = 0.0, s1 = 0.0, s2 = 0.0, s3 = 0.0;
    for (int32_t i = 0; i < count; i++) {
        s0 += row[0][i] * x[i];
        s1 += row[1][i] * x[i];
        s2 += row[2][i] * x[i];
        s3 += row[3][i] * x[i];
    }
    result[0] = s0;
    result[1] = s1;
    result[2] = s2;
    result[3] = s3;
}

void tape_linear(Tape *tape, Index result, Rows rows, Index x, int32_t width)
{
    double *value = tape->value;
    int32_t i = 0;
    for (; i + 4 <= rows.count; i += 4) {
        const double *const row[4] = {value + row_start(&rows, i), value + row_start(&rows, i + 1),
                                      value + row_start(&rows, i + 2), value + row_start(&rows, i + 3)};
        four_dots(row, value + x, width, value + result + i);
    }
    for (; i < rows.count; i++)
        value[result + i] = dot(value + row_start(&rows, i), value + x, width);
    note(tape, (Instruction){.operation = LINEAR, .count = width, .result = result, .a = x, .rows = rows});
}

void tape_mix(Tape *tape, Index result, Index weight, Rows rows, int32_t width)
{
    const double *value = tape->value;
    for (int32_t j = 0; j < width; j++) {
        double sum = 0.0;
        for (int32_t i = 0; i < rows.count; i++)
            sum += value[weight + i] * value[row_start(&rows, i) + j];
        tape->value[result + j] = sum;
    }
    note(tape, (Instruction){.operation = MIX, .count = width, .result = result, .a = weight, .rows = rows});
}

Index tape_add(Tape *tape, Index a, Index b, int32_t count)
{
    Index result = tape_numbers(tape, count);
    for (int32_t i = 0; i < count; i++)
        tape->value[result + i] = tape->value[a + i] + tape->value[b + i];
    note(tape, (Instruction){.operation = ADD, .count = count, .result = result, .a = a, .b = b});
    return result;
}

Index tape_sum(Tape *tape, Index a, int32_t count)
{
    Index result = tape_numbers(tape, 1);
    double sum = 0.0;
    for (int32_t i = 0; i < count; i++)
        sum += tape->value[a + i];
    tape->value[result] = sum;
    note(tape, (Instruction){.operation = SUM, .count = count, .result = result, .a = a});
    return result;
}

Index tape_sum_of_squares(Tape *tape, Index a, int32_t count)
{
    Index result = tape_numbers(tape, 1);
    tape->value[result] = dot(tape->value + a, tape->value + a, count);
    note(tape, (Instruction){.operation = SUM_OF_SQUARES, .count = count, .result = result, .a = a});
    return result;
}

Index tape_scale(Tape *tape, Index a, Index factor, int32_t count)
{
    Index result = tape_numbers(tape, count);
    for (int32_t i = 0; i < count; i++)
        tape->value[result + i] = tape->value[a + i] * tape->value[factor];
    note(tape, (Instruction){.operation = SCALE, .count = count, .result = result, .a = a, .b = factor});
    return result;
}

Index tape_divide(Tape *tape, Index a, Index divisor, int32_t count)
{
    Index result = tape_numbers(tape, count);
    double inverse = tape->math->pow(tape->value[divisor], -1.0);
    for (int32_t i = 0; i < count; i++)
        tape->value[result + i] = tape->value[a + i] * inverse;
    note(tape, (Instruction){.operation = DIVIDE, .count = count, .result = result, .a = a, .b = divisor});
    return result;
}

Index tape_add_number(Tape *tape, Index a, double number, int32_t count)
{
    Index result = tape_numbers(tape, count);
    for (int32_t i = 0; i < count; i++)
        tape->value[result + i] = tape->value[a + i] + number;
    note(tape, (Instruction){.operation = ADD_NUMBER, .count = count, .result = result, .a = a});
    return result;
}

void tape_multiply_number(Tape *tape, Index result, Index a, double number, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        tape->value[result + i] = tape->value[a + i] * number;
    note(tape, (Instruction){
        .operation = MULTIPLY_NUMBER, .count = count, .result = result, .a = a, .number = number});
}

Index tape_power(Tape *tape, Index a, double exponent, int32_t count)
{
    Index result = tape_numbers(tape, count);
    for (int32_t i = 0; i < count; i++)
        tape->value[result + i] = tape->math->pow(tape->value[a + i], exponent);
    note(tape, (Instruction){.operation = POWER, .count = count, .result = result, .a = a, .number = exponent});
    return result;
}

Index tape_exp(Tape *tape, Index a, int32_t count)
{
    Index result = tape_numbers(tape, count);
    for (int32_t i = 0; i < count; i++)
        tape->value[result + i] = tape->math->exp(tape->value[a + i]);
    note(tape, (Instruction){.operation = EXP, .count = count, .result = result, .a = a});
    return result;
}

Index tape_log(Tape *tape, Index a, int32_t count)
{
    Index result = tape_numbers(tape, count);
    for (int32_t i = 0; i < count; i++)
        tape->value[result + i] = tape->math->log(tape->value[a + i]);
    note(tape, (Instruction){.operation = LOG, .count = count, .result = result, .a = a});
    return result;
}

Index tape_relu(Tape *tape, Index a, int32_t count)
{
    Index result = tape_numbers(tape, count);
    for (int32_t i = 0; i < count; i++) {
        double x = tape->value[a + i];
        tape->value[result + i] = x > 0.0 ? x : 0.0;
    }
    note(tape, (Instruction){.operation = RELU, .count = count, .result = result, .a = a});
    return result;
}

/* ------------------------------------------------------------------ backward
 *
 * An instruction's nodes are gone through from the last to the first, wherever two of them add to the same
 * gradient.
 */

/* What one dot product a.b, whose gradient is `gradient`, adds to the gradients of a and b. */
static void dot_backward(const double *restrict a, const double *restrict b, double *restrict a_gradient,
                         double *restrict b_gradient, double gradient, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        a_gradient[i] += b[i] * gradient;
        b_gradient[i] += a[i] * gradient;
    }
}

static void linear_backward(Tape *tape, const Instruction *in)
{
    for (int32_t i = in->rows.count - 1; i >= 0; i--) {
        Index row = row_start(&in->rows, i);
        dot_backward(tape->value + row, tape->value + in->a, tape->gradient + row, tape->gradient + in->a,
                     tape->gradient[in->result + i], in->count);
    }
}

static void mix_backward(Tape *tape, const Instruction *in)
{
    const double *value = tape->value;
    double *gradient = tape->gradient;
    for (int32_t j = in->count - 1; j >= 0; j--) {
        double g = gradient[in->result + j];
        for (int32_t i = in->rows.count - 1; i >= 0; i--) {
            Index element = row_start(&in->rows, i) + j;
            gradient[in->a + i] += value[element] * g;
            gradient[element] += value[in->a + i] * g;
        }
    }
}

/* Each quotient is a * (b^-1): its power node passes -b^-2 times its own gradient on to b. */
static void divide_backward(Tape *tape, const Instruction *in)
{
    double divisor = tape->value[in->b];
    double inverse = tape->math->pow(divisor, -1.0), local = -1.0 * tape->math->pow(divisor, -2.0);
    for (int32_t i = in->count - 1; i >= 0; i--) {
        double g = tape->gradient[in->result + i];
        tape->gradient[in->a + i] += inverse * g;
        tape->gradient[in->b] += local * (tape->value[in->a + i] * g);
    }
}

static void instruction_backward(Tape *tape, const Instruction *in)
{
    const double *value = tape->value, *x = tape->value + in->a, *result = tape->value + in->result;
    const double *g = tape->gradient + in->result;
    double *a = tape->gradient + in->a, *b = tape->gradient + in->b;
    switch (in->operation) {
    case LINEAR:
        linear_backward(tape, in);
        break;
    case MIX:
        mix_backward(tape, in);
        break;
    case DIVIDE:
        divide_backward(tape, in);
        break;
    case ADD:
        for (int32_t i = in->count - 1; i >= 0; i--) {
            a[i] += g[i];
            b[i] += g[i];
        }
        break;
    case SUM:
        for (int32_t i = in->count - 1; i >= 0; i--)
            a[i] += g[0];
        break;
    case SUM_OF_SQUARES:
        for (int32_t i = in->count - 1; i >= 0; i--) {
            double product = x[i] * g[0];
            a[i] += product; /* both children are the same number */
            a[i] += product;
        }
        break;
    case SCALE:
        for (int32_t i = in->count - 1; i >= 0; i--) {
            a[i] += value[in->b] * g[i];
            b[0] += x[i] * g[i];
        }
        break;
    case ADD_NUMBER:
        for (int32_t i = 0; i < in->count; i++)
            a[i] += g[i];
        break;
    case MULTIPLY_NUMBER:
        for (int32_t i = 0; i < in->count; i++)
            a[i] += in->number * g[i];
        break;
    case POWER:
        for (int32_t i = 0; i < in->count; i++)
            a[i] += in->number * tape->math->pow(x[i], in->number - 1.0) * g[i];
        break;
    case EXP:
        for (int32_t i = 0; i < in->count; i++)
            a[i] += result[i] * g[i];
        break;
    case LOG:
        for (int32_t i = 0; i < in->count; i++)
            a[i] += 1.0 / x[i] * g[i];
        break;
    case RELU:
        for (int32_t i = 0; i < in->count; i++)
            a[i] += (x[i] > 0.0 ? 1.0 : 0.0) * g[i];
        break;
    }
}

void tape_backward(Tape *tape, Index loss)
{
    memset(tape->gradient, 0, (size_t)tape->count * sizeof *tape->gradient);
    tape->gradient[loss] = 1.0;
    for (int32_t i = tape->instructions - 1; i >= 0; i--)
        instruction_backward(tape, &tape->instruction[i]);
}
