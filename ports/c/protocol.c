/* The port as others see it: requests and replies (SPEC, sections 11 to 13), and the command line. */
#include "microgpt.h"
#include <locale.h>
#include <wchar.h>

#ifndef PORT /* what `hello` says; a port that shares this source says its own name */
#define PORT "c"
#endif
enum { LINE_LIMIT = 65536, ANY = INT32_MAX };
/* ---------------------------------------------------------------- reading */
typedef struct { char *key; int32_t values; } Line; /* the values follow the key, each behind a '\0' */
/* The lines of a request but for its end, and the value taken last, of the line taken last. */
static struct { Line *line; char *word; int32_t count, next; } in;
/* Whether the request has an end. A line that nothing allows becomes an empty one: nothing allows that, either. */
static bool read_request(void) {
    static char *line;
    static size_t room;
    memset(&in, 0, sizeof in);
    for (ssize_t length; (length = getline(&line, &room, stdin)) > 0;) {
        if (line[length - 1] == '\n') line[--length] = '\0';
        if (length == 3 && strcmp(line, "end") == 0) return true;
        ssize_t plain = 0;
        while (line[plain] >= ' ' && line[plain] <= '~') plain++;
        if (plain < length || length > LINE_LIMIT) length = 0;
        Line one = {memcpy(allocate((size_t)length + 1, 1), line, (size_t)length), 0};
        for (char *c = one.key; (c = strchr(c, ' ')) != NULL; one.values++) *c++ = '\0';
        APPEND(in.line, in.count, one);
    }
    return false;
}
static const char *next_key(void) { return in.next < in.count ? in.line[in.next].key : "end"; }
static bool next_is(const char *key) { return strcmp(next_key(), key) == 0; }
static void expected(const char *what) { fail("expected %s and not '%.100s'", what, next_key()); }
/* Takes the next line, which must have this key, and returns its number of values, for as many next_... */
static int32_t take(const char *key, int32_t least, int32_t most) {
    if (!next_is(key)) expected(key);
    Line line = in.line[in.next++];
    if (line.values < least || line.values > most) fail("%s does not take %d values", key, line.values);
    return in.word = line.key, line.values;
}
static char *next_word(void) { return in.word += strlen(in.word) + 1; }
typedef union { uint64_t bits; double number; } Double;
static double double_of(const char *word) {
    if (strlen(word) != 16 || strspn(word, "0123456789abcdef") != 16) fail("expected a double and not '%.40s'", word);
    return one_nan((Double){.bits = strtoull(word, NULL, 16)}.number);
}
static double next_double(void) { return double_of(next_word()); }
static int64_t next_integer(long long low, long long high) {
    char plain[24], *word = next_word();
    long long i = strtoll(word, NULL, 10);
    snprintf(plain, sizeof plain, "%lld", i);
    if (strcmp(plain, word) != 0 || i < low || i > high)
        fail("expected an integer from %lld to %lld and not '%.40s'", low, high, word);
    return i;
}
static double take_double(const char *key) { return take(key, 1, 1), next_double(); }
static int64_t take_integer(const char *key, int64_t low, int64_t high) {
    return take(key, 1, 1), next_integer(low, high);
}
/* Whether it is the second of two words. */
static bool take_choice(const char *key, const char *first, const char *second) {
    const char *word = (take(key, 1, 1), next_word());
    if (strcmp(word, first) != 0 && strcmp(word, second) != 0) fail("expected %s %s or %s", key, first, second);
    return strcmp(word, second) == 0;
}
static void take_math(void) { math = take_choice("math", "exact", "native") ? &native : &exact; }
static List take_list(const char *key, int32_t least, int32_t low, int32_t high, bool increasing) {
    List list = range(take(key, least, ANY));
    for (int32_t i = 0; i < list.count; i++) {
        list.item[i] = next_integer(low, high);
        if (increasing) low = list.item[i] + 1;
    }
    return list;
}
static void take_tensor(const char *prefix, const char *name, int32_t rows, int32_t columns, double *numbers) {
    const char *word = (take("tensor", 3, 3), next_word());
    if (strncmp(word, prefix, strlen(prefix)) != 0 || strcmp(word + strlen(prefix), name) != 0)
        fail("expected tensor %s%s and not '%.40s'", prefix, name, word);
    next_integer(rows, rows), next_integer(columns, columns);
    for (int32_t i = 0; i < rows * columns; i++) {
        if (i % columns == 0) take("row", columns, columns);
        numbers[i] = next_double();
    }
}
/* ---------------------------------------------------------------- writing */
static FILE *out; /* the reply, which is kept back until nothing can go wrong any more */
static uint64_t bits_of(double x) { return (Double){.number = one_nan(x)}.bits; }
static void put_double(double x) { fprintf(out, " %016" PRIx64, bits_of(x)); }
static void put_doubles(const char *key, const double *x, int32_t count) {
    fputs(key, out);
    for (int32_t i = 0; i < count; i++) put_double(x[i]);
    fputc('\n', out);
}
static void put_number(const char *key, double x) { put_doubles(key, &x, 1); }
static void put_integer(int64_t i) { fprintf(out, " %" PRId64, i); }
/* The characters of a text, and a list. */
static void put_list(const char *key, const char *text, List list) {
    for (fputs(key, out); *text != '\0'; text++) put_integer(*text);
    for (int32_t i = 0; i < list.count; i++) put_integer(list.item[i]);
    fputc('\n', out);
}
static void put_tensor(const char *prefix, const char *name, int32_t rows, int32_t columns, double *numbers) {
    fprintf(out, "tensor %s%s %d %d\n", prefix, name, (int)rows, (int)columns);
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
static List expressions;     /* of `graph`, the node of each */
static Id node[2];           /* values of a line: such nodes, */
static int32_t draws, n;     /* a number of draws, and n */
static double x[LINE_LIMIT]; /* doubles */
static Id next_node(void) { return expressions.item[next_integer(0, expressions.count - 1)]; }
/* Whether the next line has this key. If so its values are taken: (n)odes, a number of (d)raws, doubles (x). Before a
 * plus sign there may be more of the same. */
static bool is(const char *key, const char *kinds) {
    int32_t least = (int32_t)strcspn(kinds, "+"), nodes = n = 0;
    if (!next_is(key)) return false;
    for (int32_t i = 0, count = take(key, least, kinds[least] ? ANY : least); i < count; i++) {
        char kind = kinds[i < least ? i : least - 1];
        if (kind == 'n') node[nodes++] = next_node();
        else if (kind == 'd') draws = next_integer(0, 1000);
        else x[n++] = next_double();
    }
    return true;
}
static double angle(double x) { return fabs(x) > 8.0 ? fail("expected an angle from -8 to 8"), x : x; }
static double exponent(double y, double limit) {
    if (!(fabs(y) <= limit && floor(2.0 * y) == 2.0 * y)) fail("expected an exponent up to %g, in halves", limit);
    return y;
}
static int32_t pairs(void) { return n % 2 == 0 ? n / 2 : (fail("expected pairs of doubles"), 0); }
#define ON(key, kinds, value) if (is(key, kinds)) put_number(key, value); else
static void answer_arith(void) {
    do {
        ON("add", "xx", x[0] + x[1]) ON("sub", "xx", x[0] - x[1])
        ON("mul", "xx", x[0] * x[1]) ON("div", "xx", x[0] / x[1])
        ON("sqrt", "x", sqrt(x[0])) ON("muladd", "xxx", x[0] * x[1] + x[2])
        ON("sum", "x+", SUM(n, x[i])) ON("dot", "xx+", SUM(pairs(), x[2 * i] * x[2 * i + 1]))
        if (is("decimals", "x") && !(fabs(x[0]) > 0x1p53 && fabs(x[0]) < INFINITY)) {
            char text[32];
            snprintf(text, sizeof text, "%.4f", x[0]);
            put_list("decimals", text, (List){0, NULL});
        } else fail("expected an operation and numbers in its domain");
    } while (in.next < in.count);
}
static void answer_math(void) {
    take_math();
    do {
        ON("exp", "x", math->exp(x[0])) ON("log", "x", math->log(x[0]))
        ON("sin", "x", math->sin(angle(x[0]))) ON("cos", "x", math->cos(angle(x[0])))
        ON("pow", "xx", math->pow(x[0], exponent(x[1], 4096.0))) expected("a function");
    } while (in.next < in.count);
}
#define DRAWS(key, put, draw) do { for (fputs(key, out); draws > 0; draws--) put(draw); fputc('\n', out); } while (0)
static void answer_random(void) {
    take_math();
    Generator generator = seeded(take_integer("seed", 0, UINT32_MAX));
    do {
        if (is("words", "d")) DRAWS("words", put_integer, draw_word(&generator));
        else if (is("random", "d")) DRAWS("random", put_double, draw_random(&generator));
        else if (is("gauss", "dx")) DRAWS("gauss", put_double, draw_gauss(&generator, x[0]));
        else if (is("choices", "dx+") && n <= 1000) DRAWS("choices", put_integer, draw_choice(&generator, x, n));
        else if (next_is("shuffle")) put_list("shuffle", "", draw_order(&generator, take_integer("shuffle", 0, 10000)));
        else {
            take("state", 0, 0);
            fprintf(out, "state %d", (int)generator.index);
            for (int i = 0; i < STATE_WORDS; i++) put_integer(generator.word[i]);
            fputs(generator.has_kept ? "\nkept" : "\nkept none\n", out);
            if (generator.has_kept) put_doubles("", &generator.kept, 1);
        }
    } while (in.next < in.count);
}
static Dataset *take_dataset(void) {
    Dataset *dataset = allocate(1, sizeof *dataset);
    do {
        List line = take_list("line", 0, 0, CHARACTERS - 1, false);
        if (line.count > 10000) fail("expected at most 10000 characters in a line");
        for (int32_t i = 0; i < line.count; i++)
            if (line.item[i] >> 11 == 0x1b) fail("expected characters and no surrogate");
        add_line(dataset, line);
    } while (in.next < in.count);
    return dataset;
}
static void answer_tokens(void) {
    Dataset *dataset = take_dataset();
    tokenize(dataset);
    fprintf(out, "documents %d\n", (int)dataset->count);
    put_list("vocabulary", "", dataset->vocabulary);
    fprintf(out, "bos %d\n", (int)dataset->vocabulary.count);
    for (int32_t i = 0; i < dataset->count; i++) put_list("encoded", "", dataset->document[i]);
}
static Id take_expression(Graph *g) {
#define RETURN(key, kinds, made) if (is(key, kinds)) return made;
    RETURN("leaf", "x", leaf(g, *x)) RETURN("add", "nn", add(g, node[0], node[1]))
    RETURN("mul", "nn", multiply(g, node[0], node[1])) RETURN("sub", "nn", add(g, *node, negative(g, node[1])))
    RETURN("div", "nn", multiply(g, *node, power(g, node[1], -1.0))) RETURN("relu", "n", relu(g, *node))
    RETURN("neg", "n", negative(g, *node)) RETURN("exp", "n", exponential(g, *node))
    RETURN("log", "n", logarithm(g, *node)) RETURN("pow", "nx", power(g, *node, exponent(*x, 1024.0)))
    RETURN("add_number", "nx", add_number(g, *node, *x)) RETURN("sub_number", "nx", add_number(g, *node, -*x))
    RETURN("mul_number", "nx", multiply_number(g, *node, *x))
    RETURN("div_number", "nx", multiply_number(g, *node, math->pow(*x, -1.0)))
    RETURN("number_sub", "xn", add_number(g, negative(g, *node), *x))
    RETURN("number_div", "xn", multiply_number(g, power(g, *node, -1.0), *x))
    int32_t count = take("sum", 1, ANY);
    Id sum = add_number(g, next_node(), 0.0); /* node by node, since this sum may use a number twice */
    while (--count > 0) sum = add(g, sum, next_node());
    return sum;
}
static void answer_graph(void) {
    Graph g = {0};
    take_math();
    for (expressions = (List){0, NULL}; !next_is("root");) push(&expressions, take_expression(&g));
    take("root", 1, 1), backward(&g, next_node());
    for (int32_t i = 0; i < expressions.count; i++) put_number("value", g.value[expressions.item[i]]);
    for (int32_t i = 0; i < expressions.count; i++) put_number("gradient", g.gradient[expressions.item[i]]);
}
/* ---------------------------------------------------------------- verbs with a model */
static Model *take_model(void) {
    take_math();
    Settings s = {.layers = take_integer("layers", 1, MOST_LAYERS)};
    s.heads = take_integer("heads", 1, MOST_HEADS), s.embedding = take_integer("embedding", 1, 512);
    if (s.embedding % s.heads != 0) fail("expected as embedding a multiple of heads %d", (int)s.heads);
    s.block = take_integer("block", 1, MOST_BLOCK), s.vocabulary = take_integer("vocabulary", 2, MOST_VOCABULARY);
    s.squared_relu = take_choice("activation", "relu", "squared_relu");
    s.attention = allocate((size_t)s.block, sizeof *s.attention);
    for (int32_t t = 0; t < s.block; t++) {
        s.attention[t] = take_list("attend", 1, 0, t, true);
        if (s.attention[t].item[s.attention[t].count - 1] != t) fail("expected attend to end with %d", (int)t);
    }
    return make_model(s);
}
static void take_optimizer(Settings *s) {
    s->learning_rate = take_double("learning_rate");
    s->beta1 = take_double("beta1"), s->beta2 = take_double("beta2"), s->epsilon = take_double("epsilon");
    s->cosine = take_choice("schedule", "linear", "cosine"), s->steps = take_integer("steps", 1, 4096);
}
static List take_tokens(const Model *model) { return take_list("tokens", 2, 0, model->settings.vocabulary - 1, false); }
static void each_matrix(const Model *model, typeof(put_tensor) take_or_put, const char *prefix, double *numbers) {
    for (const Matrix *w = model->matrix; w < model->matrix + model->matrices; w++)
        take_or_put(prefix, w->name, w->rows, w->columns, numbers + w->first);
}
static void answer_document(bool wants_gradients) {
    Model *model = take_model();
    List document = take_tokens(model);
    each_matrix(model, take_tensor, "", model->graph.value);
    model->see = wants_gradients ? NULL : put_tensor;
    Id loss = document_loss(model, document);
    put_number("loss", model->graph.value[loss]);
    if (!wants_gradients) return;
    backward(&model->graph, loss);
    each_matrix(model, put_tensor, "", model->graph.gradient);
}
static void answer_forward(void) { answer_document(false); }
static void answer_backward(void) { answer_document(true); }
static const char *const names[] = {"gradients", "m", "v", "parameters"}; /* of what Adam updates, and by what */
static void answer_adam(void) {
    Settings settings;
    double *numbers[4];
    take_math();
    take_optimizer(&settings);
    int32_t step = take_integer("step", 0, settings.steps - 1);
    take("tensor", 3, 3), next_word();
    int32_t rows = next_integer(1, 2048), columns = next_integer(1, 2048);
    in.next--; /* that was only a look */
    for (int i = 3; i < 7; i++)
        take_tensor("", names[i % 4], rows, columns, numbers[i % 4] = allocate(rows * columns, sizeof(double)));
    Factors f = adam(&settings, step, rows * columns, numbers[3], numbers[0], numbers[1], numbers[2]);
    put_number("rate", f.rate), put_number("correction1", f.correction1), put_number("correction2", f.correction2);
    for (int i = 1; i < 4; i++) put_tensor("", names[i], rows, columns, numbers[i]);
}
static void answer_train(void) {
    static const char *const prefixes[] = {"gradients.", "m.", "v.", "parameters."};
    Model *model = take_model();
    take_optimizer(&model->settings);
    int32_t from = take_integer("from", 0, model->settings.steps - 1), documents = 0;
    int32_t end = from + take_integer("count", 1, model->settings.steps - from);
    List full = take_list("full", 0, from, end - 1, true), *document = NULL;
    do APPEND(document, documents, take_tokens(model));
    while (next_is("tokens"));
    each_matrix(model, take_tensor, "", model->graph.value);
    if (from > 0) each_matrix(model, take_tensor, "m.", model->m), each_matrix(model, take_tensor, "v.", model->v);
    for (int32_t step = from; step < end; step++) {
        fprintf(out, "step %d\n", (int)step);
        put_number("loss", train(model, step, document[step % documents]));
        double *const numbers[] = {model->graph.gradient, model->m, model->v, model->graph.value};
        for (int i = 0; i < 4; i++) put_checksum(names[i], numbers[i], model->graph.parameters);
        if (full.count == 0 || *full.item != step) continue;
        for (int i = 0; i < 4; i++) each_matrix(model, put_tensor, prefixes[i], numbers[i]);
        full = (List){full.count - 1, full.item + 1};
    }
}
static void put_draw(const double *probabilities, int32_t count, int32_t token) {
    put_doubles("probabilities", probabilities, count);
    fprintf(out, "token %d\n", (int)token);
}
static void answer_sample(void) {
    Model *model = take_model();
    double temperature = take_double("temperature");
    int32_t samples = take_integer("samples", 0, 1000);
    each_matrix(model, take_tensor, "", model->graph.value);
    take("state", 1 + STATE_WORDS, 1 + STATE_WORDS);
    Generator generator = {.index = next_integer(0, STATE_WORDS)};
    for (int i = 0; i < STATE_WORDS; i++) generator.word[i] = next_integer(0, UINT32_MAX);
    const char *kept = (take("kept", 1, 1), next_word());
    generator.has_kept = strcmp(kept, "none") != 0;
    if (generator.has_kept) generator.kept = double_of(kept);
    for (int32_t i = 0; i < samples; i++) {
        fprintf(out, "sample %d\n", (int)i);
        sample(model, temperature, &generator, put_draw);
    }
    fprintf(out, "word %" PRIu32 "\n", draw_word(&generator));
}
static void put_print(const char *text, List characters) { put_list("print", text, characters); }
static void answer_run(void) {
    take_math();
    Settings preset = take_choice("preset", "seed", "classic") ? classic : seed;
    Generator generator = seeded(42);
    preset.steps = take_integer("steps", 1, 4096), preset.samples = take_integer("samples", 0, 1000);
    Model *model = run(preset, take_dataset(), &generator, put_print);
    put_checksum("parameters", model->graph.value, model->graph.parameters);
    put_checksum("m", model->m, model->graph.parameters), put_checksum("v", model->v, model->graph.parameters);
    fprintf(out, "word %" PRIu32 "\n", draw_word(&generator));
}
/* ---------------------------------------------------------------- requests and replies */
#define VERBS(X) X(hello) X(arith) X(math) X(random) X(tokens) X(graph) \
                 X(forward) X(backward) X(adam) X(train) X(sample) X(run)
#define WORD(verb) " " #verb
static void answer_hello(void) { fputs("name " PORT "\nprotocol 1\nverbs" VERBS(WORD) "\nmath exact native\n", out); }
static void answer_request(bool complete, char *id) {
    static const char characters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    const char *verb = next_key(), *name = in.count > 0 && in.line->values == 1 ? (take(verb, 1, 1), next_word()) : "";
    if (strlen(name) > 64 || name[strspn(name, characters)] != '\0' || *name == '\0' || *verb == '\0')
        fail("expected a verb and an id of 1 to 64 letters digits . _ -");
    strcpy(id, name);
    if (!complete) fail("expected the line end before the end of the input");
#define ANSWER(known) if (strcmp(verb, #known) == 0) answer_##known(); else
    VERBS(ANSWER) fail("unsupported");
    if (in.next < in.count) expected("end");
}
static void answer_requests(void) {
    static char id[65], *text; static size_t length; static bool complete; /* static, lest longjmp undo a change */
    for (; (complete = read_request()) || in.count > 0; free_all(), free(text)) {
        out = open_memstream(&text, &length);
        *reason = '\0';
        if (setjmp(failed) == 0) answer_request(complete, strcpy(id, "-"));
        fclose(out);
        if (*reason == '\0') printf("ok %s\n%send\n", id, text);
        else printf("error %s %s\nend\n", id, reason);
        fflush(stdout);
    }
}
/* ---------------------------------------------------------------- the command line */
static Dataset *read_text(void) {
    Dataset *dataset = allocate(1, sizeof *dataset);
    mbstate_t state = {0}; wchar_t character = 0;
    for (int byte = 0; byte != EOF;) {
        List line = {0, NULL};
        while ((byte = getchar()) != EOF && byte != '\n') {
            size_t length = mbrtowc(&character, (char[]){byte}, 1, &state); /* -2 if it has more bytes */
            if (length == (size_t)-1 || character >= CHARACTERS) fail("standard input is not UTF-8 text");
            if (length != (size_t)-2) push(&line, character);
        }
        if (!mbsinit(&state)) fail("standard input ends a line within a character");
        add_line(dataset, line);
    }
    return dataset;
}
static void print_line(const char *text, List characters) {
    fputs(text, stdout);
    for (int32_t i = 0; i < characters.count; i++) printf("%lc", (wint_t)characters.item[i]);
    putchar('\n'), fflush(stdout);
}
int main(int count, char **argument) {
    if (count == 1) return answer_requests(), EXIT_SUCCESS;
    if (setjmp(failed) != 0) return fprintf(stderr, "microgpt: %s\n", reason), EXIT_FAILURE;
    const char *name = count == 2 ? "seed" : argument[count == 3 ? 2 : 0];
    const Settings *preset = strcmp(name, "seed") == 0 ? &seed : strcmp(name, "classic") == 0 ? &classic : NULL;
    if (preset == NULL || strcmp(argument[1], "run") != 0) fail("usage: microgpt [run [seed|classic] < names.txt]");
    if (!setlocale(LC_CTYPE, "C.UTF-8")) setlocale(LC_CTYPE, "UTF-8"); /* the name on macOS */
    run(*preset, read_text(), (Generator[]){seeded(42)}, print_line);
    return EXIT_SUCCESS;
}
