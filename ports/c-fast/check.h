/* `microgpt check`: whether all variants of fused.h that this processor has give the graph's bits, on models of many shapes.
 * `microgpt time EMBEDDING BLOCK LAYERS`: the seconds that a step of such a model takes, which `make bench SCALE=1` asks.
 */
#pragma once
#include <time.h>

#include "fused.h"

static double next_parameter(uint64_t *state) {
    *state = *state * 6364136223846793005 + 1442695040888963407;
    return (double)(int64_t)*state * 0x1p-65;
}

/* One model of the given shape and a document, by the tape and by the variant in use. */
static bool check_shape(Settings config, int32_t length, uint64_t seed) {
    config.attention = allocate((size_t)config.block, sizeof *config.attention);
    for (int32_t t = 0; t < config.block; t++) {
        int32_t first = seed % 2 == 0 || t < 3 ? 0 : t - 2; /* all positions, or a window of three */
        config.attention[t] = range(t + 1 - first);
        for (int32_t i = 0; i <= t - first; i++) config.attention[t].item[i] += first;
    }
    Model *model = make_model(config);
    Graph *g = &model->graph;
    uint64_t state = seed;
    for (Id i = 0; i < g->parameters; i++) g->value[i] = 2.0 * next_parameter(&state);
    List tokens = range(length);
    for (int32_t i = 0; i < length; i++)
        tokens.item[i] = (int32_t)((next_parameter(&state) + 0.5) * config.vocabulary) % config.vocabulary;
    size_t bytes = (size_t)g->parameters * sizeof(double);
    double *gradient = allocate(1, bytes), expected_loss = graph_gradients(model, tokens);
    memcpy(gradient, g->gradient, bytes);
    double loss = fused_gradients(model, tokens);
    bool same = memcmp(&loss, &expected_loss, sizeof loss) == 0 && memcmp(gradient, g->gradient, bytes) == 0;
    if (!same)
        printf("%s: other bits with layers %d heads %d embedding %d block %d vocabulary %d, %d tokens, seed %d\n",
               variants[variant].name, (int)config.layers, (int)config.heads, (int)config.embedding, (int)config.block,
               (int)config.vocabulary, (int)length, (int)seed);
    free_all();
    return same;
}

static bool check_variants(void) {
    static const int32_t shapes[][5] = {{1, 4, 16, 16, 27}, {1, 4, 16, 8, 27}, {2, 1, 3, 5, 7}, {1, 3, 9, 17, 40},
                                        {3, 2, 32, 20, 11}, {1, 1, 1, 1, 2}, {2, 8, 24, 33, 65}};
    bool same = true;
    for (int which = 0; which < fused_variants(); which++) {
        int documents = 0;
        variant = which;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (uint64_t seed = 0; seed < 40; seed++, documents++) {
                const int32_t *s = shapes[i];
                Settings config = {.layers = s[0], .heads = s[1], .embedding = s[2], .block = s[3], .vocabulary = s[4]};
                config.squared_relu = seed % 4 >= 2;
                same &= check_shape(config, 2 + (int32_t)(seed * 7 % (uint64_t)(s[3] + 3)), seed);
            }
        printf("%s: %d documents%s\n", variants[which].name, documents, same ? ", every bit as the graph's" : "");
    }
    return same;
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* The least time of a step, of five rounds that each take a fifth of a second, on a document as long as the block. */
static double seconds_of_step(int32_t embedding, int32_t block, int32_t layers) {
    Settings config = classic;
    config.layers = layers, config.embedding = embedding, config.block = block, config.vocabulary = 27;
    config.learning_rate = 0.0; /* all steps are alike: nothing is learned by heart */
    config.attention = allocate((size_t)block, sizeof *config.attention);
    for (int32_t t = 0; t < block; t++) config.attention[t] = range(t + 1);
    Model *model = make_model(config);
    uint64_t state = 42;
    for (Id i = 0; i < model->graph.parameters; i++) model->graph.value[i] = 0.2 * next_parameter(&state);
    List tokens = range(block + 1);
    for (int32_t i = 0; i <= block; i++) tokens.item[i] = (26 + 7 * i) % 27;
    double least = INFINITY;
    int32_t step = 0;
    for (int round = 0; round < 5; round++) {
        double began = now(), took = 0.0;
        for (int32_t steps = 1; took < 0.2; steps++) {
            train(model, step++ % config.steps, tokens);
            took = now() - began;
            if (took / steps < least && took >= 0.2) least = took / steps;
        }
    }
    return least;
}
