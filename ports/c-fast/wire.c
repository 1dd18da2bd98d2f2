#include "wire.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "memory.h"

/* ------------------------------------------------------------------ lines */

/* What is wrong with a line of any kind. */
static const char *form_error_of(const char *line, size_t length)
{
    if (length > LINE_LIMIT)
        return "a line has at most 65536 bytes and this one has more";
    for (size_t i = 0; i < length; i++) {
        if (line[i] < ' ' || line[i] > '~')
            return "a line is printable ASCII and this one has another byte";
        if (line[i] == ' ' && (i == 0 || i + 1 == length || line[i + 1] == ' '))
            return "words are separated by single spaces and this line has others";
    }
    return length == 0 ? "a line has at least one word and this one is empty" : NULL;
}

/* The next line of the input; what does not fit is counted and dropped. A line that the input cuts off is none. */
static void read_line(Request *in)
{
    size_t length = 0;
    int c;
    while ((c = getc(in->input)) != EOF && c != '\n') {
        if (length < LINE_LIMIT)
            in->line[length] = (char)c;
        length++;
    }
    in->line[length < LINE_LIMIT ? length : LINE_LIMIT] = '\0';
    in->form_error = form_error_of(in->line, length);
    in->word = NULL;
    if (c == EOF) {
        in->state = END_OF_INPUT;
        if (length == 0)
            in->line[0] = '\0';
    } else {
        in->state = strcmp(in->line, "end") == 0 && length == 3 ? THE_END : A_LINE;
    }
}

bool request_next(Request *in)
{
    in->failed = false;
    read_line(in);
    return in->state != END_OF_INPUT || in->line[0] != '\0' || in->form_error == NULL;
}

enum { EXCERPT = 40 };

/* The beginning of any line, made safe to quote: other bytes than printable ASCII become '?'. */
static void excerpt(const char *line, char safe[EXCERPT + 1])
{
    int length = 0;
    for (; length < EXCERPT && line[length] != '\0'; length++)
        safe[length] = line[length] > ' ' && line[length] <= '~' ? line[length] : '?';
    safe[length] = '\0';
}

static bool is_id_character(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_'
        || c == '-';
}

bool request_header(Request *in, char id[ID_LIMIT + 1])
{
    const char *space = strchr(in->line, ' ');
    size_t length = 0;
    if (in->state == A_LINE && in->form_error == NULL && space != NULL) {
        while (is_id_character(space[1 + length]))
            length++;
        if (length <= ID_LIMIT && space[1 + length] == '\0') {
            memcpy(id, space + 1, length + 1);
            in->line[space - in->line] = '\0';
            return true;
        }
    }
    char came[EXCERPT + 1];
    excerpt(in->line, came);
    strcpy(id, "-");
    request_fail(in, "a request begins with a verb and an id of 1 to 64 letters digits . _ - and not '%s'", came);
    return false;
}

void request_skip_line(Request *in)
{
    read_line(in);
}

bool request_skip_rest(Request *in)
{
    while (in->state == A_LINE)
        read_line(in);
    return in->state == THE_END;
}

void request_fail(Request *in, const char *format, ...)
{
    if (in->failed)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(in->reason, sizeof in->reason, format, arguments);
    va_end(arguments);
    in->failed = true;
}

/* ------------------------------------------------------------------ keys */

static size_t word_length(const char *word)
{
    return strcspn(word, " ");
}

static bool word_is(const char *word, const char *text)
{
    size_t length = word_length(word);
    return length == strlen(text) && memcmp(word, text, length) == 0;
}

/* How much of a word an error quotes. */
static int quoted(const char *word)
{
    size_t length = word_length(word);
    return length < EXCERPT ? (int)length : EXCERPT;
}

bool request_ended(Request *in)
{
    if (in->state == END_OF_INPUT)
        request_fail(in, "the input ended before the line 'end'");
    else if (in->state == A_LINE && in->form_error != NULL)
        request_fail(in, "%s", in->form_error);
    else if (in->state == A_LINE)
        request_fail(in, "expected the end and not '%.*s'", quoted(in->line), in->line);
    return !in->failed;
}

