/* The kernels of fused.h, compiled once for each kind of processor. Before it is included these are defined: LANES, how many
 * doubles a vector has, NAME(x), the variant's name of a function, and SQRT(v) of a vector.
 *
 * An array of "rows" has a row of `stride` doubles for each element of a vector of the model. Column t is position t.
 */

typedef double NAME(V) __attribute__((vector_size(8 * LANES)));
typedef int64_t NAME(I) __attribute__((vector_size(8 * LANES)));
typedef double NAME(U) __attribute__((vector_size(8 * LANES), aligned(8))); /* a vector anywhere in memory */
#define V NAME(V)
#define I NAME(I)
#define LOAD(p) (*(const NAME(U) *)(p))
#define STORE(p, v) (*(NAME(U) *)(p) = (v))
#define ALL(x) ((x) - (V){0}) /* a vector of x */
#define MASKED(v, mask) ((V)((I)(v) & (mask))) /* +0.0 where the mask is 0 */
#define SELECT(mask, a, b) ((V)(((I)(a) & (mask)) | ((I)(b) & ~(mask))))

/* ------------------------------------------------------------------ exact functions, LANES at a time */

static INLINE bool NAME(all)(I mask) {
    int64_t every = -1;
    for (int i = 0; i < LANES; i++)
        every &= mask[i];
    return every == -1;
}

/* Where `right` is false, the function is asked again, one number at a time. */
#define MEND(result, right, call)            \
    if (__builtin_expect(!NAME(all)(right), 0)) \
        for (int i = 0; i < LANES; i++)      \
            if (!(right)[i])                 \
                (result)[i] = (call);

/* e^x = 2^(*power / 16) * (*sum + *rest): 2^(k/16) * e^r, where 2^(k/16) = high + low but for whole powers of two, high having
 * 20 bits, and r = d - w, d being exact and cut into 30 bits and the rest. So high * d_high is exact, and all large parts are
 * added without error.
 * Error: let a unit be 2^-53 * 2^-12 (the tail is below 2^-12). The tail has 5.5 units: 3 from the square, 1.5 from the
 * series, 1 from their product. The two sums and the product with it have 1 each: 8.5 units, below 2^-61.9 of the result.
 */
static INLINE void NAME(exp_parts)(V x, V *sum, V *rest, I *power) {
    const V shift = ALL(0x1.8p52), cut = ALL(0x1.8p17); /* these leave integers, and multiples of 2^-35 */
    V k = (x * 0x1.71547652b82fep+4 + shift) - shift;
    V d = x - k * fused_table.exp_step[0], w = k * fused_table.exp_step[1], r = d - w, square = r * r;
    I steps = (I)(k + shift) - (I)shift, j = steps & 15;
    V high, low, d_high = (d + cut) - cut, d_low = d - d_high;
    for (int i = 0; i < LANES; i++) {
        high[i] = fused_table.power_high[j[i]];
        low[i] = fused_table.power_low[j[i]];
    }
    V even = 1.0 / 2 + square * (1.0 / 24 + square * (1.0 / 720 + square * (1.0 / 40320)));
    V odd = 1.0 / 6 + square * (1.0 / 120 + square * (1.0 / 5040 + square * (1.0 / 362880)));
    V tail = (square * even + (r * square) * odd) - w, product = high * d_high;
    *sum = high + product;
    *rest = (product - (*sum - high)) + (low * (1.0 + (d + tail)) + high * (d_low + tail));
    *power = steps - j;
}

static INLINE V NAME(exp)(V x) {
    V sum, rest;
    I power;
    NAME(exp_parts)(x, &sum, &rest, &power);
    V above = sum + (rest + sum * 0x1.6p-62), below = sum + (rest - sum * 0x1.6p-62);
    V result = (V)((I)above + (power << 48)); /* power / 16, into the exponent */
    I right = (above == below) & (x > -700.0) & (x < 700.0);
    MEND(result, right, exact_exp(x[i]))
    return result;
}

