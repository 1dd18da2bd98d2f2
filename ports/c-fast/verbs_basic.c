#include "verbs.h"

#include <math.h>
#include <stdlib.h>

#include "fields.h"
#include "generator.h"
#include "memory.h"

enum { MOST_DRAWS = 1000, MOST_ITEMS = 10000 };

/* ------------------------------------------------------------------ arith */

static double add(const double *x, int32_t count)
{
    (void)count;
    return x[0] + x[1];
}

static double subtract(const double *x, int32_t count)
{
    (void)count;
    return x[0] - x[1];
}

static double multiply(const double *x, int32_t count)
{
    (void)count;
    return x[0] * x[1];
}

static double divide(const double *x, int32_t count)
{
    (void)count;
    return x[0] / x[1];
}

static double square_root(const double *x, int32_t count)
{
    (void)count;
    return sqrt(x[0]);
}

static double multiply_add(const double *x, int32_t count)
{
    (void)count;
    return x[0] * x[1] + x[2];
}

static double sum(const double *x, int32_t count)
{
    double total = 0.0;
    for (int32_t i = 0; i < count; i++)
        total += x[i];
    return total;
}

static double dot(const double *x, int32_t count)
{
    double total = 0.0;
    for (int32_t i = 0; i < count; i += 2)
        total += x[i] * x[i + 1];
    return total;
}

typedef struct {
    const char *key;
    int32_t least, most;
    double (*apply)(const double *x, int32_t count);
} Arithmetic;

static const Arithmetic arithmetic[] = {
    {"add", 2, 2, add},
    {"sub", 2, 2, subtract},
    {"mul", 2, 2, multiply},
    {"div", 2, 2, divide},
    {"sqrt", 1, 1, square_root},
    {"muladd", 3, 3, multiply_add},
    {"sum", 1, ANY_NUMBER, sum},
    {"dot", 2, ANY_NUMBER, dot},
};

void answer_arith(Request *in, Reply *out)
{
    double *x = allocate(LINE_LIMIT, sizeof *x);
    do {
        const Arithmetic *operation = arithmetic, *end = arithmetic + sizeof arithmetic / sizeof *arithmetic;
        while (operation < end && !next_key_is(in, operation->key))
            operation++;
        if (operation == end) {
            unexpected_key(in, "add sub mul div sqrt muladd sum or dot");
            break;
        }
        int32_t count = begin_line(in, operation->key, operation->least, operation->most);
        if (operation->apply == dot && count % 2 != 0)
            request_fail(in, "dot takes pairs of doubles and not %d", (int)count);
        for (int32_t i = 0; i < count; i++)
            x[i] = next_double(in);
        end_line(in);
        if (!in->failed)
            reply_double_line(out, operation->key, operation->apply(x, count));
    } while (more_lines(in));
    free(x);
}

/* ------------------------------------------------------------------ math */

void answer_math(Request *in, Reply *out)
{
    const Functions *math = read_math(in);
    const struct { const char *key; double (*function)(double); double limit; } functions[] = {
        {"exp", math->exp, INFINITY},
        {"log", math->log, INFINITY},
        {"sin", math->sin, 8.0},
        {"cos", math->cos, 8.0},
    };
    do {
        if (next_key_is(in, "pow")) {
            begin_line(in, "pow", 2, 2);
            double x = next_double(in), y = next_exponent(in, 4096.0);
            end_line(in);
            if (!in->failed)
                reply_double_line(out, "pow", math->pow(x, y));
            continue;
        }
        int which = 0;
        while (which < 4 && !next_key_is(in, functions[which].key))
            which++;
        if (which == 4) {
            unexpected_key(in, "exp log sin cos or pow");
            return;
        }
        double x = read_double(in, functions[which].key);
        if (fabs(x) > functions[which].limit)
            request_fail(in, "%s takes |x| up to 8 and not %g", functions[which].key, x);
        if (!in->failed)
            reply_double_line(out, functions[which].key, functions[which].function(x));
    } while (more_lines(in));
}

/* ------------------------------------------------------------------ random */

static void draw_words(Request *in, Reply *out, Generator *generator)
{
    begin_line(in, "words", 1, 1);
    int64_t count = next_integer(in, 0, MOST_DRAWS);
    end_line(in);
    reply_key(out, "words");
    for (int64_t i = 0; i < count; i++)
        reply_integer(out, generator_word(generator));
    reply_end_line(out);
}

