/* The port as others see it: requests and replies (SPEC, sections 11 to 13), and the command line. */
#define _POSIX_C_SOURCE 200809L /* open_memstream, getc_unlocked */
#include <inttypes.h>

#include "check.h"

#ifndef PORT /* what `hello` says; a port that shares this source says its own name */
#define PORT "c-fast"
#endif

enum { LINE_LIMIT = 65536, ID_LIMIT = 64, ANY = INT32_MAX };

/* ---------------------------------------------------------------- reading */

static struct {
    enum { READ, LINE, END, INPUT_ENDED } state; /* of the line: read already, or what it is */
    char line[LINE_LIMIT + 1], *word;            /* its next value, while it is read */
    const char *flaw;                            /* what no line may have, or NULL */
} in;

static const char too_early[] = "the input ended before the line 'end'";

static void next_line(void) {
    size_t length = 0;
    int c, before = ' ';
    in.flaw = NULL;
    for (; (c = getc_unlocked(stdin)) != EOF && c != '\n'; before = c) {
        if (c < ' ' || c > '~') in.flaw = "a line is printable ASCII and this one has another byte";
        if (c == ' ' && before == ' ') in.flaw = "words are separated by single spaces and these are not";
        if (length < LINE_LIMIT) in.line[length] = (char)c;
        length++;
    }
    if (before == ' ') in.flaw = "a line begins and ends with a word and this one does not";
    if (length > LINE_LIMIT) in.flaw = "a line has at most 65536 bytes and this one has more";
    in.line[length < LINE_LIMIT ? length : LINE_LIMIT] = '\0';
    in.state = c == EOF && length == 0 ? INPUT_ENDED : strcmp(in.line, "end") == 0 && !in.flaw ? END : LINE;
}

/* Whether the next line is one more, and not the end. */
static bool more_lines(void) {
    if (in.state == READ) next_line();
    if (in.state == INPUT_ENDED || in.flaw != NULL) fail("%s", in.state == INPUT_ENDED ? too_early : in.flaw);
    return in.state == LINE;
}

static bool next_is(const char *key) {
    size_t length = strcspn(more_lines() ? in.line : "", " ");
    return length == strlen(key) && memcmp(in.line, key, length) == 0;
}

_Noreturn static void expected(const char *what) { fail("expected %s and not '%.*s'", what, 40, strtok(in.line, " ")); }

/* Takes a line with this key apart and returns its number of values, for as many next_... */
static int32_t open_line(const char *key, int32_t least, int32_t most) {
    int32_t count = 0;
    if (!next_is(key)) expected(key);
    for (char *c = in.line; (c = strchr(c, ' ')) != NULL; count++) *c++ = '\0';
    if (count < least || count > most) fail("%s has %d values", key, count);
    in.word = in.line + strlen(key) + 1;
    in.state = READ;
    return count;
}

static const char *next_word(void) {
    const char *word = in.word;
    in.word += strlen(word) + 1;
    return word;
}

static double double_of(const char *word) {
    if (strlen(word) != 16 || strspn(word, "0123456789abcdef") != 16)
        fail("%s takes doubles of 16 lower-case hex digits and not '%.40s'", in.line, word);
    uint64_t bits = strtoull(word, NULL, 16);
    double x;
    memcpy(&x, &bits, sizeof x);
    return isnan(x) ? NAN : x;
}

static double next_double(void) { return double_of(next_word()); }

static int64_t next_integer(int64_t low, int64_t high) {
    const char *word = next_word();
    size_t length = strlen(word);
    int64_t value = strtoll(word, NULL, 10);
    if (length > 10 || strspn(word, "0123456789") != length || (word[0] == '0' && length > 1) || value < low || value > high)
        fail("%s takes integers from %" PRId64 " to %" PRId64 " and not '%.40s'", in.line, low, high, word);
    return value;
}

static double read_double(const char *key) { return open_line(key, 1, 1), next_double(); }
static int32_t read_integer(const char *key, int32_t low, int32_t high) {
    return open_line(key, 1, 1), (int32_t)next_integer(low, high);
}

