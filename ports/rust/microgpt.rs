//! A GPT but for its differentiation (SPEC.md, sections 3, 4 and 6 to 10), after Andrej Karpathy's microgpt.
use crate::exact::{Math, root};
use crate::graph::{Graph, Node, Vector};
use crate::protocol::{Result, ensure, expected};
use std::f64::consts::{PI, TAU};

pub const WORDS: usize = 624;
/// Python's Mersenne Twister, MT19937 (Matsumoto and Nishimura, 1998), and what is drawn from it.
#[rustfmt::skip]
pub struct Generator { pub words: [u32; WORDS], pub index: usize, pub kept: Option<f64> }
impl Generator {
    pub fn seeded(seed: u32) -> Generator {
        let scrambled = |before: u32, factor: u32| (before ^ (before >> 30)).wrapping_mul(factor);
        let mut mt = [19650218; WORDS];
        (1..WORDS).for_each(|i| mt[i] = scrambled(mt[i - 1], 1812433253).wrapping_add(i as u32));
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
    pub fn shuffled<T>(&mut self, mut items: Vec<T>) -> Vec<T> {
        for i in (1..items.len()).rev() {
            let unused_bits = (i as u32 + 1).leading_zeros();
            let j = (0..).map(|_| (self.word() >> unused_bits) as usize).find(|&j| j <= i);
            items.swap(i, j.unwrap_or(i));
        }
        items
    }
    pub fn choice(&mut self, weights: &[f64]) -> Result<usize> {
        let (mut low, mut high, mut cumulative) = (0, weights.len() - 1, weights.to_vec());
        (1..weights.len()).for_each(|i| cumulative[i] += cumulative[i - 1]);
        let total = cumulative[high];
        ensure(total > 0.0 && total < f64::INFINITY, "expected weights that add up to a finite number above 0")?;
        let u = self.random() * total;
        while low < high {
            let middle = (low + high) / 2;
            (low, high) = if u < cumulative[middle] { (low, middle) } else { (middle + 1, high) };
        }
        Ok(low)
    }
}

/// The documents of a dataset, and the distinct characters, which are the tokens but BOS.
pub fn documents(lines: &[String]) -> Result<(Vec<&str>, Vec<char>)> {
    let stripped = lines.iter().map(|line| line.trim_matches(|c| matches!(c, '\t'..='\r' | ' ')));
    let documents: Vec<&str> = stripped.filter(|line| !line.is_empty()).collect();
    let characters = std::collections::BTreeSet::from_iter(documents.iter().flat_map(|document| document.chars()));
    ensure((1..=2047).contains(&characters.len()), "expected documents with 1 to 2047 distinct characters")?;
    Ok((documents, characters.into_iter().collect()))
}
pub fn encode(document: &str, characters: &[char]) -> Vec<usize> {
    let (known, bos) = (document.chars().filter_map(|c| characters.binary_search(&c).ok()), characters.len());
    [bos].into_iter().chain(known).chain([bos]).collect()
}

/// The shape of a model and how it is trained. `attention` lists for each position those that it attends to, itself
/// last. Matrices whose results are added to the residual stream begin with `output_sigma`, the others with `sigma`.
#[derive(Default)]
#[rustfmt::skip]
pub struct Settings {
    pub math: &'static Math,
    pub layers: usize, pub heads: usize, pub embedding: usize, pub block: usize, pub vocabulary: usize,
    pub squared_relu: bool, pub attention: Vec<Vec<usize>>,
    pub learning_rate: f64, pub beta1: f64, pub beta2: f64, pub epsilon: f64, pub cosine: bool, pub steps: usize,
    pub sigma: f64, pub output_sigma: f64,
}
#[rustfmt::skip]
pub fn preset(name: &str) -> Result<Settings> {
    let all = Settings { layers: 1, heads: 4, embedding: 16, learning_rate: 0.01, epsilon: 1e-8, ..Default::default() };
    match name {
        "seed" => Ok(Settings { block: 8, squared_relu: true, sigma: 0.02, output_sigma: 0.0,
                                beta1: 0.9, beta2: 0.95, cosine: true, steps: 500, ..all }),
        "classic" => Ok(Settings { block: 16, squared_relu: false, sigma: 0.08, output_sigma: 0.08,
                                   beta1: 0.85, beta2: 0.99, cosine: false, steps: 1000, ..all }),
        _ => expected("seed or classic", name),
    }
}
impl Settings {
    /// The names, rows and columns of all parameter matrices: three, and then six for each layer.
    pub fn matrices(&self) -> Vec<(String, usize, usize)> {
        let (e, v) = (self.embedding, self.vocabulary);
        let mut shapes = Vec::from([("wte".into(), v, e), ("wpe".into(), self.block, e), ("lm_head".into(), v, e)]);
        for i in 0..self.layers {
            shapes.extend(["q", "k", "v", "o"].map(|name| (format!("layer{i}.attn_w{name}"), e, e)));
            shapes.extend([(format!("layer{i}.mlp_fc1"), 4 * e, e), (format!("layer{i}.mlp_fc2"), e, 4 * e)]);
        }
        shapes
    }
    /// Adam (Kingma and Ba, 2015) with a learning rate that falls to zero, for as many parameters as have moments. The
    /// result is the step's rate and what m and v are divided by, because they started at zero.
    pub fn update(&self, step: usize, p: &mut [f64], gradients: &[f64], m: &mut [f64], v: &mut [f64]) -> [f64; 3] {
        let Settings { math, learning_rate, beta1, beta2, epsilon, .. } = *self;
        let (s, n) = (step as f64, self.steps as f64);
        let linear = learning_rate * (1.0 - s / n);
        let rate = if self.cosine { (learning_rate * 0.5) * (1.0 + (math.cos)((PI * s) / n)) } else { linear };
        let [correction1, correction2] = [beta1, beta2].map(|beta| 1.0 - (math.pow)(beta, s + 1.0));
        for (((p, g), m), v) in p.iter_mut().zip(gradients).zip(m).zip(v) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * (g * g);
            *p -= (rate * (*m / correction1)) / (root(*v / correction2) + epsilon);
        }
        [rate, correction1, correction2]
    }
}