static void draw_random(Request *in, Reply *out, Generator *generator)
{
    begin_line(in, "random", 1, 1);
    int64_t count = next_integer(in, 0, MOST_DRAWS);
    end_line(in);
    reply_key(out, "random");
    for (int64_t i = 0; i < count; i++)
        reply_double(out, generator_random(generator));
    reply_end_line(out);
}

static void draw_gauss(Request *in, Reply *out, Generator *generator, const Functions *math)
{
    begin_line(in, "gauss", 2, 2);
    int64_t count = next_integer(in, 0, MOST_DRAWS);
    double sigma = next_double(in);
    end_line(in);
    reply_key(out, "gauss");
    for (int64_t i = 0; i < count; i++)
        reply_double(out, generator_gauss(generator, sigma, math));
    reply_end_line(out);
}

static void draw_shuffle(Request *in, Reply *out, Generator *generator)
{
    int32_t count = read_integer(in, "shuffle", 0, MOST_ITEMS), item[MOST_ITEMS];
    for (int32_t i = 0; i < count; i++)
        item[i] = i;
    for (int32_t i = count - 1; i > 0; i--) {
        int32_t j = generator_below(generator, i + 1), other = item[j];
        item[j] = item[i];
        item[i] = other;
    }
    reply_key(out, "shuffle");
    for (int32_t i = 0; i < count; i++)
        reply_integer(out, item[i]);
    reply_end_line(out);
}

static void draw_choices(Request *in, Reply *out, Generator *generator)
{
    double weights[MOST_DRAWS], cumulative[MOST_DRAWS];
    int32_t weight_count = begin_line(in, "choices", 2, 1 + MOST_DRAWS) - 1;
    int64_t count = next_integer(in, 0, MOST_DRAWS);
    for (int32_t i = 0; i < weight_count; i++)
        weights[i] = next_double(in);
    end_line(in);
    reply_key(out, "choices");
    for (int64_t i = 0; i < count && !in->failed; i++) {
        int choice = generator_choice(generator, weights, weight_count, cumulative);
        if (choice < 0)
            request_fail(in, "the weights of a choice must add up to a finite number above 0");
        reply_integer(out, choice);
    }
    reply_end_line(out);
}

static void show_state(Request *in, Reply *out, const Generator *generator)
{
    begin_line(in, "state", 0, 0);
    end_line(in);
    reply_key(out, "state");
    reply_integer(out, generator->index);
    for (int i = 0; i < STATE_WORDS; i++)
        reply_integer(out, generator->word[i]);
    reply_end_line(out);
    reply_key(out, "kept");
    if (generator->has_kept)
        reply_double(out, generator->kept);
    else
        reply_word(out, "none");
    reply_end_line(out);
}

void answer_random(Request *in, Reply *out)
{
    const Functions *math = read_math(in);
    Generator generator;
    begin_line(in, "seed", 1, 1);
    generator_seed(&generator, (uint32_t)next_integer(in, 0, UINT32_MAX));
    end_line(in);
    do {
        if (next_key_is(in, "words"))
            draw_words(in, out, &generator);
        else if (next_key_is(in, "random"))
            draw_random(in, out, &generator);
        else if (next_key_is(in, "gauss"))
            draw_gauss(in, out, &generator, math);
        else if (next_key_is(in, "shuffle"))
            draw_shuffle(in, out, &generator);
        else if (next_key_is(in, "choices"))
            draw_choices(in, out, &generator);
        else if (next_key_is(in, "state"))
            show_state(in, out, &generator);
        else
            unexpected_key(in, "words random gauss shuffle choices or state");
    } while (more_lines(in));
}

/* ------------------------------------------------------------------ tokens */

void answer_tokens(Request *in, Reply *out)
{
    Documents documents = read_documents(in);
    Tokenizer tokenizer = tokenizer_of(&documents);
    check_vocabulary(in, &tokenizer);
    if (request_ended(in)) {
        reply_integer_line(out, "documents", documents.count);
        reply_key(out, "vocabulary");
        for (int32_t i = 0; i < tokenizer.count; i++)
            reply_integer(out, tokenizer.characters[i]);
        reply_end_line(out);
        reply_integer_line(out, "bos", tokenizer.count);
        int32_t *tokens = allocate(MOST_CHARACTERS + 2, sizeof *tokens);
        for (int32_t i = 0; i < documents.count; i++) {
            int32_t length = encode(&tokenizer, &documents.document[i], tokens);
            reply_key(out, "encoded");
            for (int32_t k = 0; k < length; k++)
                reply_integer(out, tokens[k]);
            reply_end_line(out);
        }
        free(tokens);
    }
    tokenizer_free(&tokenizer);
    documents_free(&documents);
}