/* Whether it is the second of two words. */
static bool read_choice(const char *key, const char *first, const char *second) {
    open_line(key, 1, 1);
    const char *word = next_word();
    if (strcmp(word, first) != 0 && strcmp(word, second) != 0) fail("%s is %s or %s", key, first, second);
    return strcmp(word, second) == 0;
}

static void read_math(void) { math = read_choice("math", "exact", "native") ? &native : &exact; }

static List read_list(const char *key, int32_t least, int32_t low, int32_t high) {
    List list = make_list(open_line(key, least, ANY));
    for (int32_t i = 0; i < list.count; i++) list.item[i] = (int32_t)next_integer(low, high);
    return list;
}

/* The tensor `prefix``name` of this shape, or of any shape if that is 0 0, into the numbers, or into new ones if NULL. */
static double *read_tensor(const char *prefix, const char *name, int32_t *rows, int32_t *columns, double *numbers) {
    char full_name[64];
    snprintf(full_name, sizeof full_name, "%s%s", prefix, name);
    open_line("tensor", 3, 3);
    if (strcmp(next_word(), full_name) != 0) fail("expected the tensor %s", full_name);
    *rows = (int32_t)next_integer(*rows ? *rows : 1, *rows ? *rows : MOST_VOCABULARY);
    *columns = (int32_t)next_integer(*columns ? *columns : 1, *columns ? *columns : MOST_VOCABULARY);
    if (numbers == NULL) numbers = allocate((size_t)*rows * (size_t)*columns, sizeof *numbers);
    for (int32_t i = 0; i < *rows * *columns; i++) {
        if (i % *columns == 0) open_line("row", *columns, *columns);
        numbers[i] = next_double();
    }
    return numbers;
}

/* ---------------------------------------------------------------- writing */

static FILE *out; /* the reply, which is kept back until nothing can go wrong any more */

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return isnan(x) ? 0x7ff8000000000000 : bits;
}

static void put_double(double x) { fprintf(out, " %016" PRIx64, bits_of(x)); }

static void put_doubles(const char *key, const double *x, int32_t count) {
    fputs(key, out);
    for (int32_t i = 0; i < count; i++) put_double(x[i]);
    fputc('\n', out);
}

static void put_number(const char *key, double x) { put_doubles(key, &x, 1); }

static void put_list(const char *key, List list) {
    fputs(key, out);
    for (int32_t i = 0; i < list.count; i++) fprintf(out, " %d", list.item[i]);
    fputc('\n', out);
}

static void put_tensor(const char *prefix, const char *name, int32_t rows, int32_t columns, const double *numbers) {
    fprintf(out, "tensor %s%s %d %d\n", prefix, name, rows, columns);
    for (int32_t i = 0; i < rows; i++) put_doubles("row", numbers + (size_t)i * (size_t)columns, columns);
}

static void put_checksum(const char *key, const double *numbers, int32_t count) {
    uint64_t a = 1, b = 0;
    for (int32_t i = 0; i < 2 * count; i++) {
        a = (a + (bits_of(numbers[i / 2]) >> (i % 2 ? 0 : 32) & 0xffffffff)) % 4294967291;
        b = (b + a) % 4294967291;
    }
    fprintf(out, "%s %08" PRIx64 " %08" PRIx64 "\n", key, a, b);
}

/* ---------------------------------------------------------------- verbs without a model */

/* The sum of all, or of the products of pairs. */
static double total(const double *x, int32_t count, bool pairs) {
    double sum = 0.0;
    if (pairs && count % 2 != 0) fail("dot takes pairs of doubles and not %d doubles", count);
    for (int32_t i = 0; i < count; i += 1 + pairs) sum += pairs ? x[i] * x[i + 1] : x[i];
    return sum;
}

static void put_decimals(double x) {
    if (fabs(x) > 0x1p53 && fabs(x) < INFINITY) fail("decimals takes numbers up to 2^53");
    put_list("decimals", text("%s", decimals(x)));
}

