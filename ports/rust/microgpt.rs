//! The whole of a GPT but its differentiation: random numbers, tokens, model, loss, Adam, samples, and a run of it all.
//! SPEC.md, sections 3, 4 and 6 to 10. After Andrej Karpathy's microgpt.

use std::collections::BTreeSet;
use std::f64::consts::{PI, TAU};
use std::fmt::Arguments;
use std::iter::once;

use crate::exact;
use crate::graph::{Graph, Math, Node, Vector};
use crate::protocol::Result;

pub const WORDS: usize = 624;

/// Python's Mersenne Twister, MT19937 (Matsumoto and Nishimura, 1998), and what is drawn from it.
pub struct Generator {
    pub words: [u32; WORDS],
    pub index: usize,
    pub kept: Option<f64>,
}

impl Generator {
    pub fn seeded(seed: u32) -> Generator {
        let scrambled = |before: u32, factor: u32| (before ^ (before >> 30)).wrapping_mul(factor);
        let mut mt = [19650218; WORDS];
        for i in 1..WORDS {
            mt[i] = scrambled(mt[i - 1], 1812433253).wrapping_add(i as u32);
        }
        for step in 0..2 * WORDS - 1 {
            let i = step % (WORDS - 1) + 1;
            mt[i] = match step {
                0..WORDS => (mt[i] ^ scrambled(mt[i - 1], 1664525)).wrapping_add(seed),
                _ => (mt[i] ^ scrambled(mt[i - 1], 1566083941)).wrapping_sub(i as u32),
            };
            mt[0] = mt[WORDS - 1];
        }
        mt[0] = 1 << 31;
        Generator { words: mt, index: WORDS, kept: None }
    }

    pub fn word(&mut self) -> u32 {
        let mt = &mut self.words;
        if self.index == WORDS {
            for i in 0..WORDS {
                let y = mt[i] & 0x8000_0000 | mt[(i + 1) % WORDS] & 0x7fff_ffff;
                mt[i] = mt[(i + 397) % WORDS] ^ (y >> 1) ^ (y % 2 * 0x9908_b0df);
            }
            self.index = 0;
        }
        let mut y = mt[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    /// At least 0, below 1, a multiple of 2^-53.
    pub fn random(&mut self) -> f64 {
        let (a, b) = (f64::from(self.word() >> 5), f64::from(self.word() >> 6));
        (a * 67108864.0 + b) / 9007199254740992.0
    }

    /// A normal number (Box and Muller, 1958). They come in pairs; the second one is kept for the next call.
    pub fn gauss(&mut self, math: &Math, sigma: f64) -> f64 {
        let z = self.kept.take().unwrap_or_else(|| {
            let angle = self.random() * TAU;
            let radius = (-2.0 * (math.log)(1.0 - self.random())).sqrt();
            self.kept = Some((math.sin)(angle) * radius);
            (math.cos)(angle) * radius
        });
        0.0 + z * sigma
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            let unused_bits = (i as u32 + 1).leading_zeros();
            let j = (0..).map(|_| (self.word() >> unused_bits) as usize).find(|&j| j <= i);
            items.swap(i, j.unwrap_or(i));
        }
    }

    /// An index, drawn by weight.
    pub fn choice(&mut self, weights: &[f64]) -> Result<usize> {
        let (mut low, mut high, mut cumulative) = (0, weights.len() - 1, weights.to_vec());
        (1..weights.len()).for_each(|i| cumulative[i] += cumulative[i - 1]);
        let total = cumulative[high];
        if !(total > 0.0 && total < f64::INFINITY) {
            return Err("expected weights that add up to a finite number above 0".into());
        }
        let u = self.random() * total;
        while low < high {
            let middle = (low + high) / 2;
            (low, high) = if u < cumulative[middle] { (low, middle) } else { (middle + 1, high) };
        }
        Ok(low)
    }
}

/// The documents of a dataset, and the distinct characters, each of which is a token. One more, BOS, stands around each
/// document.
pub struct Dataset<'a> {
    pub documents: Vec<&'a str>,
    pub characters: Vec<char>,
}

