/* A whole run of microgpt from random numbers of its own, some thousand times faster than the reference, with a
 * switch for every mistake whose chances are measured (mistakes.py). Not bit-exact and no port: its gradients
 * are written by hand, its sums may be reordered. Tests hold it to the reference within 1e-9.
 *
 * Compiled for one shape: -DEMBEDDING=16 -DHEADS=4 -DBLOCK=16, one layer; -DREAL=float for float32.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#ifndef REAL
#define REAL double
#endif
typedef REAL real;

enum { E = EMBEDDING, H = HEADS, D = E / H, B = BLOCK, F = 4 * E, MOST = 256 }; /* MOST: greatest vocabulary */
enum { SHUFFLED, IN_ORDER, AT_RANDOM, ONE };                         /* documents */
enum { RMS, WITHOUT_MEAN, NO_NORM, LAYER_NORM, CONSTANT_SCALE };     /* norm */
enum { RELU, SQUARED_RELU, GELU };                                   /* activation */
enum { MEAN, SUM, OVER_BLOCK };                                      /* loss */
enum { BOTH, NEITHER, FIRST_ONLY };                                  /* correction */
enum { LINEAR, COSINE, CONSTANT };                                   /* schedule */
enum { GRADIENTS, M, V, PARAMETERS };

typedef struct {
    double sigma, output_sigma, rate, beta1, beta2, epsilon, decay, temperature, average;
    int32_t documents, norm, first_norm, final_norm, activation, loss, correction, schedule;
    int32_t reset, history, attention_residual, feed_forward_residual, positions, scaled, tied;
    int32_t bos_before, bos_after, cut, adam, uniform, epsilon_inside, current_target;
} Settings;

typedef struct { real in[E], out[E], scale; } Norm;
typedef struct {
    int token;
    real embedded[E], q[E], k[E], v[E], weights[H][B], mixed[E], x2[E], hidden[F], active[F], x3[E];
    real probabilities[MOST], dk[E], dv[E];
    Norm first, attention, feed_forward, last;
} Position;

typedef struct {
    Settings set;
    int vocabulary, steps, step, count;
    real *lists[4], logits[B][MOST];
    Position at[B];
} Model;

typedef struct { int wte, wpe, lm_head, wq, wk, wv, wo, fc1, fc2, count; } Places;

static Places places(const Model *model) {
    Places at = {0};
    int next = 0;
    at.wte = next, next += model->vocabulary * E;
    at.wpe = next, next += B * E;
    at.lm_head = next, next += model->vocabulary * E;
    at.wq = next, next += E * E;
    at.wk = next, next += E * E;
    at.wv = next, next += E * E;
    at.wo = next, next += E * E;
    at.fc1 = next, next += F * E;
    at.fc2 = next, next += E * F;
    at.count = next;
    if (model->set.tied) at.lm_head = at.wte;
    return at;
}

/* ---- random numbers: xoshiro256++, seeded by splitmix64 (Blackman and Vigna) */

typedef struct { uint64_t s[4]; double kept; int has_kept; } Source;

static Source seeded(uint64_t seed) {
    Source source = {{0}, 0, 0};
    for (int i = 0; i < 4; i++) {
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        source.s[i] = z ^ z >> 31;
    }
    return source;
}

static uint64_t rotated(uint64_t x, int by) { return x << by | x >> (64 - by); }

static double uniform(Source *source) {
    uint64_t *s = source->s, result = rotated(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0], s[3] ^= s[1], s[1] ^= s[2], s[0] ^= s[3], s[2] ^= t, s[3] = rotated(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
}

static int below(Source *source, int n) { return (int)(uniform(source) * n); }

static double gauss(Source *source) {
    if (source->has_kept) return source->has_kept = 0, source->kept;
    double angle = 6.283185307179586 * uniform(source), radius = sqrt(-2 * log(1 - uniform(source)));
    source->kept = sin(angle) * radius, source->has_kept = 1;
    return cos(angle) * radius;
}

/* ---- pieces: y = W x, and what flows back through it */

static void linear(const real *w, const real *x, real *y, int rows, int columns) {
    for (int i = 0; i < rows; i++) {
        real total = 0;
        for (int j = 0; j < columns; j++) total += w[i * columns + j] * x[j];
        y[i] = total;
    }
}

static void linear_back(const real *w, const real *x, const real *dy, real *dw, real *dx, int rows, int columns) {
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < columns; j++) {
            dw[i * columns + j] += dy[i] * x[j];
            dx[j] += dy[i] * w[i * columns + j];
        }
}

