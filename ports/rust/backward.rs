//! The model backwards: the derivative of a document's loss by every parameter. SPEC.md, section 5, for the
//! graph of section 6.
//!
//! A gradient is a sum, so its bits depend on the order in which it is added up: the reverse of the
//! depth-first post-order from the loss. No search is needed to know this order. For the numbers with several
//! consumers it comes to this:
//!
//! - The walk from the loss finishes position 0, its keys and values included, then position 1, and so on. So
//!   here the last position comes first, and parameters, keys and values get their shares position by
//!   position.
//! - At a position the walk asks for the target's probability, and so for the target's logit. The other
//!   logits follow when it comes to the softmax's total. So here the target's row of `lm_head` comes after
//!   all others.
//! - The first element of a product with a matrix brings in all elements of its x. So x gets its shares row
//!   by row, the last row first.
//! - A residual sum has the block's output on its left and the block's input on its right: here the input's
//!   own share comes first. In rmsnorm the first result brings in the scale, and that all squares: here the
//!   results come first.
//! - Heads are finished one after the other. In a head the walk needs the first weight, for that its score,
//!   and for that the elements of q in turn with those of a key. The position's own key belongs to the last
//!   score, its own value to the last product of the mixture. So here come the rows of wv, then those of wk,
//!   then those of wq. But where a position attends to itself alone, its own score is the first one too, and
//!   rows of wk and wq take turns.
//!
//! A sum passes its gradient on unchanged, so all products of a row get the gradient of the row's result.
//! (Single nodes would make +0.0 of a -0.0 on the way. It does not matter: adding a zero of either sign to a
//! sum that began with +0.0 is the same.)

use std::ops::Range;

use crate::config::{in_layer, Activation, InLayer::*, LM_HEAD, WPE, WTE};
use crate::kernels::{add_multiple, dot_from_the_end, rows_backward};
use crate::model::{Cache, Document, LayerRecord, Model, Norm, Position, Prediction, Softmax};

/// The gradients of one document, in buffers that the next one will use again.
#[derive(Default)]
pub struct Gradients {
    pub parameters: Vec<f64>,
    caches: Vec<Cache>,
    logits: Vec<f64>,
    x: Vec<f64>, // of the numbers between the blocks
    block: Block,
}

/// Gradients inside a block.
#[derive(Default)]
struct Block {
    norm: Vec<f64>,
    activated: Vec<f64>,
    mixed: Vec<f64>,
    q: Vec<f64>,
    weights: Vec<f64>,
}

fn clear(gradients: &mut Vec<f64>, count: usize) {
    gradients.clear();
    gradients.resize(count, 0.0);
}

impl Model {
    pub fn backward(&self, document: &Document, gradients: &mut Gradients) {
        let e = self.config.embedding;
        let Gradients { parameters, caches, logits, x, block } = gradients;
        clear(parameters, self.parameters().len());
        caches.resize_with(document.caches.len(), Cache::default);
        for (gradients, cache) in caches.iter_mut().zip(&document.caches) {
            clear(&mut gradients.keys, cache.keys.len());
            clear(&mut gradients.values, cache.values.len());
        }
        let mut walk =
            Walk { model: self, t: 0, parameters: Parameters { model: self, gradients: parameters }, block };
        let share = 1.0 / document.predictions().len() as f64;
        for (t, prediction) in document.predictions().iter().enumerate().rev() {
            let position = &prediction.position;
            walk.t = t;
            clear(logits, self.config.vocabulary);
            self.prediction_backward(prediction, share, logits);
            clear(x, e);
            walk.head(prediction, logits, x);
            for (i, layer) in position.layers.iter().enumerate().rev() {
                walk.mlp_block(i, layer, x);
                walk.attention_block(
                    i,
                    layer,
                    position.input_of_layer(i),
                    &document.caches[i],
                    &mut caches[i],
                    x,
                );
            }
            walk.embedding(position, x);
        }
    }

