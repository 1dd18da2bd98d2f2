#include "training.h"

#include <math.h>
#include <stdlib.h>

#include "fused.h"
#include "memory.h"

StepFactors step_factors(const Optimizer *optimizer, int32_t step, const Functions *math)
{
    double s = step, n = optimizer->steps;
    StepFactors factors = {
        .correction1 = 1.0 - math->pow(optimizer->beta1, s + 1.0),
        .correction2 = 1.0 - math->pow(optimizer->beta2, s + 1.0),
    };
    if (optimizer->schedule == LINEAR_SCHEDULE)
        factors.rate = optimizer->learning_rate * (1.0 - s / n);
    else
        factors.rate = (optimizer->learning_rate * 0.5) * (1.0 + math->cos((0x1.921fb54442d18p+1 * s) / n));
    return factors;
}

/* x to the power 0.5. It differs from the square root for -0.0 (+0.0) and for -infinity (+infinity). */
static double half_power(double x)
{
    return sqrt(x == -INFINITY ? INFINITY : x) + 0.0;
}

void adam_update(const Optimizer *optimizer, StepFactors factors, size_t count, double *restrict parameters,
                 const double *restrict gradients, double *restrict m, double *restrict v)
{
    double beta1 = optimizer->beta1, beta2 = optimizer->beta2, epsilon = optimizer->epsilon;
    double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2;
    for (size_t i = 0; i < count; i++) {
        double g = gradients[i];
        m[i] = beta1 * m[i] + rest1 * g;
        v[i] = beta2 * v[i] + rest2 * (g * g);
        double m_hat = m[i] / factors.correction1, v_hat = v[i] / factors.correction2;
        parameters[i] -= (factors.rate * m_hat) / (half_power(v_hat) + epsilon);
    }
}

void training_start(Training *training, Model *model, const Optimizer *optimizer)
{
    size_t count = (size_t)model->parameters;
    *training = (Training){
        .model = model,
        .optimizer = *optimizer,
        .fused = fused_start(model),
        .m = allocate(count, sizeof *training->m),
        .v = allocate(count, sizeof *training->v),
    };
}

void training_free(Training *training)
{
    fused_free(training->fused);
    free(training->m);
    free(training->v);
}

double training_advance(Training *training, const int32_t *tokens, int32_t length)
{
    Model *model = training->model;
    Tape *tape = &model->tape;
    double loss;
    if (training->fused != NULL) {
        loss = fused_gradient(training->fused, tape->value, tape->gradient, tokens, length);
    } else {
        Index root = document_loss(model, tokens, length, NULL);
        tape_backward(tape, root);
        loss = tape->value[root];
    }
    StepFactors factors = step_factors(&training->optimizer, training->step, tape->math);
    fused_adam(&training->optimizer, factors, (size_t)model->parameters, tape->value, tape->gradient, training->m,
               training->v);
    training->step++;
    return loss;
}
