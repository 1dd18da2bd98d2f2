/* The text form of requests and replies (SPEC, section 11): lines of words, doubles as hex digits, tensors,
 * checksums.
 *
 * Reading never stops half-way: after the first thing that is wrong, the Request remembers why, and every
 * further read gives back a harmless value at once. So a verb reads all it needs, asks request_ended() once,
 * and only then computes.
 */
#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { LINE_LIMIT = 65536, ID_LIMIT = 64, REASON_LIMIT = 200, ANY_NUMBER = INT32_MAX };

/* ------------------------------------------------------------------ requests */

typedef struct {
    FILE *input;
    enum { A_LINE, THE_END, END_OF_INPUT } state; /* what comes next */
    char line[LINE_LIMIT + 1];                    /* the next line, without its LF */
    const char *form_error;                       /* what breaks the rules for all lines in it; NULL for nothing */
    const char *key, *word;                       /* its key, and where its next value stands, while it is read */
    bool failed;
    char reason[REASON_LIMIT];
} Request;

/* Go to the next request. False if the input has ended before it. */
bool request_next(Request *in);

/* The first line: the verb stays in in->line, and the id is copied. The other lines follow after
 * request_skip_line.
 */
bool request_header(Request *in, char id[ID_LIMIT + 1]);
void request_skip_line(Request *in);

/* Read on to the line `end`. False if the input ends before it. */
bool request_skip_rest(Request *in);

/* Give up: the reason is a sentence of printable ASCII with single spaces. Only the first one counts. */
void request_fail(Request *in, const char *format, ...);

/* True if all went well so far and the next line is `end`; else it fails. */
bool request_ended(Request *in);

/* True if there is a next line and it has this key. */
bool next_key_is(const Request *in, const char *key);

/* True until the lines of the request, or our patience with it, are at an end. */
bool more_lines(const Request *in);

/* Fails, since the next line's key is none of those expected. */
void unexpected_key(Request *in, const char *expected);

/* A line with this key and between `least` and `most` values. Returns how many; then come as many of the
 * next_... and end_line.
 */
int32_t begin_line(Request *in, const char *key, int32_t least, int32_t most);
double next_double(Request *in);
int64_t next_integer(Request *in, int64_t low, int64_t high);
bool next_is(Request *in, const char *word);      /* true, and past it, if this is the next value */
void end_line(Request *in);

/* Whole lines with one value. */
double read_double(Request *in, const char *key);
int32_t read_integer(Request *in, const char *key, int32_t low, int32_t high);
int read_choice(Request *in, const char *key, const char *first, const char *second); /* 0 or 1 */

/* A tensor of this name and shape, into rows * columns doubles. */
void read_tensor(Request *in, const char *name, int32_t rows, int32_t columns, double *numbers);

/* The shape of the tensor that comes next, which is left to be read. */
void peek_shape(Request *in, int32_t *rows, int32_t *columns);

/* ------------------------------------------------------------------ replies */

/* The lines of a reply, kept back until it is sure that there will be no error. */
typedef struct {
    char *text;
    size_t length, capacity;
} Reply;

void reply_key(Reply *out, const char *key);      /* begins a line */
void reply_word(Reply *out, const char *word);
void reply_integer(Reply *out, int64_t value);
void reply_double(Reply *out, double value);
void reply_end_line(Reply *out);

void reply_double_line(Reply *out, const char *key, double value);
void reply_integer_line(Reply *out, const char *key, int64_t value);
void reply_checksum(Reply *out, const char *key, const double *numbers, size_t count);
void reply_tensor(Reply *out, const char *prefix, const char *name, int32_t rows, int32_t columns,
                  const double *numbers); /* its name is the prefix and the name */

#endif
