/* A whole run from a dataset to samples (SPEC, section 10), for the verb `run` and for people. */
#ifndef RUN_H
#define RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "generator.h"
#include "model.h"
#include "text.h"
#include "training.h"

typedef struct {
    const char *name;
    int32_t layers, heads, embedding, block;
    Activation activation;
    double sigma, output_sigma;    /* of the initial parameters, and of attn_wo and mlp_fc2 among them */
    Optimizer optimizer;
    double temperature;
    int32_t samples;
} Preset;

enum { PRESETS = 2 };
extern const Preset presets[PRESETS];      /* the first is the default */

/* How a run prints a line. */
typedef struct {
    void (*print)(void *who, const uint32_t *characters, int32_t length);
    void *who;
} Printer;

typedef struct {
    Preset preset;
    Documents documents;
    Tokenizer tokenizer;
    Generator generator;
    Model model;
    Training training;
} Run;

/* Everything before the first step. Takes over the documents, of which there must be one. */
void run_start(Run *run, const Preset *preset, Documents documents, const Functions *math);

/* Train, sample and print. False if a sample could not be drawn, since the probabilities were not finite. */
bool run_to_the_end(Run *run, const Printer *printer);

void run_free(Run *run);

#endif