impl<'a> Dataset<'a> {
    pub fn new(lines: impl Iterator<Item = &'a str>) -> Result<Dataset<'a>> {
        let stripped = lines.map(|line| line.trim_matches(|c| matches!(c, '\t'..='\r' | ' ')));
        let documents: Vec<&str> = stripped.filter(|line| !line.is_empty()).collect();
        let characters: BTreeSet<char> = documents.iter().flat_map(|document| document.chars()).collect();
        match characters.len() {
            0 => Err("expected documents, but every line is empty once stripped".into()),
            1..=2047 => Ok(Dataset { documents, characters: characters.into_iter().collect() }),
            count => Err(format!("expected at most 2047 distinct characters, not {count}").into()),
        }
    }

    pub fn bos(&self) -> usize {
        self.characters.len()
    }

    pub fn encode(&self, document: &str) -> Vec<usize> {
        let known = document.chars().filter_map(|c| self.characters.binary_search(&c).ok());
        once(self.bos()).chain(known).chain(once(self.bos())).collect()
    }
}

pub struct Config {
    pub layers: usize,
    pub heads: usize,
    pub embedding: usize,
    pub block: usize,
    pub vocabulary: usize,
    pub squared_relu: bool,
    /// For each position those that it attends to, in increasing order, itself last.
    pub attention: Vec<Vec<usize>>,
}

/// A parameter matrix, whose rows are vectors of leaves, one after the other.
#[derive(Clone)]
pub struct Matrix {
    pub name: String,
    pub rows: usize,
    pub columns: usize,
    pub all: Vector,
}

impl Matrix {
    fn row(&self, row: usize) -> Vector {
        self.all.part(row * self.columns, self.columns)
    }
}

impl Config {
    /// All parameter matrices, from node 0 on: three, and then six for each layer.
    pub fn matrices(&self) -> Vec<Matrix> {
        let (e, mut first) = (self.embedding, 0);
        let mut matrix = |name: String, rows, columns| {
            let all = Vector { first, length: rows * columns };
            first += all.length;
            Matrix { name, rows, columns, all }
        };
        let outer = [("wte", self.vocabulary), ("wpe", self.block), ("lm_head", self.vocabulary)];
        let mut matrices: Vec<Matrix> = outer.map(|(name, rows)| matrix(name.into(), rows, e)).into();
        for i in 0..self.layers {
            let attention = ["attn_wq", "attn_wk", "attn_wv", "attn_wo"].map(|name| (name, e, e));
            let all = attention.into_iter().chain([("mlp_fc1", 4 * e, e), ("mlp_fc2", e, 4 * e)]);
            matrices.extend(all.map(|(name, rows, columns)| matrix(format!("layer{i}.{name}"), rows, columns)));
        }
        matrices
    }
}

impl Graph {
    fn linear(&mut self, x: Vector, matrix: &Matrix) -> Vector {
        self.vector(0..matrix.rows, |graph, row| graph.dot(matrix.row(row), x))
    }

    fn add_vectors(&mut self, a: Vector, b: Vector) -> Vector {
        self.vector(a.nodes().zip(b.nodes()), |graph, (a, b)| graph.add(a, b))
    }

    /// x over its root mean square, without a gain (Zhang and Sennrich, 2019).
    fn rmsnorm(&mut self, x: Vector) -> Vector {
        let squares = self.dot(x, x);
        let mean = self.div_number(squares, x.length as f64);
        let above_zero = self.add_number(mean, 1e-5);
        let scale = self.pow(above_zero, -0.5);
        self.vector(x.nodes(), |graph, x| graph.mul(x, scale))
    }