bool more_lines(const Request *in)
{
    return !in->failed && in->state == A_LINE;
}

bool next_key_is(const Request *in, const char *key)
{
    return more_lines(in) && in->form_error == NULL && word_is(in->line, key);
}

void unexpected_key(Request *in, const char *expected)
{
    if (in->state == END_OF_INPUT)
        request_fail(in, "the input ended before the line 'end'");
    else if (in->state == THE_END)
        request_fail(in, "expected %s and not the end", expected);
    else if (in->form_error != NULL)
        request_fail(in, "%s", in->form_error);
    else
        request_fail(in, "expected %s and not '%.*s'", expected, quoted(in->line), in->line);
}

int32_t begin_line(Request *in, const char *key, int32_t least, int32_t most)
{
    if (!next_key_is(in, key)) {
        char expected[64];
        snprintf(expected, sizeof expected, "a line %s", key);
        unexpected_key(in, expected);
        return 0;
    }
    int32_t count = 0;
    for (const char *c = in->line; *c != '\0'; c++)
        count += *c == ' ';
    if (count < least || count > most) {
        if (least == most)
            request_fail(in, "%s takes %d values and not %d", key, (int)least, (int)count);
        else if (most == ANY_NUMBER)
            request_fail(in, "%s takes %d values or more and not %d", key, (int)least, (int)count);
        else
            request_fail(in, "%s takes %d to %d values and not %d", key, (int)least, (int)most, (int)count);
        return 0;
    }
    in->key = key;
    in->word = in->line + strlen(key);
    return count;
}

void end_line(Request *in)
{
    if (!in->failed)
        read_line(in);
}

/* ------------------------------------------------------------------ values */

