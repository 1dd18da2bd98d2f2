/* Text: documents, their characters, and tokens (SPEC, section 4). A character is a Unicode code point. */
#ifndef TEXT_H
#define TEXT_H

#include <stdint.h>

typedef struct {
    uint32_t *characters;
    int32_t length;
} Document;

typedef struct {
    Document *document;
    int32_t count, capacity;
} Documents;

/* Add a line, stripped of white space; an empty one is dropped. */
void documents_add_line(Documents *documents, const uint32_t *characters, int32_t length);
void documents_free(Documents *documents);

/* Token i stands for characters[i]; the token `count` is BOS. */
typedef struct {
    uint32_t *characters;
    int32_t count;
} Tokenizer;

Tokenizer tokenizer_of(const Documents *documents);
void tokenizer_free(Tokenizer *tokenizer);

/* BOS, the document's tokens, BOS, into `tokens`. Returns how many. */
int32_t encode(const Tokenizer *tokenizer, const Document *document, int32_t *tokens);

#endif
