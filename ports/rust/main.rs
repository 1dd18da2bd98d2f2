//! microgpt in Rust (conformance/SPEC.md). Without arguments it answers requests, whose verbs stand here (section 12).
//! `microgpt run [seed|classic] < names.txt` trains on the names, one a line, and makes new ones.
mod exact;
mod graph;
mod microgpt;
mod protocol;
use exact::{EXACT, Math, NATIVE};
use graph::{Graph, Node};
use microgpt::{Generator, Model, Settings, WORDS, documents, encode, four_decimals, preset};
use protocol::{Reply, Request, Result, all, choice, double, ensure, expected, hex, integer, words};
use std::io::{BufRead, Write, read_to_string, stdin, stdout};
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = Vec::from_iter(std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()));
    let outcome = match &arguments.join(" ")[..] {
        "" => answer_all(),
        "run" | "run seed" => run_preset("seed"),
        "run classic" => run_preset("classic"),
        _ => Err("usage: microgpt, or microgpt run [seed|classic] < names.txt".into()),
    };
    let Err(problem) = outcome else { return ExitCode::SUCCESS };
    eprintln!("microgpt: {problem}");
    ExitCode::FAILURE
}
fn run_preset(name: &str) -> Result<()> {
    let text = Vec::from_iter(read_to_string(stdin())?.split('\n').map(String::from));
    let mut print = |line| Ok(writeln!(stdout(), "{line}")?); // a line is seen at once
    microgpt::run(preset(name)?, 20, &text, &mut print).map(|_| ())
}

/// Answers each request as soon as it is complete, until the input ends.
fn answer_all() -> Result<()> {
    let mut lines = Vec::new();
    for line in stdin().lock().split(b'\n') {
        lines.push(String::from_utf8_lossy(&line?).into_owned());
        if lines.last().is_some_and(|line| line == "end") {
            write!(stdout(), "{}", answer(&std::mem::take(&mut lines)))?;
        }
    }
    if lines.is_empty() { Ok(()) } else { Ok(write!(stdout(), "{}", answer(&lines))?) }
}
fn answer(lines: &[String]) -> String {
    let is_id = |word: &str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    let (verb, id) = match words(&lines[0]).as_deref() {
        Ok(&[verb, id]) if id.len() <= 64 && is_id(id) => (verb, id),
        _ => return "error - expected a verb and an id of 1 to 64 letters digits . _ -\nend\n".into(),
    };
    match answer_verb(verb, &lines[1..]) {
        Ok(Reply(text)) => format!("ok {id}\n{text}end\n"),
        Err(reason) => format!("error {id} {reason:.200}\nend\n"),
    }
}
fn answer_verb(verb: &str, lines: &[String]) -> Result<Reply> {
    ensure(lines.last().is_some_and(|line| line == "end"), "expected the line end before the end of the input")?;
    let (_, answer) = VERBS.iter().find(|(name, _)| *name == verb).ok_or("unsupported")?;
    let lines = lines[..lines.len() - 1].iter().map(|line| words(line)).collect::<Result<Vec<_>>>()?;
    let (mut request, mut reply) = (Request(&lines), Reply::default());
    answer(&mut request, &mut reply)?;
    if request.0.is_empty() { Ok(reply) } else { expected("end", request.key()) }
}

#[rustfmt::skip]
const VERBS: [(&str, fn(&mut Request, &mut Reply) -> Result<()>); 12] = [
    ("hello", hello), ("arith", arith), ("math", math), ("random", random), ("tokens", tokens), ("graph", graph),
    ("forward", forward), ("backward", backward), ("adam", adam), ("train", train), ("sample", sample), ("run", run),
];

