/* The algorithm: random numbers, text, the model, its training, its samples, a whole run (SPEC, sections 3 to 10). */
#pragma once

#include "fused.h"
#include "graph.h"

enum { STATE_WORDS = 624, MOST_LAYERS = 16, MOST_HEADS = 64, MOST_VOCABULARY = 2048, CHARACTERS = 0x110000 };

/* ---------------------------------------------------------------- random numbers: MT19937 */

typedef struct {
    uint32_t word[STATE_WORDS];
    int32_t index;
    bool has_kept;
    double kept; /* the second of two normal numbers */
} Generator;

static void seed_generator(Generator *generator, uint32_t seed) {
    uint32_t *mt = generator->word;
    mt[0] = 19650218;
    for (uint32_t i = 1; i < STATE_WORDS; i++) mt[i] = 1812433253 * (mt[i - 1] ^ mt[i - 1] >> 30) + i;
    for (uint32_t round = 0; round < 2 * STATE_WORDS - 1; round++) {
        uint32_t i = round % (STATE_WORDS - 1) + 1, mixed = mt[i - 1] ^ mt[i - 1] >> 30;
        mt[i] = round < STATE_WORDS ? (mt[i] ^ mixed * 1664525) + seed : (mt[i] ^ mixed * 1566083941) - i;
        if (i == STATE_WORDS - 1) mt[0] = mt[i];
    }
    mt[0] = 0x80000000;
    generator->index = STATE_WORDS;
    generator->has_kept = false;
}