static void norm(const Model *model, Norm *n, const real *x) {
    real mean = 0, squares = 0;
    int mode = model->set.norm;
    if (mode == LAYER_NORM)
        for (int i = 0; i < E; i++) mean += x[i] / E;
    for (int i = 0; i < E; i++) n->in[i] = x[i] - mean, squares += n->in[i] * n->in[i];
    n->scale = mode == NO_NORM ? 1 : 1 / (real)sqrt((mode == WITHOUT_MEAN ? squares : squares / E) + (real)1e-5);
    for (int i = 0; i < E; i++) n->out[i] = n->in[i] * n->scale;
}

static void norm_back(const Model *model, const Norm *n, const real *dy, real *dx) {
    int mode = model->set.norm;
    real dot = 0, mean = 0, d[E];
    for (int i = 0; i < E; i++) dot += dy[i] * n->in[i];
    if (mode == NO_NORM || mode == CONSTANT_SCALE) dot = 0;
    real cube = n->scale * n->scale * n->scale / (mode == WITHOUT_MEAN ? 1 : E);
    for (int i = 0; i < E; i++) d[i] = dy[i] * n->scale - n->in[i] * dot * cube, mean += d[i] / E;
    for (int i = 0; i < E; i++) dx[i] += mode == LAYER_NORM ? d[i] - mean : d[i];
}

static real softmax(const real *x, real *y, int n) {
    real top = x[0], total = 0;
    for (int i = 1; i < n; i++) top = x[i] > top ? x[i] : top;
    for (int i = 0; i < n; i++) total += y[i] = (real)exp(x[i] - top);
    for (int i = 0; i < n; i++) y[i] /= total;
    return total;
}

static const real SCALE = (real)1 / D; /* squared: 1 / sqrt(D) is its root */

static void forward(Model *model, int token, int t) {
    const Places at = places(model);
    const Settings *set = &model->set;
    const real *p = model->lists[PARAMETERS];
    Position *now = &model->at[t];
    real scale = set->scaled ? (real)sqrt(SCALE) : 1, *x1, *x3, out[E];
    now->token = token;
    for (int i = 0; i < E; i++)
        now->embedded[i] = p[at.wte + token * E + i] + (set->positions ? p[at.wpe + t * E + i] : 0);
    norm(model, &now->first, now->embedded);
    x1 = set->first_norm ? now->first.out : now->embedded;
    norm(model, &now->attention, x1);
    linear(p + at.wq, now->attention.out, now->q, E, E);
    linear(p + at.wk, now->attention.out, now->k, E, E);
    linear(p + at.wv, now->attention.out, now->v, E, E);
    for (int h = 0; h < H; h++) {
        real scores[B];
        for (int s = 0; s <= t; s++) {
            scores[s] = 0;
            for (int j = h * D; j < h * D + D; j++) scores[s] += now->q[j] * model->at[s].k[j];
            scores[s] *= scale;
        }
        softmax(scores, now->weights[h], t + 1);
        for (int j = h * D; j < h * D + D; j++) {
            now->mixed[j] = 0;
            for (int s = 0; s <= t; s++) now->mixed[j] += now->weights[h][s] * model->at[s].v[j];
        }
    }
    linear(p + at.wo, now->mixed, out, E, E);
    for (int i = 0; i < E; i++) now->x2[i] = out[i] + (set->attention_residual ? x1[i] : 0);
    norm(model, &now->feed_forward, now->x2);
    linear(p + at.fc1, now->feed_forward.out, now->hidden, F, E);
    for (int i = 0; i < F; i++) {
        real a = now->hidden[i], positive = a > 0 ? a : 0;
        now->active[i] = set->activation == RELU           ? positive
                         : set->activation == SQUARED_RELU ? positive * positive
                                                           : a / (1 + (real)exp((real)-1.702 * a));
    }
    linear(p + at.fc2, now->active, out, E, F);
    for (int i = 0; i < E; i++) now->x3[i] = out[i] + (set->feed_forward_residual ? now->x2[i] : 0);
    norm(model, &now->last, now->x3);
    x3 = set->final_norm ? now->last.out : now->x3;
    linear(p + at.lm_head, x3, model->logits[t], model->vocabulary, E);
}

