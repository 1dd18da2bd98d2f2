//! The model forwards: from tokens to logits, probabilities and the loss. SPEC.md, sections 6 and 7.
//!
//! There are no nodes here. A `Position` records all numbers that the model computes at one position of a
//! document, and `backward` goes through these records in the opposite direction. All buffers are kept for
//! the next document.

use crate::config::{in_layer, Activation, Config, InLayer, InLayer::*, Matrix, LM_HEAD, WPE, WTE};
use crate::kernels::{add_multiple, dot, sum, Strips};
use crate::math::Math;

pub struct Model {
    pub math: Math,
    pub config: Config,
    pub matrices: Vec<Matrix>,
    /// 1 over the root of the size of a head.
    pub score_factor: f64,
    /// 1 over the size of the embedding.
    pub mean_factor: f64,
    parameters: Vec<f64>,
    strips: Vec<Strips>, // the same numbers, as forward products want them
}

/// x over its root mean square, without a gain (Zhang and Sennrich, 2019).
#[derive(Default)]
pub struct Norm {
    /// The mean of the squares, and epsilon.
    pub mean_square: f64,
    pub scale: f64,
    pub output: Vec<f64>,
}

#[derive(Default)]
pub struct Softmax {
    pub exps: Vec<f64>,
    pub total: f64,
    pub inverse: f64,
    pub probabilities: Vec<f64>,
}

#[derive(Default)]
pub struct HeadRecord {
    pub scores: Vec<f64>,
    pub weights: Softmax,
}

/// What a layer computes at one position, but for keys and values, which stand in the cache.
pub struct LayerRecord {
    pub attn_norm: Norm,
    pub q: Vec<f64>,
    pub heads: Vec<HeadRecord>,
    pub mixed: Vec<f64>, // of all heads, side by side
    pub attn_out: Vec<f64>,
    pub attn_residual: Vec<f64>,
    pub mlp_norm: Norm,
    pub hidden: Vec<f64>,
    pub activated: Vec<f64>,
    pub mlp_out: Vec<f64>,
    pub mlp_residual: Vec<f64>,
}

/// What the model computes at one position.
pub struct Position {
    pub token: usize,
    pub embedded: Vec<f64>,
    pub normed: Norm,
    pub layers: Vec<LayerRecord>,
    pub logits: Vec<f64>,
}

/// The keys and values of one layer: those of all positions so far, one after the other.
#[derive(Default)]
pub struct Cache {
    pub keys: Vec<f64>,
    pub values: Vec<f64>,
}

/// A position of a document, and how well it predicts the next token.
pub struct Prediction {
    pub position: Position,
    pub target: usize,
    pub probabilities: Softmax,
    pub loss: f64,
}

/// All of a document, in buffers that the next one will use again.
#[derive(Default)]
pub struct Document {
    predictions: Vec<Prediction>,
    length: usize,
    pub caches: Vec<Cache>,
    pub loss: f64,
}

impl Document {
    pub fn predictions(&self) -> &[Prediction] {
        &self.predictions[..self.length]
    }
}

impl Norm {
    fn compute(&mut self, model: &Model, x: &[f64]) {
        self.mean_square = dot(x, x) * model.mean_factor + 1e-5;
        self.scale = model.math.pow(self.mean_square, -0.5);
        self.output.clear();
        self.output.extend(x.iter().map(|x| x * self.scale));
    }
}

impl Softmax {
    pub fn compute(&mut self, math: Math, logits: &[f64]) {
        let top = logits.iter().copied().reduce(|top, x| if x > top { x } else { top }).unwrap_or(0.0);
        self.exps.clear();
        self.exps.extend(logits.iter().map(|x| math.exp(x - top)));
        self.total = sum(&self.exps);
        self.inverse = math.pow(self.total, -1.0);
        self.probabilities.clear();
        self.probabilities.extend(self.exps.iter().map(|e| e * self.inverse));
    }
}

impl LayerRecord {
    fn new(config: &Config) -> LayerRecord {
        let e = config.embedding;
        LayerRecord {
            attn_norm: Norm::default(),
            q: vec![0.0; e],
            heads: (0..config.heads).map(|_| HeadRecord::default()).collect(),
            mixed: vec![0.0; e],
            attn_out: vec![0.0; e],
            attn_residual: vec![0.0; e],
            mlp_norm: Norm::default(),
            hidden: vec![0.0; 4 * e],
            activated: Vec::with_capacity(4 * e),
            mlp_out: vec![0.0; e],
            mlp_residual: vec![0.0; e],
        }
    }
}

impl Position {
    pub fn new(config: &Config) -> Position {
        Position {
            token: 0,
            embedded: Vec::new(),
            normed: Norm::default(),
            layers: (0..config.layers).map(|_| LayerRecord::new(config)).collect(),
            logits: vec![0.0; config.vocabulary],
        }
    }

    /// What comes into layer i, and for i = the number of layers what comes out of the last one.
    pub fn input_of_layer(&self, i: usize) -> &[f64] {
        match i.checked_sub(1) {
            Some(before) => &self.layers[before].mlp_residual,
            None => &self.normed.output,
        }
    }
}

/// result[i] = a[i] + b[i].
fn add(a: &[f64], b: &[f64], result: &mut [f64]) {
    for (result, (a, b)) in result.iter_mut().zip(a.iter().zip(b)) {
        *result = a + b;
    }
}

impl Model {
    /// `parameters` are those of all matrices, in order.
    pub fn new(math: Math, config: Config, parameters: Vec<f64>) -> Model {
        let matrices = config.matrices();
        let strips = matrices.iter().map(|matrix| Strips::new(matrix.rows, matrix.columns)).collect();
        let score_factor = math.pow(math.pow(config.head_size() as f64, 0.5), -1.0);
        let mean_factor = math.pow(config.embedding as f64, -1.0);
        let mut model = Model { math, config, matrices, score_factor, mean_factor, parameters, strips };
        model.change_parameters(|_| ());
        model
    }

