//! The verbs of levels 1 to 6, which need no model. SPEC.md, section 12.

use super::{read_lines, read_math, VERBS};
use crate::exact;
use crate::generator::Generator;
use crate::graph::{Node, Tape};
use crate::math::Math;
use crate::run::{read_dataset, RunError};
use crate::wire::{Error, Hex, Reply, Request, Values};

pub fn hello(request: &mut Request) -> Result<Reply, Error> {
    request.finish()?;
    let mut reply = Reply::default();
    reply.line("name", ["rust"]);
    reply.line("protocol", [1]);
    reply.line("verbs", VERBS.iter().map(|(name, _)| name));
    reply.line("math", Math::ALL.iter().map(|(name, _)| name));
    Ok(reply)
}

pub fn arith(request: &mut Request) -> Result<Reply, Error> {
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

pub fn math(request: &mut Request) -> Result<Reply, Error> {
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

pub fn random(request: &mut Request) -> Result<Reply, Error> {
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
                    return Err(Error::Meaning(format!(
                        "choices takes at most 1000 weights, not {}",
                        weights.len()
                    )));
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

pub fn tokens(request: &mut Request) -> Result<Reply, Error> {
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

pub fn graph(request: &mut Request) -> Result<Reply, Error> {
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
