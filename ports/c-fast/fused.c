/* Training at full speed, and every bit as before.
 *
 * The tape (tape.c) does what the specification says, number by number. Here the same numbers are computed by hand, many at a
 * time. Why the bits stay the same:
 *
 *   - A sum is a sum from the left, whatever else is computed meanwhile. So vectors never run along a sum. They run across
 *     sums that have nothing to do with each other: column t of every array is position t of the document, and a vector holds
 *     the same element for 2, 4 or 8 positions. Each weight is then read once, and multiplies a whole vector. Eight rows of
 *     a matrix are done at once, since an addition must wait for the one before it but not for those of other rows.
 *   - The positions can be done side by side because a training knows all tokens beforehand: position t needs of the others
 *     only keys and values. So each layer does all positions, matrix after matrix.
 *   - Backward, a gradient is a sum too, whose order the specification fixes: that of the walk (model.c tells it). A weight is
 *     used once at each position, so its gradient is a sum over the positions, from the last to the first. Here the vectors
 *     run over weights that lie side by side, and the sums stay in registers. The gradient of a linear's x is a sum over the
 *     rows, from the last to the first, with the target's row of lm_head at the very end. Those of keys and values are sums
 *     over the positions that attend to them, from the last to the first. Where a sum has several parts (q, k and v of one
 *     rmsnorm; the two ways around a block), they come in the order of the tape.
 *   - What a position does not attend to adds +0.0, by a mask on the product's bits. A sum that began with +0.0 is never
 *     -0.0, so adding +0.0 changes none. Columns beyond the document hold numbers that nobody adds to anything.
 *   - exp, and the powers -1/2, -3/2 and -2, have the quick phase of exact.c in vectors, with the same rounding test. The few
 *     numbers that fail it, or are out of its range, are done again by exact.c. Products of pairs of doubles are made exact by
 *     splitting factors (Veltkamp, Dekker), so nothing here needs a fused multiply-add, and -ffp-contract=off forbids it.
 *   - Divisions and roots of vectors are rounded as those of doubles are (IEEE 754). None is replaced by a product.
 *
 * What each trick gains (classic, microseconds a step, one core of a Zen 5 with AVX-512; each line without that trick alone):
 *
 *   GAINS
 *
 * The kernels are in fused_kernel.h, which is compiled three times: for SSE2, AVX2 and AVX-512. The best that the processor
 * has is used. `microgpt check` compares all that it has with the tape, bit by bit.
 */
#include "fused.h"

#include <immintrin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exact.h"
#include "fixed.h"
#include "memory.h"

#define INLINE inline __attribute__((always_inline))

typedef struct {
    double *x;                                     /* what comes in */
    double *norm1, *q, *k, *v, *mixed, *middle;    /* attention, up to its residual sum */
    double *norm2, *hidden, *active;               /* the perceptron */
    double *power, *weight, *total;                /* of each head's softmax: the exponentials, the quotients, the sums */
    double *scale1, *slope1, *scale2, *slope2;     /* of each rmsnorm, the power -1/2 and its derivative */
} FusedLayer;

struct Fused {
    int32_t layers, heads, embedding, block, vocabulary, stride;
    bool squared;
    double inverse_e, score_factor;
    double *embedded, *scale, *slope, *logits;
    double *gx, *gy, *g_norm, *g_mixed, *gq, *gk, *gv, *g_score;
    double *turned, *turned_score, *turned_weight; /* with a row for each position */
    double *attends, *attended;                    /* masks: does t attend to s; row s, column t, and turned */
    double *memory;
    FusedLayer *layer;                             /* one more than there are: its x is what comes out */
};

enum { POWERS = 16 };

static struct {
    bool made;
    double power_high[POWERS], power_low[POWERS]; /* 2^(j/16): the first 20 bits and the rest */
    double exp_step[2];                           /* ln2/16: a multiple of 2^-42 and the rest */
} fused_table;