typedef struct { V hi, lo; } NAME(Pair);

static INLINE NAME(Pair) NAME(ordered_sum)(V a, V b) {
    V sum = a + b;
    return (NAME(Pair)){sum, b - (sum - a)};
}

static INLINE NAME(Pair) NAME(exact_product)(V a, V b) {
    V x = a * 0x1.0000002p27, y = b * 0x1.0000002p27;
    V a_hi = x - (x - a), a_lo = a - a_hi, b_hi = y - (y - b), b_lo = b - b_hi, product = a * b;
    return (NAME(Pair)){product, ((a_hi * b_hi - product) + a_hi * b_lo + a_lo * b_hi) + a_lo * b_lo};
}

static INLINE NAME(Pair) NAME(pair_product)(NAME(Pair) a, NAME(Pair) b) {
    NAME(Pair) product = NAME(exact_product)(a.hi, b.hi);
    return NAME(ordered_sum)(product.hi, product.lo + (a.hi * b.lo + a.lo * b.hi));
}

static INLINE NAME(Pair) NAME(pair_reciprocal)(NAME(Pair) a) {
    V quotient = 1.0 / a.hi;
    NAME(Pair) product = NAME(exact_product)(quotient, a.hi);
    V remainder = ((1.0 - product.hi) - product.lo) - quotient * a.lo;
    return NAME(ordered_sum)(quotient, quotient * remainder);
}

/* log x = y + d - d^2/2 with d = x e^-y - 1, y being a logarithm good to 2^-45: e ln2 + 2 atanh((z-1)/(z+1)) for x = z 2^e.
 * Error: that of e^-y, 2^-61.9, and less than 2^-63 for the rest; the test allows 2^-61.
 */
static INLINE V NAME(log)(V x) {
    I e = (((I)x - 0x3fe6a09e667f3bcd) >> 52), power;
    V z = (V)((I)x - (e << 52)), s = (z - 1.0) / (z + 1.0), square = s * s, series = ALL(1.0 / 19), sum, rest;
    for (int i = 17; i > 0; i -= 2)
        series = series * square + 1.0 / i;
    V exponent = (V)(e + (I)ALL(0x1.8p52)) - 0x1.8p52;
    V y = exponent * 0x1.62e42fefa39efp-1 + 2.0 * s * series;
    NAME(exp_parts)(-y, &sum, &rest, &power);
    V scaled = (V)((I)x + (power << 48)); /* x times that power of two */
    NAME(Pair) product = NAME(exact_product)(scaled, sum);
    V d = (product.hi - 1.0) + (product.lo + scaled * rest), low = d - 0.5 * d * d;
    V above = y + (low + 0x1p-61), below = y + (low - 0x1p-61);
    I right = (above == below) & (x > 0x1p-900) & (x < 0x1p900);
    MEND(above, right, exact_log(x[i]))
    return above;
}

/* x to the powers -1/2, -3/2 and -2. Error: each of these steps adds less than 10 * 2^-106; the test allows 2^-96. */
static INLINE V NAME(rounded_pair)(NAME(Pair) a, V x, double y) {
    V error = a.hi * 0x1p-96, result = a.hi + (a.lo + error);
    I right = (a.hi + (a.lo - error) == result) & (x > 0x1p-200) & (x < 0x1p200);
    MEND(result, right, exact_pow(x[i], y))
    return result;
}

/* x^(-1/2), and x^(-3/2). */
static INLINE V NAME(rsqrt)(V x, V *cube) {
    V root = SQRT(x);
    NAME(Pair) square = NAME(exact_product)(root, root);
    NAME(Pair) half_power = NAME(ordered_sum)(root, ((x - square.hi) - square.lo) / (2.0 * root));
    NAME(Pair) inverse = NAME(pair_reciprocal)(half_power);
    *cube = NAME(rounded_pair)(NAME(pair_product)(NAME(pair_product)(inverse, inverse), inverse), x, -1.5);
    return NAME(rounded_pair)(inverse, x, -0.5);
}