fn hello(_: &mut Request, reply: &mut Reply) -> Result<()> {
    let verbs = VERBS.map(|(name, _)| name).join(" ");
    Ok(reply.0 = format!("name rust\nprotocol 1\nverbs {verbs}\nmath exact native\n"))
}
fn read_math(request: &mut Request) -> Result<&'static Math> {
    request.one("math", choice([("exact", &EXACT), ("native", &NATIVE)]))
}
fn arith(request: &mut Request, reply: &mut Reply) -> Result<()> { calculate(None, request, reply) }
fn math(request: &mut Request, reply: &mut Reply) -> Result<()> { calculate(Some(read_math(request)?), request, reply) }
fn calculate(math: Option<&Math>, request: &mut Request, reply: &mut Reply) -> Result<()> {
    for line in request.rest()? {
        let numbers = all(&line[1..], double)?;
        let result = match (math, line[0], &numbers[..]) {
            (None, "add", [x, y]) => x + y,
            (None, "sub", [x, y]) => x - y,
            (None, "mul", [x, y]) => x * y,
            (None, "div", [x, y]) => x / y,
            (None, "sqrt", [x]) => x.sqrt(),
            (None, "muladd", [x, y, z]) => x * y + z,
            (None, "sum", [_, ..]) => numbers.iter().fold(0.0, |sum, x| sum + x),
            (None, "dot", [_, _, ..]) if numbers.len() % 2 == 0 => {
                numbers.chunks(2).fold(0.0, |s, xy| s + xy[0] * xy[1])
            }
            (None, "decimals", [x]) if x.abs() <= 2_f64.powi(53) || !x.is_finite() => *x,
            (Some(math), "exp", [x]) => (math.exp)(*x),
            (Some(math), "log", [x]) => (math.log)(*x),
            (Some(math), "sin", [x]) if x.is_nan() || x.abs() <= 8.0 => (math.sin)(*x),
            (Some(math), "cos", [x]) if x.is_nan() || x.abs() <= 8.0 => (math.cos)(*x),
            (Some(math), "pow", [x, y]) if is_exponent(*y, 4096.0) => (math.pow)(*x, *y),
            _ => return expected("an operation with numbers in its domain", line[0]),
        };
        let is_text = line[0] == "decimals";
        if is_text { reply.text(line[0], &four_decimals(result)) } else { reply.doubles(line[0], &[result]) }
    }
    Ok(())
}
fn is_exponent(y: f64, most: f64) -> bool { y.abs() <= most && (2.0 * y) % 1.0 == 0.0 }

fn random(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let math = read_math(request)?;
    let mut generator = Generator::seeded(request.one("seed", integer(0..=u32::MAX as usize))? as u32);
    for line in request.rest()? {
        let (key, numbers) = (line[0], all(line.get(2..).unwrap_or_default(), double)?);
        let draws = |most| integer(0..=most)(line.get(1).unwrap_or(&"end")).map(|count| 0..count);
        match (key, &numbers[..]) {
            ("words", []) => reply.line(key, draws(1000)?.map(|_| generator.word())),
            ("random", []) => reply.line(key, draws(1000)?.map(|_| hex(generator.random()))),
            ("gauss", [sigma]) => reply.line(key, draws(1000)?.map(|_| hex(generator.gauss(math, *sigma)))),
            ("shuffle", []) => reply.line(key, generator.shuffled(draws(10000)?.collect())),
            ("choices", [_, ..]) if numbers.len() <= 1000 => {
                reply.line(key, draws(1000)?.map(|_| generator.choice(&numbers)).collect::<Result<Vec<usize>>>()?);
            }
            ("state", []) if line.len() == 1 => {
                reply.line(key, [generator.index as u32].iter().chain(&generator.words));
                reply.line("kept", [generator.kept.map_or("none".into(), hex)]);
            }
            _ => return expected("words random gauss shuffle choices or state with its values", line[0]),
        }
    }
    Ok(())
}

fn read_text(request: &mut Request) -> Result<Vec<String>> {
    let point = |word: &str| Ok(char::from_u32(integer(0..=0x10ffff)(word)? as u32).ok_or("expected no surrogate")?);
    let line = |line: &Vec<&str>| match line[..] {
        ["line", ref points @ ..] if points.len() <= 10000 => Ok(String::from_iter(all(points, point)?)),
        _ => expected("line with at most 10000 code points", line[0]),
    };
    request.rest()?.iter().map(line).collect()
}
fn tokens(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let text = read_text(request)?;
    let (documents, characters) = documents(&text)?;
    reply.line("documents", [documents.len()]);
    reply.text("vocabulary", &String::from_iter(&characters));
    reply.line("bos", [characters.len()]);
    Ok(documents.iter().for_each(|document| reply.line("encoded", encode(document, &characters))))
}

