/* engine.h, upon the headers of the port c-fast. Every export that may fail begins with setjmp, as a request does there. */
#include <stdarg.h>

#include "fused.h"

#include "engine.h"

/* wasm-ld looks for this tag, by which longjmp throws; the C library does not define it. */
__asm__(".tagtype __c_longjmp i32\n.globl __c_longjmp\n__c_longjmp:\n");

#define EXPORT(name) __attribute__((export_name(#name))) name

/* ---------------------------------------------------------------- in place of the C library's, which would be half the module */

static char *put(char *to, const char *end, char c) {
    if (to < end) *to++ = c;
    return to;
}

/* Only what is needed of it: %d, %s and %%. It returns nothing that anybody asks for. */
int snprintf(char *restrict to, size_t size, const char *restrict format, ...) {
    const char *const end = to + size - 1;
    va_list arguments;
    va_start(arguments, format);
    for (; *format != '\0'; format++) {
        if (*format != '%') {
            to = put(to, end, *format);
        } else if (*++format == 'd') {
            char digit[12], *first = digit + sizeof digit - 1;
            int number = va_arg(arguments, int);
            unsigned size_of_it = number < 0 ? -(unsigned)number : (unsigned)number;
            *first = '\0';
            do *--first = (char)('0' + size_of_it % 10);
            while ((size_of_it /= 10) > 0);
            if (number < 0) *--first = '-';
            while (*first != '\0') to = put(to, end, *first++);
        } else if (*format == 's') {
            for (const char *text = va_arg(arguments, const char *); *text != '\0'; text++) to = put(to, end, *text);
        } else {
            to = put(to, end, *format);
        }
    }
    va_end(arguments);
    *to = '\0';
    return 0;
}

/* What the exact power leaves to it: x is 0, infinite or a NaN, or there is no power. */
double pow(double x, double y) {
    double size = (x == 0.0) == (y < 0.0) ? INFINITY : 0.0;
    if (y == 0.0) return 1.0;
    if (x != x || (x < 0.0 && isfinite(x) && floor(y) != y)) return NAN;
    return fmod(y, 2.0) == 1.0 || fmod(y, 2.0) == -1.0 ? copysign(size, x) : size;
}

char *getenv(const char *name) { return (void)name, NULL; } /* there is no environment */

/* ---------------------------------------------------------------- a training */

typedef struct {
    char name[40];
    int32_t rows, columns;
    Id first;
} Tensor;

struct Training {
    Block *blocks; /* all that it has allocated, itself among it */
    Model *model;
    Dataset dataset;
    List order, sampled;
    Generator generator;
    int32_t step, tensors, most_tensors;
    Tensor *tensor;
    double *losses;
};

static Training *current; /* whose results `see` gets */

static void enter(Training *training) {
    current = training;
    blocks = training->blocks;
}

static void leave(void) {
    current->blocks = blocks;
    blocks = NULL;
}

static Graph *graph_of(const Training *training) { return &training->model->graph; }

/* ---------------------------------------------------------------- settings */

void EXPORT(settings_preset)(Recipe *settings, int32_t preset) {
    const Settings *p = preset == 1 ? &classic : &seed;
    *settings = (Recipe){
        .layers = p->layers, .heads = p->heads, .embedding = p->embedding, .block = p->block,
        .squared_relu = p->squared_relu, .cosine = p->cosine, .sigma = p->sigma, .output_sigma = p->output_sigma,
        .learning_rate = p->learning_rate, .beta1 = p->beta1, .beta2 = p->beta2, .epsilon = p->epsilon,
        .steps = p->steps, .seed = 42,
    };
}

static int32_t whole(const char *name, double number, int32_t least, int32_t most) {
    if (!(number >= least && number <= most && floor(number) == number))
        fail("%s is an integer from %d to %d", name, least, most);
    return (int32_t)number;
}

