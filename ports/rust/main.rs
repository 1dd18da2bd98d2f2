//! microgpt in Rust: a small GPT whose every bit is prescribed. The contract is conformance/SPEC.md.
//!
//! Without arguments the program answers requests, whose verbs stand here (SPEC.md, section 12). `microgpt run
//! [seed|classic] < names.txt` trains on the names, one a line, and makes new ones.

mod exact;
mod graph;
mod microgpt;
mod protocol;

use std::error::Error;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

use graph::{EXACT, Graph, Math, NATIVE, Node};
use microgpt::{Config, Dataset, Generator, Matrix, Model, Moments, Optimizer, PRESETS, WORDS, four_decimals};
use protocol::{Reply, Request, Result, double, doubles, integer, integers, read_block, unexpected};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        [] => answer_all(io::stdin().lock(), io::stdout().lock()).map_err(Into::into),
        ["run"] => run_preset("seed"),
        ["run", preset] => run_preset(preset),
        _ => Err("usage: microgpt, or microgpt run [seed|classic] < names.txt".into()),
    };
    outcome.map_or_else(complain, |()| ExitCode::SUCCESS)
}

/// But whoever reads the output may stop reading.
fn complain(problem: Box<dyn Error>) -> ExitCode {
    if problem.downcast_ref().is_some_and(|problem: &io::Error| problem.kind() == io::ErrorKind::BrokenPipe) {
        return ExitCode::SUCCESS;
    }
    eprintln!("microgpt: {problem}");
    ExitCode::FAILURE
}

fn run_preset(name: &str) -> Result<()> {
    let preset = PRESETS.into_iter().find(|(preset, _)| *preset == name);
    let (_, preset) = preset.ok_or_else(|| format!("expected the preset seed or classic, not {name:?}"))?;
    let (mut bytes, mut output) = (Vec::new(), io::stdout().lock());
    io::stdin().lock().read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|problem| format!("standard input: {}", problem.utf8_error()))?;
    preset.run(&EXACT, text.split('\n'), |line| Ok(writeln!(output, "{line}")?))?;
    Ok(())
}

type Verb = fn(&mut Request) -> Result<Reply>;

#[rustfmt::skip]
const VERBS: [(&str, Verb); 12] = [
    ("hello", hello), ("arith", arith), ("math", math), ("random", random), ("tokens", tokens), ("graph", graph),
    ("forward", forward), ("backward", backward), ("adam", adam), ("train", train), ("sample", sample), ("run", run),
];

/// Answers each request as soon as it is complete, until the input ends.
fn answer_all(mut input: impl BufRead, mut output: impl Write) -> io::Result<()> {
    while let Some((lines, is_complete)) = read_block(&mut input)? {
        let mut id = "-";
        match answer(&lines, is_complete, &mut id) {
            Ok(Reply(text)) => write!(output, "ok {id}\n{text}end\n")?,
            Err(reason) => write!(output, "error {id} {reason:.200}\nend\n")?,
        }
        output.flush()?;
    }
    Ok(())
}

fn answer<'a>(lines: &'a [String], is_complete: bool, id: &mut &'a str) -> Result<Reply> {
    const EXPECTED: &str = "a verb and an id of 1 to 64 letters digits . _ -";
    let is_id = |word: &str| {
        word.len() <= 64 && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    let mut request = Request(lines);
    let (verb, values) = request.line(EXPECTED)?;
    *id = match values[..] {
        [id] if is_id(id) => id,
        _ => return Err(unexpected(EXPECTED, &lines[0])),
    };
    match VERBS.iter().find(|(name, _)| *name == verb) {
        _ if !is_complete => Err("expected the line end before the end of the input".into()),
        Some((_, answer)) => answer(&mut request),
        None => Err("unsupported".into()),
    }
}

fn hello(request: &mut Request) -> Result<Reply> {
    request.finish()?;
    let verbs = VERBS.map(|(name, _)| name).join(" ");
    Ok(Reply(format!("name rust\nprotocol 1\nverbs {verbs}\nmath exact native\n")))
}

