/* The model of SPEC, sections 6 and 7: its shape, its parameters, one position, the loss of a document. */
#ifndef MODEL_H
#define MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "generator.h"
#include "tape.h"

enum {
    MOST_LAYERS = 16,
    MOST_HEADS = 64,
    MATRICES_PER_LAYER = 6,
    MOST_MATRICES = 3 + MATRICES_PER_LAYER * MOST_LAYERS
};

typedef enum { RELU_ONCE, RELU_SQUARED } Activation;

typedef struct {
    int32_t count;
    int32_t *position;     /* increasing; the last is the attending position itself */
} Attended;

typedef struct {
    int32_t layers, heads, embedding, block, vocabulary;
    Activation activation;
    Attended *attention;   /* one for each position of the block */
} Config;

/* Full causal attention: each position attends to itself and all before. */
Attended *causal_attention(int32_t block);
void attention_free(Attended *attention, int32_t block);

typedef struct {
    char name[32];
    int32_t rows, columns;
    Index first;
} Matrix;

/* Somebody who wants to see every result: `name` is that of SPEC, section 12, level 7. NULL for nobody. */
typedef struct {
    void (*see)(void *who, const char *name, const double *numbers, int32_t count);
    void *who;
} Observer;

/* The parameters are the first numbers of the tape, matrix after matrix. */
typedef struct {
    Config config;
    Tape tape;
    Matrix matrix[MOST_MATRICES];
    int32_t matrices;
    Index parameters;                            /* how many */
    Index keys[MOST_LAYERS], values[MOST_LAYERS]; /* the caches of the present document: a row for each position */
} Model;

/* Takes over the config with its attention table. All parameters are to be set, in
 * model->tape.value[0..parameters-1].
 */
void model_start(Model *model, const Config *config, const Functions *math);
void model_free(Model *model);

/* The loss of a document, `length` >= 2 tokens with what stands at its ends, on the tape: ready for
 * tape_backward if nobody observes.
 */
Index document_loss(Model *model, const int32_t *tokens, int32_t length, const Observer *observer);

/* How the caller of `sample` hears of each draw. */
typedef struct {
    void (*drawn)(void *who, const double *probabilities, int32_t count, int32_t token);
    void *who;
} Draws;

/* Draw tokens, until BOS or the end of the block. False if probabilities were not finite. */
bool sample(Model *model, double temperature, Generator *generator, const Draws *draws);

#endif