/* a cut down to a multiple of 2^-bits, bits <= 64, and that part taken away from a. */
static double take_multiple(Fixed *a, int bits)
{
    Fixed part = {{a->limb[0], a->limb[1], a->limb[2]}};
    if (bits <= 32) {
        part.limb[2] = 0;
        part.limb[1] &= bits == 32 ? UINT32_MAX : ~(UINT32_MAX >> bits);
    } else {
        part.limb[2] &= bits == 64 ? UINT32_MAX : ~(UINT32_MAX >> (bits - 32));
    }
    fixed_subtract(a, &part, LEAST_LIMBS);
    return fixed_round(&part, 0, LEAST_LIMBS);
}

static void make_table(void)
{
    Fixed step = fixed_ln2();
    fixed_divide(&step, POWERS, LEAST_LIMBS);
    for (uint32_t j = 0; j < POWERS; j++) {
        Fixed r = step;
        fixed_scale(&r, j, LEAST_LIMBS);
        Fixed power = fixed_exp(&r, LEAST_LIMBS);
        fused_table.power_high[j] = take_multiple(&power, 19);
        fused_table.power_low[j] = fixed_round(&power, 0, LEAST_LIMBS);
    }
    fused_table.exp_step[0] = take_multiple(&step, 42);
    fused_table.exp_step[1] = fixed_round(&step, 0, LEAST_LIMBS);
    fused_table.made = true;
}

/* ------------------------------------------------------------------ the variants */

#define JOIN(a, b) a##_##b

#define LOOK_UP_SLOWLY(result, table, j) for (int lane = 0; lane < LANES; lane++) (result)[lane] = (table)[(j)[lane]]

#define NAME(x) JOIN(x, sse2)
#define LANES 2
#define SQRT(v) ((V)_mm_sqrt_pd((__m128d)(v)))
#define LOOK_UP(result, table, j) LOOK_UP_SLOWLY(result, table, j)
#include "fused_kernel.h"

#pragma GCC push_options
#pragma GCC target("avx2")
#define NAME(x) JOIN(x, avx2)
#define LANES 4
#define SQRT(v) ((V)_mm256_sqrt_pd((__m256d)(v)))
#define LOOK_UP(result, table, j) LOOK_UP_SLOWLY(result, table, j)
#include "fused_kernel.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f")
#define NAME(x) JOIN(x, avx512)
#define LANES 8
#define SQRT(v) ((V)_mm512_sqrt_pd((__m512d)(v)))
#define LOOK_UP(result, table, j) \
    (result) = (V)_mm512_permutex2var_pd(_mm512_loadu_pd(table), (__m512i)(j), _mm512_loadu_pd((table) + 8))
#include "fused_kernel.h"
#pragma GCC pop_options

static const struct {
    const char *name;
    double (*gradient)(Fused *f, const double *p, double *gradient, const int32_t *tokens, int n);
    void (*adam)(const Optimizer *optimizer, StepFactors factors, size_t count, double *restrict parameters,
                 const double *restrict gradients, double *restrict m, double *restrict v);
} variants[] = {
    {"sse2", gradient_sse2, adam_sse2},
    {"avx2", gradient_avx2, adam_avx2},
    {"avx512", gradient_avx512, adam_avx512},
};

static int variant = -1; /* in use, once it has been chosen */

int fused_variants(void)
{
    return __builtin_cpu_supports("avx512f") ? 3 : __builtin_cpu_supports("avx2") ? 2 : 1;
}

const char *fused_variant_name(int which)
{
    return variants[which].name;
}

void fused_use(int which)
{
    variant = which;
}

static void choose_variant(void)
{
    const char *wanted = getenv("MICROGPT_VARIANT");
    variant = fused_variants() - 1;
    for (int i = 0; wanted != NULL && i < fused_variants(); i++)
        if (strcmp(wanted, variants[i].name) == 0)
            variant = i;
}

/* ------------------------------------------------------------------ memory */

enum { MOST_LANES = 8, MOST_NUMBERS = 1 << 25 };