fn graph(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let mut graph = Graph::new(read_math(request)?);
    let (mut nodes, mut root): (Vec<Node>, Option<Node>) = Default::default();
    for line in request.rest()? {
        let node =
            |word: &str| Ok(*nodes.get(integer(0..=usize::MAX)(word)?).ok_or("expected an earlier expression")?);
        ensure(root.is_none(), "expected end after root")?;
        #[rustfmt::skip]
        let next = match line[..] {
            ["root", a] => { root = Some(node(a)?); continue }
            ["leaf", x] => graph.leaf(double(x)?),
            ["add", a, b] => graph.add(node(a)?, node(b)?),
            ["sub", a, b] => { let minus = graph.neg(node(b)?); graph.add(node(a)?, minus) }
            ["mul", a, b] => graph.mul(node(a)?, node(b)?),
            ["div", a, b] => { let inverse = graph.pow(node(b)?, -1.0); graph.mul(node(a)?, inverse) }
            ["sum", _, ..] => graph.add_up(&all(&line[1..], node)?),
            ["neg", a] => graph.neg(node(a)?),
            ["exp", a] => graph.exp(node(a)?),
            ["log", a] => graph.log(node(a)?),
            ["relu", a] => graph.relu(node(a)?),
            ["pow", a, c] if is_exponent(double(c)?, 1024.0) => graph.pow(node(a)?, double(c)?),
            ["add_number", a, c] => graph.add_number(node(a)?, double(c)?),
            ["sub_number", a, c] => graph.add_number(node(a)?, -double(c)?),
            ["mul_number", a, c] => graph.mul_number(node(a)?, double(c)?),
            ["div_number", a, c] => graph.div_number(node(a)?, double(c)?),
            ["number_sub", c, a] => { let minus = graph.neg(node(a)?); graph.add_number(minus, double(c)?) }
            ["number_div", c, a] => { let inverse = graph.pow(node(a)?, -1.0); graph.mul_number(inverse, double(c)?) }
            _ => return expected("an expression with its operands", line[0]),
        };
        nodes.push(next);
    }
    graph.backward(root.ok_or("expected root at the end")?);
    for (key, numbers) in [("value", &graph.values), ("gradient", &graph.gradients)] {
        nodes.iter().for_each(|&node| reply.doubles(key, &[numbers[node]]));
    }
    Ok(())
}

fn read_model(request: &mut Request) -> Result<Settings> {
    let (math, layers) = (read_math(request)?, request.one("layers", integer(1..=16))?);
    let (heads, embedding) = (request.one("heads", integer(1..=64))?, request.one("embedding", integer(1..=512))?);
    ensure(embedding % heads == 0, "expected as embedding a multiple of heads")?;
    let block = request.one("block", integer(1..=1024))?;
    let vocabulary = request.one("vocabulary", integer(2..=2048))?;
    let squared_relu = request.one("activation", choice([("relu", false), ("squared_relu", true)]))?;
    let mut attention = Vec::new();
    for position in 0..block {
        let attended = request.many("attend", 1..=position + 1, integer(0..=position))?;
        let is_in_order = attended.is_sorted_by(|a, b| a < b) && attended.last() == Some(&position);
        ensure(is_in_order, "expected increasing positions to attend to, each position its own last")?;
        attention.push(attended);
    }
    Ok(Settings { math, layers, heads, embedding, block, vocabulary, squared_relu, attention, ..Default::default() })
}
fn read_training(settings: Settings, request: &mut Request) -> Result<Settings> {
    let (learning_rate, beta1) = (request.one("learning_rate", double)?, request.one("beta1", double)?);
    let (beta2, epsilon) = (request.one("beta2", double)?, request.one("epsilon", double)?);
    let cosine = request.one("schedule", choice([("linear", false), ("cosine", true)]))?;
    let steps = request.one("steps", integer(1..=4096))?;
    Ok(Settings { learning_rate, beta1, beta2, epsilon, cosine, steps, ..settings })
}
fn read_document(request: &mut Request, settings: &Settings) -> Result<Vec<usize>> {
    request.many("tokens", 2..=65536, integer(0..=settings.vocabulary - 1))
}
fn read_tensors(request: &mut Request, settings: &Settings, prefix: &str) -> Result<Vec<f64>> {
    let read = |(name, rows, columns)| request.tensor(&format!("{prefix}{name}"), rows, columns);
    Ok(settings.matrices().into_iter().map(read).collect::<Result<Vec<_>>>()?.concat())
}
fn write_tensors(reply: &mut Reply, settings: &Settings, prefix: &str, mut numbers: &[f64]) {
    for (name, rows, columns) in settings.matrices() {
        reply.tensor(&format!("{prefix}{name}"), columns, &numbers[..rows * columns]);
        numbers = &numbers[rows * columns..];
    }
}

fn read_loss(request: &mut Request) -> Result<(Model, Node)> {
    let settings = read_model(request)?;
    let tokens = read_document(request, &settings)?;
    let mut model = Model::new(read_tensors(request, &settings, "")?, settings);
    let loss = model.loss(&tokens);
    Ok((model, loss))
}
fn forward(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let (Model { settings, graph, .. }, loss) = read_loss(request)?;
    let mut trace = graph.trace.iter();
    for t in 0..settings.block {
        let mut write = |prefix: &str, names: &[&str]| {
            names.iter().zip(trace.by_ref()).for_each(|(name, x)| {
                reply.tensor(&format!("pos{t}.{prefix}{name}"), x.length, &graph.values[x.nodes()]);
            })
        };
        write("", &["embedded", "normed"]);
        for layer in (0..settings.layers).map(|i| format!("layer{i}.")) {
            write(&layer, &["attn_norm", "q", "k", "v"]);
            (0..settings.heads).for_each(|h| write(&format!("{layer}head{h}."), &["scores", "weights", "mixed"]));
            write(&layer, &["attn_out", "attn_residual", "mlp_norm", "hidden", "activated", "mlp_out", "mlp_residual"]);
        }
        write("", &["logits", "probabilities", "loss"]);
    }
    Ok(reply.doubles("loss", &[graph.values[loss]]))
}
fn backward(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let (mut model, loss) = read_loss(request)?;
    model.graph.backward(loss);
    reply.doubles("loss", &[model.graph.values[loss]]);
    Ok(write_tensors(reply, &model.settings, "", &model.graph.gradients))
}

