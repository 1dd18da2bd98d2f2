/* The port as the protocol sees it: from requests to replies. */
#ifndef ANSWERS_H
#define ANSWERS_H

#include <stdio.h>

/* Answer request after request until the input ends. */
void answer_requests(FILE *input, FILE *output);

#endif
