#include "verbs.h"

#include <stdbool.h>
#include <stdlib.h>

#include "fields.h"
#include "generator.h"
#include "memory.h"
#include "model.h"
#include "run.h"
#include "training.h"

enum { MOST_STEPS = 4096, MOST_SAMPLES = 1000 };

/* ------------------------------------------------------------------ lines that several verbs share */

/* A line of integers, `least` or more, as a new list; returns how many. */
static int32_t read_integers(Request *in, const char *key, int32_t least, int32_t low, int32_t high, int32_t **list)
{
    int32_t count = begin_line(in, key, least, ANY_NUMBER);
    *list = allocate((size_t)count, sizeof **list);
    for (int32_t i = 0; i < count; i++)
        (*list)[i] = (int32_t)next_integer(in, low, high);
    end_line(in);
    return count;
}

static bool increases(const int32_t *list, int32_t count)
{
    for (int32_t i = 1; i < count; i++)
        if (list[i] <= list[i - 1])
            return false;
    return true;
}

static Attended read_attend(Request *in, int32_t position)
{
    Attended attended;
    attended.count = read_integers(in, "attend", 1, 0, position, &attended.position);
    bool own_is_last = attended.count > 0 && attended.position[attended.count - 1] == position;
    if (!own_is_last || !increases(attended.position, attended.count))
        request_fail(in, "attend line %d must be increasing positions that end with %d", (int)position,
                     (int)position);
    return attended;
}

static Config read_config(Request *in)
{
    Config config = {
        .layers = read_integer(in, "layers", 1, MOST_LAYERS),
        .heads = read_integer(in, "heads", 1, MOST_HEADS),
    };
    config.embedding = read_integer(in, "embedding", 1, 512);
    if (config.embedding % config.heads != 0)
        request_fail(in, "embedding %d is not a multiple of heads %d", (int)config.embedding, (int)config.heads);
    config.block = read_integer(in, "block", 1, 1024);
    config.vocabulary = read_integer(in, "vocabulary", 2, MOST_VOCABULARY);
    config.activation = read_choice(in, "activation", "relu", "squared_relu") == 0 ? RELU_ONCE : RELU_SQUARED;
    config.attention = allocate((size_t)config.block, sizeof *config.attention);
    for (int32_t t = 0; t < config.block && !in->failed; t++)
        config.attention[t] = read_attend(in, t);
    return config;
}

/* A list of numbers, in the order of the parameters, from one tensor for each matrix. */
static void read_matrices(Request *in, const Model *model, const char *prefix, double *numbers)
{
    for (int32_t i = 0; i < model->matrices && !in->failed; i++) {
        const Matrix *matrix = &model->matrix[i];
        char name[40];
        snprintf(name, sizeof name, "%s%s", prefix, matrix->name);
        read_tensor(in, name, matrix->rows, matrix->columns, numbers + matrix->first);
    }
}

static void reply_matrices(Reply *out, const Model *model, const char *prefix, const double *numbers)
{
    for (int32_t i = 0; i < model->matrices; i++) {
        const Matrix *matrix = &model->matrix[i];
        reply_tensor(out, prefix, matrix->name, matrix->rows, matrix->columns, numbers + matrix->first);
    }
}

/* The model of these lines, with the parameters that come next. model_free it in any case. */
static void read_model(Request *in, Model *model, const Config *config, const Functions *math)
{
    if (in->failed) {
        *model = (Model){.config = *config};
        return;
    }
    model_start(model, config, math);
    read_matrices(in, model, "", model->tape.value);
}

typedef struct {
    int32_t *tokens, length;
} TokenList;

static TokenList read_tokens(Request *in, const Config *config)
{
    TokenList list;
    list.length = read_integers(in, "tokens", 2, 0, config->vocabulary - 1, &list.tokens);
    return list;
}

static Optimizer read_optimizer(Request *in)
{
    Optimizer optimizer;
    optimizer.learning_rate = read_double(in, "learning_rate");
    optimizer.beta1 = read_double(in, "beta1");
    optimizer.beta2 = read_double(in, "beta2");
    optimizer.epsilon = read_double(in, "epsilon");
    optimizer.schedule = read_choice(in, "schedule", "linear", "cosine") == 0 ? LINEAR_SCHEDULE : COSINE_SCHEDULE;
    optimizer.steps = read_integer(in, "steps", 1, MOST_STEPS);
    return optimizer;
}

