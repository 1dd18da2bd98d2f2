/* The verbs of the protocol (SPEC, section 12), one function each: it reads the lines of a request and writes those of
 * the reply. If it finds something wrong, the request has failed and the reply is not sent.
 */
#ifndef VERBS_H
#define VERBS_H

#include "wire.h"

/* verbs_basic.c: numbers, functions, random numbers, text */
void answer_arith(Request *in, Reply *out);
void answer_math(Request *in, Reply *out);
void answer_random(Request *in, Reply *out);
void answer_tokens(Request *in, Reply *out);

/* verbs_graph.c: expressions */
void answer_graph(Request *in, Reply *out);

/* verbs_model.c: the model, its training, its samples */
void answer_forward(Request *in, Reply *out);
void answer_backward(Request *in, Reply *out);
void answer_adam(Request *in, Reply *out);
void answer_train(Request *in, Reply *out);
void answer_sample(Request *in, Reply *out);
void answer_run(Request *in, Reply *out);

#endif
