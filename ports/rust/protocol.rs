//! Requests and replies as text (SPEC.md, sections 11 and 13): parsers of words, a cursor over lines, lines to write.
use std::error::Error;
use std::fmt::{Display, Write};

pub type Result<T> = std::result::Result<T, Box<dyn Error>>;
pub type Range = std::ops::RangeInclusive<usize>;

pub fn ensure(condition: bool, sentence: &str) -> Result<()> { if condition { Ok(()) } else { Err(sentence.into()) } }
pub fn expected<T>(what: &str, came: &str) -> Result<T> { Err(format!("expected {what}, got {came:.40}").into()) }
pub fn words(line: &str) -> Result<Vec<&str>> {
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_graphic());
    ensure(line.len() <= 65536 && line.split(' ').all(is_word), "expected up to 65536 bytes of ASCII in single words")?;
    Ok(line.split(' ').collect())
}

pub fn double(word: &str) -> Result<f64> {
    match u64::from_str_radix(word, 16).map(f64::from_bits) {
        Ok(x) if format!("{:016x}", x.to_bits()) == word => Ok(if x.is_nan() { f64::NAN } else { x }),
        _ => expected("a double of 16 lower-case hex digits", word),
    }
}
pub fn integer(range: Range) -> impl Fn(&str) -> Result<usize> {
    move |word| match word.parse() {
        Ok(value) if range.contains(&value) && value.to_string() == word => Ok(value),
        _ => expected(&format!("an integer from {} to {}", range.start(), range.end()), word),
    }
}
pub fn choice<T: Copy>(options: [(&str, T); 2]) -> impl Fn(&str) -> Result<T> {
    move |word| match options.iter().find(|(name, _)| *name == word) {
        Some((_, option)) => Ok(*option),
        None => expected(&format!("{} or {}", options[0].0, options[1].0), word),
    }
}
pub fn all<T>(words: &[&str], parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    words.iter().map(|word| parse(word)).collect()
}

/// The lines that are still to be read, in words.
pub struct Request<'a>(pub &'a [Vec<&'a str>]);
impl<'a> Request<'a> {
    /// The key of the next line; `end` after the last one.
    pub fn key(&self) -> &'a str { self.0.first().map_or("end", |line| line[0]) }
    pub fn rest(&mut self) -> Result<&'a [Vec<&'a str>]> {
        ensure(!self.0.is_empty(), "expected more lines")?;
        Ok(std::mem::take(&mut self.0))
    }
    /// The values of the next line, which must have this key and may have that many of them.
    pub fn many<T>(&mut self, key: &str, counts: Range, parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
        let line = self.0.first().filter(|line| line[0] == key).ok_or_else(|| format!("expected {key}"))?;
        ensure(counts.contains(&(line.len() - 1)), "expected another number of values")?;
        self.0 = &self.0[1..];
        all(&line[1..], parse)
    }
    pub fn one<T>(&mut self, key: &str, parse: impl Fn(&str) -> Result<T>) -> Result<T> {
        Ok(self.many(key, 1..=1, parse)?.swap_remove(0))
    }
    pub fn tensor(&mut self, name: &str, rows: usize, columns: usize) -> Result<Vec<f64>> {
        let shape = [name, &rows.to_string(), &columns.to_string()];
        ensure(self.many("tensor", 3..=3, |word| Ok(word.to_string()))? == shape, "expected another tensor or shape")?;
        Ok((0..rows).map(|_| self.many("row", columns..=columns, double)).collect::<Result<Vec<_>>>()?.concat())
    }
}

fn bits(x: f64) -> u64 { if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() } } // all NaNs are one
pub fn hex(x: f64) -> String { format!("{:016x}", bits(x)) }

#[derive(Default)]
pub struct Reply(pub String);
impl Reply {
    pub fn line<T: Display>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        self.0.push_str(key);
        values.into_iter().for_each(|value| write!(self.0, " {value}").expect("a String takes everything"));
        self.0.push('\n');
    }
    pub fn text(&mut self, key: &str, text: &str) { self.line(key, text.chars().map(u32::from)); }
    pub fn doubles(&mut self, key: &str, numbers: &[f64]) { self.line(key, numbers.iter().map(|&x| hex(x))); }
    pub fn tensor(&mut self, name: &str, columns: usize, numbers: &[f64]) {
        self.line("tensor", [format_args!("{name} {} {columns}", numbers.len() / columns)]);
        numbers.chunks_exact(columns).for_each(|row| self.doubles("row", row));
    }
    pub fn checksum(&mut self, key: &str, numbers: &[f64]) {
        let halves = numbers.iter().flat_map(|&x| [bits(x) >> 32, bits(x) & 0xffff_ffff]);
        let next = |(a, b), half| ((a + half) % 4294967291, (a + b + half) % 4294967291);
        let (a, b) = halves.fold((1, 0), next);
        self.line(key, [format_args!("{a:08x} {b:08x}")]);
    }
}