static List *attention_of(int32_t block, const uint8_t *attends) {
    List *attention = allocate((size_t)block, sizeof *attention);
    for (int32_t t = 0; t < block; t++) {
        attention[t] = range(t + 1);
        attention[t].count = 0;
        for (int32_t s = 0; s < block; s++) {
            bool does = attends == NULL ? s <= t : attends[t * block + s] != 0;
            if (does && s > t) fail("position %d cannot attend to the later position %d", t, s);
            if (!does && s == t) fail("position %d must attend to itself", t);
            if (does) attention[t].item[attention[t].count++] = s;
        }
    }
    return attention;
}

static Settings config_of(const Recipe *s, const uint8_t *attends) {
    Settings config = {
        .layers = whole("layers", s->layers, 1, MOST_LAYERS),
        .heads = whole("heads", s->heads, 1, MOST_HEADS),
        .embedding = whole("embedding", s->embedding, 1, 512),
        .block = whole("block", s->block, 1, 1024),
        .squared_relu = s->squared_relu != 0.0,
        .learning_rate = s->learning_rate, .beta1 = s->beta1, .beta2 = s->beta2, .epsilon = s->epsilon,
        .cosine = s->cosine != 0.0,
    };
    if (config.embedding % config.heads != 0) fail("embedding is a multiple of heads");
    config.attention = attention_of(config.block, attends);
    return config;
}

/* ---------------------------------------------------------------- making one */

static void add_tensor(Training *t, const char *place, const char *name, int32_t rows, int32_t columns, Id first) {
    if (t->tensors == t->most_tensors) fail("a document has more results than there should be");
    Tensor *tensor = &t->tensor[t->tensors++];
    *tensor = (Tensor){.rows = rows, .columns = columns, .first = first};
    snprintf(tensor->name, sizeof tensor->name, "%s%s", place, name);
}

static void see(const char *place, const char *name, int32_t rows, int32_t columns, double *values) {
    add_tensor(current, place, name, rows, columns, (Id)(values - graph_of(current)->value));
}

/* The loss of a document by the graph, which keeps all that led to it. */
static double look(Training *t, List document) {
    t->tensors = t->model->matrices;
    t->model->see = see;
    double loss = graph_gradients(t->model, document);
    t->model->see = NULL;
    return loss;
}

/* The graph at its largest, so that its numbers stay where they are from now on, and what the kernels need. */
static void make_room(Training *t) {
    List document = range(t->model->settings.block + 1);
    for (int32_t i = 0; i < document.count; i++) document.item[i] = 0;
    document_loss(t->model, document);
    fused_gradients(t->model, document);
    sample(t->model, 1.0, &t->generator, NULL);
}

static void draw_parameters(Training *t, const Recipe *settings) {
    Model *model = t->model;
    for (Matrix *matrix = model->matrix; matrix < model->matrix + model->matrices; matrix++) {
        bool output = strstr(matrix->name, "attn_wo") || strstr(matrix->name, "mlp_fc2");
        double sigma = output ? settings->output_sigma : settings->sigma, *value = model->graph.value + matrix->first;
        for (int32_t i = 0; i < matrix->rows * matrix->columns; i++) value[i] = draw_gauss(&t->generator, sigma);
        add_tensor(t, "", matrix->name, matrix->rows, matrix->columns, matrix->first);
    }
}