fn arith(request: &mut Request) -> Result<Reply> {
    const EXPECTED: &str = "add sub mul div sqrt muladd sum dot or decimals with its numbers";
    let mut reply = Reply::default();
    for (key, words) in request.lines(EXPECTED)? {
        let result = match (key, &doubles(&words)?[..]) {
            ("add", [x, y]) => x + y,
            ("sub", [x, y]) => x - y,
            ("mul", [x, y]) => x * y,
            ("div", [x, y]) => x / y,
            ("sqrt", [x]) => x.sqrt(),
            ("muladd", [x, y, z]) => x * y + z,
            ("sum", numbers @ [_, ..]) => numbers.iter().fold(0.0, |sum, x| sum + x),
            ("dot", numbers @ [_, ..]) if numbers.len() % 2 == 0 => {
                numbers.chunks(2).fold(0.0, |sum, pair| sum + pair[0] * pair[1])
            }
            ("decimals", [x]) if x.abs() <= (1_u64 << 53) as f64 || !x.is_finite() => {
                reply.text(key, &four_decimals(*x));
                continue;
            }
            _ => return Err(unexpected(EXPECTED, key)),
        };
        reply.doubles(key, [result]);
    }
    Ok(reply)
}

fn read_math(request: &mut Request) -> Result<&'static Math> {
    request.choice("math", [("exact", &EXACT), ("native", &NATIVE)])
}

fn math(request: &mut Request) -> Result<Reply> {
    const EXPECTED: &str = "exp log sin cos or pow with its numbers in their ranges";
    let (math, mut reply) = (read_math(request)?, Reply::default());
    for (key, words) in request.lines(EXPECTED)? {
        let result = match (key, &doubles(&words)?[..]) {
            ("exp", [x]) => (math.exp)(*x),
            ("log", [x]) => (math.log)(*x),
            ("sin", [x]) if x.is_nan() || x.abs() <= 8.0 => (math.sin)(*x),
            ("cos", [x]) if x.is_nan() || x.abs() <= 8.0 => (math.cos)(*x),
            ("pow", [x, y]) => (math.pow)(*x, exponent(*y, 4096.0)?),
            _ => return Err(unexpected(EXPECTED, key)),
        };
        reply.doubles(key, [result]);
    }
    Ok(reply)
}

fn exponent(y: f64, most: f64) -> Result<f64> {
    let is_half_integer = y.abs() <= most && (2.0 * y) % 1.0 == 0.0;
    is_half_integer.then_some(y).ok_or_else(|| format!("expected an integer or half-integer up to {most}").into())
}

fn random(request: &mut Request) -> Result<Reply> {
    const EXPECTED: &str = "words random gauss shuffle choices or state with its values";
    let (math, mut reply) = (read_math(request)?, Reply::default());
    let mut generator = Generator::seeded(request.integer("seed", 0..=u32::MAX as usize)? as u32);
    for (key, words) in request.lines(EXPECTED)? {
        let draws = |word| integer(word, 0..=1000).map(|count| 0..count);
        match (key, &words[..]) {
            ("words", [n]) => reply.line(key, draws(n)?.map(|_| generator.word())),
            ("random", [n]) => reply.doubles(key, draws(n)?.map(|_| generator.random())),
            ("gauss", [n, sigma]) => {
                let sigma = double(sigma)?;
                reply.doubles(key, draws(n)?.map(|_| generator.gauss(math, sigma)));
            }
            ("shuffle", [n]) => {
                let mut items: Vec<usize> = (0..integer(n, 0..=10000)?).collect();
                generator.shuffle(&mut items);
                reply.line(key, items);
            }
            ("choices", [n, weights @ ..]) if (1..=1000).contains(&weights.len()) => {
                let weights = doubles(weights)?;
                let choices: Result<Vec<usize>> = draws(n)?.map(|_| generator.choice(&weights)).collect();
                reply.line(key, choices?);
            }
            ("state", []) => {
                reply.line(key, [generator.index as u32].iter().chain(&generator.words));
                match generator.kept {
                    Some(x) => reply.doubles("kept", [x]),
                    None => reply.line("kept", ["none"]),
                }
            }
            _ => return Err(unexpected(EXPECTED, key)),
        }
    }
    Ok(reply)
}