static void answer_arith(void) {
    double *x = allocate(LINE_LIMIT, sizeof *x);
#define OPERATION(key, least, most, result)                  \
    if (next_is(key)) {                                      \
        int32_t n = open_line(key, least, most);             \
        for (int32_t i = 0; i < n; i++) x[i] = next_double(); \
        put_number(key, result);                             \
    } else
    do {
        OPERATION("add", 2, 2, x[0] + x[1])
        OPERATION("sub", 2, 2, x[0] - x[1])
        OPERATION("mul", 2, 2, x[0] * x[1])
        OPERATION("div", 2, 2, x[0] / x[1])
        OPERATION("sqrt", 1, 1, sqrt(x[0]))
        OPERATION("muladd", 3, 3, x[0] * x[1] + x[2])
        OPERATION("sum", 1, ANY, total(x, n, false))
        OPERATION("dot", 2, ANY, total(x, n, true))
        if (next_is("decimals")) put_decimals(read_double("decimals"));
        else expected("add sub mul div sqrt muladd sum dot or decimals");
    } while (more_lines());
}

static double next_angle(void) {
    double x = next_double();
    if (fabs(x) > 8.0) fail("%s takes numbers from -8 to 8", in.line);
    return x;
}

static double next_exponent(double limit) {
    double y = next_double();
    if (!(fabs(y) <= limit && floor(2.0 * y) == 2.0 * y)) fail("an exponent is a half-integer up to %.0f", limit);
    return y;
}

static void answer_math(void) {
    read_math();
#define FUNCTION(key, result) if (next_is(key)) { open_line(key, 1, 1); put_number(key, result); } else
    do {
        FUNCTION("exp", math->exp(next_double()))
        FUNCTION("log", math->log(next_double()))
        FUNCTION("sin", math->sin(next_angle()))
        FUNCTION("cos", math->cos(next_angle()))
        if (next_is("pow")) {
            open_line("pow", 2, 2);
            double x = next_double(), y = next_exponent(4096.0);
            put_number("pow", math->pow(x, y));
        } else expected("exp log sin cos or pow");
    } while (more_lines());
}

/* Begins the answer to a line of so many draws. */
static int32_t draws(const char *key, int32_t least, int32_t most) {
    open_line(key, least, most);
    fputs(key, out);
    return (int32_t)next_integer(0, 1000);
}

static void answer_random(void) {
    read_math();
    Generator generator;
    open_line("seed", 1, 1);
    seed_generator(&generator, (uint32_t)next_integer(0, UINT32_MAX));
    do {
        if (next_is("words")) {
            for (int32_t n = draws("words", 1, 1); n > 0; n--) fprintf(out, " %" PRIu32, draw_word(&generator));
        } else if (next_is("random")) {
            for (int32_t n = draws("random", 1, 1); n > 0; n--) put_double(draw_random(&generator));
        } else if (next_is("gauss")) {
            int32_t n = draws("gauss", 2, 2);
            for (double sigma = next_double(); n > 0; n--) put_double(draw_gauss(&generator, sigma));
        } else if (next_is("shuffle")) {
            List order = draw_order(&generator, read_integer("shuffle", 0, 10000));
            fputs("shuffle", out);
            for (int32_t i = 0; i < order.count; i++) fprintf(out, " %d", order.item[i]);
        } else if (next_is("choices")) {
            double weights[1000];
            int32_t count = open_line("choices", 2, 1001) - 1, n = (int32_t)next_integer(0, 1000);
            for (int32_t i = 0; i < count; i++) weights[i] = next_double();
            for (fputs("choices", out); n > 0; n--) fprintf(out, " %d", draw_choice(&generator, weights, count));
        } else if (next_is("state")) {
            open_line("state", 0, 0);
            fprintf(out, "state %d", generator.index);
            for (int i = 0; i < STATE_WORDS; i++) fprintf(out, " %" PRIu32, generator.word[i]);
            fputs(generator.has_kept ? "\nkept" : "\nkept none", out);
            if (generator.has_kept) put_double(generator.kept);
        } else {
            expected("words random gauss shuffle choices or state");
        }
        fputc('\n', out);
    } while (more_lines());
}

