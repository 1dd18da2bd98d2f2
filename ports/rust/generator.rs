//! Random numbers as Python makes them: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998) and what
//! is drawn from it. SPEC.md, section 3.

use crate::math::Math;

pub const WORDS: usize = 624;

pub struct Generator {
    words: [u32; WORDS],
    index: usize, // of the next word; WORDS if all are used up
    kept: Option<f64>,
}

impl Generator {
    pub fn seeded(seed: u32) -> Generator {
        let scrambled = |before: u32, factor: u32| (before ^ (before >> 30)).wrapping_mul(factor);
        let mut mt = [19650218; WORDS];
        for i in 1..WORDS {
            mt[i] = scrambled(mt[i - 1], 1812433253).wrapping_add(i as u32);
        }
        let places = (1..WORDS).cycle();
        for i in places.clone().take(WORDS) {
            mt[i] = (mt[i] ^ scrambled(mt[i - 1], 1664525)).wrapping_add(seed);
            mt[0] = mt[WORDS - 1];
        }
        for i in places.skip(1).take(WORDS - 1) {
            mt[i] = (mt[i] ^ scrambled(mt[i - 1], 1566083941)).wrapping_sub(i as u32);
            mt[0] = mt[WORDS - 1];
        }
        mt[0] = 1 << 31;
        Generator { words: mt, index: WORDS, kept: None }
    }

    /// A generator in the middle of its stream. `index` is at most `WORDS`.
    pub fn resumed(index: usize, words: [u32; WORDS], kept: Option<f64>) -> Generator {
        Generator { words, index, kept }
    }

    /// What `resumed` takes.
    pub fn state(&self) -> (usize, &[u32; WORDS], Option<f64>) {
        (self.index, &self.words, self.kept)
    }

    fn renew(&mut self) {
        let mt = &mut self.words;
        for i in 0..WORDS {
            let y = mt[i] & 0x8000_0000 | mt[(i + 1) % WORDS] & 0x7fff_ffff;
            let twist = if y % 2 == 1 { 0x9908_b0df } else { 0 };
            mt[i] = mt[(i + 397) % WORDS] ^ (y >> 1) ^ twist;
        }
        self.index = 0;
    }

    pub fn word(&mut self) -> u32 {
        if self.index == WORDS {
            self.renew();
        }
        let mut y = self.words[self.index];
        self.index += 1;
        y ^= y >> 11;
        y ^= y << 7 & 0x9d2c_5680;
        y ^= y << 15 & 0xefc6_0000;
        y ^ y >> 18
    }

    /// At least 0, below 1, a multiple of 2^-53.
    pub fn random(&mut self) -> f64 {
        let a = f64::from(self.word() >> 5);
        let b = f64::from(self.word() >> 6);
        (a * 67108864.0 + b) / 9007199254740992.0
    }

    /// A normal number (Box and Muller, 1958). They come in pairs; the second one is kept for the next call.
    pub fn gauss(&mut self, math: Math, sigma: f64) -> f64 {
        let z = self.kept.take().unwrap_or_else(|| {
            let angle = self.random() * std::f64::consts::TAU;
            let radius = (-2.0 * math.log(1.0 - self.random())).sqrt();
            self.kept = Some(math.sin(angle) * radius);
            math.cos(angle) * radius
        });
        0.0 + z * sigma
    }

    /// A number below n, 1 <= n < 2^31.
    fn below(&mut self, n: u32) -> u32 {
        let unused_bits = n.leading_zeros();
        loop {
            let candidate = self.word() >> unused_bits;
            if candidate < n {
                return candidate;
            }
        }
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u32 + 1) as usize);
        }
    }

    /// An index, drawn by weight. `None` if the weights do not add up to a finite number above 0.
    pub fn choice(&mut self, weights: &[f64]) -> Option<usize> {
        let cumulative: Vec<f64> = weights
            .iter()
            .scan(0.0, |sum, weight| {
                *sum += weight;
                Some(*sum)
            })
            .collect();
        let total = cumulative.last()? + 0.0;
        if !(total.is_finite() && total > 0.0) {
            return None;
        }
        let u = self.random() * total;
        let (mut low, mut high) = (0, weights.len() - 1);
        while low < high {
            let middle = (low + high) / 2;
            if u < cumulative[middle] {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    }
}