/// The lines of a dataset, to the end of the request.
fn read_text(request: &mut Request) -> Result<Vec<String>> {
    let character = |word: &&str| char::from_u32(integer(word, 0..=0x10ffff)? as u32).ok_or_else(|| "surrogate".into());
    let lines = request.lines("line")?.into_iter().map(|(key, words)| match key {
        "line" if words.len() <= 10000 => words.iter().map(character).collect(),
        _ => Err(unexpected("line with at most 10000 code points", key)),
    });
    lines.collect()
}

fn tokens(request: &mut Request) -> Result<Reply> {
    let lines = read_text(request)?;
    let dataset = Dataset::new(lines.iter().map(String::as_str))?;
    let mut reply = Reply::default();
    reply.line("documents", [dataset.documents.len()]);
    reply.line("vocabulary", dataset.characters.iter().map(|&c| u32::from(c)));
    reply.line("bos", [dataset.bos()]);
    dataset.documents.iter().for_each(|document| reply.line("encoded", dataset.encode(document)));
    Ok(reply)
}

fn graph(request: &mut Request) -> Result<Reply> {
    const EXPECTED: &str = "an expression with operands made before, or root as the last line";
    let mut graph = Graph::new(read_math(request)?, Vec::new());
    let (mut nodes, mut reply): (Vec<Node>, _) = Default::default();
    let mut lines = request.lines(EXPECTED)?;
    let root = lines.pop();
    let operand = |nodes: &[Node], word: &str| -> Result<Node> {
        let last = nodes.len().checked_sub(1).ok_or("expected a leaf as the first expression")?;
        Ok(nodes[integer(word, 0..=last)?])
    };
    for (key, words) in lines {
        let node = |word| operand(&nodes, word);
        nodes.push(match (key, &words[..]) {
            ("leaf", [x]) => graph.leaf(double(x)?),
            ("add", [a, b]) => graph.add(node(a)?, node(b)?),
            ("sub", [a, b]) => graph.sub(node(a)?, node(b)?),
            ("mul", [a, b]) => graph.mul(node(a)?, node(b)?),
            ("div", [a, b]) => graph.div(node(a)?, node(b)?),
            ("neg", [a]) => graph.neg(node(a)?),
            ("pow", [a, c]) => graph.pow(node(a)?, exponent(double(c)?, 1024.0)?),
            ("exp", [a]) => graph.exp(node(a)?),
            ("log", [a]) => graph.log(node(a)?),
            ("relu", [a]) => graph.relu(node(a)?),
            ("sum", [_, ..]) => graph.add_up(&words.iter().map(|word| node(word)).collect::<Result<Vec<Node>>>()?),
            ("add_number", [a, c]) => graph.add_number(node(a)?, double(c)?),
            ("sub_number", [a, c]) => graph.add_number(node(a)?, -double(c)?),
            ("mul_number", [a, c]) => graph.mul_number(node(a)?, double(c)?),
            ("div_number", [a, c]) => graph.div_number(node(a)?, double(c)?),
            ("number_sub", [c, a]) => graph.number_sub(double(c)?, node(a)?),
            ("number_div", [c, a]) => graph.number_div(double(c)?, node(a)?),
            _ => return Err(unexpected(EXPECTED, key)),
        });
    }
    match root {
        Some(("root", words)) if words.len() == 1 => graph.backward(operand(&nodes, words[0])?),
        _ => return Err("expected root with one number at the end".into()),
    }
    for (key, numbers) in [("value", &graph.values), ("gradient", &graph.gradients)] {
        nodes.iter().for_each(|&node| Reply::doubles(&mut reply, key, [numbers[node]]));
    }
    Ok(reply)
}

/// The model lines: the kind of mathematics, the shape and the attention table.
fn read_config(request: &mut Request) -> Result<(&'static Math, Config)> {
    let math = read_math(request)?;
    let layers = request.integer("layers", 1..=16)?;
    let heads = request.integer("heads", 1..=64)?;
    let embedding = request.integer("embedding", 1..=512)?;
    if embedding % heads != 0 {
        return Err(format!("expected as embedding a multiple of {heads} heads, not {embedding}").into());
    }
    let block = request.integer("block", 1..=1024)?;
    let vocabulary = request.integer("vocabulary", 2..=2048)?;
    let squared_relu = request.choice("activation", [("relu", false), ("squared_relu", true)])?;
    let mut attention = Vec::new();
    for position in 0..block {
        let attended = integers(&request.values("attend")?, 0..=position)?;
        if attended.last() != Some(&position) || !attended.is_sorted_by(|a, b| a < b) {
            return Err(format!("expected increasing positions to attend to, the last {position}").into());
        }
        attention.push(attended);
    }
    Ok((math, Config { layers, heads, embedding, block, vocabulary, squared_relu, attention }))
}