Training *EXPORT(training_new)(const Recipe *settings, const int32_t *text, int32_t count, const uint8_t *attends) {
    if (setjmp(failed) != 0) {
        free_all();
        return NULL;
    }
    Training *t = current = allocate(1, sizeof *t);
    Settings config = config_of(settings, attends);
    for (int32_t i = 0, start = 0; i <= count; i++) {
        if (i < count && (text[i] < 0 || text[i] >= CHARACTERS)) fail("%d is no code point", text[i]);
        if (i < count && text[i] != '\n') continue;
        add_line(&t->dataset, (List){i - start, (int32_t *)text + start});
        start = i + 1;
    }
    if (t->dataset.count == 0) fail("there is no document: every line is empty once it is stripped");
    tokenize(&t->dataset);
    config.vocabulary = t->dataset.vocabulary.count + 1;
    double seed = settings->seed;
    if (!(seed >= 0.0 && seed <= UINT32_MAX && floor(seed) == seed)) fail("seed is an integer from 0 to 4294967295");
    t->generator = seeded((uint32_t)seed);
    t->order = draw_order(&t->generator, t->dataset.count);
    t->model = make_model(config);
    t->model->settings.steps = whole("steps", settings->steps, 1, 1000000);
    t->most_tensors = t->model->matrices + config.block * (5 + config.layers * (11 + 3 * config.heads));
    t->tensor = allocate((size_t)t->most_tensors, sizeof *t->tensor);
    t->losses = allocate((size_t)t->model->settings.steps, sizeof *t->losses);
    t->sampled = range(config.block);
    Generator before = t->generator;
    make_room(t);
    t->generator = before;
    draw_parameters(t, settings);
    leave();
    return t;
}

void EXPORT(training_free)(Training *t) {
    enter(t);
    free_all();
}

int32_t EXPORT(training_advance)(Training *t, int32_t count, bool observed) {
    if (setjmp(failed) != 0) return leave(), -1;
    enter(t);
    Model *model = t->model;
    Graph *g = &model->graph;
    for (; count > 0 && t->step < model->settings.steps; count--) {
        bool last = count == 1 || t->step == model->settings.steps - 1;
        List document = t->dataset.document[t->order.item[t->step % t->dataset.count]];
        t->tensors = model->matrices;
        t->losses[t->step] = observed && last ? look(t, document) : fused_gradients(model, document);
        adam(&model->settings, t->step++, g->parameters, g->value, g->gradient, model->m, model->v);
    }
    leave();
    return t->step;
}

double EXPORT(training_look)(Training *t, const int32_t *tokens, int32_t count) {
    if (setjmp(failed) != 0) return leave(), NAN;
    enter(t);
    if (count < 2) fail("a document has at least 2 tokens and not %d", count);
    for (int32_t i = 0; i < count; i++)
        if (tokens[i] < 0 || tokens[i] >= t->model->settings.vocabulary) fail("there is no token %d", tokens[i]);
    double loss = look(t, (List){count, (int32_t *)tokens});
    leave();
    return loss;
}

double EXPORT(training_loss)(Training *t, int32_t step) {
    if (setjmp(failed) != 0) return leave(), NAN;
    enter(t);
    double loss = fused_gradients(t->model, t->dataset.document[t->order.item[step % t->dataset.count]]);
    leave();
    return loss;
}

int32_t EXPORT(training_sample)(Training *t, double temperature, const int32_t **tokens) {
    if (setjmp(failed) != 0) return leave(), -1;
    enter(t);
    Block *before = blocks;
    t->tensors = t->model->matrices;
    List drawn = sample(t->model, temperature, &t->generator, NULL);
    memcpy(t->sampled.item, drawn.item, (size_t)drawn.count * sizeof *drawn.item);
    t->sampled.count = drawn.count;
    while (blocks != before) { /* the graph has room, so there is nothing here but the sample itself */
        Block *next = blocks->next;
        free(blocks);
        blocks = next;
    }
    leave();
    *tokens = t->sampled.item;
    return t->sampled.count;
}

/* ---------------------------------------------------------------- its numbers */

int32_t EXPORT(training_step)(const Training *t) { return t->step; }
const double *EXPORT(training_losses)(const Training *t) { return t->losses; }
int32_t EXPORT(training_parameters)(const Training *t) { return graph_of(t)->parameters; }
double *EXPORT(training_values)(Training *t) { return graph_of(t)->value; }
double *EXPORT(training_gradients)(Training *t) { return graph_of(t)->gradient; }
double *EXPORT(training_m)(Training *t) { return t->model->m; }
double *EXPORT(training_v)(Training *t) { return t->model->v; }

