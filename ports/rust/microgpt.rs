//! The whole of a GPT but its differentiation: random numbers, tokens, model, loss, Adam, samples, and a run of it all.
//! SPEC.md, sections 3, 4 and 6 to 10. After Andrej Karpathy's microgpt.

use std::collections::BTreeSet;
use std::f64::consts::{PI, TAU};
use std::iter::once;

use crate::exact::{Math, root};
use crate::graph::{Graph, Node, Vector};
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
        if !(1..=2047).contains(&characters.len()) {
            return Err(
                format!("expected documents with 1 to 2047 distinct characters, not {}", characters.len()).into()
            );
        }
        Ok(Dataset { documents, characters: characters.into_iter().collect() })
    }

    pub fn encode(&self, document: &str) -> Vec<usize> {
        let known = document.chars().filter_map(|c| self.characters.binary_search(&c).ok());
        once(self.characters.len()).chain(known).chain(once(self.characters.len())).collect()
    }
}

/// The shape of a model.
pub struct Config {
    pub layers: usize,
    pub heads: usize,
    pub embedding: usize,
    pub block: usize,
    pub vocabulary: usize,
    pub squared_relu: bool,
    pub attention: Vec<Vec<usize>>, // for each position those that it attends to, itself last
}

/// A parameter matrix, a vector of leaves row by row.
pub struct Matrix {
    pub name: String,
    pub rows: usize,
    pub columns: usize,
    pub all: Vector,
}

impl Config {
    /// All parameter matrices, from node 0 on: three, and then six for each layer.
    pub fn matrices(&self) -> Vec<Matrix> {
        let e = self.embedding;
        let mut shapes: Vec<(String, usize, usize)> = vec![
            ("wte".into(), self.vocabulary, e),
            ("wpe".into(), self.block, e),
            ("lm_head".into(), self.vocabulary, e),
        ];
        for i in 0..self.layers {
            let attention = ["attn_wq", "attn_wk", "attn_wv", "attn_wo"].map(|name| (name, e, e));
            let all = attention.into_iter().chain([("mlp_fc1", 4 * e, e), ("mlp_fc2", e, 4 * e)]);
            shapes.extend(all.map(|(name, rows, columns)| (format!("layer{i}.{name}"), rows, columns)));
        }
        let mut first = 0;
        let matrix = |(name, rows, columns)| {
            first += rows * columns;
            Matrix { name, rows, columns, all: Vector { first: first - rows * columns, length: rows * columns } }
        };
        shapes.into_iter().map(matrix).collect()
    }
}

/// Layers. Their results are noted in the graph's trace.
impl Graph {
    fn noted<T>(&mut self, items: impl IntoIterator<Item = T>, make: impl Fn(&mut Graph, T) -> Node) -> Vector {
        let vector = self.vector(items, make);
        self.trace.push(vector);
        vector
    }

    fn linear(&mut self, x: Vector, matrix: &Matrix) -> Vector {
        let row = |row: usize| matrix.all.part(row * x.length, x.length);
        self.noted(0..matrix.rows, |graph, i| graph.dot(row(i), x))
    }

    fn add_vectors(&mut self, a: Vector, b: Vector) -> Vector {
        self.noted(a.nodes().zip(b.nodes()), |graph, (a, b)| graph.add(a, b))
    }

    /// x over its root mean square, without a gain (Zhang and Sennrich, 2019).
    fn rmsnorm(&mut self, x: Vector) -> Vector {
        let squares = self.dot(x, x);
        let mean = self.div_number(squares, x.length as f64);
        let above_zero = self.add_number(mean, 1e-5);
        let scale = self.pow(above_zero, -0.5);
        self.noted(x.nodes(), |graph, x| graph.mul(x, scale))
    }

    /// This one is not noted.
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

    /// Multi-head attention of the query q to some positions' keys and values; the heads' results side by side.
    fn attend(&mut self, heads: usize, q: Vector, keys: &[Vector], values: &[Vector]) -> Vector {
        let size = q.length / heads;
        let root = (self.math.pow)(size as f64, 0.5);
        let mut head = |h| {
            let part = |x: Vector| x.part(h * size, size);
            let products = self.vector(keys, |graph, &key| graph.dot(part(q), part(key)));
            let scores = self.vector(products.nodes(), |graph, x| graph.div_number(x, root));
            (scores, self.softmax(scores))
        };
        let heads: Vec<(Vector, Vector)> = (0..heads).map(&mut head).collect();
        let mut products = |j: usize| {
            let pairs = heads[j / size].1.nodes().zip(values);
            self.vector(pairs, |graph, (weight, value)| graph.mul(weight, value.first + j))
        };
        let products: Vec<Vector> = (0..q.length).map(&mut products).collect();
        let mixed = self.vector(products, Graph::sum);
        for (h, (scores, weights)) in heads.into_iter().enumerate() {
            self.trace.extend([scores, weights, mixed.part(h * size, size)]);
        }
        mixed
    }
}

