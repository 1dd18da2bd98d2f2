//! A whole run: dataset in, the printed text out. And drawing samples from a model. SPEC.md, sections 9 and
//! 10.

use crate::config::{Activation, Config};
use crate::generator::Generator;
use crate::math::Math;
use crate::model::{Model, Position, Softmax};
use crate::text::{documents_of, Tokenizer};
use crate::training::{Optimizer, Schedule, Training};

#[derive(Clone, Copy)]
pub struct Preset {
    pub block: usize,
    pub sigma: f64,
    /// Of the matrices whose results are added to the residual stream.
    pub output_sigma: f64,
    pub activation: Activation,
    pub optimizer: Optimizer,
    pub samples: usize,
}

const LAYERS: usize = 1;
const HEADS: usize = 4;
const EMBEDDING: usize = 16;
const TEMPERATURE: f64 = 0.5;
const SEED: u32 = 42;

impl Preset {
    pub const ALL: [(&'static str, Preset); 2] = [
        (
            "seed",
            Preset {
                block: 8,
                sigma: 0.02,
                output_sigma: 0.0,
                activation: Activation::SquaredRelu,
                optimizer: Optimizer {
                    learning_rate: 0.01,
                    beta1: 0.9,
                    beta2: 0.95,
                    epsilon: 1e-8,
                    schedule: Schedule::Cosine,
                    steps: 500,
                },
                samples: 20,
            },
        ),
        (
            "classic",
            Preset {
                block: 16,
                sigma: 0.08,
                output_sigma: 0.08,
                activation: Activation::Relu,
                optimizer: Optimizer {
                    learning_rate: 0.01,
                    beta1: 0.85,
                    beta2: 0.99,
                    epsilon: 1e-8,
                    schedule: Schedule::Linear,
                    steps: 1000,
                },
                samples: 20,
            },
        ),
    ];
}

/// Why a run cannot be made.
#[derive(Debug)]
pub enum RunError {
    NoDocuments,
    TooManyCharacters(usize),
    NotFinite,
}

impl std::fmt::Display for RunError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            RunError::NoDocuments => {
                write!(f, "expected lines of text and found no document: all lines are empty once stripped")
            }
            RunError::TooManyCharacters(count) => {
                write!(f, "the documents have {count} distinct characters; {} are the most", MOST_CHARACTERS)
            }
            RunError::NotFinite => {
                write!(f, "the probabilities of a draw do not add up to a finite number above 0")
            }
        }
    }
}

impl std::error::Error for RunError {}

pub const MOST_CHARACTERS: usize = 2047;

/// The documents of a dataset and their tokens.
pub fn read_dataset<'a>(
    lines: impl IntoIterator<Item = &'a str>,
) -> Result<(Vec<&'a str>, Tokenizer), RunError> {
    let documents = documents_of(lines);
    let tokenizer = Tokenizer::of(&documents);
    match tokenizer.characters().len() {
        0 => Err(RunError::NoDocuments),
        count if count > MOST_CHARACTERS => Err(RunError::TooManyCharacters(count)),
        _ => Ok((documents, tokenizer)),
    }
}

/// Draws one sample. `watch` sees each draw: the probabilities and the token, BOS included.
pub fn draw_sample(
    model: &Model,
    temperature: f64,
    generator: &mut Generator,
    mut watch: impl FnMut(&[f64], usize),
) -> Result<Vec<usize>, RunError> {
    let bos = model.config.vocabulary - 1;
    let factor = model.math.pow(temperature, -1.0);
    let mut caches = model.empty_caches();
    let mut position = Position::new(&model.config);
    let mut softmax = Softmax::default();
    let mut tokens = Vec::new();
    let mut token = bos;
    for t in 0..model.config.block {
        model.forward(token, t, &mut caches, &mut position);
        position.logits.iter_mut().for_each(|logit| *logit *= factor);
        softmax.compute(model.math, &position.logits);
        token = generator.choice(&softmax.probabilities).ok_or(RunError::NotFinite)?;
        watch(&softmax.probabilities, token);
        if token == bos {
            break;
        }
        tokens.push(token);
    }
    Ok(tokens)
}

/// A run, finished.
pub struct Run {
    pub training: Training,
    pub generator: Generator,
}

impl Run {
    /// Trains and samples. Each printed line goes to `print` as soon as it is known.
    pub fn new<'a, E: From<RunError>>(
        math: Math,
        preset: &Preset,
        lines: impl IntoIterator<Item = &'a str>,
        mut print: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<Run, E> {
        let (mut documents, tokenizer) = read_dataset(lines)?;
        let mut generator = Generator::seeded(SEED);
        generator.shuffle(&mut documents);
        let config = Config {
            layers: LAYERS,
            heads: HEADS,
            embedding: EMBEDDING,
            block: preset.block,
            vocabulary: tokenizer.vocabulary(),
            activation: preset.activation,
            attention: Config::causal_attention(preset.block),
        };
        let parameters = draw_parameters(math, preset, &config, &mut generator);
        print(&format!("num docs: {}", documents.len()))?;
        print(&format!("vocab size: {}", tokenizer.vocabulary()))?;
        print(&format!("num params: {}", parameters.len()))?;

        let mut training = Training::new(Model::new(math, config, parameters), preset.optimizer);
        let steps = preset.optimizer.steps;
        for (step, document) in (1..=steps).zip(documents.iter().cycle()) {
            let loss = four_decimals(training.advance(&tokenizer.encode(document)));
            print(&format!("step {step:4} / {steps:4} | loss {loss}"))?;
        }
        print("")?;
        print("--- inference (new, hallucinated names) ---")?;
        for number in 1..=preset.samples {
            let tokens = draw_sample(&training.model, TEMPERATURE, &mut generator, |_, _| ())?;
            print(&format!("sample {number:2}: {}", tokenizer.decode(&tokens)))?;
        }
        Ok(Run { training, generator })
    }
}

fn draw_parameters(math: Math, preset: &Preset, config: &Config, generator: &mut Generator) -> Vec<f64> {
    let mut parameters = Vec::new();
    for matrix in config.matrices() {
        let writes_output = matrix.name.ends_with("attn_wo") || matrix.name.ends_with("mlp_fc2");
        let sigma = if writes_output { preset.output_sigma } else { preset.sigma };
        parameters.extend(matrix.place.map(|_| generator.gauss(math, sigma)));
    }
    parameters
}

/// Rust rounds the true value, ties to even. Only its NaN is spelt in another way.
fn four_decimals(x: f64) -> String {
    if x.is_nan() {
        "nan".to_string()
    } else {
        format!("{x:.4}")
    }
}
