/* Lines of requests that verbs of several files share. What they mean stands in SPEC, sections 11 and 12. */
#ifndef FIELDS_H
#define FIELDS_H

#include "functions.h"
#include "text.h"
#include "wire.h"

enum { MOST_VOCABULARY = 2048 /* BOS included */, MOST_CHARACTERS = 10000 /* of a line */ };

const Functions *read_math(Request *in);

/* The next value: an exponent in the domain of pow, from -limit to limit. */
double next_exponent(Request *in, double limit);

/* One or more lines `line` of code points, as documents, of which there must be one. */
Documents read_documents(Request *in);

/* Fails if the protocol does not allow so many characters. */
void check_vocabulary(Request *in, const Tokenizer *tokenizer);

#endif