    fn softmax(&mut self, logits: Vector) -> Vector {
        let greatest = self.values[logits.nodes()].iter().copied().reduce(|top, x| if x > top { x } else { top });
        let top = greatest.unwrap_or(0.0);
        let shifted = self.vector(logits.nodes(), |graph, x| graph.add_number(x, -top));
        let exps = self.vector(shifted.nodes(), Graph::exp);
        let total = self.sum(exps);
        let inverse = self.pow(total, -1.0);
        let inverses = self.vector(exps.nodes(), |graph, _| graph.again(inverse));
        self.vector(exps.nodes().zip(inverses.nodes()), |graph, (e, inverse)| graph.mul(e, inverse))
    }
}

/// Is told the name and the nodes of every intermediate result, in order.
pub type Record<'a> = &'a mut dyn FnMut(Arguments, Vector);

/// The keys and the values of one layer, for each position so far.
type Cache = (Vec<Vector>, Vec<Vector>);

/// A model. Its parameters are the first nodes of its graph.
pub struct Model {
    pub config: Config,
    pub matrices: Vec<Matrix>,
    pub parameters: Vector,
    pub graph: Graph,
}

impl Model {
    pub fn new(math: &'static Math, config: Config, parameters: Vec<f64>) -> Model {
        let (matrices, all) = (config.matrices(), Vector { first: 0, length: parameters.len() });
        Model { config, matrices, parameters: all, graph: Graph::new(math, parameters) }
    }

    fn begin_document(&mut self) -> Vec<Cache> {
        self.graph.truncate(self.parameters.length);
        vec![Cache::default(); self.config.layers]
    }

    /// The logits for what follows `token` at position `t`. The caches hold all positions before and grow by this one.
    fn forward(&mut self, token: usize, t: usize, caches: &mut [Cache], record: Record) -> Vector {
        let Model { config, matrices, graph, .. } = self;
        let embedded = graph.add_vectors(matrices[0].row(token), matrices[1].row(t));
        record(format_args!("embedded"), embedded);
        let mut x = graph.rmsnorm(embedded);
        record(format_args!("normed"), x);
        for (i, (layer, cache)) in matrices[3..].chunks(6).zip(caches).enumerate() {
            let mut note = |name: Arguments, x| {
                record(format_args!("layer{i}.{name}"), x);
                x
            };
            let norm = note(format_args!("attn_norm"), graph.rmsnorm(x));
            let q = note(format_args!("q"), graph.linear(norm, &layer[0]));
            cache.0.push(note(format_args!("k"), graph.linear(norm, &layer[1])));
            cache.1.push(note(format_args!("v"), graph.linear(norm, &layer[2])));
            let mixed = attend(graph, config, q, cache, &config.attention[t], &mut note);
            let attn_out = note(format_args!("attn_out"), graph.linear(mixed, &layer[3]));
            let attn_residual = note(format_args!("attn_residual"), graph.add_vectors(attn_out, x));
            let norm = note(format_args!("mlp_norm"), graph.rmsnorm(attn_residual));
            let hidden = note(format_args!("hidden"), graph.linear(norm, &layer[4]));
            let mut activated = graph.vector(hidden.nodes(), Graph::relu);
            if config.squared_relu {
                activated = graph.vector(activated.nodes(), |graph, x| graph.pow(x, 2.0));
            }
            note(format_args!("activated"), activated);
            let mlp_out = note(format_args!("mlp_out"), graph.linear(activated, &layer[5]));
            x = note(format_args!("mlp_residual"), graph.add_vectors(mlp_out, attn_residual));
        }
        let logits = graph.linear(x, &matrices[2]);
        record(format_args!("logits"), logits);
        logits
    }

    /// The mean over a document's positions of -log p(next token).
    pub fn loss(&mut self, tokens: &[usize], record: Record) -> Node {
        let mut caches = self.begin_document();
        let mut losses = Vec::new();
        for (t, pair) in tokens.windows(2).take(self.config.block).enumerate() {
            let record: Record = &mut |name, x| record(format_args!("pos{t}.{name}"), x);
            let logits = self.forward(pair[0], t, &mut caches, record);
            let probabilities = self.graph.softmax(logits);
            let log = self.graph.log(probabilities.first + pair[1]);
            let loss = self.graph.neg(log);
            record(format_args!("probabilities"), probabilities);
            record(format_args!("loss"), Vector { first: loss, length: 1 });
            losses.push(loss);
        }
        let total = self.graph.add_up(&losses);
        self.graph.mul_number(total, 1.0 / losses.len() as f64)
    }