fn read_document(request: &mut Request, config: &Config) -> Result<Vec<usize>> {
    let tokens = integers(&request.values("tokens")?, 0..=config.vocabulary - 1)?;
    if tokens.len() < 2 { Err("expected at least two tokens".into()) } else { Ok(tokens) }
}

/// One tensor for each matrix.
fn read_tensors(request: &mut Request, config: &Config, prefix: &str) -> Result<Vec<f64>> {
    let mut read = |Matrix { name, rows, columns, .. }| request.tensor(&format!("{prefix}{name}"), rows, columns);
    Ok(config.matrices().into_iter().map(&mut read).collect::<Result<Vec<_>>>()?.concat())
}

fn write_tensors(reply: &mut Reply, model: &Model, prefix: &str, numbers: &[f64]) {
    for Matrix { name, columns, all, .. } in &model.matrices {
        reply.tensor(&format!("{prefix}{name}"), *columns, &numbers[all.nodes()]);
    }
}

fn read_optimizer(request: &mut Request) -> Result<Optimizer> {
    Ok(Optimizer {
        learning_rate: request.double("learning_rate")?,
        beta1: request.double("beta1")?,
        beta2: request.double("beta2")?,
        epsilon: request.double("epsilon")?,
        cosine: request.choice("schedule", [("linear", false), ("cosine", true)])?,
        steps: request.integer("steps", 1..=4096)?,
    })
}

/// What `forward` and `backward` ask about.
fn read_model_and_document(request: &mut Request) -> Result<(Model, Vec<usize>)> {
    let (math, config) = read_config(request)?;
    let tokens = read_document(request, &config)?;
    let parameters = read_tensors(request, &config, "")?;
    request.finish()?;
    Ok((Model::new(math, config, parameters), tokens))
}

fn forward(request: &mut Request) -> Result<Reply> {
    let (mut model, tokens) = read_model_and_document(request)?;
    let (mut records, mut reply) = (Vec::new(), Reply::default());
    let loss = model.loss(&tokens, &mut |name, nodes| records.push((name.to_string(), nodes)));
    for (name, nodes) in records {
        reply.tensor(&name, nodes.length, &model.graph.values[nodes.nodes()]);
    }
    reply.doubles("loss", [model.graph.values[loss]]);
    Ok(reply)
}

fn backward(request: &mut Request) -> Result<Reply> {
    let (mut model, tokens) = read_model_and_document(request)?;
    let loss = model.loss(&tokens, &mut |_, _| ());
    model.graph.backward(loss);
    let mut reply = Reply::default();
    reply.doubles("loss", [model.graph.values[loss]]);
    write_tensors(&mut reply, &model, "", &model.graph.gradients);
    Ok(reply)
}

fn adam(request: &mut Request) -> Result<Reply> {
    let (math, optimizer) = (read_math(request)?, read_optimizer(request)?);
    let step = request.integer("step", 0..=optimizer.steps - 1)?;
    let (rows, columns) = match Request(request.0).values("tensor")?[..] {
        [_, rows, columns] => (integer(rows, 1..=2048)?, integer(columns, 1..=2048)?),
        _ => return Err("expected tensor with name, rows and columns".into()),
    };
    let mut read = |name| request.tensor(name, rows, columns);
    let (mut parameters, gradients) = (read("parameters")?, read("gradients")?);
    let mut moments = Moments { m: read("m")?, v: read("v")? };
    request.finish()?;
    optimizer.update(math, step, &mut parameters, &gradients, &mut moments);
    let (mut reply, [correction1, correction2]) = (Reply::default(), optimizer.corrections(math, step));
    reply.doubles("rate", [optimizer.rate(math, step)]);
    reply.doubles("correction1", [correction1]);
    reply.doubles("correction2", [correction2]);
    for (name, numbers) in [("m", moments.m), ("v", moments.v), ("parameters", parameters)] {
        reply.tensor(name, columns, &numbers);
    }
    Ok(reply)
}