static Dataset *read_dataset(void) {
    Dataset *dataset = allocate(1, sizeof *dataset);
    do {
        List line = read_list("line", 0, 0, CHARACTERS - 1);
        if (line.count > 10000) fail("line takes up to 10000 characters and not %d", line.count);
        for (int32_t i = 0; i < line.count; i++)
            if (line.item[i] >> 11 == 0x1b) fail("line takes characters and not the surrogate %d", line.item[i]);
        add_line(dataset, line);
    } while (next_is("line"));
    return dataset;
}

static void answer_tokens(void) {
    Dataset *dataset = read_dataset();
    tokenize(dataset);
    fprintf(out, "documents %d\n", dataset->count);
    put_list("vocabulary", dataset->vocabulary);
    fprintf(out, "bos %d\n", dataset->vocabulary.count);
    for (int32_t i = 0; i < dataset->count; i++) put_list("encoded", dataset->document[i]);
}

/* ---------------------------------------------------------------- graph */

static List expressions; /* the node of each */

static Id next_node(void) { return expressions.item[next_integer(0, expressions.count - 1)]; }

static Id negative(Graph *g, Id a) { return multiply(g, a, leaf(g, -1.0)); }

static Id read_expression(Graph *g) {
    Id a = NOBODY, b = NOBODY;
    double c = 0.0;
/* The operands in their order: nodes a and b, a number c, or an exponent y. */
#define EXPRESSION(key, operands, node)                                  \
    if (next_is(key)) {                                                  \
        open_line(key, sizeof operands - 1, sizeof operands - 1);        \
        for (const char *operand = operands; *operand; operand++)        \
            if (*operand == 'a') a = next_node();                        \
            else if (*operand == 'b') b = next_node();                   \
            else c = *operand == 'y' ? next_exponent(1024.0) : next_double(); \
        return node;                                                     \
    }
    EXPRESSION("leaf", "c", leaf(g, c))
    if (expressions.count == 0) expected("a leaf first");
    EXPRESSION("add", "ab", add(g, a, b))
    EXPRESSION("sub", "ab", add(g, a, negative(g, b)))
    EXPRESSION("mul", "ab", multiply(g, a, b))
    EXPRESSION("div", "ab", multiply(g, a, power(g, b, -1.0)))
    EXPRESSION("neg", "a", negative(g, a))
    EXPRESSION("pow", "ay", power(g, a, c))
    EXPRESSION("exp", "a", exponential(g, a))
    EXPRESSION("log", "a", logarithm(g, a))
    EXPRESSION("relu", "a", relu(g, a))
    EXPRESSION("add_number", "ac", add(g, a, leaf(g, c)))
    EXPRESSION("sub_number", "ac", add(g, a, leaf(g, -c)))
    EXPRESSION("mul_number", "ac", multiply(g, a, leaf(g, c)))
    EXPRESSION("div_number", "ac", multiply(g, a, leaf(g, math->pow(c, -1.0))))
    EXPRESSION("number_sub", "ca", add(g, negative(g, a), leaf(g, c)))
    EXPRESSION("number_div", "ca", multiply(g, power(g, a, -1.0), leaf(g, c)))
    if (!next_is("sum")) expected("an expression or root");
    int32_t count = open_line("sum", 1, ANY);
    Id total = add(g, next_node(), leaf(g, 0.0)); /* node by node, since this sum may use a number twice */
    while (--count > 0) total = add(g, total, next_node());
    return total;
}

static void answer_graph(void) {
    Graph g = {0};
    read_math();
    expressions = (List){0, NULL};
    do {
        expressions.item = grown(expressions.item, (size_t)expressions.count, sizeof(Id));
        expressions.item[expressions.count] = read_expression(&g);
        expressions.count++;
    } while (!next_is("root"));
    open_line("root", 1, 1);
    backward(&g, next_node());
    for (int32_t i = 0; i < expressions.count; i++) put_number("value", g.value[expressions.item[i]]);
    for (int32_t i = 0; i < expressions.count; i++) put_number("gradient", g.gradient[expressions.item[i]]);
}