/* x^-2 */
static INLINE V NAME(inverse_square)(V x) {
    return NAME(rounded_pair)(NAME(pair_reciprocal)(NAME(exact_product)(x, x)), x, -2.0);
}

/* ------------------------------------------------------------------ matrices */

/* y = W x, `rows` of W; each sum from the left. Eight rows at a time, so that eight sums wait for each other's additions. */
static INLINE void NAME(linear)(double *y, const double *w, const double *x, int rows, int columns, int stride, int n) {
    for (int t = 0; t < n; t += LANES) {
        int i = 0;
        for (; i + 8 <= rows; i += 8) {
            V sum[8] = {0};
            for (int j = 0; j < columns; j++) {
                V xj = LOAD(x + j * stride + t);
                for (int k = 0; k < 8; k++)
                    sum[k] += w[(i + k) * columns + j] * xj;
            }
            for (int k = 0; k < 8; k++)
                STORE(y + (i + k) * stride + t, sum[k]);
        }
        for (; i < rows; i++) {
            V sum = {0};
            for (int j = 0; j < columns; j++)
                sum += w[i * columns + j] * LOAD(x + j * stride + t);
            STORE(y + i * stride + t, sum);
        }
    }
}

/* gx += W^T gy, from row `last` of W up to row `first`. */
static INLINE void NAME(linear_back)(double *gx, const double *w, const double *gy, int first, int last, int columns,
                                     int stride, int n) {
    for (int t = 0; t < n; t += LANES) {
        int j = 0;
        for (; j + 8 <= columns; j += 8) {
            V sum[8];
            for (int k = 0; k < 8; k++)
                sum[k] = LOAD(gx + (j + k) * stride + t);
            for (int i = last; i >= first; i--) {
                V g = LOAD(gy + i * stride + t);
                for (int k = 0; k < 8; k++)
                    sum[k] += w[i * columns + j + k] * g;
            }
            for (int k = 0; k < 8; k++)
                STORE(gx + (j + k) * stride + t, sum[k]);
        }
        for (; j < columns; j++) {
            V sum = LOAD(gx + j * stride + t);
            for (int i = last; i >= first; i--)
                sum += w[i * columns + j] * LOAD(gy + i * stride + t);
            STORE(gx + j * stride + t, sum);
        }
    }
}

/* gw = the sum of gy x^T over the positions, from the last to the first. xt holds x with a row for each position. */
static INLINE void NAME(outer)(double *gw, const double *gy, const double *xt, int rows, int columns, int stride, int n) {
    const int whole = columns - columns % (2 * LANES);
    for (int j = 0; j < whole; j += 2 * LANES) {
        int i = 0;
        for (; i + 4 <= rows; i += 4) {
            V sum[8] = {0};
            for (int t = n - 1; t >= 0; t--) {
                V x0 = LOAD(xt + t * columns + j), x1 = LOAD(xt + t * columns + j + LANES);
                for (int k = 0; k < 4; k++) {
                    double g = gy[(i + k) * stride + t];
                    sum[2 * k] += x0 * g;
                    sum[2 * k + 1] += x1 * g;
                }
            }
            for (int k = 0; k < 4; k++) {
                STORE(gw + (i + k) * columns + j, sum[2 * k]);
                STORE(gw + (i + k) * columns + j + LANES, sum[2 * k + 1]);
            }
        }
        for (; i < rows; i++) {
            V sum0 = {0}, sum1 = {0};
            for (int t = n - 1; t >= 0; t--) {
                double g = gy[i * stride + t];
                sum0 += LOAD(xt + t * columns + j) * g;
                sum1 += LOAD(xt + t * columns + j + LANES) * g;
            }
            STORE(gw + i * columns + j, sum0);
            STORE(gw + i * columns + j + LANES, sum1);
        }
    }
    for (int j = whole; j < columns; j++)
        for (int i = 0; i < rows; i++) {
            double sum = 0.0;
            for (int t = n - 1; t >= 0; t--)
                sum += xt[t * columns + j] * gy[i * stride + t];
            gw[i * columns + j] = sum;
        }
}

