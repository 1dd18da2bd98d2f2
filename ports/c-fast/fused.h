/* Training at full speed, and every bit as before: the loss of a document, the gradient of every parameter, and Adam.
 *
 * The graph (graph.h) does what the specification says, node by node. Here the same numbers are computed by hand, many at a
 * time. Why the bits stay the same:
 *
 *   - A sum is a sum from the left, whatever else is computed meanwhile. So vectors never run along a sum. They run across
 *     sums that have nothing to do with each other: column t of every array is position t of the document, and a vector holds
 *     the same element for 2, 4 or 8 positions. Each weight is then read once, and multiplies a whole vector. Eight rows of
 *     a matrix are done at once, since an addition must wait for the one before it but not for those of other rows.
 *   - The positions can be done side by side because a training knows all tokens beforehand: position t needs of the others
 *     only keys and values. So each layer does all positions, matrix after matrix.
 *   - Backward, a gradient is a sum too, whose order the specification fixes: that of the walk. A weight is used once at each
 *     position, so its gradient is a sum over the positions, from the last to the first. Here the vectors run over weights
 *     that lie side by side, and the sums stay in registers. The gradient of a linear's x is a sum over the rows, from the
 *     last to the first, with the target's row of lm_head at the very end. Those of keys and values are sums over the
 *     positions that attend to them, from the last to the first. Where a sum has several parts (q, k and v of one rmsnorm; the
 *     two ways around a block), they come in the order of the walk.
 *   - What a position does not attend to adds +0.0, by a mask on the product's bits. A sum that began with +0.0 is never
 *     -0.0, so adding +0.0 changes none. Columns beyond the document hold numbers that nobody adds to anything.
 *   - exp, log and the powers -1/2, -3/2 and -2 are computed as pairs of doubles, and a rounding test says which results are
 *     sure. The few that are not, or whose arguments are out of the ordinary, are computed again by exact.h. Products of
 *     pairs are made exact by splitting factors (Veltkamp, Dekker), so nothing here needs a fused multiply-add, and
 *     -ffp-contract=off forbids it.
 *   - Divisions and roots of vectors are rounded as those of doubles are (IEEE 754). None is replaced by a product.
 *
 * What each trick gains, in microseconds a step of the preset classic, on one core of a Zen 5, medians of 7 rounds in turn:
 *
 *     all of this, AVX-512     11.8        the graph of the port c                 109
 *     all of this, AVX2        15.6
 *     all of this, SSE2        28.2
 *     AVX-512, but exp one at a time       53.1        Adam one at a time           28.3
 *              powers one at a time        27.6        log one at a time            11.6
 *              matrices one row at a time  12.8
 *
 * What was tried and gained nothing is not here: shapes as constants, exp's table in registers.
 *
 * The kernels are in fused_kernel.h, which is compiled three times: for SSE2, AVX2 and AVX-512. The best that the processor
 * has is used. `microgpt check` compares all that it has with the graph, bit by bit. Adam is the loop of the port c, which
 * the compiler turns into vectors of each kind (CLONES).
 */
#pragma once
#ifdef __x86_64__
#include <immintrin.h>
#define CLONES __attribute__((target_clones("default", "avx2", "avx512f")))
#endif

#include "microgpt.h"


typedef struct {
    double *x;                                     /* what comes in */
    double *norm1, *q, *k, *v, *mixed, *middle;    /* attention, up to its residual sum */
    double *norm2, *hidden, *active;               /* the perceptron */
    double *power, *weight, *total;                /* of each head's softmax: the exponentials, the quotients, the sums */
    double *scale1, *slope1, *scale2, *slope2;     /* of each rmsnorm, the power -1/2 and its derivative */
} FusedLayer;

