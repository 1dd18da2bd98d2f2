//! Reading a request line by line, value by value. Everything is checked on the way, before it is stored.

use std::io::{self, BufRead, Read};
use std::ops::RangeInclusive;

use super::{Error, LINE_LIMIT};

/// What kind of line a request stands at.
enum Line {
    Text,
    TooLong,
    End,
    InputEnded,
}

/// One request, in the middle of being read.
pub struct Request<'a> {
    source: &'a mut dyn BufRead,
    line: Line,
    text: String, // of the line, if it is `Text`
}

impl<'a> Request<'a> {
    /// The next request, at its first line. `None` if the input has ended.
    pub fn next(source: &'a mut dyn BufRead) -> io::Result<Option<Request<'a>>> {
        if source.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut request = Request { source, line: Line::Text, text: String::new() };
        request.advance()?;
        Ok(Some(request))
    }

    fn advance(&mut self) -> io::Result<()> {
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        bytes.clear();
        (&mut *self.source).take(LINE_LIMIT as u64 + 1).read_until(b'\n', &mut bytes)?;
        self.line = match bytes.pop() {
            Some(b'\n') if bytes == b"end" => Line::End,
            Some(b'\n') => Line::Text,
            Some(_) if bytes.len() == LINE_LIMIT => {
                self.source.skip_until(b'\n')?;
                Line::TooLong
            }
            _ => Line::InputEnded,
        };
        self.text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        Ok(())
    }

    /// Read on to the end of the request, whatever comes. An error if the input ends before.
    pub fn skip(&mut self) -> Result<(), Error> {
        loop {
            match self.line {
                Line::End => return Ok(()),
                Line::InputEnded => return Err(Error::InputEnded),
                Line::Text | Line::TooLong => self.advance()?,
            }
        }
    }

    /// The verb and the id.
    pub fn header(&mut self) -> Result<(String, String), Error> {
        let line = self.line_at("a verb and an id")?;
        let is_id = |word: &&str| {
            let mut bytes = word.bytes();
            word.len() <= 64 && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
        };
        match (line.key, line.words.clone().next().filter(is_id), line.words.clone().nth(1)) {
            (verb, Some(id), None) => {
                let header = (verb.to_string(), id.to_string());
                self.advance()?;
                Ok(header)
            }
            _ => Err(Error::Header { came: self.text.clone() }),
        }
    }

    /// The key of the line at which the request stands, if there is one.
    pub fn key(&self) -> Option<&str> {
        match self.line {
            Line::Text => self.text.split(' ').next(),
            _ => None,
        }
    }

    fn line_at(&self, expected: &str) -> Result<Values<'_>, Error> {
        match self.line {
            Line::Text => {}
            Line::TooLong => return Err(Error::LineTooLong),
            Line::End => return Err(Error::Key { expected: expected.to_string(), came: None }),
            Line::InputEnded => return Err(Error::InputEnded),
        }
        let mut words = self.text.split(' ');
        if words.clone().any(|word| word.is_empty() || !word.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(Error::Form { came: self.text.clone() });
        }
        let key = words.next().unwrap_or_default();
        Ok(Values { key, words, taken: 0, count: self.text.bytes().filter(|&b| b == b' ').count() })
    }

    /// One line, whatever its key: `parse` takes all of its values. `expected` says which keys could come.
    pub fn any_line<T>(
        &mut self,
        expected: &str,
        parse: impl FnOnce(&mut Values) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut values = self.line_at(expected)?;
        let result = parse(&mut values)?;
        values.finish()?;
        self.advance()?;
        Ok(result)
    }

    /// The line with this key, which must come now.
    pub fn line<T>(
        &mut self,
        key: &str,
        parse: impl FnOnce(&mut Values) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.any_line(
            key,
            |values| if values.key == key { parse(values) } else { Err(values.unexpected(key)) },
        )
    }

    /// All lines up to the end, at least one.
    pub fn lines(
        &mut self,
        expected: &str,
        mut parse: impl FnMut(&mut Values) -> Result<(), Error>,
    ) -> Result<(), Error> {
        loop {
            self.any_line(expected, &mut parse)?;
            if let Line::End = self.line {
                return Ok(());
            }
        }
    }

    /// Nothing may come any more.
    pub fn finish(&self) -> Result<(), Error> {
        match self.line {
            Line::End => Ok(()),
            _ => Err(self.line_at("the end")?.unexpected("the end")),
        }
    }

    pub fn double(&mut self, key: &str) -> Result<f64, Error> {
        self.line(key, |values| values.double())
    }

    pub fn integer(&mut self, key: &str, range: RangeInclusive<usize>) -> Result<usize, Error> {
        self.line(key, |values| values.integer(range))
    }

