/* Training at full speed: the loss of a document, the gradient of every parameter and Adam, by hand on flat arrays. How it
 * keeps every bit is told at the top of fused.c.
 */
#ifndef FUSED_H
#define FUSED_H

#include <stdbool.h>

#include "model.h"
#include "training.h"

typedef struct Fused Fused;

/* Room for a document of this model, whose shape and functions it keeps; NULL if the model is too large for flat arrays.
 * Then the tape serves.
 */
Fused *fused_start(const Model *model);
void fused_free(Fused *fused);

/* The loss of a document. Every parameter's gradient goes to `gradient`, in the order of the parameters. */
double fused_gradient(Fused *fused, const double *parameters, double *gradient, const int32_t *tokens, int32_t length);

/* adam_update of training.h, with the widest vectors that the processor has. */
void fused_adam(const Optimizer *optimizer, StepFactors factors, size_t count, double *restrict parameters,
                const double *restrict gradients, double *restrict m, double *restrict v);

/* The variants that this processor can run, the best last, and which is in use (the best, or what the environment's
 * MICROGPT_VARIANT says).
 */
int fused_variants(void);
const char *fused_variant_name(int variant);
void fused_use(int variant);

/* Whether every variant gives the tape's bits, on models of many shapes; what it finds goes to standard output. */
bool fused_check(void);

#endif