/* A row for each position, from a row for each element. */
static INLINE void NAME(transpose)(double *xt, const double *x, int rows, int stride, int n) {
    for (int t = 0; t < n; t++)
        for (int j = 0; j < rows; j++)
            xt[t * rows + j] = x[j * stride + t];
}

/* ------------------------------------------------------------------ rmsnorm */

static INLINE void NAME(rmsnorm)(double *y, const double *x, double *scale, double *slope, double inverse_count, int e,
                                 int stride, int n) {
    for (int t = 0; t < n; t += LANES) {
        V sum = {0}, cube;
        for (int i = 0; i < e; i++)
            sum += LOAD(x + i * stride + t) * LOAD(x + i * stride + t);
        V factor = NAME(rsqrt)(sum * inverse_count + 1e-5, &cube);
        STORE(scale + t, factor);
        STORE(slope + t, -0.5 * cube);
        for (int i = 0; i < e; i++)
            STORE(y + i * stride + t, LOAD(x + i * stride + t) * factor);
    }
}

/* gx += what comes back from gy. */
static INLINE void NAME(rmsnorm_back)(double *gx, const double *gy, const double *x, const double *scale,
                                      const double *slope, double inverse_count, int e, int stride, int n) {
    for (int t = 0; t < n; t += LANES) {
        V factor = LOAD(scale + t), sum = {0};
        for (int i = e - 1; i >= 0; i--)
            sum += LOAD(x + i * stride + t) * LOAD(gy + i * stride + t);
        V square = inverse_count * (LOAD(slope + t) * sum);
        for (int i = 0; i < e; i++) {
            V product = LOAD(x + i * stride + t) * square;
            V g = LOAD(gx + i * stride + t) + factor * LOAD(gy + i * stride + t);
            STORE(gx + i * stride + t, (g + product) + product);
        }
    }
}

/* ------------------------------------------------------------------ attention, one head */

/* `power` is e^(score - top), `weight` the weights: a row for each attended position s, a column for each attending t. */
static INLINE void NAME(attend)(const Fused *f, double *mixed, double *power, double *weight, double *total,
                                const double *q, const double *k, const double *v, int size, int n) {
    const int stride = f->stride;
    const double *mask = f->attends;
    for (int t = 0; t < n; t += LANES) {
        V top = ALL(-INFINITY), sum = {0}, inverse;
        I started = {0};
        for (int s = 0; s < n; s++) {
            V score = {0};
            for (int d = 0; d < size; d++)
                score += LOAD(q + d * stride + t) * k[d * stride + s];
            score = score * f->score_factor;
            STORE(power + s * stride + t, score);
            I listed = (I)LOAD(mask + s * stride + t);
            I better = listed & (~started | (score > top)); /* the first, and whatever is greater */
            started |= listed;
            top = SELECT(better, score, top);
        }
        for (int s = 0; s < n; s++) {
            V e = MASKED(NAME(exp)(LOAD(power + s * stride + t) + -top), (I)LOAD(mask + s * stride + t));
            STORE(power + s * stride + t, e);
            sum += e;
        }
        STORE(total + t, sum);
        inverse = 1.0 / sum;
        for (int s = 0; s < n; s++)
            STORE(weight + s * stride + t, LOAD(power + s * stride + t) * inverse);
        for (int d = 0; d < size; d++) {
            V result = {0};
            for (int s = 0; s < n; s++)
                result += MASKED(LOAD(weight + s * stride + t) * v[d * stride + s], (I)LOAD(mask + s * stride + t));
            STORE(mixed + d * stride + t, result);
        }
    }
}

