#include "model.h"

#include <stdio.h>
#include <stdlib.h>

#include "memory.h"

Attended *causal_attention(int32_t block)
{
    Attended *attention = allocate((size_t)block, sizeof *attention);
    for (int32_t t = 0; t < block; t++) {
        attention[t].count = t + 1;
        attention[t].position = allocate((size_t)t + 1, sizeof *attention[t].position);
        for (int32_t s = 0; s <= t; s++)
            attention[t].position[s] = s;
    }
    return attention;
}

void attention_free(Attended *attention, int32_t block)
{
    for (int32_t t = 0; t < block && attention != NULL; t++)
        free(attention[t].position);
    free(attention);
}

/* ------------------------------------------------------------------ parameters */

/* The order of the matrices. Those of a layer come MATRICES_PER_LAYER apart. */
enum { WTE, WPE, LM_HEAD, ATTN_WQ, ATTN_WK, ATTN_WV, ATTN_WO, MLP_FC1, MLP_FC2 };

static const Matrix *matrix_of(const Model *model, int which, int32_t layer)
{
    return &model->matrix[which + (which >= ATTN_WQ ? MATRICES_PER_LAYER * layer : 0)];
}

static void add_matrix(Model *model, const char *name, int32_t layer, int32_t rows, int32_t columns)
{
    Matrix *matrix = &model->matrix[model->matrices++];
    if (layer >= 0)
        snprintf(matrix->name, sizeof matrix->name, "layer%d.%s", (int)layer, name);
    else
        snprintf(matrix->name, sizeof matrix->name, "%s", name);
    matrix->rows = rows;
    matrix->columns = columns;
    matrix->first = model->parameters;
    model->parameters += rows * columns;
}

void model_start(Model *model, const Config *config, const Functions *math)
{
    *model = (Model){.config = *config, .tape.math = math};
    int32_t e = config->embedding;
    add_matrix(model, "wte", -1, config->vocabulary, e);
    add_matrix(model, "wpe", -1, config->block, e);
    add_matrix(model, "lm_head", -1, config->vocabulary, e);
    for (int32_t i = 0; i < config->layers; i++) {
        add_matrix(model, "attn_wq", i, e, e);
        add_matrix(model, "attn_wk", i, e, e);
        add_matrix(model, "attn_wv", i, e, e);
        add_matrix(model, "attn_wo", i, e, e);
        add_matrix(model, "mlp_fc1", i, 4 * e, e);
        add_matrix(model, "mlp_fc2", i, e, 4 * e);
    }
    tape_numbers(&model->tape, model->parameters);
}

void model_free(Model *model)
{
    attention_free(model->config.attention, model->config.block);
    tape_free(&model->tape);
}

/* ------------------------------------------------------------------ one position
 *
 * The order of the instructions. The specification adds gradients up in the reverse of the depth-first
 * post-order from the loss, the tape in the reverse of the order below. They give the same bits if each
 * number's consumers come in the same order in both (see tape.h). Here is why they do, for a walk through the
 * graph from the loss, children from left to right:
 *
 *   - The loss is the sum of the positions' losses, so the walk finishes position 0, then 1, ...: all its
 *     keys and values too, since every position attends to itself. So the parameters, the keys and the values
 *     have their consumers in the order of the positions.
 *   - At a position it first needs the probability of the target, and for that the target's logit: the
 *     target's row of lm_head is visited first, and all others after it, when the walk comes to the softmax's
 *     total. So that row is noted first.
 *   - Element 0 of a linear's result is visited first, and brings in all elements of its x. The x of the
 *     linears here do not need each other's elements, so each has its consumers in the order of the rows.
 *   - A residual sum has the block's output on the left and the block's input on the right: the whole block
 *     comes first. In rmsnorm, x[0] * scale brings in x[0], then the scale with all squares, and then itself:
 *     first the squares, then the products.
 *   - Attention goes head by head, as wo's row 0 asks for them. A head's first result asks for the first
 *     weight, that for its score, and that for the elements of q, one by one, each with the key's. The keys of
 *     earlier positions have been visited. The position's own come with its own score, which is the last: so
 *     its rows of wq are visited first, then those of wk, and then those of wv, as the right factors of the
 *     mixture. (If a position attends to itself alone, its own score is also the first, and the walk visits
 *     rows of wq and wk in turn. But its one weight is 1 whatever the score, so zeros flow back through these
 *     rows, or NaNs, and their order makes no difference.)
 *   - An exponential is needed by the softmax's total before the quotient that asked for it is finished:
 *     first the sum, then the quotients.
 */

typedef struct {
    Model *model;
    Tape *tape;
    int32_t position;
    const Observer *observer;
} Place;

static void show(const Place *at, const char *name, Index first, int32_t count)
{
    if (at->observer == NULL)
        return;
    char full_name[64];
    snprintf(full_name, sizeof full_name, "pos%d.%s", (int)at->position, name);
    at->observer->see(at->observer->who, full_name, at->tape->value + first, count);
}

