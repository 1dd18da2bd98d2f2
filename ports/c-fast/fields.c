#include "fields.h"

#include <math.h>
#include <stdlib.h>

#include "memory.h"

const Functions *read_math(Request *in)
{
    return read_choice(in, "math", "exact", "native") == 0 ? &exact_functions : &native_functions;
}

double next_exponent(Request *in, double limit)
{
    double y = next_double(in);
    if (!(fabs(y) <= limit && floor(2.0 * y) == 2.0 * y))
        request_fail(in, "the exponent must be an integer or half-integer from %.0f to %.0f", -limit, limit);
    return y;
}

Documents read_documents(Request *in)
{
    Documents documents = {0};
    uint32_t *characters = allocate(MOST_CHARACTERS, sizeof *characters);
    do {
        int32_t count = begin_line(in, "line", 0, MOST_CHARACTERS);
        for (int32_t i = 0; i < count; i++) {
            characters[i] = (uint32_t)next_integer(in, 0, 0x10ffff);
            if (characters[i] >= 0xd800 && characters[i] <= 0xdfff)
                request_fail(in, "line takes Unicode code points and surrogates like %d are none",
                             (int)characters[i]);
        }
        end_line(in);
        documents_add_line(&documents, characters, count);
    } while (next_key_is(in, "line"));
    if (documents.count == 0)
        request_fail(in, "no line has a document: all are empty once stripped");
    free(characters);
    return documents;
}

void check_vocabulary(Request *in, const Tokenizer *tokenizer)
{
    if (tokenizer->count >= MOST_VOCABULARY)
        request_fail(in, "the documents have %d distinct characters and %d are the most", (int)tokenizer->count,
                     MOST_VOCABULARY - 1);
}