/* The gradients of q, k and v from that of `mixed`. */
static INLINE void NAME(attend_back)(const Fused *f, const double *g_mixed, double *gq, double *gk, double *gv,
                                     const double *power, const double *weight, const double *total, const double *q,
                                     const double *k, const double *v, int size, int n) {
    const int stride = f->stride;
    const double *mask = f->attends, *turned_mask = f->attended;
    double *g_score = f->g_score, *turned_score = f->turned_score, *turned_weight = f->turned_weight;
    for (int t = 0; t < n; t += LANES) {
        V inverse = 1.0 / LOAD(total + t), slope = -1.0 * NAME(inverse_square)(LOAD(total + t)), g_total = {0};
        for (int s = n - 1; s >= 0; s--) {
            V g = {0};
            for (int d = size - 1; d >= 0; d--)
                g += LOAD(g_mixed + d * stride + t) * v[d * stride + s];
            STORE(g_score + s * stride + t, g);
            g_total += MASKED(slope * (LOAD(power + s * stride + t) * g), (I)LOAD(mask + s * stride + t));
        }
        for (int s = 0; s < n; s++) {
            V g = inverse * LOAD(g_score + s * stride + t) + g_total;
            STORE(g_score + s * stride + t, f->score_factor * (LOAD(power + s * stride + t) * g));
        }
        for (int d = 0; d < size; d++) {
            V g = {0};
            for (int s = n - 1; s >= 0; s--)
                g += MASKED(LOAD(g_score + s * stride + t) * k[d * stride + s], (I)LOAD(mask + s * stride + t));
            STORE(gq + d * stride + t, g);
        }
    }
    for (int t = 0; t < n; t++)
        for (int s = 0; s < n; s++) {
            turned_score[t * stride + s] = g_score[s * stride + t];
            turned_weight[t * stride + s] = weight[s * stride + t];
        }
    for (int s = 0; s < n; s += LANES)
        for (int d = 0; d < size; d++) {
            V of_k = {0}, of_v = {0};
            for (int t = n - 1; t >= 0; t--) {
                I listed = (I)LOAD(turned_mask + t * stride + s);
                of_k += MASKED(LOAD(turned_score + t * stride + s) * q[d * stride + t], listed);
                of_v += MASKED(LOAD(turned_weight + t * stride + s) * g_mixed[d * stride + t], listed);
            }
            STORE(gk + d * stride + s, of_k);
            STORE(gv + d * stride + s, of_v);
        }
}

/* ------------------------------------------------------------------ a document */