/* ------------------------------------------------------------------ forward, backward */

static void reply_activation(void *who, const char *name, const double *numbers, int32_t count)
{
    reply_tensor(who, "", name, 1, count, numbers);
}

/* The lines that forward and backward share. model_free the model. */
static TokenList read_document_and_model(Request *in, Model *model)
{
    const Functions *math = read_math(in);
    Config config = read_config(in);
    TokenList document = read_tokens(in, &config);
    read_model(in, model, &config, math);
    return document;
}

void answer_forward(Request *in, Reply *out)
{
    Model model;
    TokenList document = read_document_and_model(in, &model);
    if (request_ended(in)) {
        Index loss = document_loss(&model, document.tokens, document.length, &(Observer){reply_activation, out});
        reply_double_line(out, "loss", model.tape.value[loss]);
    }
    free(document.tokens);
    model_free(&model);
}

void answer_backward(Request *in, Reply *out)
{
    Model model;
    TokenList document = read_document_and_model(in, &model);
    if (request_ended(in)) {
        Index loss = document_loss(&model, document.tokens, document.length, NULL);
        tape_backward(&model.tape, loss);
        reply_double_line(out, "loss", model.tape.value[loss]);
        reply_matrices(out, &model, "", model.tape.gradient);
    }
    free(document.tokens);
    model_free(&model);
}

/* ------------------------------------------------------------------ adam, train */

void answer_adam(Request *in, Reply *out)
{
    enum { PARAMETERS, GRADIENTS, M, V, TENSORS };
    static const char *const names[TENSORS] = {"parameters", "gradients", "m", "v"};
    const Functions *math = read_math(in);
    Optimizer optimizer = read_optimizer(in);
    int32_t step = read_integer(in, "step", 0, optimizer.steps - 1), rows, columns;
    peek_shape(in, &rows, &columns);
    size_t count = in->failed ? 0 : (size_t)rows * (size_t)columns;
    double *tensor[TENSORS];
    for (int i = 0; i < TENSORS; i++) {
        tensor[i] = allocate(count, sizeof *tensor[i]);
        read_tensor(in, names[i], rows, columns, tensor[i]);
    }
    if (request_ended(in)) {
        StepFactors factors = step_factors(&optimizer, step, math);
        adam_update(&optimizer, factors, count, tensor[PARAMETERS], tensor[GRADIENTS], tensor[M], tensor[V]);
        reply_double_line(out, "rate", factors.rate);
        reply_double_line(out, "correction1", factors.correction1);
        reply_double_line(out, "correction2", factors.correction2);
        reply_tensor(out, "", "m", rows, columns, tensor[M]);
        reply_tensor(out, "", "v", rows, columns, tensor[V]);
        reply_tensor(out, "", "parameters", rows, columns, tensor[PARAMETERS]);
    }
    for (int i = 0; i < TENSORS; i++)
        free(tensor[i]);
}

/* What a request for training asks for, besides the training itself. */
typedef struct {
    int32_t from, count;
    int32_t *full, full_count;
    TokenList *document;
    int32_t documents;
} TrainOrder;

static TrainOrder read_train_order(Request *in, const Config *config, int32_t steps)
{
    TrainOrder order = {0};
    order.from = read_integer(in, "from", 0, steps - 1);
    order.count = read_integer(in, "count", 1, steps - order.from);
    order.full_count = read_integers(in, "full", 0, order.from, order.from + order.count - 1, &order.full);
    if (!increases(order.full, order.full_count))
        request_fail(in, "the steps of 'full' must increase");
    do {
        order.document = reallocate(order.document, (size_t)order.documents + 1, sizeof *order.document);
        order.document[order.documents++] = read_tokens(in, config);
    } while (next_key_is(in, "tokens"));
    return order;
}

static void free_train_order(TrainOrder *order)
{
    for (int32_t i = 0; i < order->documents; i++)
        free(order->document[i].tokens);
    free(order->document);
    free(order->full);
}