typedef struct Fused {
    int32_t layers, heads, embedding, block, vocabulary, stride;
    bool squared;
    double inverse_e, score_factor;
    double *embedded, *scale, *slope, *logits;
    double *gx, *gy, *g_norm, *g_mixed, *gq, *gk, *gv, *g_score;
    double *turned, *turned_score, *turned_weight; /* with a row for each position */
    double *attends, *attended;                    /* masks: does t attend to s; row s, column t, and turned */
    FusedLayer *layer;                             /* one more than there are: its x is what comes out */
} Fused;

enum { POWERS = 16, MOST_LANES = 8, MOST_NUMBERS = 1 << 25 };

static struct {
    double power_high[POWERS], power_low[POWERS]; /* 2^(j/16): the first 20 bits and the rest */
    double exp_step[2];                           /* ln2/16: a multiple of 2^-42 and the rest */
} fused_table;

/* The first limb of a but for its last bits, and the rest. */
static void split(Fixed a, int bits, double *high, double *low) {
    Fixed first = {{a.limb[0] >> bits << bits}};
    *high = nearest(first, 0, MOST);
    *low = nearest(sum_of(a, -1, first, MOST), 0, MOST);
}

static void make_fused_table(void) {
    if (inverse_factorial[0].limb[0] == 0) make_tables();
    for (int j = 0; j < POWERS; j++)
        split(power_of_two[j * STEPS / POWERS], 48 - 19, &fused_table.power_high[j], &fused_table.power_low[j]);
    split(sum_of(ZERO, STEPS / POWERS, STEP, MOST), 48 - 42, &fused_table.exp_step[0], &fused_table.exp_step[1]);
}

/* ------------------------------------------------------------------ the variants */

#define JOIN(a, b) a##_##b

#define NAME(x) JOIN(x, plain) /* SSE2 on x86-64, NEON on ARM */
#define LANES 2
#define SQRT(v) ((V){sqrt((v)[0]), sqrt((v)[1])})
#include "fused_kernel.h"

#ifdef __x86_64__
#pragma GCC push_options
#pragma GCC target("avx2")
#define NAME(x) JOIN(x, avx2)
#define LANES 4
#define SQRT(v) ((V)_mm256_sqrt_pd((__m256d)(v)))
#include "fused_kernel.h"
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx512f")
#define NAME(x) JOIN(x, avx512)
#define LANES 8
#define SQRT(v) ((V)_mm512_sqrt_pd((__m512d)(v)))
#include "fused_kernel.h"
#pragma GCC pop_options
#endif

static const struct {
    const char *name;
    double (*gradient)(Fused *f, const double *p, double *gradient, const int32_t *tokens, int n);
} variants[] = {
    {"plain", gradient_plain},
#ifdef __x86_64__
    {"avx2", gradient_avx2},
    {"avx512", gradient_avx512},
#endif
};

static int variant = -1; /* the one in use, once it is chosen: the best, or what MICROGPT_VARIANT says */

/* How many of them this processor can run. */
static int fused_variants(void) {
#ifdef __x86_64__
    return __builtin_cpu_supports("avx512f") ? 3 : __builtin_cpu_supports("avx2") ? 2 : 1;
#else
    return 1;
#endif
}

static void choose_variant(void) {
    const char *wanted = getenv("MICROGPT_VARIANT");
    variant = fused_variants() - 1;
    for (int i = 0; wanted != NULL && i < fused_variants(); i++)
        if (strcmp(wanted, variants[i].name) == 0)
            variant = i;
}

static size_t rows_of_layer(size_t e, size_t heads, size_t stride) {
    return 8 * e + 4 * e * 2 + heads + 4 + 2 * heads * stride;
}

static double *room(double **memory, size_t count) {
    double *result = *memory;
    *memory += count;
    return result;
}

/* Masks: of a column beyond the block, only the first row is set, which keeps its numbers ordinary. */
static void set_masks(Fused *f, const List *attention) {
    const int64_t yes = -1;
    for (int32_t t = 0; t < f->stride; t++) {
        int32_t count = t < f->block ? attention[t].count : 1;
        for (int32_t i = 0; i < count; i++) {
            int32_t s = t < f->block ? attention[t].item[i] : 0;
            memcpy(&f->attends[s * f->stride + t], &yes, sizeof yes);
            memcpy(&f->attended[t * f->stride + s], &yes, sizeof yes);
        }
    }
}