int32_t EXPORT(training_matrices)(const Training *t) { return t->model->matrices; }
int32_t EXPORT(training_tensors)(const Training *t) { return t->tensors; }
const char *EXPORT(tensor_name)(const Training *t, int32_t tensor) { return t->tensor[tensor].name; }
int32_t EXPORT(tensor_rows)(const Training *t, int32_t tensor) { return t->tensor[tensor].rows; }
int32_t EXPORT(tensor_columns)(const Training *t, int32_t tensor) { return t->tensor[tensor].columns; }
double *EXPORT(tensor_values)(Training *t, int32_t tensor) { return graph_of(t)->value + t->tensor[tensor].first; }
double *EXPORT(tensor_gradients)(Training *t, int32_t tensor) { return graph_of(t)->gradient + t->tensor[tensor].first; }

int32_t EXPORT(training_vocabulary)(const Training *t, const int32_t **characters) {
    *characters = t->dataset.vocabulary.item;
    return t->dataset.vocabulary.count;
}

int32_t EXPORT(training_documents)(const Training *t) { return t->dataset.count; }

int32_t EXPORT(training_document)(const Training *t, int32_t step, const int32_t **tokens) {
    List document = t->dataset.document[t->order.item[step % t->dataset.count]];
    *tokens = document.item;
    return document.count;
}

/* ---------------------------------------------------------------- its state */

const uint32_t *EXPORT(training_words)(const Training *t) { return t->generator.word; }
int32_t EXPORT(training_index)(const Training *t) { return t->generator.index; }
double EXPORT(training_kept)(const Training *t) { return t->generator.has_kept ? t->generator.kept : NAN; }

/* Copies each part of the state between the training and `state`, and returns the state's size; only that if `copy` is NULL. */
static size_t each_part(Training *t, char *state, void (*copy)(char *state, void *part, size_t bytes)) {
    size_t numbers = (size_t)graph_of(t)->parameters * sizeof(double);
    size_t losses = (size_t)t->model->settings.steps * sizeof(double), at = 0;
    void *const parts[] = {graph_of(t)->value, t->model->m, t->model->v, t->losses, &t->generator, &t->step};
    const size_t sizes[] = {numbers, numbers, numbers, losses, sizeof t->generator, sizeof t->step};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; at += sizes[i++])
        if (copy != NULL) copy(state + at, parts[i], sizes[i]);
    return at;
}

static void save(char *state, void *part, size_t bytes) { memcpy(state, part, bytes); }
static void restore(char *state, void *part, size_t bytes) { memcpy(part, state, bytes); }

size_t EXPORT(state_bytes)(const Training *t) { return each_part((Training *)t, NULL, NULL); }
void EXPORT(state_save)(const Training *t, void *state) { each_part((Training *)t, state, save); }

void EXPORT(state_restore)(Training *t, const void *state) {
    each_part(t, (char *)state, restore);
    t->tensors = t->model->matrices;
}

uint64_t EXPORT(checksum)(const double *numbers, int32_t count) {
    uint64_t a = 1, b = 0;
    for (int32_t i = 0; i < 2 * count; i++) {
        uint64_t bits = 0x7ff8000000000000;
        if (!isnan(numbers[i / 2])) memcpy(&bits, &numbers[i / 2], sizeof bits);
        a = (a + (bits >> (i % 2 ? 0 : 32) & 0xffffffff)) % 4294967291;
        b = (b + a) % 4294967291;
    }
    return a << 32 | b;
}

void *EXPORT(buffer_new)(size_t bytes) { return malloc(bytes); }
void EXPORT(buffer_free)(void *buffer) { free(buffer); }
const char *EXPORT(failure)(void) { return reason; }
