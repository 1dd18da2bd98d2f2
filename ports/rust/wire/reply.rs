//! Writing a reply, and the checksums in it.

use std::fmt::{self, Display, Write};

/// The lines of a reply.
#[derive(Default)]
pub struct Reply {
    pub text: String,
}

/// All NaNs are one.
fn bits(x: f64) -> u64 {
    if x.is_nan() {
        0x7ff8_0000_0000_0000
    } else {
        x.to_bits()
    }
}

/// A double as it is written.
pub struct Hex(pub f64);

impl Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:016x}", bits(self.0))
    }
}

impl Reply {
    pub fn line<T: Display>(&mut self, key: &str, values: impl IntoIterator<Item = T>) {
        self.text.push_str(key);
        for value in values {
            write!(self.text, " {value}").expect("a String takes everything");
        }
        self.text.push('\n');
    }

    pub fn double(&mut self, key: &str, x: f64) {
        self.doubles(key, &[x]);
    }

    pub fn doubles(&mut self, key: &str, numbers: &[f64]) {
        self.line(key, numbers.iter().map(|&x| Hex(x)));
    }

    pub fn text(&mut self, key: &str, text: &str) {
        self.line(key, text.chars().map(u32::from));
    }

    /// `numbers` row by row.
    pub fn tensor(&mut self, name: &str, columns: usize, numbers: &[f64]) {
        self.line("tensor", [name, &(numbers.len() / columns).to_string(), &columns.to_string()]);
        for row in numbers.chunks_exact(columns) {
            self.doubles("row", row);
        }
    }

    pub fn checksum(&mut self, key: &str, numbers: &[f64]) {
        let (a, b) = checksum(numbers);
        self.line(key, [format!("{a:08x}"), format!("{b:08x}")]);
    }
}

fn checksum(numbers: &[f64]) -> (u64, u64) {
    const MODULUS: u64 = 4294967291;
    // These are 2^16 halves. Without remainders on the way, b grows by less than 2^32 * (2^16)^2 / 2 = 2^63.
    const CHUNK: usize = 1 << 15;
    numbers.chunks(CHUNK).fold((1, 0), |sums, chunk| {
        let halves = chunk.iter().flat_map(|&x| [bits(x) >> 32, bits(x) & 0xffff_ffff]);
        let (a, b) = halves.fold(sums, |(a, b), half| (a + half, b + a + half));
        (a % MODULUS, b % MODULUS)
    })
}
