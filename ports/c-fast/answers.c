#include "answers.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "verbs.h"

static void answer_hello(Request *in, Reply *out);

typedef struct {
    const char *name;
    void (*answer)(Request *in, Reply *out);
} Verb;

static const Verb verbs[] = {
    {"hello", answer_hello}, {"arith", answer_arith}, {"math", answer_math}, {"random", answer_random},
    {"tokens", answer_tokens}, {"graph", answer_graph}, {"forward", answer_forward}, {"backward", answer_backward},
    {"adam", answer_adam}, {"train", answer_train}, {"sample", answer_sample}, {"run", answer_run},
};

enum { VERBS = sizeof verbs / sizeof *verbs };

static void answer_hello(Request *in, Reply *out)
{
    (void)in;
    reply_key(out, "name c-fast\nprotocol 1\nverbs");
    for (int i = 0; i < VERBS; i++)
        reply_word(out, verbs[i].name);
    reply_key(out, "\nmath exact native");
    reply_end_line(out);
}

static const Verb *verb_called(const char *name)
{
    for (int i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

/* Fill in the reply, or fail. `name` is the first word of the request and is gone once its second line is read. */
static void answer(Request *in, Reply *out, const char *name)
{
    const Verb *verb = verb_called(name);
    request_skip_line(in);
    if (verb == NULL) {
        request_fail(in, "unsupported");
        return;
    }
    verb->answer(in, out);
    request_ended(in);
}

void answer_requests(FILE *input, FILE *output)
{
    Request *in = allocate(1, sizeof *in);
    Reply reply = {0};
    char id[ID_LIMIT + 1];
    in->input = input;
    while (request_next(in)) {
        reply.length = 0;
        if (request_header(in, id))
            answer(in, &reply, in->line);
        bool complete = request_skip_rest(in);
        if (!in->failed)
            fprintf(output, "ok %s\n", id);
        else if (complete || strcmp(in->reason, "unsupported") != 0)
            fprintf(output, "error %s %s\n", id, in->reason);
        else
            fprintf(output, "error %s the input ended before the line 'end'\n", id);
        if (!in->failed)
            fwrite(reply.text, 1, reply.length, output);
        fputs("end\n", output);
        fflush(output);
    }
    free(reply.text);
    free(in);
}