/* ---------------------------------------------------------------- verbs with a model */

static void check_increasing(List list) {
    for (int32_t i = 1; i < list.count; i++)
        if (list.item[i] <= list.item[i - 1]) fail("the values of %s increase", in.line);
}

static Model *read_model(void) {
    read_math();
    Config config = {.layers = read_integer("layers", 1, MOST_LAYERS), .heads = read_integer("heads", 1, MOST_HEADS)};
    config.embedding = read_integer("embedding", 1, 512);
    if (config.embedding % config.heads != 0) fail("embedding is a multiple of heads %d", config.heads);
    config.block = read_integer("block", 1, 1024);
    config.vocabulary = read_integer("vocabulary", 2, MOST_VOCABULARY);
    config.squared_relu = read_choice("activation", "relu", "squared_relu");
    config.attention = allocate((size_t)config.block, sizeof *config.attention);
    for (int32_t t = 0; t < config.block; t++) {
        List list = config.attention[t] = read_list("attend", 1, 0, t);
        check_increasing(list);
        if (list.item[list.count - 1] != t) fail("attend line %d ends with %d", t, t);
    }
    return make_model(config);
}

static List read_tokens(const Model *model) { return read_list("tokens", 2, 0, model->config.vocabulary - 1); }

static void read_matrices(Model *model, const char *prefix, double *numbers) {
    for (Matrix *matrix = model->matrix; matrix < model->matrix + model->matrices; matrix++)
        read_tensor(prefix, matrix->name, &matrix->rows, &matrix->columns, numbers + matrix->first);
}

static void put_matrices(const Model *model, const char *prefix, const double *numbers) {
    for (const Matrix *matrix = model->matrix; matrix < model->matrix + model->matrices; matrix++)
        put_tensor(prefix, matrix->name, matrix->rows, matrix->columns, numbers + matrix->first);
}

static Optimizer read_optimizer(void) {
    Optimizer optimizer = {.learning_rate = read_double("learning_rate"), .beta1 = read_double("beta1")};
    optimizer.beta2 = read_double("beta2");
    optimizer.epsilon = read_double("epsilon");
    optimizer.cosine = read_choice("schedule", "linear", "cosine");
    optimizer.steps = read_integer("steps", 1, 4096);
    return optimizer;
}

static void put_vector(const char *name, const double *values, int32_t count) { put_tensor("", name, 1, count, values); }

static void answer_document(bool wants_gradients) {
    Model *model = read_model();
    List document = read_tokens(model);
    read_matrices(model, "", model->graph.value);
    if (wants_gradients) {
        put_number("loss", gradients(model, document));
        put_matrices(model, "", model->graph.gradient);
    } else {
        model->see = put_vector;
        Id loss = document_loss(model, document);
        put_number("loss", model->graph.value[loss]);
    }
}

static void answer_forward(void) { answer_document(false); }
static void answer_backward(void) { answer_document(true); }

static void answer_adam(void) {
    read_math();
    Optimizer optimizer = read_optimizer();
    int32_t step = read_integer("step", 0, optimizer.steps - 1), rows = 0, columns = 0;
    double *p = read_tensor("", "parameters", &rows, &columns, NULL);
    double *g = read_tensor("", "gradients", &rows, &columns, NULL);
    double *m = read_tensor("", "m", &rows, &columns, NULL), *v = read_tensor("", "v", &rows, &columns, NULL);
    Factors factors = adam(optimizer, step, rows * columns, p, g, m, v);
    put_number("rate", factors.rate);
    put_number("correction1", factors.correction1);
    put_number("correction2", factors.correction2);
    put_tensor("", "m", rows, columns, m);
    put_tensor("", "v", rows, columns, v);
    put_tensor("", "parameters", rows, columns, p);
}