static void show_in_layer(const Place *at, int32_t layer, const char *name, Index first, int32_t count)
{
    if (at->observer == NULL)
        return;
    char full_name[48];
    snprintf(full_name, sizeof full_name, "layer%d.%s", (int)layer, name);
    show(at, full_name, first, count);
}

static void show_in_head(const Place *at, int32_t layer, int32_t head, const char *name, Index first, int32_t count)
{
    if (at->observer == NULL)
        return;
    char full_name[32];
    snprintf(full_name, sizeof full_name, "head%d.%s", (int)head, name);
    show_in_layer(at, layer, full_name, first, count);
}

static Rows rows_of(const Matrix *matrix, int32_t from, int32_t count)
{
    return (Rows){.first = matrix->first + from * matrix->columns, .count = count, .stride = matrix->columns};
}

static Index linear(Tape *tape, const Matrix *matrix, Index x)
{
    Index result = tape_numbers(tape, matrix->rows);
    tape_linear(tape, result, rows_of(matrix, 0, matrix->rows), x, matrix->columns);
    return result;
}

/* x over its root mean square (Zhang and Sennrich, 2019), without a gain. */
static Index rmsnorm(Tape *tape, Index x, int32_t count)
{
    Index squares = tape_sum_of_squares(tape, x, count), mean = tape_numbers(tape, 1);
    tape_multiply_number(tape, mean, squares, tape->math->pow(count, -1.0), 1);
    Index scale = tape_power(tape, tape_add_number(tape, mean, 1e-5, 1), -0.5, 1);
    return tape_scale(tape, x, scale, count);
}

/* exp(x - the greatest x), and their sum. What is left to do for a softmax is to divide. */
static Index exponentials(Tape *tape, Index x, int32_t count, Index *total)
{
    double top = tape->value[x];
    for (int32_t i = 1; i < count; i++)
        if (tape->value[x + i] > top)
            top = tape->value[x + i];
    Index result = tape_exp(tape, tape_add_number(tape, x, -top, count), count);
    *total = tape_sum(tape, result, count);
    return result;
}

static Index softmax(Tape *tape, Index x, int32_t count)
{
    Index total, exps = exponentials(tape, x, count, &total);
    return tape_divide(tape, exps, total, count);
}

/* Attention of all heads to the listed positions. The result is `mixed`, the heads side by side. */
static Index attend(const Place *at, int32_t layer, Index x)
{
    Tape *tape = at->tape;
    const Config *config = &at->model->config;
    const Attended *attended = &config->attention[at->position];
    int32_t e = config->embedding, size = e / config->heads;
    Index keys = at->model->keys[layer], values = at->model->values[layer];
    Index q = tape_numbers(tape, e), k = keys + at->position * e, v = values + at->position * e;
    Index mixed = tape_numbers(tape, e), scores[MOST_HEADS], weights[MOST_HEADS];
    const Matrix *wq = matrix_of(at->model, ATTN_WQ, layer), *wk = matrix_of(at->model, ATTN_WK, layer);
    const Matrix *wv = matrix_of(at->model, ATTN_WV, layer);
    double factor = tape->math->pow(tape->math->pow(size, 0.5), -1.0);
    for (int32_t h = 0; h < config->heads; h++) {
        int32_t from = h * size;
        Rows key_rows = {keys + from, attended->count, e, attended->position};
        Rows value_rows = {values + from, attended->count, e, attended->position};
        tape_linear(tape, q + from, rows_of(wq, from, size), x, e);
        tape_linear(tape, k + from, rows_of(wk, from, size), x, e);
        Index products = tape_numbers(tape, attended->count);
        tape_linear(tape, products, key_rows, q + from, size);
        scores[h] = tape_numbers(tape, attended->count);
        tape_multiply_number(tape, scores[h], products, factor, attended->count);
        weights[h] = softmax(tape, scores[h], attended->count);
        tape_linear(tape, v + from, rows_of(wv, from, size), x, e);
        tape_mix(tape, mixed + from, weights[h], value_rows, size);
    }
    show_in_layer(at, layer, "q", q, e);
    show_in_layer(at, layer, "k", k, e);
    show_in_layer(at, layer, "v", v, e);
    for (int32_t h = 0; h < config->heads; h++) {
        show_in_head(at, layer, h, "scores", scores[h], attended->count);
        show_in_head(at, layer, h, "weights", weights[h], attended->count);
        show_in_head(at, layer, h, "mixed", mixed + h * size, size);
    }
    return mixed;
}

static Index attention_block(const Place *at, int32_t layer, Index x)
{
    int32_t e = at->model->config.embedding;
    Index norm = rmsnorm(at->tape, x, e);
    show_in_layer(at, layer, "attn_norm", norm, e);
    Index mixed = attend(at, layer, norm);
    Index out = linear(at->tape, matrix_of(at->model, ATTN_WO, layer), mixed);
    show_in_layer(at, layer, "attn_out", out, e);
    Index residual = tape_add(at->tape, out, x, e);
    show_in_layer(at, layer, "attn_residual", residual, e);
    return residual;
}