    /// Draws one sample. `watch` sees each draw: the probabilities and the token, BOS included.
    pub fn sample(
        &mut self, temperature: f64, generator: &mut Generator, mut watch: impl FnMut(&[f64], usize),
    ) -> Result<Vec<usize>> {
        let mut caches = self.begin_document();
        let (mut tokens, bos) = (Vec::new(), self.config.vocabulary - 1);
        for t in 0..self.config.block {
            let logits = self.forward(tokens.last().copied().unwrap_or(bos), t, &mut caches, &mut |_, _| ());
            let cooled = self.graph.vector(logits.nodes(), |graph, x| graph.div_number(x, temperature));
            let probabilities = self.graph.softmax(cooled);
            let weights = &self.graph.values[probabilities.nodes()];
            let token = generator.choice(weights)?;
            watch(weights, token);
            if token == bos {
                break;
            }
            tokens.push(token);
        }
        Ok(tokens)
    }
}

/// Multi-head attention of the query q to the cached positions; the heads' results side by side.
fn attend(
    graph: &mut Graph, config: &Config, q: Vector, (keys, values): &Cache, attended: &[usize],
    note: &mut impl FnMut(Arguments, Vector) -> Vector,
) -> Vector {
    let size = config.embedding / config.heads;
    let root = (graph.math.pow)(size as f64, 0.5);
    let mut head = |h| {
        let keys = attended.iter().map(|&s| keys[s].part(h * size, size));
        let products = graph.vector(keys, |graph, key| graph.dot(q.part(h * size, size), key));
        let scores = graph.vector(products.nodes(), |graph, x| graph.div_number(x, root));
        (scores, graph.softmax(scores))
    };
    let heads: Vec<(Vector, Vector)> = (0..config.heads).map(&mut head).collect();
    let mut products = |j: usize| {
        let pairs = heads[j / size].1.nodes().zip(attended);
        graph.vector(pairs, |graph, (weight, &s)| graph.mul(weight, values[s].first + j))
    };
    let products: Vec<Vector> = (0..config.embedding).map(&mut products).collect();
    let mixed = graph.vector(products.into_iter(), Graph::sum);
    for (h, (scores, weights)) in heads.into_iter().enumerate() {
        note(format_args!("head{h}.scores"), scores);
        note(format_args!("head{h}.weights"), weights);
        note(format_args!("head{h}.mixed"), mixed.part(h * size, size));
    }
    mixed
}

/// Adam (Kingma and Ba, 2015) with a learning rate that falls to zero.
#[derive(Clone, Copy)]
pub struct Optimizer {
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub cosine: bool, // or linear
    pub steps: usize,
}

/// Adam's moments.
pub struct Moments {
    pub m: Vec<f64>,
    pub v: Vec<f64>,
}

impl Moments {
    pub fn zero(count: usize) -> Moments {
        Moments { m: vec![0.0; count], v: vec![0.0; count] }
    }
}

impl Optimizer {
    /// The learning rate of a step, counted from 0.
    pub fn rate(&self, math: &Math, step: usize) -> f64 {
        let (s, n) = (step as f64, self.steps as f64);
        if self.cosine {
            (self.learning_rate * 0.5) * (1.0 + (math.cos)((PI * s) / n))
        } else {
            self.learning_rate * (1.0 - s / n)
        }
    }

    /// What m and v are divided by, because they started at zero.
    pub fn corrections(&self, math: &Math, step: usize) -> [f64; 2] {
        [self.beta1, self.beta2].map(|beta| 1.0 - (math.pow)(beta, step as f64 + 1.0))
    }

    pub fn update(&self, math: &Math, step: usize, parameters: &mut [f64], gradients: &[f64], moments: &mut Moments) {
        let (rate, [correction1, correction2]) = (self.rate(math, step), self.corrections(math, step));
        let Optimizer { beta1, beta2, epsilon, .. } = *self;
        let Moments { m, v } = moments;
        for (((p, g), m), v) in parameters.iter_mut().zip(gradients).zip(m).zip(v) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * (g * g);
            *p -= (rate * (*m / correction1)) / (exact::root(*v / correction2) + epsilon);
        }
    }
}