/// A model in training. Its parameters are the first nodes of its graph.
pub struct Model {
    pub config: Config,
    pub matrices: Vec<Matrix>,
    pub graph: Graph,
    pub m: Vec<f64>, // Adam's moments
    pub v: Vec<f64>,
    caches: Vec<[Vec<Vector>; 2]>, // of each layer: the keys and the values of the positions so far
    orders: Vec<Vec<Node>>,        // of each position: how the graph's nodes are visited
}

impl Model {
    pub fn new(math: &'static Math, config: Config) -> Model {
        let (matrices, orders) = (config.matrices(), vec![Vec::new(); config.block]);
        Model { config, matrices, graph: Graph::new(math), m: Vec::new(), v: Vec::new(), caches: Vec::new(), orders }
    }

    /// Sets the parameters at the beginning of training.
    pub fn begin(&mut self, parameters: Vec<f64>) {
        (self.m, self.v) = (vec![0.0; parameters.len()], vec![0.0; parameters.len()]);
        self.graph.vector(parameters, Graph::leaf);
    }

    fn begin_document(&mut self) {
        self.graph.truncate(self.m.len());
        self.caches = vec![Default::default(); self.config.layers];
    }

    /// The residual stream after the last layer, for `token` at position `t`.
    fn forward(&mut self, token: usize, t: usize) -> Vector {
        let Model { config, matrices, graph, caches, .. } = self;
        let row = |matrix: &Matrix, row: usize| matrix.all.part(row * config.embedding, config.embedding);
        let embedded = graph.add_vectors(row(&matrices[0], token), row(&matrices[1], t));
        let mut x = graph.rmsnorm(embedded);
        for (layer, cache) in matrices[3..].chunks(6).zip(caches) {
            let norm = graph.rmsnorm(x);
            let q = graph.linear(norm, &layer[0]);
            cache[0].push(graph.linear(norm, &layer[1]));
            cache[1].push(graph.linear(norm, &layer[2]));
            let attended = |cached: &[Vector]| Vec::from_iter(config.attention[t].iter().map(|&s| cached[s]));
            let mixed = graph.attend(config.heads, q, &attended(&cache[0]), &attended(&cache[1]));
            let attn_out = graph.linear(mixed, &layer[3]);
            x = graph.add_vectors(attn_out, x);
            let norm = graph.rmsnorm(x);
            let hidden = graph.linear(norm, &layer[4]);
            let mut activated = graph.noted(hidden.nodes(), Graph::relu);
            if config.squared_relu {
                graph.trace.pop();
                activated = graph.noted(activated.nodes(), |graph, x| graph.pow(x, 2.0));
            }
            let mlp_out = graph.linear(activated, &layer[5]);
            x = graph.add_vectors(mlp_out, x);
        }
        x
    }

    /// The mean over a document's positions of -log p(next token).
    pub fn loss(&mut self, tokens: &[usize]) -> Node {
        self.begin_document();
        let mut losses = Vec::new();
        for (t, pair) in tokens.windows(2).take(self.config.block).enumerate() {
            let x = self.forward(pair[0], t);
            let Model { matrices, graph, orders, .. } = self;
            graph.visit_again(x, &mut orders[t]); // the root will come here first, whatever the next token is
            let logits = graph.linear(x, &matrices[2]);
            let probabilities = graph.softmax(logits);
            let log = graph.log(probabilities.first + pair[1]);
            losses.push(graph.mul_number(log, -1.0));
            graph.trace.extend([probabilities, Vector { first: losses[t], length: 1 }]);
        }
        let total = self.graph.add_up(&losses);
        self.graph.mul_number(total, 1.0 / losses.len() as f64)
    }

    /// One step of training on one document; its loss before the update.
    pub fn train(&mut self, optimizer: &Optimizer, step: usize, tokens: &[usize]) -> f64 {
        let loss = self.loss(tokens);
        self.graph.backward(loss);
        let Model { graph: Graph { math, values, gradients, .. }, m, v, .. } = self;
        let loss = values[loss];
        optimizer.update(math, step, values, gradients, m, v);
        loss
    }