static void reply_steps(Reply *out, Training *training, const TrainOrder *order)
{
    const Model *model = training->model;
    const int32_t *next_full = order->full, *full_end = order->full + order->full_count;
    for (int32_t step = order->from; step < order->from + order->count; step++) {
        const TokenList *document = &order->document[step % order->documents];
        reply_integer_line(out, "step", step);
        reply_double_line(out, "loss", training_advance(training, document->tokens, document->length));
        const struct { const char *key, *prefix; const double *numbers; } lists[] = {
            {"gradients", "gradients.", model->tape.gradient}, {"m", "m.", training->m},
            {"v", "v.", training->v}, {"parameters", "parameters.", model->tape.value},
        };
        for (int i = 0; i < 4; i++)
            reply_checksum(out, lists[i].key, lists[i].numbers, (size_t)model->parameters);
        if (next_full == full_end || *next_full != step)
            continue;
        next_full++;
        for (int i = 0; i < 4; i++)
            reply_matrices(out, model, lists[i].prefix, lists[i].numbers);
    }
}

void answer_train(Request *in, Reply *out)
{
    const Functions *math = read_math(in);
    Config config = read_config(in);
    Optimizer optimizer = read_optimizer(in);
    TrainOrder order = read_train_order(in, &config, optimizer.steps);
    Model model;
    Training training;
    read_model(in, &model, &config, math);
    training_start(&training, &model, &optimizer);
    training.step = order.from;
    if (order.from > 0) {
        read_matrices(in, &model, "m.", training.m);
        read_matrices(in, &model, "v.", training.v);
    }
    if (request_ended(in))
        reply_steps(out, &training, &order);
    training_free(&training);
    model_free(&model);
    free_train_order(&order);
}

/* ------------------------------------------------------------------ sample, run */

static void read_generator(Request *in, Generator *generator)
{
    begin_line(in, "state", 1 + STATE_WORDS, 1 + STATE_WORDS);
    generator->index = (int)next_integer(in, 0, STATE_WORDS);
    for (int i = 0; i < STATE_WORDS; i++)
        generator->word[i] = (uint32_t)next_integer(in, 0, UINT32_MAX);
    end_line(in);
    begin_line(in, "kept", 1, 1);
    generator->has_kept = !next_is(in, "none");
    generator->kept = generator->has_kept ? next_double(in) : 0.0;
    end_line(in);
}

static void reply_draw(void *who, const double *probabilities, int32_t count, int32_t token)
{
    reply_key(who, "probabilities");
    for (int32_t i = 0; i < count; i++)
        reply_double(who, probabilities[i]);
    reply_end_line(who);
    reply_integer_line(who, "token", token);
}

void answer_sample(Request *in, Reply *out)
{
    const Functions *math = read_math(in);
    Config config = read_config(in);
    double temperature = read_double(in, "temperature");
    int32_t samples = read_integer(in, "samples", 0, MOST_SAMPLES);
    Model model;
    Generator generator;
    read_model(in, &model, &config, math);
    read_generator(in, &generator);
    if (request_ended(in)) {
        for (int32_t i = 0; i < samples && !in->failed; i++) {
            reply_integer_line(out, "sample", i);
            if (!sample(&model, temperature, &generator, &(Draws){reply_draw, out}))
                request_fail(in, "the probabilities of a draw are not finite");
        }
        reply_integer_line(out, "word", generator_word(&generator));
    }
    model_free(&model);
}

static void reply_print(void *who, const uint32_t *characters, int32_t length)
{
    reply_key(who, "print");
    for (int32_t i = 0; i < length; i++)
        reply_integer(who, characters[i]);
    reply_end_line(who);
}

void answer_run(Request *in, Reply *out)
{
    const Functions *math = read_math(in);
    Preset preset = presets[read_choice(in, "preset", presets[0].name, presets[1].name)];
    preset.optimizer.steps = read_integer(in, "steps", 1, MOST_STEPS);
    preset.samples = read_integer(in, "samples", 0, MOST_SAMPLES);
    Documents documents = read_documents(in);
    if (!request_ended(in)) {
        documents_free(&documents);
        return;
    }
    Run run;
    run_start(&run, &preset, documents, math);
    check_vocabulary(in, &run.tokenizer);
    if (!in->failed && !run_to_the_end(&run, &(Printer){reply_print, out}))
        request_fail(in, "the probabilities of a draw are not finite");
    size_t count = (size_t)run.model.parameters;
    reply_checksum(out, "parameters", run.model.tape.value, count);
    reply_checksum(out, "m", run.training.m, count);
    reply_checksum(out, "v", run.training.v, count);
    reply_integer_line(out, "word", generator_word(&run.generator));
    run_free(&run);
}