/* Past the next word; NULL if reading has failed. begin_line has counted the words, so there is one. */
static const char *take_word(Request *in)
{
    if (in->failed)
        return NULL;
    const char *word = in->word + 1;
    in->word = word + word_length(word);
    return word;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

double next_double(Request *in)
{
    const char *word = take_word(in);
    if (word == NULL)
        return 0.0;
    uint64_t bits = 0;
    bool right = word_length(word) == 16;
    for (int i = 0; right && i < 16; i++) {
        int digit = hex_digit(word[i]);
        right = digit >= 0;
        bits = bits << 4 | (uint64_t)(digit & 15);
    }
    if (!right) {
        request_fail(in, "%s takes doubles of 16 lower-case hex digits and not '%.*s'", in->key, quoted(word),
                     word);
        return 0.0;
    }
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

int64_t next_integer(Request *in, int64_t low, int64_t high)
{
    const char *word = take_word(in);
    if (word == NULL)
        return low;
    size_t length = word_length(word);
    int64_t value = 0;
    bool right = length <= 10 && (word[0] != '0' || length == 1);
    for (size_t i = 0; right && i < length; i++) {
        right = word[i] >= '0' && word[i] <= '9';
        value = 10 * value + (word[i] - '0');
    }
    if (!right) {
        request_fail(in, "%s takes decimal integers without leading zeros and not '%.*s'", in->key, quoted(word),
                     word);
        return low;
    }
    if (value < low || value > high) {
        request_fail(in, "%s takes integers from %" PRId64 " to %" PRId64 " and not %" PRId64, in->key, low, high,
                     value);
        return low;
    }
    return value;
}

bool next_is(Request *in, const char *word)
{
    if (in->failed || !word_is(in->word + 1, word))
        return false;
    take_word(in);
    return true;
}

double read_double(Request *in, const char *key)
{
    begin_line(in, key, 1, 1);
    double value = next_double(in);
    end_line(in);
    return value;
}

int32_t read_integer(Request *in, const char *key, int32_t low, int32_t high)
{
    begin_line(in, key, 1, 1);
    int32_t value = (int32_t)next_integer(in, low, high);
    end_line(in);
    return value;
}

int read_choice(Request *in, const char *key, const char *first, const char *second)
{
    begin_line(in, key, 1, 1);
    const char *word = take_word(in);
    if (word == NULL)
        return 0;
    bool is_first = word_is(word, first);
    if (!is_first && !word_is(word, second))
        request_fail(in, "%s is %s or %s and not '%.*s'", key, first, second, quoted(word), word);
    end_line(in);
    return is_first ? 0 : 1;
}

void read_tensor(Request *in, const char *name, int32_t rows, int32_t columns, double *numbers)
{
    begin_line(in, "tensor", 3, 3);
    if (in->failed)
        return;
    const char *came = in->word + 1;
    char expected[80];
    snprintf(expected, sizeof expected, "%s %d %d", name, (int)rows, (int)columns);
    if (strcmp(came, expected) != 0) {
        request_fail(in, "expected tensor %s and not %.60s", expected, came);
        return;
    }
    end_line(in);
    for (int32_t i = 0; i < rows && !in->failed; i++) {
        begin_line(in, "row", columns, columns);
        for (int32_t j = 0; j < columns; j++)
            *numbers++ = next_double(in);
        end_line(in);
    }
}

void peek_shape(Request *in, int32_t *rows, int32_t *columns)
{
    begin_line(in, "tensor", 3, 3);
    take_word(in);
    *rows = (int32_t)next_integer(in, 1, 2048);
    *columns = (int32_t)next_integer(in, 1, 2048);
}

/* ------------------------------------------------------------------ replies */

static char *room(Reply *out, size_t length)
{
    if (out->capacity - out->length < length) {
        out->capacity = 2 * (out->capacity + length);
        out->text = reallocate(out->text, out->capacity, 1);
    }
    char *end = out->text + out->length;
    out->length += length;
    return end;
}

static void append(Reply *out, const char *text)
{
    size_t length = strlen(text);
    memcpy(room(out, length), text, length);
}

void reply_key(Reply *out, const char *key)
{
    append(out, key);
}

void reply_word(Reply *out, const char *word)
{
    append(out, " ");
    append(out, word);
}

void reply_integer(Reply *out, int64_t value)
{
    char word[24];
    snprintf(word, sizeof word, "%" PRId64, value);
    reply_word(out, word);
}

/* The pattern of x; all NaNs are written alike. */
static uint64_t pattern_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return isnan(x) ? 0x7ff8000000000000 : bits;
}

void reply_double(Reply *out, double value)
{
    uint64_t bits = pattern_of(value);
    char *word = room(out, 17);
    *word++ = ' ';
    for (int shift = 60; shift >= 0; shift -= 4)
        *word++ = "0123456789abcdef"[bits >> shift & 15];
}

void reply_end_line(Reply *out)
{
    append(out, "\n");
}

void reply_double_line(Reply *out, const char *key, double value)
{
    reply_key(out, key);
    reply_double(out, value);
    reply_end_line(out);
}

void reply_integer_line(Reply *out, const char *key, int64_t value)
{
    reply_key(out, key);
    reply_integer(out, value);
    reply_end_line(out);
}

/* Two running sums over the halves of all patterns (SPEC, section 13). The remainders are taken every 4096
 * halves: b stays below 2^57.
 */
void reply_checksum(Reply *out, const char *key, const double *numbers, size_t count)
{
    const uint64_t modulus = 4294967291;
    uint64_t a = 1, b = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t bits = pattern_of(numbers[i]);
        a += bits >> 32;
        b += a;
        a += bits & 0xffffffff;
        b += a;
        if (i % 2048 == 2047) {
            a %= modulus;
            b %= modulus;
        }
    }
    char words[24];
    snprintf(words, sizeof words, "%08" PRIx64 " %08" PRIx64, a % modulus, b % modulus);
    reply_key(out, key);
    reply_word(out, words);
    reply_end_line(out);
}

void reply_tensor(Reply *out, const char *prefix, const char *name, int32_t rows, int32_t columns,
                  const double *numbers)
{
    reply_key(out, "tensor ");
    append(out, prefix);
    append(out, name);
    reply_integer(out, rows);
    reply_integer(out, columns);
    reply_end_line(out);
    for (int32_t i = 0; i < rows; i++) {
        reply_key(out, "row");
        for (int32_t j = 0; j < columns; j++)
            reply_double(out, *numbers++);
        reply_end_line(out);
    }
}