static void backward(Model *model, int t, int target, real factor) {
    const Places at = places(model);
    const Settings *set = &model->set;
    const real *p = model->lists[PARAMETERS];
    real *g = model->lists[GRADIENTS];
    Position *now = &model->at[t];
    real dlogits[MOST], dx3[E] = {0}, dlast[E] = {0}, dactive[F] = {0}, dfeed[E] = {0}, dx2[E] = {0};
    real dmixed[E] = {0}, dq[E] = {0}, dattention[E] = {0}, dx1[E] = {0}, dembedded[E] = {0};
    real scale = set->scaled ? (real)sqrt(SCALE) : 1;
    for (int i = 0; i < model->vocabulary; i++) dlogits[i] = factor * (now->probabilities[i] - (i == target));
    real *x3 = set->final_norm ? now->last.out : now->x3;
    linear_back(p + at.lm_head, x3, dlogits, g + at.lm_head, set->final_norm ? dlast : dx3, model->vocabulary, E);
    if (set->final_norm) norm_back(model, &now->last, dlast, dx3);
    linear_back(p + at.fc2, now->active, dx3, g + at.fc2, dactive, E, F);
    if (set->feed_forward_residual) memcpy(dx2, dx3, sizeof dx2);
    for (int i = 0; i < F; i++) {
        real a = now->hidden[i];
        if (set->activation == RELU) dactive[i] *= a > 0;
        else if (set->activation == SQUARED_RELU) dactive[i] *= a > 0 ? 2 * a : 0;
        else {
            real s = 1 / (1 + (real)exp((real)-1.702 * a));
            dactive[i] *= s + a * (real)1.702 * s * (1 - s);
        }
    }
    linear_back(p + at.fc1, now->feed_forward.out, dactive, g + at.fc1, dfeed, F, E);
    norm_back(model, &now->feed_forward, dfeed, dx2);
    linear_back(p + at.wo, now->mixed, dx2, g + at.wo, dmixed, E, E);
    if (set->attention_residual) memcpy(dx1, dx2, sizeof dx1);
    for (int h = 0; h < H; h++) {
        real dweights[B], dot = 0;
        for (int s = 0; s <= t; s++) {
            dweights[s] = 0;
            for (int j = h * D; j < h * D + D; j++) {
                dweights[s] += dmixed[j] * model->at[s].v[j];
                if (set->history || s == t) model->at[s].dv[j] += dmixed[j] * now->weights[h][s];
            }
            dot += dweights[s] * now->weights[h][s];
        }
        for (int s = 0; s <= t; s++) {
            real dscore = now->weights[h][s] * (dweights[s] - dot) * scale;
            for (int j = h * D; j < h * D + D; j++) {
                dq[j] += dscore * model->at[s].k[j];
                if (set->history || s == t) model->at[s].dk[j] += dscore * now->q[j];
            }
        }
    }
    linear_back(p + at.wq, now->attention.out, dq, g + at.wq, dattention, E, E);
    linear_back(p + at.wk, now->attention.out, now->dk, g + at.wk, dattention, E, E);
    linear_back(p + at.wv, now->attention.out, now->dv, g + at.wv, dattention, E, E);
    norm_back(model, &now->attention, dattention, dx1);
    if (set->first_norm) norm_back(model, &now->first, dx1, dembedded);
    else memcpy(dembedded, dx1, sizeof dembedded);
    for (int i = 0; i < E; i++) {
        g[at.wte + now->token * E + i] += dembedded[i];
        if (set->positions) g[at.wpe + t * E + i] += dembedded[i];
    }
}

static void update(Model *model) {
    const Settings *set = &model->set;
    real *g = model->lists[GRADIENTS], *m = model->lists[M], *v = model->lists[V], *p = model->lists[PARAMETERS];
    double share = (double)model->step / model->steps;
    double rate = set->schedule == LINEAR   ? set->rate * (1 - share)
                  : set->schedule == COSINE ? set->rate * 0.5 * (1 + cos(3.141592653589793 * share))
                                            : set->rate;
    double one = set->correction == NEITHER ? 1 : 1 - pow(set->beta1, model->step + 1);
    double two = set->correction == BOTH ? 1 - pow(set->beta2, model->step + 1) : 1;
    real b1 = (real)set->beta1, b2 = (real)set->beta2, c1 = (real)(1 - set->beta1), c2 = (real)(1 - set->beta2);
    real epsilon = (real)set->epsilon, r = (real)rate, d1 = (real)one, d2 = (real)two, decay = (real)set->decay;
    for (int i = 0; i < model->count; i++) {
        m[i] = b1 * m[i] + c1 * g[i];
        v[i] = b2 * v[i] + c2 * g[i] * g[i];
        real hat = v[i] / d2;
        real root = set->epsilon_inside ? (real)sqrt(hat + epsilon) : (real)sqrt(hat) + epsilon;
        p[i] -= r * (set->adam ? m[i] / d1 / root : g[i]) + r * decay * p[i];
    }
    model->step++;
}

/* ---- what Python calls */