    /// Draws one sample. `watch` sees each draw: the probabilities and the token, BOS included.
    pub fn sample(
        &mut self, temperature: f64, generator: &mut Generator, mut watch: impl FnMut(&[f64], usize),
    ) -> Result<Vec<usize>> {
        self.begin_document();
        let (mut tokens, bos) = (Vec::new(), self.config.vocabulary - 1);
        for t in 0..self.config.block {
            let x = self.forward(tokens.last().copied().unwrap_or(bos), t);
            let logits = self.graph.linear(x, &self.matrices[2]);
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

impl Optimizer {
    /// Updates as many parameters as have moments. The result is the step's learning rate and what m and v are divided
    /// by, because they started at zero.
    pub fn update(
        &self, math: &Math, step: usize, parameters: &mut [f64], gradients: &[f64], m: &mut [f64], v: &mut [f64],
    ) -> [f64; 3] {
        let Optimizer { learning_rate, beta1, beta2, epsilon, cosine, steps } = *self;
        let (s, n) = (step as f64, steps as f64);
        let rate = match cosine {
            true => (learning_rate * 0.5) * (1.0 + (math.cos)((PI * s) / n)),
            false => learning_rate * (1.0 - s / n),
        };
        let [correction1, correction2] = [beta1, beta2].map(|beta| 1.0 - (math.pow)(beta, s + 1.0));
        for (((p, g), m), v) in parameters.iter_mut().zip(gradients).zip(m).zip(v) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * (g * g);
            *p -= (rate * (*m / correction1)) / (root(*v / correction2) + epsilon);
        }
        [rate, correction1, correction2]
    }
}

/// All in which runs differ; the rest stands in `run`.
#[derive(Clone, Copy)]
pub struct Preset {
    block: usize,
    squared_relu: bool,
    sigma: f64,
    output_sigma: f64, // of the matrices whose results are added to the residual stream
    pub optimizer: Optimizer,
}

#[rustfmt::skip]
pub const PRESETS: [(&str, Preset); 2] = [
    ("seed", Preset { block: 8, squared_relu: true, sigma: 0.02, output_sigma: 0.0, optimizer:
        Optimizer { learning_rate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, cosine: true, steps: 500 } }),
    ("classic", Preset { block: 16, squared_relu: false, sigma: 0.08, output_sigma: 0.08, optimizer:
        Optimizer { learning_rate: 0.01, beta1: 0.85, beta2: 0.99, epsilon: 1e-8, cosine: false, steps: 1000 } }),
];

impl Preset {
    /// Trains and samples. Each printed line goes to `print` as soon as it is known.
    pub fn run<'a>(
        &self, math: &'static Math, samples: usize, lines: impl Iterator<Item = &'a str>,
        mut print: impl FnMut(&str) -> Result<()>,
    ) -> Result<(Model, Generator)> {
        let Preset { block, squared_relu, optimizer, .. } = *self;
        let mut dataset = Dataset::new(lines)?;
        let mut generator = Generator::seeded(42);
        generator.shuffle(&mut dataset.documents);
        let (vocabulary, attention) = (dataset.characters.len() + 1, (1..=block).map(|t| (0..t).collect()).collect());
        let config = Config { layers: 1, heads: 4, embedding: 16, block, vocabulary, squared_relu, attention };
        let mut model = Model::new(math, config);
        let mut parameters = Vec::new();
        for Matrix { name, all, .. } in &model.matrices {
            let is_output = name.ends_with("attn_wo") || name.ends_with("mlp_fc2");
            let sigma = if is_output { self.output_sigma } else { self.sigma };
            parameters.extend(all.nodes().map(|_| generator.gauss(math, sigma)));
        }
        print(&format!("num docs: {}", dataset.documents.len()))?;
        print(&format!("vocab size: {vocabulary}"))?;
        print(&format!("num params: {}", parameters.len()))?;
        model.begin(parameters);
        let steps = optimizer.steps;
        for (step, document) in (0..steps).zip(dataset.documents.iter().cycle()) {
            let loss = model.train(&optimizer, step, &dataset.encode(document));
            print(&format!("step {:4} / {steps:4} | loss {}", step + 1, four_decimals(loss)))?;
        }
        print("")?;
        print("--- inference (new, hallucinated names) ---")?;
        for number in 1..=samples {
            let tokens = model.sample(0.5, &mut generator, |_, _| ())?;
            let text: String = tokens.into_iter().map(|token| dataset.characters[token]).collect();
            print(&format!("sample {number:2}: {text}"))?;
        }
        Ok((model, generator))
    }
}

/// Rust rounds the true value, ties to even. Only its NaN is spelt in another way.
pub fn four_decimals(x: f64) -> String { if x.is_nan() { "nan".into() } else { format!("{x:.4}") } }