    /// From `share`, the gradient of a position's loss, to those of its logits.
    fn prediction_backward(&self, prediction: &Prediction, share: f64, logits: &mut [f64]) {
        let Softmax { exps, total, inverse, probabilities } = &prediction.probabilities;
        let target = prediction.target;
        let g = 1.0 / probabilities[target] * -share;
        let total_gradient = -self.math.pow(*total, -2.0) * (exps[target] * g);
        for (logit, e) in logits.iter_mut().zip(exps) {
            *logit = e * total_gradient;
        }
        logits[target] = exps[target] * (inverse * g + total_gradient);
    }

    /// From the gradients of the probabilities to those of the logits, in place.
    fn softmax_backward(&self, softmax: &Softmax, gradients: &mut [f64]) {
        let slope = -self.math.pow(softmax.total, -2.0);
        let pairs = gradients.iter().zip(&softmax.exps);
        let total_gradient = pairs.rev().fold(0.0, |sum, (g, e)| sum + slope * (e * g));
        for (g, e) in gradients.iter_mut().zip(&softmax.exps) {
            *g = e * (softmax.inverse * *g + total_gradient);
        }
    }

    /// Adds to the gradients of x what those of its rmsnorm say.
    fn norm_backward(&self, norm: &Norm, x: &[f64], gradients: &[f64], x_gradients: &mut [f64]) {
        let scale_gradient = dot_from_the_end(x, gradients);
        let mean_gradient = -0.5 * self.math.pow(norm.mean_square, -1.5) * scale_gradient;
        let square_gradient = self.mean_factor * mean_gradient;
        for ((x_gradient, x), g) in x_gradients.iter_mut().zip(x).zip(gradients) {
            *x_gradient += norm.scale * g;
            // a square is a product of x with x: each factor gets its share
            let product = x * square_gradient;
            *x_gradient += product;
            *x_gradient += product;
        }
    }
}

/// Where the gradients of all parameters are added up.
struct Parameters<'a> {
    model: &'a Model,
    gradients: &'a mut [f64],
}

impl Parameters<'_> {
    /// Back through the product of some rows of a matrix with x.
    fn rows(
        &mut self,
        matrix: usize,
        rows: Range<usize>,
        x: &[f64],
        gradients: &[f64],
        x_gradients: &mut [f64],
    ) {
        let part = rows.start * x.len()..rows.end * x.len();
        let matrix_gradients = &mut self.gradients[self.model.matrices[matrix].place.clone()][part.clone()];
        rows_backward(&self.model.matrix(matrix)[part], x, gradients, matrix_gradients, x_gradients);
    }

    fn add_to_row(&mut self, matrix: usize, row: usize, gradients: &[f64]) {
        let start = self.model.matrices[matrix].place.start + row * gradients.len();
        add_multiple(&mut self.gradients[start..][..gradients.len()], 1.0, gradients);
    }
}

/// The walk back through position `t`. In all of its functions `x` has the gradients of what a block
/// computed, and then those of what came into it.
struct Walk<'a> {
    model: &'a Model,
    t: usize,
    parameters: Parameters<'a>,
    block: &'a mut Block,
}