    pub fn choice<'t, T>(&mut self, key: &str, options: &'t [(&str, T)]) -> Result<&'t T, Error> {
        self.line(key, |values| values.choice(options))
    }

    /// The shape of the tensor that comes now. It stays to be read.
    pub fn shape(&mut self, sizes: RangeInclusive<usize>) -> Result<(usize, usize), Error> {
        let mut values = self.line_at("tensor")?;
        if values.key != "tensor" {
            return Err(values.unexpected("tensor"));
        }
        values.word()?;
        Ok((values.integer(sizes.clone())?, values.integer(sizes)?))
    }

    /// Appends the numbers of a tensor, row by row.
    pub fn tensor(
        &mut self,
        name: &str,
        rows: usize,
        columns: usize,
        numbers: &mut Vec<f64>,
    ) -> Result<(), Error> {
        self.line("tensor", |values| {
            for expected in [name, &rows.to_string(), &columns.to_string()] {
                let came = values.word()?;
                if came != expected {
                    return Err(values.wrong(&format!("{name} {rows} {columns} here"), came));
                }
            }
            Ok(())
        })?;
        for _ in 0..rows {
            self.line("row", |values| {
                for _ in 0..columns {
                    numbers.push(values.double()?);
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The values on a line, taken one by one.
pub struct Values<'a> {
    pub key: &'a str,
    words: std::str::Split<'a, char>,
    taken: usize,
    count: usize,
}

impl<'a> Values<'a> {
    /// The error for a key that is not among those `expected`.
    pub fn unexpected(&self, expected: &str) -> Error {
        Error::Key { expected: expected.to_string(), came: Some(self.key.to_string()) }
    }

    fn wrong(&self, expected: &str, came: &str) -> Error {
        Error::Value { key: self.key.to_string(), expected: expected.to_string(), came: came.to_string() }
    }

    fn wrong_count(&self, how: &str, expected: usize) -> Error {
        let values = if expected == 1 { "value" } else { "values" };
        Error::Count {
            key: self.key.to_string(),
            expected: format!("{how} {expected} {values}"),
            came: self.count,
        }
    }

    fn finish(&self) -> Result<(), Error> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(self.wrong_count("exactly", self.taken))
        }
    }

    pub fn left(&self) -> usize {
        self.count - self.taken
    }

    fn word(&mut self) -> Result<&'a str, Error> {
        self.taken += 1;
        self.words.next().ok_or_else(|| self.wrong_count("at least", self.taken))
    }

    pub fn double(&mut self) -> Result<f64, Error> {
        let word = self.word()?;
        let pattern = word.bytes().try_fold(0, |pattern, digit| match digit {
            b'0'..=b'9' => Some(pattern << 4 | u64::from(digit - b'0')),
            b'a'..=b'f' => Some(pattern << 4 | u64::from(digit - b'a' + 10)),
            _ => None,
        });
        match pattern {
            Some(pattern) if word.len() == 16 => Ok(f64::from_bits(pattern)),
            _ => Err(self.wrong("doubles of 16 lower-case hex digits", word)),
        }
    }

    /// Exactly N doubles.
    pub fn doubles<const N: usize>(&mut self) -> Result<[f64; N], Error> {
        let mut numbers = [0.0; N];
        for number in &mut numbers {
            *number = self.double()?;
        }
        Ok(numbers)
    }

    /// All doubles that are left, at least one.
    pub fn all_doubles(&mut self) -> Result<Vec<f64>, Error> {
        (0..self.left().max(1)).map(|_| self.double()).collect()
    }

    pub fn integer(&mut self, range: RangeInclusive<usize>) -> Result<usize, Error> {
        let word = self.word()?;
        let plain = word.len() <= 10
            && word.bytes().all(|b| b.is_ascii_digit())
            && (word == "0" || !word.starts_with('0'));
        match word.parse() {
            Ok(value) if plain && range.contains(&value) => Ok(value),
            _ => Err(self.wrong(&format!("integers from {} to {}", range.start(), range.end()), word)),
        }
    }

    /// All integers that are left, `at_least` so many.
    pub fn all_integers(
        &mut self,
        at_least: usize,
        range: RangeInclusive<usize>,
    ) -> Result<Vec<usize>, Error> {
        (0..self.left().max(at_least)).map(|_| self.integer(range.clone())).collect()
    }

    pub fn choice<'t, T>(&mut self, options: &'t [(&str, T)]) -> Result<&'t T, Error> {
        let word = self.word()?;
        options.iter().find(|(name, _)| *name == word).map(|(_, option)| option).ok_or_else(|| {
            let names: Vec<&str> = options.iter().map(|(name, _)| *name).collect();
            self.wrong(&names.join(" or "), word)
        })
    }

    /// A double, or nothing if the word is `none`.
    pub fn optional_double(&mut self) -> Result<Option<f64>, Error> {
        if self.words.clone().next() == Some("none") {
            self.word()?;
            return Ok(None);
        }
        self.double().map(Some)
    }

    /// Code points.
    pub fn text(&mut self) -> Result<String, Error> {
        const MOST: usize = 10000;
        if self.count > MOST {
            return Err(self.wrong_count("at most", MOST));
        }
        let last = u32::from(char::MAX) as usize;
        let characters = (0..self.left()).map(|_| {
            let point = self.integer(0..=last)?;
            char::from_u32(point as u32)
                .ok_or_else(|| self.wrong("code points that are no surrogates", &point.to_string()))
        });
        characters.collect()
    }
}