/// Layers. Their results go to the graph's trace, those of softmax by way of its callers.
impl Graph {
    fn noted<T>(&mut self, items: impl IntoIterator<Item = T>, make: impl Fn(&mut Graph, T) -> Node) -> Vector {
        let result = self.vector(items, make);
        self.trace.push(result);
        result
    }
    fn linear(&mut self, x: Vector, matrix: Vector) -> Vector {
        let rows = (0..matrix.length).step_by(x.length).map(|start| matrix.part(start, x.length));
        self.noted(rows, |graph, row| graph.dot(row, x))
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
    fn softmax(&mut self, logits: Vector) -> Vector {
        let logit_values = self.values[logits.nodes()].iter().copied();
        let top = logit_values.reduce(|top, x| if x > top { x } else { top }).unwrap_or(0.0);
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
        let (mut heads, mut products) = (Vec::new(), Vec::new());
        for start in (0..q.length).step_by(size) {
            let part = |x: Vector| x.part(start, size);
            let dots = self.vector(keys, |graph, &key| graph.dot(part(q), part(key)));
            let scores = self.vector(dots.nodes(), |graph, x| graph.div_number(x, root));
            let weights = self.softmax(scores);
            heads.push((scores, weights, start));
            let weighted = |graph: &mut Graph, (weight, value)| graph.mul(weight, value);
            let product = |j| self.vector(weights.nodes().zip(values.iter().map(|value| value.first + j)), weighted);
            products.extend((start..start + size).map(product));
        }
        let mixed = self.vector(products, Graph::sum);
        let notes = |(scores, weights, start)| [scores, weights, mixed.part(start, size)];
        self.trace.extend(heads.into_iter().flat_map(notes));
        mixed
    }
}

/// A model in training. Its parameters are the first nodes of its graph, which is made anew for each document.
#[derive(Default)]
#[rustfmt::skip]
pub struct Model {
    pub settings: Settings, pub graph: Graph,
    pub parameters: Vec<f64>, pub m: Vec<f64>, pub v: Vec<f64>, // and Adam's moments
    matrices: Vec<Vector>,
    caches: Vec<[Vec<Vector>; 2]>, // of each layer: the keys and the values of the positions so far
    orders: Vec<Vec<Node>>, // of each position: how the graph's nodes are visited
}
impl Model {
    pub fn new(parameters: Vec<f64>, settings: Settings) -> Model {
        let (zeros, orders) = (vec![0.0; parameters.len()], vec![Vec::new(); settings.block]);
        Model { settings, parameters, m: zeros.clone(), v: zeros, orders, ..Model::default() }
    }
    fn begin_document(&mut self) {
        (self.graph, self.caches) = (Graph::new(self.settings.math), vec![Default::default(); self.settings.layers]);
        let (graph, mut parameters) = (&mut self.graph, self.parameters.iter());
        let matrix =
            |(_, rows, columns)| graph.vector(parameters.by_ref().take(rows * columns), |graph, &x| graph.leaf(x));
        self.matrices = self.settings.matrices().into_iter().map(matrix).collect();
    }
    /// The residual stream after the last layer, for `token` at position `t`.
    fn forward(&mut self, token: usize, t: usize) -> Vector {
        let Model { settings, matrices, graph, caches, .. } = self;
        let row = |matrix: Vector, row: usize| matrix.part(row * settings.embedding, settings.embedding);
        let embedded = graph.add_vectors(row(matrices[0], token), row(matrices[1], t));
        let mut x = graph.rmsnorm(embedded);
        for (layer, cache) in matrices[3..].chunks(6).zip(caches) {
            let norm = graph.rmsnorm(x);
            let q = graph.linear(norm, layer[0]);
            cache[0].push(graph.linear(norm, layer[1]));
            cache[1].push(graph.linear(norm, layer[2]));
            let attended = |cached: &[Vector]| Vec::from_iter(settings.attention[t].iter().map(|&s| cached[s]));
            let mixed = graph.attend(settings.heads, q, &attended(&cache[0]), &attended(&cache[1]));
            let attn_out = graph.linear(mixed, layer[3]);
            x = graph.add_vectors(attn_out, x);
            let norm = graph.rmsnorm(x);
            let hidden = graph.linear(norm, layer[4]);
            let mut activated = graph.vector(hidden.nodes(), Graph::relu);
            if settings.squared_relu {
                activated = graph.vector(activated.nodes(), |graph, x| graph.pow(x, 2.0));
            }
            graph.trace.push(activated);
            let mlp_out = graph.linear(activated, layer[5]);
            x = graph.add_vectors(mlp_out, x);
        }
        x
    }
    /// The mean over a document's positions of -log p(next token).
    pub fn loss(&mut self, tokens: &[usize]) -> Node {
        self.begin_document();
        let mut losses = Vec::new();
        for (t, pair) in tokens.windows(2).take(self.settings.block).enumerate() {
            let x = self.forward(pair[0], t);
            let Model { matrices, graph, orders, .. } = self;
            graph.visit_again(x, &mut orders[t]); // the root will come here first, whatever the next token is
            let logits = graph.linear(x, matrices[2]);
            let probabilities = graph.softmax(logits);
            let log = graph.log(probabilities.first + pair[1]);
            losses.push(graph.neg(log));
            graph.trace.extend([probabilities, Vector { first: losses[t], length: 1 }]);
        }
        let total = self.graph.add_up(&losses);
        self.graph.mul_number(total, 1.0 / losses.len() as f64)
    }
    /// One step of training on one document; its loss before the update.
    pub fn train(&mut self, step: usize, tokens: &[usize]) -> f64 {
        let root = self.loss(tokens);
        self.graph.backward(root);
        self.settings.update(step, &mut self.parameters, &self.graph.gradients, &mut self.m, &mut self.v);
        self.graph.values[root]
    }
    /// Draws one sample: for each position the probabilities and the token, BOS included.
    pub fn sample(&mut self, temperature: f64, generator: &mut Generator) -> Result<Vec<(Vec<f64>, usize)>> {
        self.begin_document();
        let (mut draws, bos) = (Vec::new(), self.settings.vocabulary - 1);
        let mut token = bos;
        while draws.len() < self.settings.block && (token != bos || draws.is_empty()) {
            let x = self.forward(token, draws.len());
            let logits = self.graph.linear(x, self.matrices[2]);
            let cooled = self.graph.vector(logits.nodes(), |graph, x| graph.div_number(x, temperature));
            let probabilities = self.graph.softmax(cooled);
            let weights = self.graph.values[probabilities.nodes()].to_vec();
            token = generator.choice(&weights)?;
            draws.push((weights, token));
        }
        Ok(draws)
    }
}

type Print<'a> = &'a mut dyn FnMut(String) -> Result<()>;
/// Trains and samples. Each line goes to `print` as soon as it is known.
pub fn run(mut settings: Settings, samples: usize, text: &[String], print: Print) -> Result<(Model, Generator)> {
    let ((documents, characters), mut generator) = (documents(text)?, Generator::seeded(42));
    let documents = generator.shuffled(documents);
    settings.vocabulary = characters.len() + 1;
    settings.attention = (1..=settings.block).map(|t| (0..t).collect()).collect();
    let (math, steps, mut parameters) = (settings.math, settings.steps, Vec::new());
    for (name, rows, columns) in settings.matrices() {
        let is_output = name.ends_with("attn_wo") || name.ends_with("mlp_fc2");
        let sigma = if is_output { settings.output_sigma } else { settings.sigma };
        parameters.extend((0..rows * columns).map(|_| generator.gauss(math, sigma)));
    }
    print(format!("num docs: {}", documents.len()))?;
    print(format!("vocab size: {}", settings.vocabulary))?;
    print(format!("num params: {}", parameters.len()))?;
    let mut model = Model::new(parameters, settings);
    for (step, document) in (0..steps).zip(documents.iter().cycle()) {
        let loss = model.train(step, &encode(document, &characters));
        print(format!("step {:4} / {steps:4} | loss {}", step + 1, four_decimals(loss)))?;
    }
    print(String::new())?;
    print("--- inference (new, hallucinated names) ---".into())?;
    for number in 1..=samples {
        let tokens = model.sample(0.5, &mut generator)?.into_iter().map(|(_, token)| token);
        let name = String::from_iter(tokens.filter_map(|token| characters.get(token)));
        print(format!("sample {number:2}: {name}"))?;
    }
    Ok((model, generator))
}
/// Rust rounds the true value, ties to even. Only its NaN is spelt in another way.
pub fn four_decimals(x: f64) -> String { if x.is_nan() { "nan".into() } else { format!("{x:.4}") } }