static size_t rows_of_layer(size_t e, size_t heads, size_t stride)
{
    return 8 * e + 4 * e * 2 + heads + 4 + 2 * heads * stride;
}

static double *take(double **memory, size_t count)
{
    double *result = *memory;
    *memory += count;
    return result;
}

/* Masks: of a column beyond the block, only the first row is set, which keeps its numbers ordinary. */
static void set_masks(Fused *f, const Attended *attention)
{
    const int64_t yes = -1;
    for (int32_t t = 0; t < f->stride; t++) {
        int32_t count = t < f->block ? attention[t].count : 1;
        for (int32_t i = 0; i < count; i++) {
            int32_t s = t < f->block ? attention[t].position[i] : 0;
            memcpy(&f->attends[s * f->stride + t], &yes, sizeof yes);
            memcpy(&f->attended[t * f->stride + s], &yes, sizeof yes);
        }
    }
}

Fused *fused_start(const Model *model)
{
    const Config *config = &model->config;
    size_t stride = ((size_t)config->block + MOST_LANES - 1) / MOST_LANES * MOST_LANES;
    size_t e = (size_t)config->embedding, heads = (size_t)config->heads, layers = (size_t)config->layers;
    size_t rows = (layers + 1) * rows_of_layer(e, heads, stride) + (size_t)config->vocabulary + 16 * e + 8 + 5 * stride;
    if (model->tape.math != &exact_functions || rows * stride > MOST_NUMBERS)
        return NULL;
    if (variant < 0)
        choose_variant();
    if (!fused_table.made)
        make_table();
    Fused *f = allocate(1, sizeof *f);
    *f = (Fused){
        .layers = config->layers, .heads = config->heads, .embedding = config->embedding, .block = config->block,
        .vocabulary = config->vocabulary, .stride = (int32_t)stride, .squared = config->activation == RELU_SQUARED,
        .inverse_e = exact_pow(config->embedding, -1.0),
        .score_factor = exact_pow(exact_pow(config->embedding / config->heads, 0.5), -1.0),
        .memory = allocate(rows * stride, sizeof(double)),
        .layer = allocate(layers + 1, sizeof(FusedLayer)),
    };
    double *memory = f->memory;
    double **const of_e[] = {&f->embedded, &f->gx, &f->g_norm, &f->g_mixed, &f->gq, &f->gk, &f->gv};
    double **const of_one[] = {&f->scale, &f->slope};
    double **const squares[] = {&f->g_score, &f->turned_score, &f->turned_weight, &f->attends, &f->attended};
    for (size_t i = 0; i < sizeof of_e / sizeof *of_e; i++)
        *of_e[i] = take(&memory, e * stride);
    for (size_t i = 0; i < sizeof of_one / sizeof *of_one; i++)
        *of_one[i] = take(&memory, stride);
    for (size_t i = 0; i < sizeof squares / sizeof *squares; i++)
        *squares[i] = take(&memory, stride * stride);
    f->gy = take(&memory, 4 * e * stride);
    f->turned = take(&memory, 4 * e * stride);
    f->logits = take(&memory, (size_t)config->vocabulary * stride);
    for (size_t l = 0; l <= layers; l++) {
        FusedLayer *a = &f->layer[l];
        double **const of_layer[] = {&a->x, &a->norm1, &a->q, &a->k, &a->v, &a->mixed, &a->middle, &a->norm2};
        double **const scales[] = {&a->scale1, &a->slope1, &a->scale2, &a->slope2};
        for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++)
            *of_layer[i] = take(&memory, e * stride);
        for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
            *scales[i] = take(&memory, stride);
        a->hidden = take(&memory, 4 * e * stride);
        a->active = take(&memory, 4 * e * stride);
        a->total = take(&memory, heads * stride);
        a->power = take(&memory, heads * stride * stride);
        a->weight = take(&memory, heads * stride * stride);
    }
    set_masks(f, config->attention);
    return f;
}

