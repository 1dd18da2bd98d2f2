//! The text form of requests and replies. SPEC.md, sections 11 and 13. What the lines mean stands in `main`.

use std::error::Error;
use std::fmt::{Display, Write};
use std::io::{self, BufRead, Read};
use std::ops::RangeInclusive;

/// An error is a sentence: what was expected and what came.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The error for something that came, which is quoted as printable ASCII and not at length.
pub fn unexpected(expected: &str, came: &str) -> Box<dyn Error> {
    let excerpt: String = came.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
    format!("expected {expected}, not '{excerpt}'").into()
}

pub fn double(word: &str) -> Result<f64> {
    let has_form = word.len() == 16 && word.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    match u64::from_str_radix(word, 16).map(f64::from_bits) {
        Ok(x) if has_form => Ok(if x.is_nan() { f64::NAN } else { x }),
        _ => Err(unexpected("a double of 16 lower-case hex digits", word)),
    }
}

pub fn doubles(words: &[&str]) -> Result<Vec<f64>> {
    words.iter().map(|word| double(word)).collect()
}

pub fn integer(word: &str, range: RangeInclusive<usize>) -> Result<usize> {
    let has_form = word == "0" || !word.starts_with(['0', '+']);
    let value = word.parse().ok().filter(|value| has_form && range.contains(value));
    value.ok_or_else(|| unexpected(&format!("an integer from {} to {}", range.start(), range.end()), word))
}

pub fn integers(words: &[&str], range: RangeInclusive<usize>) -> Result<Vec<usize>> {
    words.iter().map(|word| integer(word, range.clone())).collect()
}

const LINE_LIMIT: usize = 65536;

/// The lines of the next request without its `end`, and whether that came before the input ended. `None` if there is
/// none. One byte more than allowed is kept of a long line, to be refused.
pub fn read_block(input: &mut impl BufRead) -> io::Result<Option<(Vec<String>, bool)>> {
    let mut lines = Vec::new();
    loop {
        let mut line = Vec::new();
        if input.by_ref().take(LINE_LIMIT as u64 + 1).read_until(b'\n', &mut line)? == 0 {
            return Ok((!lines.is_empty()).then_some((lines, false)));
        }
        if line.ends_with(b"\n") {
            line.pop();
        } else if line.len() > LINE_LIMIT {
            input.skip_until(b'\n')?;
        }
        if line == b"end" {
            return Ok(Some((lines, true)));
        }
        lines.push(String::from_utf8_lossy(&line).into_owned());
    }
}

/// The lines of a request that are still to be read.
pub struct Request<'a>(pub &'a [String]);

impl<'a> Request<'a> {
    /// The key of the next line, if there is one.
    pub fn key(&self) -> Option<&'a str> {
        self.0.first()?.split(' ').next()
    }

    /// The next line: its key, whatever it is, and its values.
    pub fn line(&mut self, expected: &str) -> Result<(&'a str, Vec<&'a str>)> {
        let (line, rest) = self.0.split_first().ok_or_else(|| unexpected(expected, "end"))?;
        let words: Vec<&str> = line.split(' ').collect();
        let is_word = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
        if line.len() > LINE_LIMIT || !words.iter().all(is_word) {
            return Err(unexpected("at most 65536 bytes of printable ASCII with single spaces in a line", line));
        }
        self.0 = rest;
        Ok((words[0], words[1..].to_vec()))
    }

    /// All lines to the end, at least one.
    pub fn lines(&mut self, expected: &str) -> Result<Vec<(&'a str, Vec<&'a str>)>> {
        (0..self.0.len().max(1)).map(|_| self.line(expected)).collect()
    }

    /// The values of the next line, which must have this key.
    pub fn values(&mut self, key: &str) -> Result<Vec<&'a str>> {
        let (came, values) = self.line(key)?;
        if came == key { Ok(values) } else { Err(unexpected(key, came)) }
    }

    fn value(&mut self, key: &str) -> Result<&'a str> {
        let values = self.values(key)?;
        if values.len() == 1 { Ok(values[0]) } else { Err(format!("expected {key} to have one value").into()) }
    }

    pub fn double(&mut self, key: &str) -> Result<f64> {
        double(self.value(key)?)
    }

    pub fn integer(&mut self, key: &str, range: RangeInclusive<usize>) -> Result<usize> {
        integer(self.value(key)?, range)
    }

    pub fn choice<T: Copy>(&mut self, key: &str, options: [(&str, T); 2]) -> Result<T> {
        let word = self.value(key)?;
        let option = options.into_iter().find(|(name, _)| *name == word);
        let expected = || format!("{} or {}", options[0].0, options[1].0);
        option.map(|(_, option)| option).ok_or_else(|| unexpected(&expected(), word))
    }

    /// The numbers of a tensor, row by row.
    pub fn tensor(&mut self, name: &str, rows: usize, columns: usize) -> Result<Vec<f64>> {
        if self.values("tensor")? != [name, &rows.to_string(), &columns.to_string()] {
            return Err(format!("expected tensor {name} {rows} {columns}").into());
        }
        let mut numbers = Vec::new();
        for _ in 0..rows {
            numbers.extend(doubles(&self.values("row")?)?);
            if numbers.len() % columns != 0 {
                return Err(format!("expected {columns} numbers in a row of {name}").into());
            }
        }
        if numbers.len() == rows * columns { Ok(numbers) } else { Err("expected rows of one length".into()) }
    }

    pub fn finish(&self) -> Result<()> {
        self.key().map_or(Ok(()), |key| Err(unexpected("the end", key)))
    }
}

/// The lines of a reply.
#[derive(Default)]
pub struct Reply(pub String);

/// All NaNs are one.
fn bits(x: f64) -> u64 {
    if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() }
}

impl Reply {
    pub fn line<T: Display>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        self.0.push_str(key);
        values.into_iter().for_each(|value| write!(self.0, " {value}").expect("a String takes everything"));
        self.0.push('\n');
    }

    pub fn doubles(&mut self, key: &str, numbers: impl IntoIterator<Item = f64>) {
        self.line(key, numbers.into_iter().map(|x| format!("{:016x}", bits(x))));
    }

    pub fn text(&mut self, key: &str, text: &str) {
        self.line(key, text.chars().map(u32::from));
    }

    /// `numbers` row by row.
    pub fn tensor(&mut self, name: &str, columns: usize, numbers: &[f64]) {
        self.line("tensor", [format_args!("{name} {} {columns}", numbers.len() / columns)]);
        numbers.chunks_exact(columns).for_each(|row| self.doubles("row", row.iter().copied()));
    }

    /// SPEC.md, section 13.
    pub fn checksum(&mut self, key: &str, numbers: &[f64]) {
        let (mut a, mut b) = (1, 0);
        for half in numbers.iter().flat_map(|&x| [bits(x) >> 32, bits(x) & 0xffff_ffff]) {
            a = (a + half) % 4294967291;
            b = (b + a) % 4294967291;
        }
        self.line(key, [format_args!("{a:08x} {b:08x}")]);
    }
}