static double NAME(gradient)(Fused *f, const double *p, double *gradient, const int32_t *tokens, int n) {
    const int e = f->embedding, heads = f->heads, layers = f->layers, size = e / heads;
    const int stride = f->stride, vocabulary = f->vocabulary;
    const bool squared = f->squared;
    const double *wte = p, *wpe = wte + vocabulary * e, *lm_head = wpe + f->block * e, *layer0 = lm_head + vocabulary * e;
    const double inverse_e = f->inverse_e;

    /* forward */
    for (int t = 0; t < n; t++)
        for (int i = 0; i < e; i++)
            f->embedded[i * stride + t] = wte[tokens[t] * e + i] + wpe[t * e + i];
    NAME(rmsnorm)(f->layer[0].x, f->embedded, f->scale, f->slope, inverse_e, e, stride, n);
    for (int l = 0; l < layers; l++) {
        const FusedLayer *a = &f->layer[l];
        const double *w = layer0 + l * 12 * e * e;
        NAME(rmsnorm)(a->norm1, a->x, a->scale1, a->slope1, inverse_e, e, stride, n);
        NAME(linear)(a->q, w, a->norm1, e, e, stride, n);
        NAME(linear)(a->k, w + e * e, a->norm1, e, e, stride, n);
        NAME(linear)(a->v, w + 2 * e * e, a->norm1, e, e, stride, n);
        for (int h = 0; h < heads; h++) {
            int from = h * size * stride, square = h * stride * stride;
            NAME(attend)(f, a->mixed + from, a->power + square, a->weight + square, a->total + h * stride, a->q + from,
                         a->k + from, a->v + from, size, n);
        }
        NAME(linear)(a->middle, w + 3 * e * e, a->mixed, e, e, stride, n);
        for (int i = 0; i < e; i++)
            for (int t = 0; t < n; t += LANES)
                STORE(a->middle + i * stride + t, LOAD(a->middle + i * stride + t) + LOAD(a->x + i * stride + t));
        NAME(rmsnorm)(a->norm2, a->middle, a->scale2, a->slope2, inverse_e, e, stride, n);
        NAME(linear)(a->hidden, w + 4 * e * e, a->norm2, 4 * e, e, stride, n);
        for (int i = 0; i < 4 * e; i++)
            for (int t = 0; t < n; t += LANES) {
                V x = LOAD(a->hidden + i * stride + t), active = MASKED(x, x > 0.0);
                STORE(a->active + i * stride + t, squared ? active * active : active);
            }
        double *next = f->layer[l + 1].x;
        NAME(linear)(next, w + 8 * e * e, a->active, e, 4 * e, stride, n);
        for (int i = 0; i < e; i++)
            for (int t = 0; t < n; t += LANES)
                STORE(next + i * stride + t, LOAD(next + i * stride + t) + LOAD(a->middle + i * stride + t));
    }
    const double *x = f->layer[layers].x;
    double *g = f->logits;
    NAME(linear)(g, lm_head, x, vocabulary, e, stride, n);

    /* the loss, and the gradients of the logits */
    double loss = 0.0;
    for (int t = 0; t < n; t += LANES) {
        V top = LOAD(g + t), total = {0}, of_target, g_target, p_target, inverse, g_total;
        for (int i = 1; i < vocabulary; i++) {
            V logit = LOAD(g + i * stride + t);
            top = SELECT(logit > top, logit, top);
        }
        for (int i = 0; i < vocabulary; i++) {
            V power = NAME(exp)(LOAD(g + i * stride + t) + -top);
            STORE(g + i * stride + t, power);
            total += power;
        }
        inverse = 1.0 / total;
        for (int k = 0; k < LANES; k++)
            of_target[k] = t + k < n ? g[tokens[t + k + 1] * stride + t + k] : 1.0;
        p_target = of_target * inverse;
        V log = NAME(log)(p_target) * -1.0;
        for (int k = 0; k < LANES && t + k < n; k++)
            loss += log[k];
        g_target = (1.0 / p_target) * (-1.0 * (1.0 / n));
        g_total = (-1.0 * NAME(inverse_square)(total)) * (of_target * g_target);
        for (int i = 0; i < vocabulary; i++) {
            V power = LOAD(g + i * stride + t);
            STORE(g + i * stride + t, power * g_total);
        }
        V again = of_target * (inverse * g_target + g_total);
        for (int k = 0; k < LANES && t + k < n; k++)
            g[tokens[t + k + 1] * stride + t + k] = again[k];
    }
    loss = loss * (1.0 / n);

    /* backward */
    double *gx = f->gx, *gy = f->gy, *xt = f->turned, *gw = gradient + (lm_head - p);
    NAME(transpose)(xt, x, e, stride, n);
    NAME(outer)(gw, g, xt, vocabulary, e, stride, n);
    for (int t = 0; t < n; t += LANES) {
        /* The row of the target comes last: it is the first that the loss asks for. */
        I target;
        for (int k = 0; k < LANES; k++)
            target[k] = t + k < n ? tokens[t + k + 1] : -1;
        for (int j = 0; j < e; j++) {
            V sum = {0};
            for (int i = vocabulary - 1; i >= 0; i--)
                sum += MASKED(LOAD(g + i * stride + t) * lm_head[i * e + j], target != (int64_t)i);
            for (int k = 0; k < LANES && t + k < n; k++)
                sum[k] += lm_head[target[k] * e + j] * g[target[k] * stride + t + k];
            STORE(gx + j * stride + t, sum);
        }
    }
    for (int l = layers - 1; l >= 0; l--) {
        const FusedLayer *a = &f->layer[l];
        const double *w = layer0 + l * 12 * e * e;
        double *g_layer = gradient + (w - p);
        NAME(transpose)(xt, a->active, 4 * e, stride, n);
        NAME(outer)(g_layer + 8 * e * e, gx, xt, e, 4 * e, stride, n);
        memset(gy, 0, sizeof *gy * (size_t)(4 * e * stride));
        NAME(linear_back)(gy, w + 8 * e * e, gx, 0, e - 1, 4 * e, stride, n);
        for (int i = 0; i < 4 * e; i++)
            for (int t = 0; t < n; t += LANES) {
                V hidden = LOAD(a->hidden + i * stride + t), back = LOAD(gy + i * stride + t);
                I positive = hidden > 0.0;
                if (squared)
                    back = (2.0 * MASKED(hidden, positive)) * back;
                STORE(gy + i * stride + t, MASKED(ALL(1.0), positive) * back);
            }
        NAME(transpose)(xt, a->norm2, e, stride, n);
        NAME(outer)(g_layer + 4 * e * e, gy, xt, 4 * e, e, stride, n);
        double *g_norm = f->g_norm;
        memset(g_norm, 0, sizeof *g_norm * (size_t)(e * stride));
        NAME(linear_back)(g_norm, w + 4 * e * e, gy, 0, 4 * e - 1, e, stride, n);
        NAME(rmsnorm_back)(gx, g_norm, a->middle, a->scale2, a->slope2, inverse_e, e, stride, n);

        double *g_mixed = f->g_mixed, *gq = f->gq, *gk = f->gk, *gv = f->gv;
        NAME(transpose)(xt, a->mixed, e, stride, n);
        NAME(outer)(g_layer + 3 * e * e, gx, xt, e, e, stride, n);
        memset(g_mixed, 0, sizeof *g_mixed * (size_t)(e * stride));
        NAME(linear_back)(g_mixed, w + 3 * e * e, gx, 0, e - 1, e, stride, n);
        for (int h = 0; h < heads; h++) {
            int from = h * size * stride, square = h * stride * stride;
            NAME(attend_back)(f, g_mixed + from, gq + from, gk + from, gv + from, a->power + square, a->weight + square,
                              a->total + h * stride, a->q + from, a->k + from, a->v + from, size, n);
        }
        NAME(transpose)(xt, a->norm1, e, stride, n);
        NAME(outer)(g_layer, gq, xt, e, e, stride, n);
        NAME(outer)(g_layer + e * e, gk, xt, e, e, stride, n);
        NAME(outer)(g_layer + 2 * e * e, gv, xt, e, e, stride, n);
        memset(g_norm, 0, sizeof *g_norm * (size_t)(e * stride));
        for (int h = heads - 1; h >= 0; h--) {
            NAME(linear_back)(g_norm, w + 2 * e * e, gv, h * size, h * size + size - 1, e, stride, n);
            NAME(linear_back)(g_norm, w + e * e, gk, h * size, h * size + size - 1, e, stride, n);
            NAME(linear_back)(g_norm, w, gq, h * size, h * size + size - 1, e, stride, n);
        }
        NAME(rmsnorm_back)(gx, g_norm, a->x, a->scale1, a->slope1, inverse_e, e, stride, n);
    }
    double *g_embedded = f->g_norm;
    memset(g_embedded, 0, sizeof *g_embedded * (size_t)(e * stride));
    NAME(rmsnorm_back)(g_embedded, gx, f->embedded, f->scale, f->slope, inverse_e, e, stride, n);
    memset(gradient, 0, sizeof *gradient * (size_t)(lm_head - p));
    for (int t = n - 1; t >= 0; t--)
        for (int i = 0; i < e; i++) {
            gradient[tokens[t] * e + i] += g_embedded[i * stride + t];
            gradient[(wpe - p) + t * e + i] += g_embedded[i * stride + t];
        }
    return loss;
}

#undef V
#undef I
#undef LOAD
#undef STORE
#undef ALL
#undef MASKED
#undef SELECT
#undef MEND
#undef SQRT
#undef LANES
#undef NAME