static Index mlp_block(const Place *at, int32_t layer, Index x)
{
    int32_t e = at->model->config.embedding;
    Index norm = rmsnorm(at->tape, x, e);
    show_in_layer(at, layer, "mlp_norm", norm, e);
    Index hidden = linear(at->tape, matrix_of(at->model, MLP_FC1, layer), norm);
    show_in_layer(at, layer, "hidden", hidden, 4 * e);
    Index activated = tape_relu(at->tape, hidden, 4 * e);
    if (at->model->config.activation == RELU_SQUARED)
        activated = tape_power(at->tape, activated, 2.0, 4 * e);
    show_in_layer(at, layer, "activated", activated, 4 * e);
    Index out = linear(at->tape, matrix_of(at->model, MLP_FC2, layer), activated);
    show_in_layer(at, layer, "mlp_out", out, e);
    Index residual = tape_add(at->tape, out, x, e);
    show_in_layer(at, layer, "mlp_residual", residual, e);
    return residual;
}

/* The logits for what follows `token`. The row of `target` in lm_head is noted before the others. */
static Index logits_of(const Place *at, int32_t token, int32_t target)
{
    Model *model = at->model;
    Tape *tape = at->tape;
    int32_t e = model->config.embedding;
    Index token_row = matrix_of(model, WTE, 0)->first + token * e;
    Index position_row = matrix_of(model, WPE, 0)->first + at->position * e;
    Index embedded = tape_add(tape, token_row, position_row, e);
    show(at, "embedded", embedded, e);
    Index x = rmsnorm(tape, embedded, e);
    show(at, "normed", x, e);
    for (int32_t i = 0; i < model->config.layers; i++)
        x = mlp_block(at, i, attention_block(at, i, x));

    const Matrix *lm_head = matrix_of(model, LM_HEAD, 0);
    Index logits = tape_numbers(tape, lm_head->rows);
    tape_linear(tape, logits + target, rows_of(lm_head, target, 1), x, e);
    tape_linear(tape, logits, rows_of(lm_head, 0, target), x, e);
    tape_linear(tape, logits + target + 1, rows_of(lm_head, target + 1, lm_head->rows - target - 1), x, e);
    show(at, "logits", logits, lm_head->rows);
    return logits;
}

/* An empty tape but for the parameters and room for the keys and values of so many positions. */
static void begin_document(Model *model, int32_t positions)
{
    tape_rewind(&model->tape, model->parameters);
    for (int32_t i = 0; i < model->config.layers; i++) {
        model->keys[i] = tape_numbers(&model->tape, positions * model->config.embedding);
        model->values[i] = tape_numbers(&model->tape, positions * model->config.embedding);
    }
}

/* ------------------------------------------------------------------ documents */

Index document_loss(Model *model, const int32_t *tokens, int32_t length, const Observer *observer)
{
    Tape *tape = &model->tape;
    int32_t vocabulary = model->config.vocabulary;
    int32_t count = length - 1 < model->config.block ? length - 1 : model->config.block;
    begin_document(model, count);
    Index losses = tape_numbers(tape, count);
    for (int32_t t = 0; t < count; t++) {
        Place at = {model, tape, t, observer};
        int32_t target = tokens[t + 1];
        Index total, exps = exponentials(tape, logits_of(&at, tokens[t], target), vocabulary, &total);
        Index probability = tape_divide(tape, exps + target, total, 1);
        if (observer != NULL)
            show(&at, "probabilities", tape_divide(tape, exps, total, vocabulary), vocabulary);
        tape_multiply_number(tape, losses + t, tape_log(tape, probability, 1), -1.0, 1);
        show(&at, "loss", losses + t, 1);
    }
    Index loss = tape_numbers(tape, 1);
    tape_multiply_number(tape, loss, tape_sum(tape, losses, count), 1.0 / count, 1);
    return loss;
}

bool sample(Model *model, double temperature, Generator *generator, const Draws *draws)
{
    Tape *tape = &model->tape;
    int32_t vocabulary = model->config.vocabulary, bos = vocabulary - 1, token = bos;
    double *cumulative = allocate((size_t)vocabulary, sizeof *cumulative);
    begin_document(model, model->config.block);
    for (int32_t t = 0; t < model->config.block; t++) {
        Place at = {model, tape, t, NULL};
        Index logits = logits_of(&at, token, 0), cooled = tape_numbers(tape, vocabulary);
        tape_multiply_number(tape, cooled, logits, tape->math->pow(temperature, -1.0), vocabulary);
        Index first = softmax(tape, cooled, vocabulary);
        const double *probabilities = tape->value + first;
        token = generator_choice(generator, probabilities, vocabulary, cumulative);
        if (token < 0)
            break;
        draws->drawn(draws->who, probabilities, vocabulary, token);
        if (token == bos)
            break;
    }
    free(cumulative);
    return token >= 0;
}