    pub fn parameters(&self) -> &[f64] {
        &self.parameters
    }

    pub fn change_parameters(&mut self, change: impl FnOnce(&mut [f64])) {
        change(&mut self.parameters);
        for (strips, matrix) in self.strips.iter_mut().zip(&self.matrices).skip(LM_HEAD) {
            strips.load(&self.parameters[matrix.place.clone()]);
        }
    }

    /// The numbers of a matrix, row by row.
    pub fn matrix(&self, matrix: usize) -> &[f64] {
        &self.parameters[self.matrices[matrix].place.clone()]
    }

    fn row(&self, matrix: usize, row: usize) -> &[f64] {
        let e = self.config.embedding;
        &self.matrix(matrix)[row * e..][..e]
    }

    pub fn empty_caches(&self) -> Vec<Cache> {
        (0..self.config.layers).map(|_| Cache::default()).collect()
    }

    /// The logits for what follows `token` at position `t`. The caches hold all positions before `t` and grow
    /// by this one.
    pub fn forward(&self, token: usize, t: usize, caches: &mut [Cache], record: &mut Position) {
        record.token = token;
        record.embedded.clear();
        record.embedded.extend(self.row(WTE, token).iter().zip(self.row(WPE, t)).map(|(a, b)| a + b));
        record.normed.compute(self, &record.embedded);
        let mut x = record.normed.output.as_slice();
        for (i, (layer, cache)) in record.layers.iter_mut().zip(caches).enumerate() {
            self.attention_block(i, t, cache, x, layer);
            self.mlp_block(i, layer);
            x = &layer.mlp_residual;
        }
        self.strips[LM_HEAD].times(x, &mut record.logits);
    }

    fn linear(&self, layer: usize, matrix: InLayer, x: &[f64], result: &mut [f64]) {
        self.strips[in_layer(layer, matrix)].times(x, result);
    }

    fn attention_block(&self, i: usize, t: usize, cache: &mut Cache, x: &[f64], layer: &mut LayerRecord) {
        let e = self.config.embedding;
        layer.attn_norm.compute(self, x);
        let norm = &layer.attn_norm.output;
        cache.keys.resize((t + 1) * e, 0.0);
        cache.values.resize((t + 1) * e, 0.0);
        self.linear(i, Wq, norm, &mut layer.q);
        self.linear(i, Wk, norm, &mut cache.keys[t * e..]);
        self.linear(i, Wv, norm, &mut cache.values[t * e..]);
        self.attend(&self.config.attention[t], cache, layer);
        self.linear(i, Wo, &layer.mixed, &mut layer.attn_out);
        add(&layer.attn_out, x, &mut layer.attn_residual);
    }

    fn attend(&self, attended: &[usize], cache: &Cache, layer: &mut LayerRecord) {
        let (e, size) = (self.config.embedding, self.config.head_size());
        let parts = layer.q.chunks_exact(size).zip(layer.mixed.chunks_exact_mut(size));
        for (h, (head, (q, mixed))) in layer.heads.iter_mut().zip(parts).enumerate() {
            let part = |s: &usize| s * e + h * size..s * e + (h + 1) * size;
            let keys = attended.iter().map(|s| &cache.keys[part(s)]);
            let values = attended.iter().map(|s| &cache.values[part(s)]);
            head.scores.clear();
            head.scores.extend(keys.map(|key| dot(q, key) * self.score_factor));
            head.weights.compute(self.math, &head.scores);
            mixed.fill(0.0);
            for (&weight, value) in head.weights.probabilities.iter().zip(values) {
                add_multiple(mixed, weight, value);
            }
        }
    }

    fn mlp_block(&self, i: usize, layer: &mut LayerRecord) {
        layer.mlp_norm.compute(self, &layer.attn_residual);
        self.linear(i, Fc1, &layer.mlp_norm.output, &mut layer.hidden);
        let relu = layer.hidden.iter().map(|&x| if x > 0.0 { x } else { 0.0 });
        layer.activated.clear();
        match self.config.activation {
            Activation::Relu => layer.activated.extend(relu),
            Activation::SquaredRelu => layer.activated.extend(relu.map(|x| self.math.pow(x, 2.0))),
        }
        self.linear(i, Fc2, &layer.activated, &mut layer.mlp_out);
        add(&layer.mlp_out, &layer.attn_residual, &mut layer.mlp_residual);
    }

    /// The mean loss of a document's positions, of which there are as many as the block allows.
    pub fn document_loss(&self, tokens: &[usize], document: &mut Document) {
        document.length = self.config.block.min(tokens.len() - 1);
        document.caches.resize_with(self.config.layers, Cache::default);
        for cache in &mut document.caches {
            cache.keys.clear();
            cache.values.clear();
        }
        while document.predictions.len() < document.length {
            document.predictions.push(Prediction {
                position: Position::new(&self.config),
                target: 0,
                probabilities: Softmax::default(),
                loss: 0.0,
            });
        }
        let mut total = 0.0;
        for (t, prediction) in document.predictions[..document.length].iter_mut().enumerate() {
            self.forward(tokens[t], t, &mut document.caches, &mut prediction.position);
            prediction.target = tokens[t + 1];
            prediction.probabilities.compute(self.math, &prediction.position.logits);
            prediction.loss = -self.math.log(prediction.probabilities.probabilities[prediction.target]);
            total += prediction.loss;
        }
        document.loss = total * (1.0 / document.length as f64);
    }
}
