/* The algorithm: random numbers, text, the model, its training, its samples, a whole run (SPEC, sections 3 to 10). */
#pragma once
#include "graph.h"

enum { CHARACTERS = 0x110000, MOST_LAYERS = 16, MOST_HEADS = 64, MOST_BLOCK = 1024, MOST_VOCABULARY = 2048,
       STATE_WORDS = 624 };
typedef struct { int32_t count, *item; } List; /* of characters, of tokens, of positions */
/* 0, 1, ..., count - 1 */
static List range(int32_t count) {
    List list = {count, allocate((size_t)count, sizeof *list.item)};
    for (int32_t i = 0; i < count; i++) list.item[i] = i;
    return list;
}
static void push(List *list, int32_t item) { APPEND(list->item, list->count, item); }
/* ---------------------------------------------------------------- random numbers: MT19937 */
/* Two normal numbers are drawn at a time; the second one is kept. */
typedef struct { uint32_t word[STATE_WORDS]; int32_t index; bool has_kept; double kept; } Generator;
static Generator seeded(uint32_t seed) {
    Generator generator = {.word = {19650218}, .index = STATE_WORDS};
    uint32_t *mt = generator.word;
    for (uint32_t i = 1; i < STATE_WORDS; i++) mt[i] = 1812433253 * (mt[i - 1] ^ mt[i - 1] >> 30) + i;
    for (uint32_t round = 0; round < 2 * STATE_WORDS - 1; round++) {
        uint32_t i = round % (STATE_WORDS - 1) + 1, mixed = mt[i - 1] ^ mt[i - 1] >> 30;
        mt[i] = round < STATE_WORDS ? (mt[i] ^ mixed * 1664525) + seed : (mt[i] ^ mixed * 1566083941) - i;
        mt[0] = mt[STATE_WORDS - 1];
    }
    mt[0] = 0x80000000;
    return generator;
}
static uint32_t draw_word(Generator *generator) {
    uint32_t *mt = generator->word;
    for (int i = 0; generator->index == STATE_WORDS && i < STATE_WORDS; i++) {
        uint32_t y = (mt[i] & 0x80000000) | (mt[(i + 1) % STATE_WORDS] & 0x7fffffff);
        mt[i] = mt[(i + 397) % STATE_WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0df : 0);
    }
    generator->index %= STATE_WORDS;
    uint32_t y = mt[generator->index++];
    y ^= y >> 11, y ^= y << 7 & 0x9d2c5680, y ^= y << 15 & 0xefc60000;
    return y ^ y >> 18;
}
static double draw_random(Generator *generator) {
    uint32_t a = draw_word(generator) >> 5, b = draw_word(generator) >> 6;
    return (a * 0x1p26 + b) / 0x1p53;
}
/* Box and Muller: two uniform numbers give two independent normal ones. */
static double draw_gauss(Generator *generator, double sigma) {
    double z = generator->kept;
    if ((generator->has_kept = !generator->has_kept)) {
        double angle = draw_random(generator) * 0x1.921fb54442d18p+2;
        double radius = sqrt(-2.0 * math->log(1.0 - draw_random(generator)));
        z = math->cos(angle) * radius;
        generator->kept = math->sin(angle) * radius;
    }
    return 0.0 + z * sigma;
}
/* 0, 1, ..., count - 1 in another order. */
static List draw_order(Generator *generator, int32_t count) {
    List order = range(count);
    for (int32_t i = count - 1, j; i > 0; i--) {
        do j = (int32_t)(draw_word(generator) >> __builtin_clz((unsigned)i + 1));
        while (j > i);
        int32_t last = order.item[i]; order.item[i] = order.item[j], order.item[j] = last;
    }
    return order;
}
static int32_t draw_choice(Generator *generator, const double *weights, int32_t count) {
    double cumulative[MOST_VOCABULARY] = {weights[0]};
    for (int32_t i = 1; i < count; i++) cumulative[i] = cumulative[i - 1] + weights[i];
    double total = cumulative[count - 1] + 0.0;
    if (!(total > 0.0 && total < INFINITY)) fail("expected weights that add up to a finite number above 0");
    double u = draw_random(generator) * total;
    int32_t low = 0;
    for (int32_t high = count - 1; low < high;) {
        int32_t middle = (low + high) / 2;
        if (u < cumulative[middle]) high = middle;
        else low = middle + 1;
    }
    return low;
}
/* ---------------------------------------------------------------- text */
typedef struct { int32_t count; List *document, vocabulary; } Dataset; /* token i stands for vocabulary.item[i] */
static bool is_white_space(int32_t character) { return character == ' ' || (character >= '\t' && character <= '\r'); }
/* A line of characters becomes a document unless it is empty once it is stripped. */
static void add_line(Dataset *dataset, List line) {
    for (; line.count > 0 && is_white_space(line.item[0]); line.count--) line.item++;
    while (line.count > 0 && is_white_space(line.item[line.count - 1])) line.count--;
    if (line.count > 0) APPEND(dataset->document, dataset->count, line);
}
/* Finds the vocabulary and turns every document into its tokens, with BOS at both ends. */
static void tokenize(Dataset *dataset) {
    List *vocabulary = &dataset->vocabulary, *end = dataset->document + dataset->count;
    int32_t *token = allocate(CHARACTERS, sizeof *token);
    for (List *text = dataset->document; text < end; text++)
        for (int32_t i = 0; i < text->count; i++) token[text->item[i]] = 1;
    for (int32_t character = 0; character < CHARACTERS; character++)
        if (token[character] != 0) token[character] = vocabulary->count, push(vocabulary, character);
    if (vocabulary->count < 1 || vocabulary->count >= MOST_VOCABULARY)
        fail("expected documents with 1 to %d distinct characters and not %d", MOST_VOCABULARY - 1, vocabulary->count);
    for (List *text = dataset->document; text < end; text++) {
        List tokens = range(text->count + 2);
        tokens.item[0] = tokens.item[text->count + 1] = vocabulary->count;
        for (int32_t i = 0; i < text->count; i++) tokens.item[1 + i] = token[text->item[i]];
        *text = tokens;
    }
}
/* ---------------------------------------------------------------- model */
typedef struct {
    int32_t layers, heads, embedding, block, vocabulary, steps, samples;
    bool squared_relu, cosine; /* else relu, and a linear schedule */
    List *attention; /* for each position those to which it attends */
    double learning_rate, beta1, beta2, epsilon;
    double sigma, output_sigma; /* at first: of all parameters, and of those that write to the residual stream */
} Settings;
typedef struct { char name[56]; int32_t rows, columns; Id first; } Matrix;
enum { WTE, WPE, LM_HEAD, WQ, WK, WV, WO, FC1, FC2, OF_A_LAYER = 6 }; /* from WQ on those of layer 0 */
typedef struct {
    Settings settings;
    Graph graph; /* the parameters are its first nodes */
    Matrix matrix[WQ + OF_A_LAYER * MOST_LAYERS]; int32_t matrices;
    double *m, *v;
    Id keys[MOST_LAYERS][MOST_BLOCK], values[MOST_LAYERS][MOST_BLOCK]; /* the first node of each */
    char place[40]; /* where in the model that is which is made */
    void (*see)(const char *place, const char *name, int32_t rows, int32_t columns, double *values); /* or NULL */
    struct Fused *fused; /* what the port c-fast adds, which trains by other means */
} Model;
static void add_matrix(Model *model, const char *name, int32_t rows, int32_t columns) {
    Matrix *matrix = &model->matrix[model->matrices++];
    *matrix = (Matrix){.rows = rows, .columns = columns, .first = model->graph.parameters};
    snprintf(matrix->name, sizeof matrix->name, "%s%s", model->place, name);
    model->graph.parameters += rows * columns;
    while (model->graph.count < model->graph.parameters) leaf(&model->graph, 0.0);
}
static Model *make_model(Settings settings) {
    static const char *const names[] = {"attn_wq", "attn_wk", "attn_wv", "attn_wo", "mlp_fc1", "mlp_fc2"};
    Model *model = allocate(1, sizeof *model);
    int32_t e = settings.embedding;
    model->settings = settings;
    add_matrix(model, "wte", settings.vocabulary, e), add_matrix(model, "wpe", settings.block, e);
    add_matrix(model, "lm_head", settings.vocabulary, e);
    for (int i = 0; i < settings.layers; i++) {
        snprintf(model->place, sizeof model->place, "layer%d.", i);
        for (int k = WQ; k <= FC2; k++) add_matrix(model, names[k - WQ], k == FC1 ? 4 * e : e, k == FC2 ? 4 * e : e);
    }
    model->m = allocate(2 * model->graph.parameters, sizeof(double)), model->v = model->m + model->graph.parameters;
    return model;
}
/* A new vector, its node i by an expression in i. */
#define VECTOR(length, made) ({ Vector x_ = {g->count, length}; for (int32_t i = 0; i < x_.count; i++) made; x_; })
static Vector part(Vector x, int32_t start, int32_t count) { return (Vector){x.first + start, count}; }
/* Gives a vector its name, for whoever wants to see it. */
static Vector named(const Model *model, const char *name, Vector x) {
    if (model->see != NULL) model->see(model->place, name, 1, x.count, model->graph.value + x.first);
    return x;
}
static Vector linear(Model *model, int matrix, int layer, Vector x) {
    const Matrix *w = &model->matrix[matrix + OF_A_LAYER * layer];
    Graph *g = &model->graph;
    return VECTOR(w->rows, dot(g, (Vector){w->first + i * x.count, x.count}, x.first));
}
static Vector add_vectors(Graph *g, Vector a, Vector b) { return VECTOR(a.count, add(g, a.first + i, b.first + i)); }
/* x over its root mean square, after Zhang and Sennrich (2019), without a gain. */
static Vector rmsnorm(Graph *g, Vector x) {
    Id mean = multiply_number(g, dot(g, x, x.first), math->pow(x.count, -1.0));
    Id scale = power(g, add_number(g, mean, 1e-5), -0.5);
    return VECTOR(x.count, multiply(g, x.first + i, scale));
}
static Vector softmax(Graph *g, Vector x) {
    double top = g->value[x.first];
    for (Id i = x.first; i < x.first + x.count; i++) top = g->value[i] > top ? g->value[i] : top;
    Vector shifted = VECTOR(x.count, add_number(g, x.first + i, -top));
    Vector exponentials = VECTOR(x.count, exponential(g, shifted.first + i));
    Id total = sum(g, exponentials), inverse = power(g, total, -1.0);
    Vector each = VECTOR(x.count, apply(g, total, g->value[inverse], g->node[inverse].local)); /* its own inverse */
    return VECTOR(x.count, multiply(g, exponentials.first + i, each.first + i));
}
/* Every head attends to the listed positions. */
static Vector attention(Model *model, int layer, int32_t t, Vector x) {
    Graph *g = &model->graph;
    List listed = model->settings.attention[t];
    int32_t n = listed.count, heads = model->settings.heads, size = x.count / heads;
    Id *keys = model->keys[layer], *values = model->values[layer];
    double factor = math->pow(math->pow(size, 0.5), -1.0);
    Vector q = named(model, "q", linear(model, WQ, layer, x)), weights[MOST_HEADS];
    keys[t] = named(model, "k", linear(model, WK, layer, x)).first;
    values[t] = named(model, "v", linear(model, WV, layer, x)).first;
    Vector dots = VECTOR(heads * n, dot(g, part(q, i / n * size, size), keys[listed.item[i % n]] + i / n * size));
    Vector scores = VECTOR(heads * n, multiply_number(g, dots.first + i, factor));
    for (int h = 0; h < heads; h++) weights[h] = softmax(g, part(scores, h * n, n));
    Vector products = VECTOR(x.count * n,
                             multiply(g, weights[i / n / size].first + i % n, values[listed.item[i % n]] + i / n));
    Vector mixed = VECTOR(x.count, sum(g, part(products, i * n, n)));
    for (int h = 0; h < heads && model->see != NULL; h++) {
        snprintf(model->place, sizeof model->place, "pos%d.layer%d.head%d.", (int)t, layer, h);
        named(model, "scores", part(scores, h * n, n)), named(model, "weights", weights[h]);
        named(model, "mixed", part(mixed, h * size, size));
    }
    snprintf(model->place, sizeof model->place, "pos%d.layer%d.", (int)t, layer);
    return named(model, "attn_out", linear(model, WO, layer, mixed));
}
/* The logits for what follows the token at position t. */
static Vector gpt(Model *model, int32_t token, int32_t t) {
    Graph *g = &model->graph;
    int32_t e = model->settings.embedding;
    Vector of_token = {model->matrix[WTE].first + token * e, e}, of_position = {model->matrix[WPE].first + t * e, e};
    snprintf(model->place, sizeof model->place, "pos%d.", (int)t);
    Vector x = named(model, "normed", rmsnorm(g, named(model, "embedded", add_vectors(g, of_token, of_position))));
    for (int layer = 0; layer < model->settings.layers; layer++) {
        snprintf(model->place, sizeof model->place, "pos%d.layer%d.", (int)t, layer);
        Vector out = attention(model, layer, t, named(model, "attn_norm", rmsnorm(g, x)));
        x = named(model, "attn_residual", add_vectors(g, out, x));
        Vector norm = named(model, "mlp_norm", rmsnorm(g, x));
        Vector hidden = named(model, "hidden", linear(model, FC1, layer, norm));
        Vector active = VECTOR(hidden.count, relu(g, hidden.first + i));
        if (model->settings.squared_relu) active = VECTOR(hidden.count, power(g, active.first + i, 2.0));
        out = named(model, "mlp_out", linear(model, FC2, layer, named(model, "activated", active)));
        x = named(model, "mlp_residual", add_vectors(g, out, x));
    }
    snprintf(model->place, sizeof model->place, "pos%d.", (int)t);
    return named(model, "logits", linear(model, LM_HEAD, 0, x));
}
static Id document_loss(Model *model, List tokens) {
    Graph *g = &model->graph;
    int32_t n = tokens.count - 1 < model->settings.block ? tokens.count - 1 : model->settings.block;
    Id total = NOBODY;
    g->count = g->parameters;
    for (int32_t t = 0; t < n; t++) {
        Vector probabilities = named(model, "probabilities", softmax(g, gpt(model, tokens.item[t], t)));
        Id loss = negative(g, logarithm(g, probabilities.first + tokens.item[t + 1]));
        named(model, "loss", (Vector){loss, 1});
        total = t == 0 ? add_number(g, loss, 0.0) : add(g, total, loss);
    }
    return multiply_number(g, total, 1.0 / n);
}
/* ---------------------------------------------------------------- training and sampling */
typedef struct { double rate, correction1, correction2; } Factors;
#ifndef CLONES /* says for which kinds of processor this is compiled; the port c-fast sets it */
#define CLONES
#endif
/* One update of the parameters p and the moments m and v by the gradients g, after Kingma and Ba (2015). */
CLONES static Factors adam(const Settings *o, int32_t step, int32_t count, double *restrict p, const double *restrict g,
                           double *restrict m, double *restrict v) {
    double s = step, n = o->steps, cosine = o->cosine ? math->cos((0x1.921fb54442d18p+1 * s) / n) : 0.0;
    double rate = o->cosine ? (o->learning_rate * 0.5) * (1.0 + cosine) : o->learning_rate * (1.0 - s / n);
    double correction1 = 1.0 - math->pow(o->beta1, s + 1.0), correction2 = 1.0 - math->pow(o->beta2, s + 1.0);
    for (int32_t i = 0; i < count; i++) {
        m[i] = o->beta1 * m[i] + (1.0 - o->beta1) * g[i];
        v[i] = o->beta2 * v[i] + (1.0 - o->beta2) * (g[i] * g[i]);
        double v_hat = v[i] / correction2;
        double half_power = sqrt(v_hat == -INFINITY ? INFINITY : v_hat) + 0.0; /* not the root of -0.0 and -infinity */
        p[i] -= (rate * (m[i] / correction1)) / (half_power + o->epsilon);
    }
    return (Factors){rate, correction1, correction2};
}
static double graph_gradients(Model *model, List tokens) {
    Id root = document_loss(model, tokens);
    backward(&model->graph, root);
    return model->graph.value[root];
}
/* What computes the loss of a document and the gradients of all parameters; the port c-fast sets another. */
static double (*gradients)(Model *, List) = graph_gradients;
/* One step of training. Returns the loss before it. */
static double train(Model *model, int32_t step, List tokens) {
    double loss = gradients(model, tokens);
    Graph *g = &model->graph;
    return adam(&model->settings, step, g->parameters, g->value, g->gradient, model->m, model->v), loss;
}
/* Tokens up to BOS, or to the end of the block. `drawn`, if not NULL, hears of each, BOS included. */
static List sample(Model *model, double temperature, Generator *generator,
                   void (*drawn)(const double *probabilities, int32_t count, int32_t token)) {
    Graph *g = &model->graph;
    int32_t v = model->settings.vocabulary, token = v - 1;
    double factor = math->pow(temperature, -1.0);
    List tokens = {0, NULL};
    for (g->count = g->parameters; tokens.count < model->settings.block; push(&tokens, token)) {
        Vector logits = gpt(model, token, tokens.count);
        Id probabilities = softmax(g, VECTOR(v, multiply_number(g, logits.first + i, factor))).first;
        token = draw_choice(generator, g->value + probabilities, v);
        if (drawn != NULL) drawn(g->value + probabilities, v, token);
        if (token == v - 1) break;
    }
    return tokens;
}
/* ---------------------------------------------------------------- a run */
static const Settings seed = {1, 4, 16, 8, 0, 500, 20, true, true, NULL, 0.01, 0.9, 0.95, 1e-8, 0.02, 0.0};
static const Settings classic = {1, 4, 16, 16, 0, 1000, 20, false, false, NULL, 0.01, 0.85, 0.99, 1e-8, 0.08, 0.08};
static double one_nan(double x) { return isnan(x) ? NAN : x; } /* of the many that there are */
/* A line to be printed: formatted text, and then characters. */
#define PRINT(characters, ...) (snprintf(line, sizeof line, __VA_ARGS__), print(line, characters))
/* Trains a model on the documents and draws samples. Each line that this prints goes to `print`. */
static Model *run(Settings settings, Dataset *dataset, Generator *generator, void (*print)(const char *, List)) {
    char line[400]; /* more than any number takes */
    const List none = {0, NULL};
    tokenize(dataset);
    List order = draw_order(generator, dataset->count);
    settings.vocabulary = dataset->vocabulary.count + 1;
    settings.attention = allocate(MOST_BLOCK, sizeof(List));
    for (int32_t t = 0; t < settings.block; t++) settings.attention[t] = range(t + 1);
    Model *model = make_model(settings);
    for (Matrix *matrix = model->matrix; matrix < model->matrix + model->matrices; matrix++) {
        bool output = strstr(matrix->name, "attn_wo") || strstr(matrix->name, "mlp_fc2");
        double sigma = output ? settings.output_sigma : settings.sigma, *value = model->graph.value + matrix->first;
        for (int32_t i = 0; i < matrix->rows * matrix->columns; i++) value[i] = draw_gauss(generator, sigma);
    }
    PRINT(none, "num docs: %d", dataset->count), PRINT(none, "vocab size: %d", settings.vocabulary);
    PRINT(none, "num params: %d", model->graph.parameters);
    for (int32_t step = 0; step < settings.steps; step++) {
        double loss = train(model, step, dataset->document[order.item[step % dataset->count]]);
        PRINT(none, "step %4d / %4d | loss %.4f", step + 1, settings.steps, one_nan(loss));
    }
    print("", none), print("--- inference (new, hallucinated names) ---", none);
    for (int i = 1; i <= settings.samples; i++) {
        List name = sample(model, 0.5, generator, NULL);
        for (int32_t k = 0; k < name.count; k++) name.item[k] = dataset->vocabulary.item[name.item[k]];
        PRINT(name, "sample %2d: ", i);
    }
    return model;
}
