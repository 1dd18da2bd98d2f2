#include "text.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "memory.h"

static bool is_white_space(uint32_t character)
{
    return (character >= '\t' && character <= '\r') || character == ' ';
}

void documents_add_line(Documents *documents, const uint32_t *characters, int32_t length)
{
    while (length > 0 && is_white_space(characters[0])) {
        characters++;
        length--;
    }
    while (length > 0 && is_white_space(characters[length - 1]))
        length--;
    if (length == 0)
        return;
    if (documents->count == documents->capacity) {
        size_t capacity = documents->count > 0 ? 2 * (size_t)documents->count : 64;
        documents->document = reallocate(documents->document, capacity, sizeof *documents->document);
        documents->capacity = (int32_t)capacity;
    }
    Document document = {allocate((size_t)length, sizeof *characters), length};
    memcpy(document.characters, characters, (size_t)length * sizeof *characters);
    documents->document[documents->count++] = document;
}

void documents_free(Documents *documents)
{
    for (int32_t i = 0; i < documents->count; i++)
        free(documents->document[i].characters);
    free(documents->document);
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

Tokenizer tokenizer_of(const Documents *documents)
{
    size_t total = 0;
    for (int32_t i = 0; i < documents->count; i++)
        total += (size_t)documents->document[i].length;
    Tokenizer tokenizer = {allocate(total, sizeof *tokenizer.characters), 0};
    size_t at = 0;
    for (int32_t i = 0; i < documents->count; i++) {
        const Document *document = &documents->document[i];
        size_t length = (size_t)document->length;
        memcpy(tokenizer.characters + at, document->characters, length * sizeof *document->characters);
        at += length;
    }
    qsort(tokenizer.characters, total, sizeof *tokenizer.characters, by_number);
    for (size_t i = 0; i < total; i++)
        if (i == 0 || tokenizer.characters[i] != tokenizer.characters[tokenizer.count - 1])
            tokenizer.characters[tokenizer.count++] = tokenizer.characters[i];
    return tokenizer;
}

void tokenizer_free(Tokenizer *tokenizer)
{
    free(tokenizer->characters);
}

int32_t encode(const Tokenizer *tokenizer, const Document *document, int32_t *tokens)
{
    int32_t length = 0;
    tokens[length++] = tokenizer->count;
    for (int32_t i = 0; i < document->length; i++) {
        const uint32_t *found = bsearch(&document->characters[i], tokenizer->characters, (size_t)tokenizer->count,
                                        sizeof *found, by_number);
        tokens[length++] = (int32_t)(found - tokenizer->characters);
    }
    tokens[length++] = tokenizer->count;
    return length;
}