impl Walk<'_> {
    fn head(&mut self, prediction: &Prediction, logits: &[f64], x: &mut [f64]) {
        let input = prediction.position.input_of_layer(self.model.config.layers);
        let target = prediction.target;
        for rows in [target + 1..logits.len(), 0..target, target..target + 1] {
            self.parameters.rows(LM_HEAD, rows.clone(), input, &logits[rows], x);
        }
    }

    fn mlp_block(&mut self, i: usize, layer: &LayerRecord, x: &mut [f64]) {
        let Walk { model, parameters, block, .. } = self;
        let e = x.len();
        clear(&mut block.activated, 4 * e);
        parameters.rows(in_layer(i, Fc2), 0..e, &layer.activated, x, &mut block.activated);
        for (g, &hidden) in block.activated.iter_mut().zip(&layer.hidden) {
            let (relu, slope) = if hidden > 0.0 { (hidden, 1.0) } else { (0.0, 0.0) };
            if model.config.activation == Activation::SquaredRelu {
                *g *= 2.0 * model.math.pow(relu, 1.0);
            }
            *g *= slope;
        }
        clear(&mut block.norm, e);
        let hidden = &block.activated;
        parameters.rows(in_layer(i, Fc1), 0..4 * e, &layer.mlp_norm.output, hidden, &mut block.norm);
        model.norm_backward(&layer.mlp_norm, &layer.attn_residual, &block.norm, x);
    }

    /// `cache` has the layer's keys and values and `cache_gradients` their gradients so far.
    fn attention_block(
        &mut self,
        i: usize,
        layer: &LayerRecord,
        input: &[f64],
        cache: &Cache,
        cache_gradients: &mut Cache,
        x: &mut [f64],
    ) {
        let e = x.len();
        clear(&mut self.block.mixed, e);
        self.parameters.rows(in_layer(i, Wo), 0..e, &layer.mixed, x, &mut self.block.mixed);
        clear(&mut self.block.norm, e);
        clear(&mut self.block.q, e);
        for h in (0..layer.heads.len()).rev() {
            self.head_backward(h, layer, cache, cache_gradients);
            self.queries_keys_and_values(i, h, layer, cache_gradients);
        }
        self.model.norm_backward(&layer.attn_norm, input, &self.block.norm, x);
    }

    /// From the gradients of the mixture of head `h` to those of its part of q, of the keys and of the
    /// values.
    fn head_backward(&mut self, h: usize, layer: &LayerRecord, cache: &Cache, gradients: &mut Cache) {
        let Walk { model, t, block, .. } = self;
        let (e, size) = (model.config.embedding, model.config.head_size());
        let attended = &model.config.attention[*t];
        let head = &layer.heads[h];
        let own = h * size..(h + 1) * size;
        let part = |s: usize| s * e + own.start..s * e + own.end;

        let mixed = &block.mixed[own.clone()];
        block.weights.clear();
        for (&s, &weight) in attended.iter().zip(&head.weights.probabilities) {
            block.weights.push(dot_from_the_end(&cache.values[part(s)], mixed));
            add_multiple(&mut gradients.values[part(s)], weight, mixed);
        }
        model.softmax_backward(&head.weights, &mut block.weights);
        for (&s, score) in attended.iter().zip(&block.weights).rev() {
            let g = model.score_factor * score;
            add_multiple(&mut block.q[own.clone()], g, &cache.keys[part(s)]);
            add_multiple(&mut gradients.keys[part(s)], g, &layer.q[own.clone()]);
        }
    }

    /// From the gradients of head `h`'s part of the position's own q, k and v to those of what they were made
    /// from.
    fn queries_keys_and_values(&mut self, i: usize, h: usize, layer: &LayerRecord, gradients: &Cache) {
        let Walk { model, t, parameters, block } = self;
        let (e, size) = (model.config.embedding, model.config.head_size());
        let x = &layer.attn_norm.output;
        let (keys, values) = (&gradients.keys[*t * e..], &gradients.values[*t * e..]);
        let own = h * size..(h + 1) * size;
        let alone = model.config.attention[*t].len() == 1;

        parameters.rows(in_layer(i, Wv), own.clone(), x, &values[own.clone()], &mut block.norm);
        for first in own.clone().step_by(if alone { 1 } else { size }).rev() {
            let rows = if alone { first..first + 1 } else { own.clone() };
            parameters.rows(in_layer(i, Wk), rows.clone(), x, &keys[rows.clone()], &mut block.norm);
            parameters.rows(in_layer(i, Wq), rows.clone(), x, &block.q[rows], &mut block.norm);
        }
    }

    fn embedding(&mut self, position: &Position, x: &[f64]) {
        clear(&mut self.block.norm, x.len());
        self.model.norm_backward(&position.normed, &position.embedded, x, &mut self.block.norm);
        self.parameters.add_to_row(WPE, self.t, &self.block.norm);
        self.parameters.add_to_row(WTE, position.token, &self.block.norm);
    }
}
