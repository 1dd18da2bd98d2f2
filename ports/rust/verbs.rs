//! The verbs of the protocol: what a request asks for and what it is answered. SPEC.md, sections 11 and 12.

use std::io::{self, BufRead, Write};

use crate::backward::Gradients;
use crate::config::{Activation, Config, Matrix};
use crate::exact;
use crate::generator::{Generator, WORDS};
use crate::graph::{Node, Tape};
use crate::math::Math;
use crate::model::{Document, Model, Prediction};
use crate::run::{draw_sample, read_dataset, Preset, Run, RunError};
use crate::training::{Moments, Optimizer, Schedule, Training};
use crate::wire::{Error, Hex, Reply, Request, Values};

type Verb = fn(&mut Request) -> Result<Reply, Error>;

const VERBS: [(&str, Verb); 12] = [
    ("hello", hello),
    ("arith", arith),
    ("math", math),
    ("random", random),
    ("tokens", tokens),
    ("graph", graph),
    ("forward", forward),
    ("backward", backward),
    ("adam", adam),
    ("train", train),
    ("sample", sample),
    ("run", run),
];

/// Answers each request as soon as it is complete, until the input ends.
pub fn answer_all(input: &mut dyn BufRead, output: &mut dyn Write) -> io::Result<()> {
    while let Some(mut request) = Request::next(input)? {
        let mut id = "-".to_string();
        let answer = answer(&mut request, &mut id);
        // Whatever was wrong before, the rest of the request is read.
        let reply = match (answer, request.skip()) {
            (Err(Error::Input(problem)), _) | (_, Err(Error::Input(problem))) => return Err(problem),
            (Err(Error::Unsupported), Err(problem)) | (Err(problem), _) | (_, Err(problem)) => format!("error {id} {problem}\nend\n"),
            (Ok(reply), Ok(())) => format!("ok {id}\n{}end\n", reply.text),
        };
        output.write_all(reply.as_bytes())?;
        output.flush()?;
    }
    Ok(())
}

fn answer(request: &mut Request, id: &mut String) -> Result<Reply, Error> {
    let (verb, name) = request.header()?;
    *id = name;
    let (_, answer) = VERBS.iter().find(|(name, _)| *name == verb).ok_or(Error::Unsupported)?;
    answer(request)
}

impl From<RunError> for Error {
    fn from(problem: RunError) -> Error {
        Error::Meaning(problem.to_string())
    }
}

// ---------------------------------------------------------------- lines that several verbs share

fn read_math(request: &mut Request) -> Result<Math, Error> {
    request.choice("math", &Math::ALL).copied()
}