fn adam(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let settings = read_training(Settings { math: read_math(request)?, ..Default::default() }, request)?;
    let step = request.one("step", integer(0..=settings.steps - 1))?;
    let shape = request.0.first().filter(|line| line.len() == 4).ok_or("expected a tensor's name and shape")?;
    let (rows, columns) = (integer(1..=2048)(shape[2])?, integer(1..=2048)(shape[3])?);
    let mut read = |name| request.tensor(name, rows, columns);
    let [mut parameters, gradients, mut m, mut v] = [read("parameters")?, read("gradients")?, read("m")?, read("v")?];
    let results = settings.update(step, &mut parameters, &gradients, &mut m, &mut v);
    ["rate", "correction1", "correction2"].iter().zip(results).for_each(|(key, x)| reply.doubles(key, &[x]));
    Ok([("m", m), ("v", v), ("parameters", parameters)].iter().for_each(|(name, x)| reply.tensor(name, columns, x)))
}

fn train(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let settings = read_training(read_model(request)?, request)?;
    let from = request.one("from", integer(0..=settings.steps - 1))?;
    let count = request.one("count", integer(1..=settings.steps - from))?;
    let full = request.many("full", 0..=count, integer(from..=from + count - 1))?;
    ensure(full.is_sorted_by(|a, b| a < b), "expected increasing steps in full")?;
    let mut documents = vec![read_document(request, &settings)?];
    while request.key() == "tokens" {
        documents.push(read_document(request, &settings)?);
    }
    let mut model = Model::new(read_tensors(request, &settings, "")?, settings);
    if from > 0 {
        model.m = read_tensors(request, &model.settings, "m.")?;
        model.v = read_tensors(request, &model.settings, "v.")?;
    }
    for step in from..from + count {
        let loss = model.train(step, &documents[step % documents.len()]);
        reply.line("step", [step]);
        reply.doubles("loss", &[loss]);
        let Model { parameters, m, v, graph, .. } = &model;
        let lists = [("gradients", &graph.gradients), ("m", m), ("v", v), ("parameters", parameters)];
        lists.iter().for_each(|(name, numbers)| reply.checksum(name, &numbers[..m.len()]));
        for (name, numbers) in lists.iter().filter(|_| full.contains(&step)) {
            write_tensors(reply, &model.settings, &format!("{name}."), numbers);
        }
    }
    Ok(())
}

fn sample(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let settings = read_model(request)?;
    let temperature = request.one("temperature", double)?;
    let samples = request.one("samples", integer(0..=1000))?;
    let parameters = read_tensors(request, &settings, "")?;
    let state = request.many("state", WORDS + 1..=WORDS + 1, integer(0..=u32::MAX as usize))?;
    ensure(state[0] <= WORDS, "expected an index up to 624")?;
    let kept = request.one("kept", |word| if word == "none" { Ok(None) } else { double(word).map(Some) })?;
    let words = std::array::from_fn(|i| state[i + 1] as u32);
    let (mut model, mut generator) = (Model::new(parameters, settings), Generator { index: state[0], words, kept });
    for number in 0..samples {
        reply.line("sample", [number]);
        for (probabilities, token) in model.sample(temperature, &mut generator)? {
            reply.doubles("probabilities", &probabilities);
            reply.line("token", [token]);
        }
    }
    Ok(reply.line("word", [generator.word()]))
}

fn run(request: &mut Request, reply: &mut Reply) -> Result<()> {
    let mut settings = Settings { math: read_math(request)?, ..request.one("preset", preset)? };
    settings.steps = request.one("steps", integer(1..=4096))?;
    let samples = request.one("samples", integer(0..=1000))?;
    let text = read_text(request)?;
    let mut print = |line: String| Ok(reply.text("print", &line));
    let (Model { parameters, m, v, .. }, mut generator) = microgpt::run(settings, samples, &text, &mut print)?;
    [("parameters", parameters), ("m", m), ("v", v)].iter().for_each(|(name, x)| reply.checksum(name, x));
    Ok(reply.line("word", [generator.word()]))
}
