/* microgpt: one small GPT, trained from a list of names to new ones, with every bit as the project's
 * specification has it.
 *
 * Without arguments this program answers the requests of the specification (conformance/SPEC.md) on standard
 * input. As `microgpt run [seed|classic] < names.txt` it trains for people, and prints what the reference
 * prints.
 *
 * Where to read on: tape.h (automatic differentiation), model.c (the GPT), training.c (Adam), run.c (a whole
 * run), exact.c (functions that round correctly), generator.c (random numbers), text.c (tokens), graph.c (single
 * expressions), answers.c, verbs_*.c and wire.c (the protocol).
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answers.h"
#include "functions.h"
#include "fused.h"
#include "memory.h"
#include "run.h"
#include "text.h"

static const char usage[] =
    "usage: microgpt                                 answer requests on standard input\n"
    "       microgpt run [seed|classic] < names.txt  train on these names and print new ones\n";

enum { NOT_AS_EXPECTED = 2 }; /* the exit status where arguments or input are wrong */

/* ------------------------------------------------------------------ UTF-8 */

/* The character at text[0..length-1], and in *size its number of bytes; -1 if there is none. */
static int32_t decode_utf8(const unsigned char *text, size_t length, size_t *size)
{
    static const int32_t least[] = {0, 0, 0x80, 0x800, 0x10000}; /* of a character of that many bytes */
    unsigned char first = text[0];
    size_t bytes = first < 0x80 ? 1 : first < 0xc0 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf8 ? 4 : 0;
    if (bytes == 0 || bytes > length)
        return -1;
    int32_t character = bytes == 1 ? first : first & (0x7f >> bytes);
    for (size_t i = 1; i < bytes; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return -1;
        character = character << 6 | (text[i] & 0x3f);
    }
    bool surrogate = character >= 0xd800 && character <= 0xdfff;
    *size = bytes;
    return character < least[bytes] || character > 0x10ffff || surrogate ? -1 : character;
}

static void put_utf8(uint32_t c, FILE *output)
{
    if (c < 0x80) {
        putc((int)c, output);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    putc((int)((0xff00 >> (more + 1) & 0xff) | c >> 6 * more), output); /* c0, e0 or f0 and the top bits */
    while (more-- > 0)
        putc((int)(0x80 | (c >> 6 * more & 0x3f)), output);
}

/* ------------------------------------------------------------------ the run for people */

static unsigned char *read_all(FILE *input, size_t *length)
{
    size_t capacity = 1 << 16;
    unsigned char *text = allocate(capacity, 1);
    *length = 0;
    for (size_t got; (got = fread(text + *length, 1, capacity - *length, input)) > 0;) {
        *length += got;
        if (*length == capacity)
            text = reallocate(text, capacity *= 2, 1);
    }
    return text;
}

/* The documents in a text of UTF-8 lines. False, and a message, if it is none. */
static bool read_names(const unsigned char *text, size_t length, Documents *documents)
{
    uint32_t *characters = allocate(length, sizeof *characters);
    int32_t count = 0, line = 1;
    bool right = true;
    for (size_t at = 0, size; at < length && right; at += size) {
        int32_t character = decode_utf8(text + at, length - at, &size);
        if (character < 0) {
            fprintf(stderr, "microgpt: standard input is not UTF-8: line %d has a stray byte %02x; "
                    "save it as UTF-8 text\n", (int)line, text[at]);
            right = false;
        } else if (character == '\n') {
            documents_add_line(documents, characters, count);
            count = 0;
            line++;
        } else {
            characters[count++] = (uint32_t)character;
        }
    }
    documents_add_line(documents, characters, count);
    free(characters);
    if (right && documents->count == 0) {
        fputs("microgpt: standard input has no documents: every line is empty, and at least one is needed\n",
              stderr);
        right = false;
    }
    return right;
}

static void print_to_file(void *who, const uint32_t *characters, int32_t length)
{
    FILE *output = who;
    for (int32_t i = 0; i < length; i++)
        put_utf8(characters[i], output);
    putc('\n', output);
    fflush(output);
}

static int run_for_people(const Preset *preset)
{
    size_t length;
    unsigned char *text = read_all(stdin, &length);
    Documents documents = {0};
    bool right = read_names(text, length, &documents);
    free(text);
    if (!right) {
        documents_free(&documents);
        return NOT_AS_EXPECTED;
    }
    Run run;
    run_start(&run, preset, documents, &exact_functions);
    right = run_to_the_end(&run, &(Printer){print_to_file, stdout});
    if (!right)
        fputs("microgpt: a sample cannot be drawn: the model's probabilities are not finite\n", stderr);
    run_free(&run);
    return right ? EXIT_SUCCESS : NOT_AS_EXPECTED;
}

static const Preset *preset_called(const char *name)
{
    for (int i = 0; i < PRESETS; i++)
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        answer_requests(stdin, stdout);
        return EXIT_SUCCESS;
    }
    if (argc == 2 && strcmp(argv[1], "check") == 0)
        return fused_check() ? EXIT_SUCCESS : EXIT_FAILURE;
    const Preset *preset = argc == 2 ? &presets[0] : preset_called(argv[2]);
    if (strcmp(argv[1], "run") == 0 && argc <= 3 && preset != NULL)
        return run_for_people(preset);
    bool help = strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0;
    fputs(usage, help ? stdout : stderr);
    return help ? EXIT_SUCCESS : NOT_AS_EXPECTED;
}