static void answer_train(void) {
    Model *model = read_model();
    model->optimizer = read_optimizer();
    int32_t from = read_integer("from", 0, model->optimizer.steps - 1), documents = 0;
    int32_t end = from + read_integer("count", 1, model->optimizer.steps - from);
    List full = read_list("full", 0, from, end - 1), *document = NULL;
    check_increasing(full);
    do {
        document = grown(document, (size_t)documents, sizeof *document);
        document[documents++] = read_tokens(model);
    } while (next_is("tokens"));
    read_matrices(model, "", model->graph.value);
    if (from > 0) read_matrices(model, "m.", model->m);
    if (from > 0) read_matrices(model, "v.", model->v);
    for (int32_t step = from; step < end; step++) {
        double loss = train(model, step, document[step % documents]);
        const char *const keys[] = {"gradients", "m", "v", "parameters"};
        const double *const numbers[] = {model->graph.gradient, model->m, model->v, model->graph.value};
        fprintf(out, "step %d\n", step);
        put_number("loss", loss);
        for (int i = 0; i < 4; i++) put_checksum(keys[i], numbers[i], model->graph.parameters);
        if (full.count == 0 || *full.item != step) continue;
        const char *const prefixes[] = {"gradients.", "m.", "v.", "parameters."};
        for (int i = 0; i < 4; i++) put_matrices(model, prefixes[i], numbers[i]);
        full = (List){full.count - 1, full.item + 1};
    }
}

static void put_draw(const double *probabilities, int32_t count, int32_t token) {
    put_doubles("probabilities", probabilities, count);
    fprintf(out, "token %d\n", token);
}

static void answer_sample(void) {
    Model *model = read_model();
    double temperature = read_double("temperature");
    int32_t samples = read_integer("samples", 0, 1000);
    read_matrices(model, "", model->graph.value);
    Generator generator;
    open_line("state", 1 + STATE_WORDS, 1 + STATE_WORDS);
    generator.index = (int32_t)next_integer(0, STATE_WORDS);
    for (int i = 0; i < STATE_WORDS; i++) generator.word[i] = (uint32_t)next_integer(0, UINT32_MAX);
    open_line("kept", 1, 1);
    const char *kept = next_word();
    generator.has_kept = strcmp(kept, "none") != 0;
    generator.kept = generator.has_kept ? double_of(kept) : 0.0;
    for (int32_t i = 0; i < samples; i++) {
        fprintf(out, "sample %d\n", i);
        sample(model, temperature, &generator, put_draw);
    }
    fprintf(out, "word %" PRIu32 "\n", draw_word(&generator));
}

static void put_print(List line) { put_list("print", line); }

static void answer_run(void) {
    read_math();
    Preset preset = presets[read_choice("preset", presets[0].name, presets[1].name)];
    Generator generator;
    preset.optimizer.steps = read_integer("steps", 1, 4096);
    preset.samples = read_integer("samples", 0, 1000);
    Model *model = run(&preset, read_dataset(), &generator, put_print);
    put_checksum("parameters", model->graph.value, model->graph.parameters);
    put_checksum("m", model->m, model->graph.parameters);
    put_checksum("v", model->v, model->graph.parameters);
    fprintf(out, "word %" PRIu32 "\n", draw_word(&generator));
}

/* ---------------------------------------------------------------- requests and replies */

static void answer_hello(void);

