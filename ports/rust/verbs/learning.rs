//! The verbs of levels 7 to 12: a model, its gradients, its training and its samples. SPEC.md, section 12.

use super::{read_lines, read_math};
use crate::backward::Gradients;
use crate::config::{Activation, Config, Matrix};
use crate::generator::{Generator, WORDS};
use crate::math::Math;
use crate::model::{Document, Model, Prediction};
use crate::run::{draw_sample, Preset, Run};
use crate::training::{AdamLists, Optimizer, Schedule, Training};
use crate::wire::{Error, Reply, Request};

/// The model lines: the kind of mathematics, the shape and the attention table.
fn read_config(request: &mut Request) -> Result<(Math, Config), Error> {
    let math = read_math(request)?;
    let layers = request.integer("layers", 1..=16)?;
    let heads = request.integer("heads", 1..=64)?;
    let embedding = request.integer("embedding", 1..=512)?;
    if embedding % heads != 0 {
        return Err(Error::Meaning(format!(
            "embedding must be a multiple of heads, and {embedding} is none of {heads}"
        )));
    }
    let block = request.integer("block", 1..=1024)?;
    let vocabulary = request.integer("vocabulary", 2..=2048)?;
    let activation = *request.choice("activation", &Activation::ALL)?;
    let mut attention = Vec::new();
    for position in 0..block {
        let attended = request.line("attend", |values| values.all_integers(1, 0..=position))?;
        if attended.last() != Some(&position) || !attended.is_sorted_by(|a, b| a < b) {
            return Err(Error::Meaning(format!(
                "attend line {position} must have increasing positions, {position} the last"
            )));
        }
        attention.push(attended);
    }
    Ok((math, Config { layers, heads, embedding, block, vocabulary, activation, attention }))
}

fn read_document(request: &mut Request, config: &Config) -> Result<Vec<usize>, Error> {
    request.line("tokens", |values| values.all_integers(2, 0..=config.vocabulary - 1))
}

/// One tensor for each matrix.
fn read_tensors(request: &mut Request, config: &Config, prefix: &str) -> Result<Vec<f64>, Error> {
    let mut numbers = Vec::new();
    for Matrix { name, rows, columns, .. } in config.matrices() {
        request.tensor(&format!("{prefix}{name}"), rows, columns, &mut numbers)?;
    }
    Ok(numbers)
}

fn write_tensors(reply: &mut Reply, matrices: &[Matrix], prefix: &str, numbers: &[f64]) {
    for matrix in matrices {
        reply.tensor(&format!("{prefix}{}", matrix.name), matrix.columns, &numbers[matrix.place.clone()]);
    }
}

fn read_optimizer(request: &mut Request) -> Result<Optimizer, Error> {
    Ok(Optimizer {
        learning_rate: request.double("learning_rate")?,
        beta1: request.double("beta1")?,
        beta2: request.double("beta2")?,
        epsilon: request.double("epsilon")?,
        schedule: *request.choice("schedule", &Schedule::ALL)?,
        steps: request.integer("steps", 1..=4096)?,
    })
}

/// What `forward` and `backward` ask about: a model, and a document whose loss is then known.
fn read_model_and_document(request: &mut Request) -> Result<(Model, Document), Error> {
    let (math, config) = read_config(request)?;
    let tokens = read_document(request, &config)?;
    let parameters = read_tensors(request, &config, "")?;
    request.finish()?;
    let model = Model::new(math, config, parameters);
    let mut document = Document::default();
    model.document_loss(&tokens, &mut document);
    Ok((model, document))
}

pub fn forward(request: &mut Request) -> Result<Reply, Error> {
    let (model, document) = read_model_and_document(request)?;
    let mut reply = Reply::default();
    for (t, prediction) in document.predictions().iter().enumerate() {
        write_prediction(&mut reply, &model.config, &document, t, prediction);
    }
    reply.double("loss", document.loss);
    Ok(reply)
}

/// Everything that is computed at position `t`, in order.
fn write_prediction(
    reply: &mut Reply,
    config: &Config,
    document: &Document,
    t: usize,
    prediction: &Prediction,
) {
    let mut show =
        |name: &str, numbers: &[f64]| reply.tensor(&format!("pos{t}.{name}"), numbers.len(), numbers);
    let own = t * config.embedding..(t + 1) * config.embedding;
    let position = &prediction.position;
    show("embedded", &position.embedded);
    show("normed", &position.normed.output);
    for (i, (layer, cache)) in position.layers.iter().zip(&document.caches).enumerate() {
        let mut show = |name: &str, numbers: &[f64]| show(&format!("layer{i}.{name}"), numbers);
        show("attn_norm", &layer.attn_norm.output);
        show("q", &layer.q);
        show("k", &cache.keys[own.clone()]);
        show("v", &cache.values[own.clone()]);
        for (h, (head, mixed)) in
            layer.heads.iter().zip(layer.mixed.chunks_exact(config.head_size())).enumerate()
        {
            show(&format!("head{h}.scores"), &head.scores);
            show(&format!("head{h}.weights"), &head.weights.probabilities);
            show(&format!("head{h}.mixed"), mixed);
        }
        show("attn_out", &layer.attn_out);
        show("attn_residual", &layer.attn_residual);
        show("mlp_norm", &layer.mlp_norm.output);
        show("hidden", &layer.hidden);
        show("activated", &layer.activated);
        show("mlp_out", &layer.mlp_out);
        show("mlp_residual", &layer.mlp_residual);
    }
    show("logits", &position.logits);
    show("probabilities", &prediction.probabilities.probabilities);
    show("loss", &[prediction.loss]);
}