impl Model {
    /// One step of training on one document; its loss before the update.
    pub fn train(&mut self, optimizer: &Optimizer, step: usize, tokens: &[usize], moments: &mut Moments) -> f64 {
        let loss = self.loss(tokens, &mut |_, _| ());
        self.graph.backward(loss);
        let Graph { math, values, gradients, .. } = &mut self.graph;
        let loss = values[loss];
        optimizer.update(math, step, &mut values[self.parameters.nodes()], gradients, moments);
        loss
    }
}

/// All in which runs differ; the rest of the configuration stands in `run`.
#[derive(Clone, Copy)]
pub struct Preset {
    block: usize,
    squared_relu: bool,
    sigma: f64,
    output_sigma: f64, // of the matrices whose results are added to the residual stream
    pub optimizer: Optimizer,
    pub samples: usize,
}

#[rustfmt::skip]
pub const PRESETS: [(&str, Preset); 2] = [
    ("seed", Preset {
        block: 8, squared_relu: true, sigma: 0.02, output_sigma: 0.0, samples: 20,
        optimizer: Optimizer { learning_rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, cosine: true, steps: 500 },
    }),
    ("classic", Preset {
        block: 16, squared_relu: false, sigma: 0.08, output_sigma: 0.08, samples: 20,
        optimizer: Optimizer { learning_rate: 0.01, beta1: 0.85, beta2: 0.99, epsilon: 1e-8, cosine: false, steps: 1000 },
    }),
];

impl Preset {
    /// Trains and samples. Each printed line goes to `print` as soon as it is known.
    pub fn run<'a>(
        &self, math: &'static Math, lines: impl Iterator<Item = &'a str>, mut print: impl FnMut(&str) -> Result<()>,
    ) -> Result<(Model, Moments, Generator)> {
        let Preset { block, squared_relu, optimizer, .. } = *self;
        let mut dataset = Dataset::new(lines)?;
        let mut generator = Generator::seeded(42);
        generator.shuffle(&mut dataset.documents);
        let (vocabulary, attention) = (dataset.bos() + 1, (1..=block).map(|t| (0..t).collect()).collect());
        let config = Config { layers: 1, heads: 4, embedding: 16, block, vocabulary, squared_relu, attention };
        let mut parameters = Vec::new();
        for Matrix { name, all, .. } in config.matrices() {
            let is_output = name.ends_with("attn_wo") || name.ends_with("mlp_fc2");
            let sigma = if is_output { self.output_sigma } else { self.sigma };
            parameters.extend(all.nodes().map(|_| generator.gauss(math, sigma)));
        }
        print(&format!("num docs: {}", dataset.documents.len()))?;
        print(&format!("vocab size: {vocabulary}"))?;
        print(&format!("num params: {}", parameters.len()))?;
        let mut moments = Moments::zero(parameters.len());
        let mut model = Model::new(math, config, parameters);
        let steps = optimizer.steps;
        for (step, document) in (0..steps).zip(dataset.documents.iter().cycle()) {
            let loss = model.train(&optimizer, step, &dataset.encode(document), &mut moments);
            print(&format!("step {:4} / {steps:4} | loss {}", step + 1, four_decimals(loss)))?;
        }
        print("")?;
        print("--- inference (new, hallucinated names) ---")?;
        for number in 1..=self.samples {
            let tokens = model.sample(0.5, &mut generator, |_, _| ())?;
            let text: String = tokens.into_iter().map(|token| dataset.characters[token]).collect();
            print(&format!("sample {number:2}: {text}"))?;
        }
        Ok((model, moments, generator))
    }
}

/// Rust rounds the true value, ties to even. Only its NaN is spelt in another way.
pub fn four_decimals(x: f64) -> String {
    if x.is_nan() { "nan".into() } else { format!("{x:.4}") }
}
