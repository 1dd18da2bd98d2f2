/* The engine for pages: trainings that stand still after every step, so that a page can look at all their numbers.
 *
 * It is the port c-fast without the protocol, as a WebAssembly module that imports nothing. Every number has the bits of the
 * reference, whichever way it was computed: steps that nobody looks at take the fast kernels, the others the graph.
 * engine.js wraps all of this for JavaScript; what follows is what the module exports, under the same names.
 *
 *   - Pointers lead into the exported `memory`. Those into a training stay valid until it is freed; a page's typed arrays upon
 *     them only until the memory grows (their length becomes 0), which training_new, training_look and buffer_new may do.
 *   - Text comes as code points and goes as ASCII that ends with a 0. Tokens are int32, and vocabulary - 1 is BOS.
 *   - What fails returns NULL, -1 or a NaN, as noted, and failure() then says why in a sentence. The training stays usable.
 *   - The module needs SIMD and exceptions: Chrome 95, Firefox 100, Safari 16.4, Node 17, or later.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Training Training;

/* What a training is made from. Only numbers of one kind, so that a page can write them as one Float64Array. */
typedef struct {
    double layers, heads, embedding, block; /* 1 to 16, 1 to 64, 1 to 512 and a multiple of heads, 1 to 1,024 */
    double squared_relu, cosine;            /* 0 or 1: the activation, and the schedule of the learning rate */
    double sigma, output_sigma;             /* of the first parameters, and of those of attn_wo and mlp_fc2 */
    double learning_rate, beta1, beta2, epsilon;
    double steps, seed; /* 1 to 1,000,000, and 0 to 2^32 - 1 */
} Recipe;

/* Fills in a preset: 0 is `seed`, 1 is `classic`, both with the seed 42. */
void settings_preset(Recipe *settings, int32_t preset);

/* A training before its first step, or NULL. `text` holds `count` code points, one document a line. `attends` holds block * block
 * bytes, of which row t, column s says whether position t attends to s; it must attend to itself and to nothing later. NULL
 * stands for all that is not later. The parameters are drawn as the reference draws them; write others over them at will.
 */
Training *training_new(const Recipe *settings, const int32_t *text, int32_t count, const uint8_t *attends);
void training_free(Training *training);

/* Takes up to `count` steps and returns how many have been taken since the first, or -1. Of the last one, tensors are kept if
 * `observed`; it is a graph that computes them, which takes ten times as long as a step without.
 */
int32_t training_advance(Training *training, int32_t count, bool observed);
int32_t training_step(const Training *training);          /* taken so far */
const double *training_losses(const Training *training);  /* one for each step taken, that before its update */

/* The loss of any document, and its tensors, without an update: a NaN if the tokens are fewer than 2 or not in the vocabulary.
 * It overwrites the gradients, which the next step computes again.
 */
double training_look(Training *training, const int32_t *tokens, int32_t count);

/* The loss of the document of a step, with the parameters as they are: fast, and without tensors or an update. Overwrites the
 * gradients, which the next step computes again.
 */
double training_loss(Training *training, int32_t step);

/* Parameters, their gradients in the last step, and Adam's moments: training_parameters of them, matrix after matrix. */
int32_t training_parameters(const Training *training);
double *training_values(Training *training);
double *training_gradients(Training *training);
double *training_m(Training *training);
double *training_v(Training *training);

/* Tensors by number. The first are the matrices (training_matrices of them), in their order. After them come the results of
 * the step or the document that was last looked at, named as in SPEC, section 12: "pos0.layer0.head1.weights" are the attention
 * of head 1 at position 0. Every tensor has values, and gradients: the derivatives of the loss by them.
 */
int32_t training_matrices(const Training *training);
int32_t training_tensors(const Training *training);
const char *tensor_name(const Training *training, int32_t tensor);
int32_t tensor_rows(const Training *training, int32_t tensor);
int32_t tensor_columns(const Training *training, int32_t tensor);
double *tensor_values(Training *training, int32_t tensor);
double *tensor_gradients(Training *training, int32_t tensor);

/* The vocabulary, BOS not counted: token i is the code point [i]. The documents' tokens, BOS at both ends, by the step that
 * trains on them (the steps go on from the last document to the first).
 */
int32_t training_vocabulary(const Training *training, const int32_t **characters);
int32_t training_documents(const Training *training);
int32_t training_document(const Training *training, int32_t step, const int32_t **tokens);

/* Draws a text and returns its number of tokens, or -1. It continues the stream of random numbers that drew the parameters: the
 * first after the last step is the reference's "sample  1". To sample earlier and leave that as it is, save and restore.
 */
int32_t training_sample(Training *training, double temperature, const int32_t **tokens);

/* The stream of random numbers: the 624 words of the twister, the index of the next one (624: make new ones), and the second
 * normal number of a pair, a NaN if there is none.
 */
const uint32_t *training_words(const Training *training);
int32_t training_index(const Training *training);
double training_kept(const Training *training);

/* The whole state: parameters, moments, losses, step, random numbers. It fits any training of the same settings and documents. */
size_t state_bytes(const Training *training);
void state_save(const Training *training, void *state);
void state_restore(Training *training, const void *state);

/* The checksum of SPEC, section 13: its first word times 2^32 plus its second. */
uint64_t checksum(const double *numbers, int32_t count);

/* Room for what a page passes in; NULL if there is none. */
void *buffer_new(size_t bytes);
void buffer_free(void *buffer);

const char *failure(void); /* why the last call failed */