pub fn backward(request: &mut Request) -> Result<Reply, Error> {
    let (model, document) = read_model_and_document(request)?;
    let mut gradients = Gradients::default();
    model.backward(&document, &mut gradients);
    let mut reply = Reply::default();
    reply.double("loss", document.loss);
    write_tensors(&mut reply, &model.matrices, "", &gradients.parameters);
    Ok(reply)
}

pub fn adam(request: &mut Request) -> Result<Reply, Error> {
    let math = read_math(request)?;
    let optimizer = read_optimizer(request)?;
    let step = request.integer("step", 0..=optimizer.steps - 1)?;
    let (rows, columns) = request.shape(1..=2048)?;
    let mut read = |name| {
        let mut numbers = Vec::new();
        request.tensor(name, rows, columns, &mut numbers).map(|()| numbers)
    };
    let (mut parameters, gradients, mut m, mut v) =
        (read("parameters")?, read("gradients")?, read("m")?, read("v")?);
    request.finish()?;
    optimizer.update(
        math,
        step,
        AdamLists { parameters: &mut parameters, gradients: &gradients, m: &mut m, v: &mut v },
    );

    let mut reply = Reply::default();
    let (correction1, correction2) = optimizer.corrections(math, step);
    reply.double("rate", optimizer.rate(math, step));
    reply.double("correction1", correction1);
    reply.double("correction2", correction2);
    reply.tensor("m", columns, &m);
    reply.tensor("v", columns, &v);
    reply.tensor("parameters", columns, &parameters);
    Ok(reply)
}

pub fn train(request: &mut Request) -> Result<Reply, Error> {
    let (math, config) = read_config(request)?;
    let optimizer = read_optimizer(request)?;
    let first = request.integer("from", 0..=optimizer.steps - 1)?;
    let count = request.integer("count", 1..=optimizer.steps - first)?;
    let full = request.line("full", |values| values.all_integers(0, first..=first + count - 1))?;
    if !full.is_sorted_by(|a, b| a < b) {
        return Err(Error::Meaning("the steps of 'full' must increase".to_string()));
    }
    let mut documents = vec![read_document(request, &config)?];
    while request.key() == Some("tokens") {
        documents.push(read_document(request, &config)?);
    }
    let parameters = read_tensors(request, &config, "")?;
    let moments = match first {
        0 => None,
        _ => Some((read_tensors(request, &config, "m.")?, read_tensors(request, &config, "v.")?)),
    };
    request.finish()?;

    let mut training = Training::new(Model::new(math, config, parameters), optimizer);
    training.step = first;
    if let Some((m, v)) = moments {
        (training.m, training.v) = (m, v);
    }
    let mut reply = Reply::default();
    for step in first..first + count {
        let loss = training.advance(&documents[step % documents.len()]);
        reply.line("step", [step]);
        reply.double("loss", loss);
        let lists = [
            ("gradients", training.gradients()),
            ("m", &training.m),
            ("v", &training.v),
            ("parameters", training.model.parameters()),
        ];
        for (name, numbers) in lists {
            reply.checksum(name, numbers);
        }
        if full.binary_search(&step).is_ok() {
            for (name, numbers) in lists {
                write_tensors(&mut reply, &training.model.matrices, &format!("{name}."), numbers);
            }
        }
    }
    Ok(reply)
}

fn read_generator(request: &mut Request) -> Result<Generator, Error> {
    let (index, words) = request.line("state", |values| {
        let index = values.integer(0..=WORDS)?;
        let mut words = [0; WORDS];
        for word in &mut words {
            *word = values.integer(0..=u32::MAX as usize)? as u32;
        }
        Ok((index, words))
    })?;
    let kept = request.line("kept", |values| values.optional_double())?;
    Ok(Generator::resumed(index, words, kept))
}

pub fn sample(request: &mut Request) -> Result<Reply, Error> {
    let (math, config) = read_config(request)?;
    let temperature = request.double("temperature")?;
    let samples = request.integer("samples", 0..=1000)?;
    let parameters = read_tensors(request, &config, "")?;
    let mut generator = read_generator(request)?;
    request.finish()?;
    let model = Model::new(math, config, parameters);
    let mut reply = Reply::default();
    for number in 0..samples {
        reply.line("sample", [number]);
        draw_sample(&model, temperature, &mut generator, |probabilities, token| {
            reply.doubles("probabilities", probabilities);
            reply.line("token", [token]);
        })?;
    }
    reply.line("word", [generator.word()]);
    Ok(reply)
}

pub fn run(request: &mut Request) -> Result<Reply, Error> {
    let math = read_math(request)?;
    let mut preset = *request.choice("preset", &Preset::ALL)?;
    preset.optimizer.steps = request.integer("steps", 1..=4096)?;
    preset.samples = request.integer("samples", 0..=1000)?;
    let lines = read_lines(request)?;
    request.finish()?;
    let mut reply = Reply::default();
    let mut run = Run::new(math, &preset, lines.iter().map(String::as_str), |line| {
        reply.text("print", line);
        Ok::<(), Error>(())
    })?;
    reply.checksum("parameters", run.training.model.parameters());
    reply.checksum("m", &run.training.m);
    reply.checksum("v", &run.training.v);
    reply.line("word", [run.generator.word()]);
    Ok(reply)
}