void fused_free(Fused *f)
{
    if (f == NULL)
        return;
    free(f->memory);
    free(f->layer);
    free(f);
}

/* ------------------------------------------------------------------ what the rest of the program sees */

double fused_gradient(Fused *f, const double *parameters, double *gradient, const int32_t *tokens, int32_t length)
{
    int32_t n = length - 1 < f->block ? length - 1 : f->block;
    return variants[variant].gradient(f, parameters, gradient, tokens, n);
}

void fused_adam(const Optimizer *optimizer, StepFactors factors, size_t count, double *restrict parameters,
                const double *restrict gradients, double *restrict m, double *restrict v)
{
    if (variant < 0)
        choose_variant();
    variants[variant].adam(optimizer, factors, count, parameters, gradients, m, v);
}

/* ------------------------------------------------------------------ the check */

static double next_parameter(uint64_t *state)
{
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return (double)(int64_t)*state * 0x1p-65;
}

/* One model of the given shape and a document, by the tape and by the variant in use. */
static bool check_shape(const Config *shape, int32_t length, uint64_t seed)
{
    Config config = *shape;
    config.attention = causal_attention(config.block);
    for (int32_t t = 0; t < config.block && seed % 2 != 0; t++) /* a window of three */
        if (t > 2) {
            config.attention[t].count = 3;
            for (int32_t i = 0; i < 3; i++)
                config.attention[t].position[i] = t - 2 + i;
        }
    Model model;
    model_start(&model, &config, &exact_functions);
    uint64_t state = seed;
    for (Index i = 0; i < model.parameters; i++)
        model.tape.value[i] = 2.0 * next_parameter(&state);
    int32_t *tokens = allocate((size_t)length, sizeof *tokens);
    for (int32_t i = 0; i < length; i++)
        tokens[i] = (int32_t)((next_parameter(&state) + 0.5) * config.vocabulary) % config.vocabulary;
    double *gradient = allocate((size_t)model.parameters, sizeof *gradient);
    Index root = document_loss(&model, tokens, length, NULL);
    tape_backward(&model.tape, root);
    Fused *fused = fused_start(&model);
    double loss = fused_gradient(fused, model.tape.value, gradient, tokens, length);
    bool same = memcmp(&loss, &model.tape.value[root], sizeof loss) == 0
                && memcmp(gradient, model.tape.gradient, (size_t)model.parameters * sizeof *gradient) == 0;
    if (!same)
        printf("%s: other bits with layers %d heads %d embedding %d block %d vocabulary %d, %d tokens, seed %d\n",
               variants[variant].name, (int)config.layers, (int)config.heads, (int)config.embedding, (int)config.block,
               (int)config.vocabulary, (int)length, (int)seed);
    fused_free(fused);
    free(gradient);
    free(tokens);
    model_free(&model);
    return same;
}

bool fused_check(void)
{
    static const int32_t shapes[][5] = {{1, 4, 16, 16, 27}, {1, 4, 16, 8, 27}, {2, 1, 3, 5, 7}, {1, 3, 9, 17, 40},
                                        {3, 2, 32, 20, 11}, {1, 1, 1, 1, 2}, {2, 8, 24, 33, 65}};
    bool same = true;
    for (int which = 0; which < fused_variants(); which++) {
        int documents = 0;
        fused_use(which);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (uint64_t seed = 0; seed < 40; seed++, documents++) {
                const int32_t *s = shapes[i];
                Config config = {.layers = s[0], .heads = s[1], .embedding = s[2], .block = s[3], .vocabulary = s[4]};
                config.activation = seed % 4 < 2 ? RELU_ONCE : RELU_SQUARED;
                same &= check_shape(&config, 2 + (int32_t)(seed * 7 % (uint64_t)(s[3] + 3)), seed);
            }
        printf("%s: %d documents%s\n", variants[which].name, documents, same ? ", every bit as the tape's" : "");
    }
    return same;
}