static uint32_t draw_word(Generator *generator) {
    uint32_t *mt = generator->word;
    if (generator->index == STATE_WORDS) {
        for (int i = 0; i < STATE_WORDS; i++) {
            uint32_t y = (mt[i] & 0x80000000) | (mt[(i + 1) % STATE_WORDS] & 0x7fffffff);
            mt[i] = mt[(i + 397) % STATE_WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0df : 0);
        }
        generator->index = 0;
    }
    uint32_t y = mt[generator->index++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return y ^ y >> 18;
}

static double draw_random(Generator *generator) {
    uint32_t a = draw_word(generator) >> 5, b = draw_word(generator) >> 6;
    return (a * 0x1p26 + b) / 0x1p53;
}

/* Box and Muller: two uniform numbers give two independent normal ones. */
static double draw_gauss(Generator *generator, double sigma) {
    double z = generator->kept;
    generator->has_kept = !generator->has_kept;
    if (generator->has_kept) {
        double angle = draw_random(generator) * 0x1.921fb54442d18p+2;
        double radius = sqrt(-2.0 * math->log(1.0 - draw_random(generator)));
        z = math->cos(angle) * radius;
        generator->kept = math->sin(angle) * radius;
    }
    return 0.0 + z * sigma;
}

/* 0, 1, ..., count - 1 in another order. */
static List draw_order(Generator *generator, int32_t count) {
    List order = make_list(count);
    for (int32_t i = 0; i < count; i++) order.item[i] = i;
    for (int32_t i = count - 1; i > 0; i--) {
        int32_t j, last = order.item[i];
        do j = (int32_t)(draw_word(generator) >> __builtin_clz((unsigned)i + 1));
        while (j > i);
        order.item[i] = order.item[j];
        order.item[j] = last;
    }
    return order;
}

static int32_t draw_choice(Generator *generator, const double *weights, int32_t count) {
    double cumulative[MOST_VOCABULARY] = {weights[0]};
    for (int32_t i = 1; i < count; i++) cumulative[i] = cumulative[i - 1] + weights[i];
    double total = cumulative[count - 1] + 0.0;
    if (!(total > 0.0 && total < INFINITY)) fail("the weights of a choice must add up to a finite number above 0");
    double u = draw_random(generator) * total;
    int32_t low = 0, high = count - 1;
    while (low < high) {
        int32_t middle = (low + high) / 2;
        *(u < cumulative[middle] ? &high : &low) = middle + !(u < cumulative[middle]);
    }
    return low;
}

/* ---------------------------------------------------------------- text */

typedef struct {
    int32_t count;
    List *document, vocabulary; /* token i stands for vocabulary.item[i] */
} Dataset;

static bool is_white_space(int32_t character) { return character == ' ' || (character >= '\t' && character <= '\r'); }

/* A line of characters, which is copied, becomes a document unless it is empty once it is stripped. */
static void add_line(Dataset *dataset, List line) {
    for (; line.count > 0 && is_white_space(line.item[0]); line.count--) line.item++;
    while (line.count > 0 && is_white_space(line.item[line.count - 1])) line.count--;
    if (line.count == 0) return;
    List document = make_list(line.count);
    memcpy(document.item, line.item, (size_t)line.count * sizeof *line.item);
    dataset->document = grown(dataset->document, (size_t)dataset->count, sizeof document);
    dataset->document[dataset->count++] = document;
}

/* Finds the vocabulary and turns every document into its tokens, with BOS at both ends. */
static void tokenize(Dataset *dataset) {
    List vocabulary = {0, NULL};
    int32_t *token = make_list(CHARACTERS).item;
    if (dataset->count == 0) fail("there is no document: every line is empty once it is stripped");
    for (int32_t i = 0; i < dataset->count; i++)
        for (int32_t k = 0; k < dataset->document[i].count; k++) token[dataset->document[i].item[k]] = 1;
    for (int32_t character = 0; character < CHARACTERS; character++) {
        if (token[character] == 0) continue;
        vocabulary.item = grown(vocabulary.item, (size_t)vocabulary.count, sizeof character);
        vocabulary.item[vocabulary.count] = character;
        token[character] = vocabulary.count++;
    }
    if (vocabulary.count >= MOST_VOCABULARY)
        fail("the documents have %d distinct characters and %d are the most", vocabulary.count, MOST_VOCABULARY - 1);
    dataset->vocabulary = vocabulary;
    for (List *text = dataset->document; text < dataset->document + dataset->count; text++) {
        List tokens = make_list(text->count + 2);
        tokens.item[0] = tokens.item[text->count + 1] = vocabulary.count;
        for (int32_t i = 0; i < text->count; i++) tokens.item[1 + i] = token[text->item[i]];
        *text = tokens;
    }
}

/* ---------------------------------------------------------------- model */

typedef struct {
    char name[32];
    int32_t rows, columns;
    Id first;
} Matrix;

enum { WTE, WPE, LM_HEAD, WQ, WK, WV, WO, FC1, FC2, OF_A_LAYER = 6 }; /* from WQ on those of layer 0 */

typedef struct {
    Config config;
    Graph graph; /* the parameters are its first nodes */
    Matrix matrix[WQ + OF_A_LAYER * MOST_LAYERS];
    int32_t matrices;
    Optimizer optimizer;
    double *m, *v;
    Fused *fused; /* what computes the gradients of a training; NULL if that is the graph */
    Id *keys, *values; /* of each layer and position, the first node */
    void (*see)(const char *name, const double *values, int32_t count); /* whoever wants to see all results, or NULL */
} Model;

static void add_matrix(Model *model, int32_t rows, int32_t columns, const char *format, int layer) {
    Matrix *matrix = &model->matrix[model->matrices++];
    *matrix = (Matrix){.rows = rows, .columns = columns, .first = model->graph.parameters};
    snprintf(matrix->name, sizeof matrix->name, format, layer);
    model->graph.parameters += rows * columns;
    while (model->graph.count < model->graph.parameters) leaf(&model->graph, 0.0);
}

static Model *make_model(Config config) {
    static const char *const square[] = {"layer%d.attn_wq", "layer%d.attn_wk", "layer%d.attn_wv", "layer%d.attn_wo"};
    Model *model = allocate(1, sizeof *model);
    int32_t e = config.embedding;
    model->config = config;
    model->keys = make_list(config.layers * config.block).item;
    model->values = make_list(config.layers * config.block).item;
    add_matrix(model, config.vocabulary, e, "wte", 0);
    add_matrix(model, config.block, e, "wpe", 0);
    add_matrix(model, config.vocabulary, e, "lm_head", 0);
    for (int i = 0; i < config.layers; i++) {
        for (int k = 0; k < 4; k++) add_matrix(model, e, e, square[k], i);
        add_matrix(model, 4 * e, e, "layer%d.mlp_fc1", i);
        add_matrix(model, e, 4 * e, "layer%d.mlp_fc2", i);
    }
    model->fused = fused_start(config);
    model->m = allocate((size_t)model->graph.parameters, sizeof(double));
    model->v = allocate((size_t)model->graph.parameters, sizeof(double));
    return model;
}

/* A vector is nodes side by side and goes by the first. VECTOR makes one, its node i by an expression in i. */
#define VECTOR(vector, length, made) \
    Id vector = g->count;            \
    for (int32_t i = 0; i < (length); i++) made

/* Gives the vector a name, for whoever wants to see it. */
static Id named(const Model *model, Id vector, int32_t count, const char *format, ...) {
    char name[64];
    va_list arguments;
    if (model->see == NULL) return vector;
    va_start(arguments, format);
    vsnprintf(name, sizeof name, format, arguments);
    va_end(arguments);
    model->see(name, model->graph.value + vector, count);
    return vector;
}

static Id linear(Model *model, int matrix, int layer, Id x) {
    const Matrix *w = &model->matrix[matrix + OF_A_LAYER * layer];
    Graph *g = &model->graph;
    VECTOR(result, w->rows, dot(g, w->first + i * w->columns, x, w->columns));
    return result;
}

static Id add_vectors(Graph *g, Id a, Id b, int32_t count) {
    VECTOR(result, count, add(g, a + i, b + i));
    return result;
}

static Id scale(Graph *g, Id a, Id factor, int32_t count) {
    VECTOR(result, count, multiply(g, a + i, factor));
    return result;
}

/* x over its root mean square, after Zhang and Sennrich (2019), without a gain. */
static Id rmsnorm(Graph *g, Id x, int32_t count) {
    Id mean = multiply(g, dot(g, x, x, count), leaf(g, math->pow(count, -1.0)));
    return scale(g, x, power(g, add(g, mean, leaf(g, 1e-5)), -0.5), count);
}

static Id softmax(Graph *g, Id x, int32_t count) {
    double top = g->value[x];
    for (int32_t i = 1; i < count; i++) top = g->value[x + i] > top ? g->value[x + i] : top;
    Id minus_top = leaf(g, -top);
    VECTOR(shifted, count, add(g, x + i, minus_top));
    VECTOR(exponentials, count, exponential(g, shifted + i));
    Id total = sum(g, exponentials, count), inverse = power(g, total, -1.0);
    for (int32_t i = 1; i < count; i++) apply(g, total, g->value[inverse], g->node[inverse].local); /* one for each */
    VECTOR(quotients, count, multiply(g, exponentials + i, inverse + i));
    return quotients;
}

/* Every head attends to the listed positions. */
static Id attention(Model *model, int layer, int32_t t, Id x) {
    Graph *g = &model->graph;
    List attended = model->config.attention[t];
    int32_t n = attended.count, e = model->config.embedding, heads = model->config.heads, size = e / heads;
    Id *keys = model->keys + layer * model->config.block, *values = model->values + layer * model->config.block;
    Id scores[MOST_HEADS], weights[MOST_HEADS];
    Id q = named(model, linear(model, WQ, layer, x), e, "pos%d.layer%d.q", t, layer);
    keys[t] = named(model, linear(model, WK, layer, x), e, "pos%d.layer%d.k", t, layer);
    values[t] = named(model, linear(model, WV, layer, x), e, "pos%d.layer%d.v", t, layer);
    Id factor = leaf(g, math->pow(math->pow(size, 0.5), -1.0));
    for (int h = 0; h < heads; h++) {
        VECTOR(products, n, dot(g, q + h * size, keys[attended.item[i]] + h * size, size));
        scores[h] = scale(g, products, factor, n);
        weights[h] = softmax(g, scores[h], n);
    }
    VECTOR(mixed, e, dot_rows(g, weights[i / size], i, n, values, attended.item));
    for (int h = 0; h < heads; h++) {
        named(model, scores[h], n, "pos%d.layer%d.head%d.scores", t, layer, h);
        named(model, weights[h], n, "pos%d.layer%d.head%d.weights", t, layer, h);
        named(model, mixed + h * size, size, "pos%d.layer%d.head%d.mixed", t, layer, h);
    }
    return named(model, linear(model, WO, layer, mixed), e, "pos%d.layer%d.attn_out", t, layer);
}

static Id perceptron(Model *model, int layer, int32_t t, Id x) {
    Graph *g = &model->graph;
    int32_t e = model->config.embedding;
    Id hidden = named(model, linear(model, FC1, layer, x), 4 * e, "pos%d.layer%d.hidden", t, layer);
    VECTOR(active, 4 * e, relu(g, hidden + i));
    if (model->config.squared_relu) {
        VECTOR(squared, 4 * e, power(g, active + i, 2.0));
        active = squared;
    }
    named(model, active, 4 * e, "pos%d.layer%d.activated", t, layer);
    return named(model, linear(model, FC2, layer, active), e, "pos%d.layer%d.mlp_out", t, layer);
}

/* The logits for what follows the token at position t. */
static Id gpt(Model *model, int32_t token, int32_t t) {
    Graph *g = &model->graph;
    int32_t e = model->config.embedding;
    Id x = add_vectors(g, model->matrix[WTE].first + token * e, model->matrix[WPE].first + t * e, e);
    named(model, x, e, "pos%d.embedded", t);
    x = named(model, rmsnorm(g, x, e), e, "pos%d.normed", t);
    for (int i = 0; i < model->config.layers; i++) {
        Id norm = named(model, rmsnorm(g, x, e), e, "pos%d.layer%d.attn_norm", t, i);
        x = add_vectors(g, attention(model, i, t, norm), x, e);
        named(model, x, e, "pos%d.layer%d.attn_residual", t, i);
        norm = named(model, rmsnorm(g, x, e), e, "pos%d.layer%d.mlp_norm", t, i);
        x = add_vectors(g, perceptron(model, i, t, norm), x, e);
        named(model, x, e, "pos%d.layer%d.mlp_residual", t, i);
    }
    return named(model, linear(model, LM_HEAD, 0, x), model->config.vocabulary, "pos%d.logits", t);
}

static Id document_loss(Model *model, List tokens) {
    Graph *g = &model->graph;
    int32_t v = model->config.vocabulary, n = tokens.count - 1;
    if (n > model->config.block) n = model->config.block;
    Id total = 0;
    g->count = model->graph.parameters;
    for (int32_t t = 0; t < n; t++) {
        Id probabilities = named(model, softmax(g, gpt(model, tokens.item[t], t), v), v, "pos%d.probabilities", t);
        Id loss = multiply(g, logarithm(g, probabilities + tokens.item[t + 1]), leaf(g, -1.0));
        named(model, loss, 1, "pos%d.loss", t);
        total = t == 0 ? add(g, loss, leaf(g, 0.0)) : add(g, total, loss);
    }
    return multiply(g, total, leaf(g, 1.0 / n));
}

/* ---------------------------------------------------------------- training and sampling */

/* One update of the parameters p and the moments m and v by the gradients g. */
static Factors adam(Optimizer o, int32_t step, int32_t count, double *restrict p, const double *restrict g,
                    double *restrict m, double *restrict v) {
    double s = step, n = o.steps, angle = (0x1.921fb54442d18p+1 * s) / n;
    Factors factors = {
        .rate = o.cosine ? (o.learning_rate * 0.5) * (1.0 + math->cos(angle)) : o.learning_rate * (1.0 - s / n),
        .correction1 = 1.0 - math->pow(o.beta1, s + 1.0),
        .correction2 = 1.0 - math->pow(o.beta2, s + 1.0),
    };
    fused_adam(o, factors, count, p, g, m, v);
    return factors;
}

/* The loss of a document, and the gradients of all parameters. */
static double gradients(Model *model, List tokens) {
    Graph *g = &model->graph;
    if (model->fused != NULL) return fused_gradient(model->fused, g->value, g->gradient, tokens);
    Id root = document_loss(model, tokens);
    backward(g, root);
    return g->value[root];
}

/* One step of training. Returns the loss before it. */
static double train(Model *model, int32_t step, List tokens) {
    Graph *g = &model->graph;
    double loss = gradients(model, tokens);
    adam(model->optimizer, step, model->graph.parameters, g->value, g->gradient, model->m, model->v);
    return loss;
}

/* Tokens up to BOS, or to the end of the block. `drawn`, if not NULL, hears of each, BOS included. */
static List sample(Model *model, double temperature, Generator *generator,
                   void (*drawn)(const double *probabilities, int32_t count, int32_t token)) {
    Graph *g = &model->graph;
    int32_t v = model->config.vocabulary, token = v - 1;
    List tokens = make_list(model->config.block);
    g->count = model->graph.parameters;
    for (tokens.count = 0; tokens.count < model->config.block; tokens.item[tokens.count++] = token) {
        Id logits = gpt(model, token, tokens.count), factor = leaf(g, math->pow(temperature, -1.0));
        Id probabilities = softmax(g, scale(g, logits, factor, v), v);
        token = draw_choice(generator, g->value + probabilities, v);
        if (drawn != NULL) drawn(g->value + probabilities, v, token);
        if (token == v - 1) break;
    }
    return tokens;
}

/* ---------------------------------------------------------------- a run */

typedef struct {
    const char *name;
    Config config; /* without vocabulary and attention */
    double sigma, output_sigma;
    Optimizer optimizer;
    int32_t samples;
} Preset;

static const Preset presets[] = {
    {"seed", {1, 4, 16, 8, 0, true, NULL}, 0.02, 0.0, {0.01, 0.9, 0.95, 1e-8, true, 500}, 20},
    {"classic", {1, 4, 16, 16, 0, false, NULL}, 0.08, 0.08, {0.01, 0.85, 0.99, 1e-8, false, 1000}, 20},
};

/* Formatted ASCII text as characters, until the next is made. */
static List text(const char *format, ...) {
    static int32_t character[400]; /* more than any number takes */
    char ascii[400];
    va_list arguments;
    va_start(arguments, format);
    int32_t count = vsnprintf(ascii, sizeof ascii, format, arguments);
    va_end(arguments);
    for (int32_t i = 0; i < count; i++) character[i] = ascii[i];
    return (List){count, character};
}

/* A loss as it is printed; printf might show a NaN's sign. */
static const char *decimals(double x) {
    static char ascii[400];
    snprintf(ascii, sizeof ascii, isnan(x) ? "nan" : "%.4f", x);
    return ascii;
}

/* Trains a model on the documents and draws samples. Each line that this prints goes to `print`. */
static Model *run(const Preset *preset, Dataset *dataset, Generator *generator, void (*print)(List line)) {
    Config config = preset->config;
    tokenize(dataset);
    seed_generator(generator, 42);
    List order = draw_order(generator, dataset->count);
    config.vocabulary = dataset->vocabulary.count + 1;
    config.attention = allocate((size_t)config.block, sizeof *config.attention);
    for (int32_t t = 0; t < config.block; t++) {
        config.attention[t] = make_list(t + 1);
        for (int32_t s = 0; s <= t; s++) config.attention[t].item[s] = s;
    }
    Model *model = make_model(config);
    model->optimizer = preset->optimizer;
    for (Matrix *matrix = model->matrix; matrix < model->matrix + model->matrices; matrix++) {
        bool output = strstr(matrix->name, "attn_wo") || strstr(matrix->name, "mlp_fc2");
        double sigma = output ? preset->output_sigma : preset->sigma, *value = model->graph.value + matrix->first;
        for (int32_t i = 0; i < matrix->rows * matrix->columns; i++) value[i] = draw_gauss(generator, sigma);
    }
    print(text("num docs: %d", dataset->count));
    print(text("vocab size: %d", config.vocabulary));
    print(text("num params: %d", model->graph.parameters));
    for (int32_t step = 0, steps = preset->optimizer.steps; step < steps; step++) {
        double loss = train(model, step, dataset->document[order.item[step % dataset->count]]);
        print(text("step %4d / %4d | loss %s", step + 1, steps, decimals(loss)));
    }
    print(text(""));
    print(text("--- inference (new, hallucinated names) ---"));
    for (int i = 1; i <= preset->samples; i++) {
        List tokens = sample(model, 0.5, generator, NULL), line = text("sample %2d: ", i);
        for (int32_t k = 0; k < tokens.count; k++) line.item[line.count++] = dataset->vocabulary.item[tokens.item[k]];
        print(line);
    }
    return model;
}
