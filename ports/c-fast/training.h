/* Training: Adam, its schedule, and the steps of SPEC, section 8. */
#ifndef TRAINING_H
#define TRAINING_H

#include <stddef.h>
#include <stdint.h>

#include "functions.h"
#include "model.h"

typedef enum { LINEAR_SCHEDULE, COSINE_SCHEDULE } Schedule;

typedef struct {
    double learning_rate, beta1, beta2, epsilon;
    Schedule schedule;
    int32_t steps;
} Optimizer;

/* What one step of Adam needs besides the numbers. */
typedef struct {
    double rate, correction1, correction2;
} StepFactors;

StepFactors step_factors(const Optimizer *optimizer, int32_t step, const Functions *math);

/* One update of `count` parameters and their moments m and v by their gradients. */
void adam_update(const Optimizer *optimizer, StepFactors factors, size_t count, double *restrict parameters,
                 const double *restrict gradients, double *restrict m, double *restrict v);

/* A training in the middle. The parameters are the model's. */
typedef struct {
    Model *model;
    Optimizer optimizer;
    struct Fused *fused;   /* what computes the gradients; NULL if that is the tape */
    double *m, *v;
    int32_t step;          /* the next one, from 0 */
} Training;

void training_start(Training *training, Model *model, const Optimizer *optimizer);
void training_free(Training *training);

/* One step on one document. Returns the loss before the update; the gradients are in model->tape.gradient. */
double training_advance(Training *training, const int32_t *tokens, int32_t length);

#endif
