#include "run.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

enum { SEED = 42 };

const Preset presets[PRESETS] = {
    {
        .name = "seed",
        .layers = 1, .heads = 4, .embedding = 16, .block = 8,
        .activation = RELU_SQUARED,
        .sigma = 0.02, .output_sigma = 0.0,
        .optimizer = {0.01, 0.9, 0.95, 1e-8, COSINE_SCHEDULE, 500},
        .temperature = 0.5, .samples = 20,
    },
    {
        .name = "classic",
        .layers = 1, .heads = 4, .embedding = 16, .block = 16,
        .activation = RELU_ONCE,
        .sigma = 0.08, .output_sigma = 0.08,
        .optimizer = {0.01, 0.85, 0.99, 1e-8, LINEAR_SCHEDULE, 1000},
        .temperature = 0.5, .samples = 20,
    },
};

static void shuffle(Documents *documents, Generator *generator)
{
    for (int32_t i = documents->count - 1; i > 0; i--) {
        int32_t j = generator_below(generator, i + 1);
        Document other = documents->document[j];
        documents->document[j] = documents->document[i];
        documents->document[i] = other;
    }
}

static bool is_output(const Matrix *matrix)
{
    return strstr(matrix->name, ".attn_wo") != NULL || strstr(matrix->name, ".mlp_fc2") != NULL;
}

static void draw_parameters(Run *run)
{
    double *value = run->model.tape.value;
    for (int32_t i = 0; i < run->model.matrices; i++) {
        const Matrix *matrix = &run->model.matrix[i];
        double sigma = is_output(matrix) ? run->preset.output_sigma : run->preset.sigma;
        for (Index k = 0; k < matrix->rows * matrix->columns; k++)
            value[matrix->first + k] = generator_gauss(&run->generator, sigma, run->model.tape.math);
    }
}

void run_start(Run *run, const Preset *preset, Documents documents, const Functions *math)
{
    run->preset = *preset;
    run->documents = documents;
    generator_seed(&run->generator, SEED);
    shuffle(&run->documents, &run->generator);
    run->tokenizer = tokenizer_of(&run->documents);
    Config config = {
        .layers = preset->layers,
        .heads = preset->heads,
        .embedding = preset->embedding,
        .block = preset->block,
        .vocabulary = run->tokenizer.count + 1,
        .activation = preset->activation,
        .attention = causal_attention(preset->block),
    };
    model_start(&run->model, &config, math);
    draw_parameters(run);
    training_start(&run->training, &run->model, &preset->optimizer);
}

void run_free(Run *run)
{
    training_free(&run->training);
    model_free(&run->model);
    tokenizer_free(&run->tokenizer);
    documents_free(&run->documents);
}

/* ------------------------------------------------------------------ printing */

enum { LINE_ROOM = 512 }; /* more than any number that is printed here, "%.4f" of the greatest double included */

/* An ASCII text as characters; returns how many. */
static int32_t widen(const char *text, uint32_t *characters)
{
    int32_t length = 0;
    for (; text[length] != '\0'; length++)
        characters[length] = (unsigned char)text[length];
    return length;
}

static void print_line(const Printer *printer, const char *format, ...)
{
    char line[LINE_ROOM];
    uint32_t characters[LINE_ROOM];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    printer->print(printer->who, characters, widen(line, characters));
}

static void print_step(const Printer *printer, int32_t step, int32_t steps, double loss)
{
    if (isnan(loss)) /* printf might show its sign */
        print_line(printer, "step %4d / %4d | loss nan", (int)step, (int)steps);
    else
        print_line(printer, "step %4d / %4d | loss %.4f", (int)step, (int)steps, loss);
}

/* A sample's line while it is drawn. */
typedef struct {
    const Tokenizer *tokenizer;
    uint32_t *characters;
    int32_t length;
} SampleLine;

static void append_token(void *who, const double *probabilities, int32_t count, int32_t token)
{
    SampleLine *line = who;
    (void)probabilities;
    if (token < count - 1)
        line->characters[line->length++] = line->tokenizer->characters[token];
}

static bool print_samples(Run *run, const Printer *printer)
{
    uint32_t *characters = allocate((size_t)run->preset.block + LINE_ROOM, sizeof *characters);
    bool drawn = true;
    for (int32_t i = 1; drawn && i <= run->preset.samples; i++) {
        char title[LINE_ROOM];
        snprintf(title, sizeof title, "sample %2d: ", (int)i);
        SampleLine line = {&run->tokenizer, characters, widen(title, characters)};
        drawn = sample(&run->model, run->preset.temperature, &run->generator, &(Draws){append_token, &line});
        if (drawn)
            printer->print(printer->who, line.characters, line.length);
    }
    free(characters);
    return drawn;
}

static int32_t longest(const Documents *documents)
{
    int32_t length = 0;
    for (int32_t i = 0; i < documents->count; i++)
        if (documents->document[i].length > length)
            length = documents->document[i].length;
    return length;
}

bool run_to_the_end(Run *run, const Printer *printer)
{
    const Documents *documents = &run->documents;
    int32_t steps = run->preset.optimizer.steps;
    print_line(printer, "num docs: %d", (int)documents->count);
    print_line(printer, "vocab size: %d", (int)run->tokenizer.count + 1);
    print_line(printer, "num params: %d", (int)run->model.parameters);

    int32_t *tokens = allocate((size_t)longest(documents) + 2, sizeof *tokens);
    for (int32_t step = 0; step < steps; step++) {
        int32_t length = encode(&run->tokenizer, &documents->document[step % documents->count], tokens);
        print_step(printer, step + 1, steps, training_advance(&run->training, tokens, length));
    }
    free(tokens);

    print_line(printer, "");
    print_line(printer, "--- inference (new, hallucinated names) ---");
    return print_samples(run, printer);
}