fn train(request: &mut Request) -> Result<Reply> {
    let (math, config) = read_config(request)?;
    let optimizer = read_optimizer(request)?;
    let from = request.integer("from", 0..=optimizer.steps - 1)?;
    let count = request.integer("count", 1..=optimizer.steps - from)?;
    let full = integers(&request.values("full")?, from..=from + count - 1)?;
    if !full.is_sorted_by(|a, b| a < b) {
        return Err("expected increasing steps in full".into());
    }
    let mut documents = vec![read_document(request, &config)?];
    while request.key() == Some("tokens") {
        documents.push(read_document(request, &config)?);
    }
    let parameters = read_tensors(request, &config, "")?;
    let mut moments = Moments::zero(parameters.len());
    if from > 0 {
        moments = Moments { m: read_tensors(request, &config, "m.")?, v: read_tensors(request, &config, "v.")? };
    }
    request.finish()?;
    let (mut model, mut reply) = (Model::new(math, config, parameters), Reply::default());
    for step in from..from + count {
        let loss = model.train(&optimizer, step, &documents[step % documents.len()], &mut moments);
        reply.line("step", [step]);
        reply.doubles("loss", [loss]);
        let Graph { values, gradients, .. } = &model.graph;
        let lists = [("gradients", gradients), ("m", &moments.m), ("v", &moments.v), ("parameters", values)];
        for (name, numbers) in lists {
            reply.checksum(name, &numbers[model.parameters.nodes()]);
        }
        for (name, numbers) in lists.into_iter().filter(|_| full.contains(&step)) {
            write_tensors(&mut reply, &model, &format!("{name}."), numbers);
        }
    }
    Ok(reply)
}

fn read_generator(request: &mut Request) -> Result<Generator> {
    let state = integers(&request.values("state")?, 0..=u32::MAX as usize)?;
    let kept = match request.values("kept")?[..] {
        ["none"] => None,
        [x] => Some(double(x)?),
        _ => return Err("expected as kept one double or none".into()),
    };
    match state[..] {
        [index @ 0..=WORDS, ref words @ ..] if words.len() == WORDS => {
            Ok(Generator { words: std::array::from_fn(|i| words[i] as u32), index, kept })
        }
        _ => Err(format!("expected as state an index up to {WORDS} and {WORDS} words").into()),
    }
}

fn sample(request: &mut Request) -> Result<Reply> {
    let (math, config) = read_config(request)?;
    let temperature = request.double("temperature")?;
    let samples = request.integer("samples", 0..=1000)?;
    let parameters = read_tensors(request, &config, "")?;
    let mut generator = read_generator(request)?;
    request.finish()?;
    let (mut model, mut reply) = (Model::new(math, config, parameters), Reply::default());
    for number in 0..samples {
        reply.line("sample", [number]);
        model.sample(temperature, &mut generator, |probabilities, token| {
            reply.doubles("probabilities", probabilities.iter().copied());
            reply.line("token", [token]);
        })?;
    }
    reply.line("word", [generator.word()]);
    Ok(reply)
}

fn run(request: &mut Request) -> Result<Reply> {
    let (math, mut reply) = (read_math(request)?, Reply::default());
    let mut preset = request.choice("preset", PRESETS)?;
    preset.optimizer.steps = request.integer("steps", 1..=4096)?;
    preset.samples = request.integer("samples", 0..=1000)?;
    let lines = read_text(request)?;
    let print = |line: &str| {
        reply.text("print", line);
        Ok(())
    };
    let (model, Moments { m, v }, mut generator) = preset.run(math, lines.iter().map(String::as_str), print)?;
    for (name, numbers) in [("parameters", &model.graph.values), ("m", &m), ("v", &v)] {
        reply.checksum(name, &numbers[model.parameters.nodes()]);
    }
    reply.line("word", [generator.word()]);
    Ok(reply)
}