static const struct {
    const char *name;
    void (*answer)(void);
} verbs[] = {
    {"hello", answer_hello},   {"arith", answer_arith}, {"math", answer_math},       {"random", answer_random},
    {"tokens", answer_tokens}, {"graph", answer_graph}, {"forward", answer_forward}, {"backward", answer_backward},
    {"adam", answer_adam},     {"train", answer_train}, {"sample", answer_sample},   {"run", answer_run},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

static void answer_hello(void) {
    fputs("name " PORT "\nprotocol 1\nverbs", out);
    for (int i = 0; i < VERBS; i++) fprintf(out, " %s", verbs[i].name);
    fputs("\nmath exact native\n", out);
}

/* Answers the request whose first line has been read, up to its end. */
static void answer(char id[static ID_LIMIT + 1]) {
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    char *space = in.state == LINE && in.flaw == NULL ? strchr(in.line, ' ') : NULL;
    size_t length = space == NULL ? 0 : strspn(space + 1, characters);
    if (length == 0 || length > ID_LIMIT || space[1 + length] != '\0')
        fail("a request begins with a verb and an id of 1 to 64 letters digits . _ -");
    strcpy(id, space + 1);
    *space = '\0';
    int verb = 0;
    while (verb < VERBS && strcmp(verbs[verb].name, in.line) != 0) verb++;
    in.state = READ;
    if (verb == VERBS) fail("unsupported");
    verbs[verb].answer();
    if (more_lines()) expected("the end");
}

static void answer_requests(void) {
    static char id[ID_LIMIT + 1], *text; /* static, since they change between setjmp and longjmp */
    static size_t length;
    while (next_line(), in.state != INPUT_ENDED) {
        strcpy(id, "-");
        out = open_memstream(&text, &length);
        if (setjmp(failed) == 0) {
            answer(id);
            fclose(out);
            printf("ok %s\n", id);
            fwrite(text, 1, length, stdout);
        } else {
            fclose(out);
            while (in.state == READ || in.state == LINE) next_line();
            printf("error %s %s\n", id, in.state == INPUT_ENDED ? too_early : reason);
        }
        puts("end");
        fflush(stdout);
        free(text);
        free_all();
    }
}

/* ---------------------------------------------------------------- the command line */

/* The next character of UTF-8 text, or EOF. */
static int32_t next_character(void) {
    static const int32_t least[] = {0, 0x80, 0x800, 0x10000}; /* that takes so many more bytes */
    int32_t character = getc_unlocked(stdin), more = character < 0xe0 ? 1 : character < 0xf0 ? 2 : 3;
    if (character < 0x80) return character;
    bool valid = character >= 0xc0 && character < 0xf8;
    character &= 0x3f >> more;
    for (int i = 0; i < more && valid; i++) {
        int c = getc_unlocked(stdin);
        valid = c >= 0x80 && c < 0xc0;
        character = character << 6 | (c & 0x3f);
    }
    if (!valid || character < least[more] || character >= CHARACTERS || character >> 11 == 0x1b)
        fail("standard input is not UTF-8 text");
    return character;
}

static Dataset *read_text(void) {
    Dataset *dataset = allocate(1, sizeof *dataset);
    List line = {0, NULL};
    for (int32_t character = '\n'; character != EOF;) {
        character = next_character();
        if (character == '\n' || character == EOF) {
            add_line(dataset, line);
            line.count = 0;
        } else {
            line.item = grown(line.item, (size_t)line.count, sizeof character);
            line.item[line.count++] = character;
        }
    }
    return dataset;
}

static void print_utf8(List line) {
    for (int32_t i = 0; i < line.count; i++) {
        int32_t c = line.item[i], more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
        putchar(more == 0 ? c : (0xff00 >> (more + 1) & 0xff) | c >> 6 * more);
        while (more-- > 0) putchar(0x80 | (c >> 6 * more & 0x3f));
    }
    putchar('\n');
    fflush(stdout);
}

int main(int count, char **argument) {
    static const Preset *preset; /* static, since it lives across setjmp */
    preset = &presets[count == 3 && strcmp(argument[2], presets[1].name) == 0];
    Generator generator;
    if (count == 1) {
        answer_requests();
    } else if (count == 2 && strcmp(argument[1], "check") == 0) {
        return check_variants() ? EXIT_SUCCESS : EXIT_FAILURE;
    } else if (count == 5 && strcmp(argument[1], "time") == 0 && setjmp(failed) == 0) {
        printf("%.9f\n", seconds_of_step(atoi(argument[2]), atoi(argument[3]), atoi(argument[4])));
    } else if (count > 3 || strcmp(argument[1], "run") != 0 || (count == 3 && strcmp(argument[2], preset->name) != 0)) {
        fputs("usage: microgpt, to answer requests, or microgpt run [seed|classic] < names.txt\n", stderr);
        return EXIT_FAILURE;
    } else if (setjmp(failed) == 0) {
        run(preset, read_text(), &generator, print_utf8);
    } else {
        fprintf(stderr, "microgpt: %s\n", reason);
        return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}