/* Room for a document of a model of this shape; NULL if it is too large for this, or wants other functions than the exact. */
static Fused *fused_start(Settings config) {
    size_t stride = ((size_t)config.block + MOST_LANES - 1) / MOST_LANES * MOST_LANES;
    size_t e = (size_t)config.embedding, heads = (size_t)config.heads, layers = (size_t)config.layers;
    size_t rows = (layers + 1) * rows_of_layer(e, heads, stride) + (size_t)config.vocabulary + 16 * e + 8 + 5 * stride;
    if (math != &exact || rows * stride > MOST_NUMBERS)
        return NULL;
    if (variant < 0)
        choose_variant();
    if (fused_table.power_high[0] == 0.0)
        make_fused_table();
    Fused *f = allocate(1, sizeof *f);
    *f = (Fused){
        .layers = config.layers, .heads = config.heads, .embedding = config.embedding, .block = config.block,
        .vocabulary = config.vocabulary, .stride = (int32_t)stride, .squared = config.squared_relu,
        .inverse_e = exact_pow(config.embedding, -1.0),
        .score_factor = exact_pow(exact_pow(config.embedding / config.heads, 0.5), -1.0),
        .layer = allocate(layers + 1, sizeof(FusedLayer)),
    };
    double *memory = allocate(rows * stride, sizeof *memory);
    double **const of_e[] = {&f->embedded, &f->gx, &f->g_norm, &f->g_mixed, &f->gq, &f->gk, &f->gv};
    double **const of_one[] = {&f->scale, &f->slope};
    double **const squares[] = {&f->g_score, &f->turned_score, &f->turned_weight, &f->attends, &f->attended};
    for (size_t i = 0; i < sizeof of_e / sizeof *of_e; i++)
        *of_e[i] = room(&memory, e * stride);
    for (size_t i = 0; i < sizeof of_one / sizeof *of_one; i++)
        *of_one[i] = room(&memory, stride);
    for (size_t i = 0; i < sizeof squares / sizeof *squares; i++)
        *squares[i] = room(&memory, stride * stride);
    f->gy = room(&memory, 4 * e * stride);
    f->turned = room(&memory, 4 * e * stride);
    f->logits = room(&memory, (size_t)config.vocabulary * stride);
    for (size_t l = 0; l <= layers; l++) {
        FusedLayer *a = &f->layer[l];
        double **const of_layer[] = {&a->x, &a->norm1, &a->q, &a->k, &a->v, &a->mixed, &a->middle, &a->norm2};
        double **const scales[] = {&a->scale1, &a->slope1, &a->scale2, &a->slope2};
        for (size_t i = 0; i < sizeof of_layer / sizeof *of_layer; i++)
            *of_layer[i] = room(&memory, e * stride);
        for (size_t i = 0; i < sizeof scales / sizeof *scales; i++)
            *scales[i] = room(&memory, stride);
        a->hidden = room(&memory, 4 * e * stride);
        a->active = room(&memory, 4 * e * stride);
        a->total = room(&memory, heads * stride);
        a->power = room(&memory, heads * stride * stride);
        a->weight = room(&memory, heads * stride * stride);
    }
    set_masks(f, config.attention);
    return f;
}

/* The loss of a document, and the gradient of every parameter. What is too large for this is left to the graph. */
static double fused_gradients(Model *model, List tokens) {
    if (model->fused == NULL) model->fused = fused_start(model->settings);
    if (model->fused == NULL) return graph_gradients(model, tokens);
    int32_t n = tokens.count - 1 < model->settings.block ? tokens.count - 1 : model->settings.block;
    return variants[variant].gradient(model->fused, model->graph.value, model->graph.gradient, tokens.item, n);
}