/// The model lines: the kind of mathematics, the shape and the attention table.
fn read_config(request: &mut Request) -> Result<(Math, Config), Error> {
    let math = read_math(request)?;
    let layers = request.integer("layers", 1..=16)?;
    let heads = request.integer("heads", 1..=64)?;
    let embedding = request.integer("embedding", 1..=512)?;
    if embedding % heads != 0 {
        return Err(Error::Meaning(format!("embedding must be a multiple of heads, and {embedding} is none of {heads}")));
    }
    let block = request.integer("block", 1..=1024)?;
    let vocabulary = request.integer("vocabulary", 2..=2048)?;
    let activation = *request.choice("activation", &Activation::ALL)?;
    let mut attention = Vec::new();
    for position in 0..block {
        let attended = request.line("attend", |values| values.all_integers(1, 0..=position))?;
        if attended.last() != Some(&position) || !attended.is_sorted_by(|a, b| a < b) {
            return Err(Error::Meaning(format!("attend line {position} must have increasing positions, {position} the last")));
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

fn read_lines(request: &mut Request) -> Result<Vec<String>, Error> {
    let mut lines = vec![request.line("line", |values| values.text())?];
    while request.key() == Some("line") {
        lines.push(request.line("line", |values| values.text())?);
    }
    Ok(lines)
}

// ---------------------------------------------------------------- the small verbs

fn hello(request: &mut Request) -> Result<Reply, Error> {
    request.finish()?;
    let mut reply = Reply::default();
    reply.line("name", ["rust"]);
    reply.line("protocol", [1]);
    reply.line("verbs", VERBS.iter().map(|(name, _)| name));
    reply.line("math", Math::ALL.iter().map(|(name, _)| name));
    Ok(reply)
}

fn arith(request: &mut Request) -> Result<Reply, Error> {
    const KEYS: &str = "one of add sub mul div sqrt muladd sum dot";
    let mut reply = Reply::default();
    request.lines(KEYS, |values| {
        let result = match values.key {
            "add" => values.doubles().map(|[x, y]| x + y),
            "sub" => values.doubles().map(|[x, y]| x - y),
            "mul" => values.doubles().map(|[x, y]| x * y),
            "div" => values.doubles().map(|[x, y]| x / y),
            "sqrt" => values.doubles().map(|[x]| x.sqrt()),
            "muladd" => values.doubles().map(|[x, y, z]| x * y + z),
            "sum" => values.all_doubles().map(|numbers| numbers.iter().fold(0.0, |sum, x| sum + x)),
            "dot" => dot(values),
            _ => Err(values.unexpected(KEYS)),
        }?;
        reply.double(values.key, result);
        Ok(())
    })?;
    Ok(reply)
}

fn dot(values: &mut Values) -> Result<f64, Error> {
    let mut sum = 0.0;
    loop {
        let [x, y] = values.doubles()?;
        sum += x * y;
        if values.left() == 0 {
            return Ok(sum);
        }
    }
}

fn math(request: &mut Request) -> Result<Reply, Error> {
    const KEYS: &str = "one of exp log sin cos pow";
    let math = read_math(request)?;
    let mut reply = Reply::default();
    request.lines(KEYS, |values| {
        let result = match values.key {
            "exp" => math.exp(values.double()?),
            "log" => math.log(values.double()?),
            "sin" => math.sin(read_angle(values)?),
            "cos" => math.cos(read_angle(values)?),
            "pow" => {
                let x = values.double()?;
                math.pow(x, read_exponent(values, exact::MOST_EXPONENT)?)
            }
            _ => return Err(values.unexpected(KEYS)),
        };
        reply.double(values.key, result);
        Ok(())
    })?;
    Ok(reply)
}

fn read_angle(values: &mut Values) -> Result<f64, Error> {
    let x = values.double()?;
    if x.abs() > exact::MOST_ANGLE {
        return Err(Error::Meaning(format!("{} takes |x| up to {}, not {x}", values.key, exact::MOST_ANGLE)));
    }
    Ok(x)
}

fn read_exponent(values: &mut Values, most: f64) -> Result<f64, Error> {
    let y = values.double()?;
    if y.abs() <= most && (2.0 * y) % 1.0 == 0.0 {
        return Ok(y);
    }
    Err(Error::Meaning(format!("an exponent is an integer or half-integer from -{most} to {most}, not {y}")))
}

fn random(request: &mut Request) -> Result<Reply, Error> {
    const KEYS: &str = "one of words random gauss shuffle choices state";
    let math = read_math(request)?;
    let mut generator = Generator::seeded(request.integer("seed", 0..=u32::MAX as usize)? as u32);
    let mut reply = Reply::default();
    request.lines(KEYS, |values| {
        let key = values.key;
        match key {
            "words" => {
                let n = values.integer(0..=1000)?;
                reply.line(key, (0..n).map(|_| generator.word()));
            }
            "random" => {
                let n = values.integer(0..=1000)?;
                reply.line(key, (0..n).map(|_| Hex(generator.random())));
            }
            "gauss" => {
                let n = values.integer(0..=1000)?;
                let sigma = values.double()?;
                reply.line(key, (0..n).map(|_| Hex(generator.gauss(math, sigma))));
            }
            "shuffle" => {
                let mut items: Vec<usize> = (0..values.integer(0..=10000)?).collect();
                generator.shuffle(&mut items);
                reply.line(key, items);
            }
            "choices" => {
                let n = values.integer(0..=1000)?;
                let weights = values.all_doubles()?;
                if weights.len() > 1000 {
                    return Err(Error::Meaning(format!("choices takes at most 1000 weights, not {}", weights.len())));
                }
                let choices: Option<Vec<usize>> = (0..n).map(|_| generator.choice(&weights)).collect();
                reply.line(key, choices.ok_or(RunError::NotFinite)?);
            }
            "state" => {
                let (index, words, kept) = generator.state();
                reply.line(key, [index as u32].iter().chain(words));
                reply.line("kept", [kept.map_or("none".to_string(), |x| Hex(x).to_string())]);
            }
            _ => return Err(values.unexpected(KEYS)),
        }
        Ok(())
    })?;
    Ok(reply)
}

fn tokens(request: &mut Request) -> Result<Reply, Error> {
    let lines = read_lines(request)?;
    request.finish()?;
    let (documents, tokenizer) = read_dataset(lines.iter().map(String::as_str))?;
    let mut reply = Reply::default();
    reply.line("documents", [documents.len()]);
    reply.line("vocabulary", tokenizer.characters().iter().map(|&c| u32::from(c)));
    reply.line("bos", [tokenizer.bos()]);
    for document in documents {
        reply.line("encoded", tokenizer.encode(document));
    }
    Ok(reply)
}

fn graph(request: &mut Request) -> Result<Reply, Error> {
    let math = read_math(request)?;
    let mut tape = Tape::new(math);
    let mut nodes = Vec::new();
    while request.key() != Some("root") {
        nodes.push(request.any_line(EXPRESSIONS, |values| read_expression(values, &mut tape, &nodes))?);
    }
    let root = request.line("root", |values| read_node(values, &nodes))?;
    request.finish()?;
    let gradients = tape.backward(root);
    let mut reply = Reply::default();
    nodes.iter().for_each(|&node| reply.double("value", tape.value(node)));
    nodes.iter().for_each(|&node| reply.double("gradient", gradients.of(node)));
    Ok(reply)
}

/// An expression made before, by its number.
fn read_node(values: &mut Values, nodes: &[Node]) -> Result<Node, Error> {
    match nodes.len().checked_sub(1) {
        Some(last) => Ok(nodes[values.integer(0..=last)?]),
        None => Err(Error::Meaning(format!("the first expression must be a leaf, not {}", values.key))),
    }
}

fn read_expression(values: &mut Values, tape: &mut Tape, nodes: &[Node]) -> Result<Node, Error> {
    let one = |values: &mut Values| read_node(values, nodes);
    let two = |values: &mut Values| Ok((one(values)?, one(values)?));
    let with_number = |values: &mut Values| Ok((one(values)?, values.double()?));
    match values.key {
        "leaf" => Ok(tape.leaf(values.double()?)),
        "add" => two(values).map(|(a, b)| tape.add(a, b)),
        "sub" => two(values).map(|(a, b)| tape.sub(a, b)),
        "mul" => two(values).map(|(a, b)| tape.mul(a, b)),
        "div" => two(values).map(|(a, b)| tape.div(a, b)),
        "neg" => one(values).map(|a| tape.neg(a)),
        "pow" => Ok(tape.pow(one(values)?, read_exponent(values, 1024.0)?)),
        "exp" => one(values).map(|a| tape.exp(a)),
        "log" => one(values).map(|a| tape.log(a)),
        "relu" => one(values).map(|a| tape.relu(a)),
        "sum" => {
            let first = one(values)?;
            let rest: Vec<Node> = (0..values.left()).map(|_| one(values)).collect::<Result<_, _>>()?;
            Ok(tape.sum(first, &rest))
        }
        "add_number" => with_number(values).map(|(a, c)| tape.add_number(a, c)),
        "sub_number" => with_number(values).map(|(a, c)| tape.add_number(a, -c)),
        "mul_number" => with_number(values).map(|(a, c)| tape.mul_number(a, c)),
        "div_number" => with_number(values).map(|(a, c)| tape.div_number(a, c)),
        "number_sub" => with_number(values).map(|(a, c)| tape.number_sub(c, a)),
        "number_div" => with_number(values).map(|(a, c)| tape.number_div(c, a)),
        _ => Err(values.unexpected(EXPRESSIONS)),
    }
}

const EXPRESSIONS: &str = "one of leaf add sub mul div neg pow exp log relu sum \
    add_number sub_number mul_number div_number number_sub number_div root";

// ---------------------------------------------------------------- the verbs of the model

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

fn forward(request: &mut Request) -> Result<Reply, Error> {
    let (model, document) = read_model_and_document(request)?;
    let mut reply = Reply::default();
    for (t, prediction) in document.predictions().iter().enumerate() {
        write_prediction(&mut reply, &model.config, &document, t, prediction);
    }
    reply.double("loss", document.loss);
    Ok(reply)
}

/// Everything that is computed at position `t`, in order.
fn write_prediction(reply: &mut Reply, config: &Config, document: &Document, t: usize, prediction: &Prediction) {
    let mut show = |name: &str, numbers: &[f64]| reply.tensor(&format!("pos{t}.{name}"), numbers.len(), numbers);
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
        for (h, (head, mixed)) in layer.heads.iter().zip(layer.mixed.chunks_exact(config.head_size())).enumerate() {
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

fn backward(request: &mut Request) -> Result<Reply, Error> {
    let (model, document) = read_model_and_document(request)?;
    let mut gradients = Gradients::default();
    model.backward(&document, &mut gradients);
    let mut reply = Reply::default();
    reply.double("loss", document.loss);
    write_tensors(&mut reply, &model.matrices, "", &gradients.parameters);
    Ok(reply)
}

fn adam(request: &mut Request) -> Result<Reply, Error> {
    let math = read_math(request)?;
    let optimizer = read_optimizer(request)?;
    let step = request.integer("step", 0..=optimizer.steps - 1)?;
    let (rows, columns) = request.shape(1..=2048)?;
    let mut read = |name| {
        let mut numbers = Vec::new();
        request.tensor(name, rows, columns, &mut numbers).map(|()| numbers)
    };
    let (mut parameters, gradients, mut m, mut v) = (read("parameters")?, read("gradients")?, read("m")?, read("v")?);
    request.finish()?;
    optimizer.update(math, step, Moments { parameters: &mut parameters, gradients: &gradients, m: &mut m, v: &mut v });

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

fn train(request: &mut Request) -> Result<Reply, Error> {
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

fn sample(request: &mut Request) -> Result<Reply, Error> {
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

fn run(request: &mut Request) -> Result<Reply, Error> {
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