Model *begin(const Settings *set, int vocabulary, int steps) {
    Model *model = calloc(1, sizeof *model);
    model->set = *set, model->vocabulary = vocabulary, model->steps = steps;
    model->count = places(model).count;
    for (int i = 0; i < 4; i++) model->lists[i] = calloc((size_t)model->count, sizeof(real));
    return model;
}

void finish(Model *model) {
    for (int i = 0; i < 4; i++) free(model->lists[i]);
    free(model);
}

void get(const Model *model, int which, double *out) {
    for (int i = 0; i < model->count; i++) out[i] = (double)model->lists[which][i];
}

void put(Model *model, int which, const double *in) {
    for (int i = 0; i < model->count; i++) model->lists[which][i] = (real)in[i];
}

void get_logits(const Model *model, int t, double *out) {
    for (int i = 0; i < model->vocabulary; i++) out[i] = (double)model->logits[t][i];
}

/* One step on the tokens of a document, BOS not included; its loss, as such a program prints it. */
double train_step(Model *model, const uint16_t *letters, int length) {
    const Settings *set = &model->set;
    int tokens[B + 2], bos = model->vocabulary - 1, all = 0;
    length -= set->cut && length > 0;
    if (set->bos_before) tokens[all++] = bos;
    for (int i = 0; i < length && all < B + 1; i++) tokens[all++] = letters[i];
    if (set->bos_after && all < B + 1) tokens[all++] = bos;
    int n = all - 1;
    if (n < 1) return NAN;
    real count = set->loss == MEAN ? (real)n : set->loss == SUM ? 1 : (real)B, loss = 0;
    if (set->reset) memset(model->lists[GRADIENTS], 0, (size_t)model->count * sizeof(real));
    for (int t = 0; t < n; t++) {
        Position *now = &model->at[t];
        forward(model, tokens[t], t);
        softmax(model->logits[t], now->probabilities, model->vocabulary);
        loss -= (real)log(now->probabilities[tokens[t + !set->current_target]]);
        memset(now->dk, 0, sizeof now->dk), memset(now->dv, 0, sizeof now->dv);
    }
    for (int t = n - 1; t >= 0; t--) backward(model, t, tokens[t + !set->current_target], 1 / count);
    update(model);
    return (double)(loss / count);
}

static int draw_text(Model *model, Source *source, int16_t *text) {
    int token = model->vocabulary - 1, length = 0;
    for (int t = 0; t < B; t++) {
        real scaled[MOST], shares[MOST];
        forward(model, token, t);
        for (int i = 0; i < model->vocabulary; i++) scaled[i] = model->logits[t][i] / (real)model->set.temperature;
        softmax(scaled, shares, model->vocabulary);
        double left = uniform(source);
        for (token = 0; token < model->vocabulary - 1 && (left -= (double)shares[token]) >= 0;) token++;
        if (token == model->vocabulary - 1) break;
        text[length++] = (int16_t)token;
    }
    return length;
}

/* A whole run from `seed`. letters: all documents in one, document i from starts[i] to starts[i + 1]. texts:
 * `samples` rows of BLOCK + 1 numbers, each its length and then its tokens. */
void run(const Settings *set, uint64_t seed, int vocabulary, int steps, int documents, const int32_t *starts,
         const uint16_t *letters, int samples, double *losses, int16_t *texts) {
    Source source = seeded(seed);
    int *order = malloc(sizeof(int) * (size_t)documents);
    for (int i = 0; i < documents; i++) order[i] = i;
    if (set->documents == SHUFFLED || set->documents == ONE)
        for (int i = documents - 1; i > 0; i--) {
            int j = below(&source, i + 1), other = order[i];
            order[i] = order[j], order[j] = other;
        }
    Model *model = begin(set, vocabulary, steps);
    Places at = places(model);
    real *p = model->lists[PARAMETERS];
    for (int i = 0; i < at.count; i++) {
        int is_output = (i >= at.wo && i < at.fc1) || i >= at.fc2;
        double z = set->uniform ? 2 * uniform(&source) - 1 : gauss(&source);
        p[i] = (real)(z * (is_output ? set->output_sigma : set->sigma));
    }
    double shown = 0;
    for (int s = 0; s < steps; s++) {
        int i = set->documents == AT_RANDOM ? below(&source, documents)
                : set->documents == ONE     ? order[0]
                                            : order[s % documents];
        double loss = train_step(model, letters + starts[i], starts[i + 1] - starts[i]);
        shown = s ? set->average * shown + (1 - set->average) * loss : loss;
        losses[s] = shown;
    }
    for (int i = 0; i < samples; i++)
        texts[i * (B + 1)] = (int16_t)draw_text(model, &source, texts + i * (B + 1) + 1);
    finish(model);
    free(order);
}
