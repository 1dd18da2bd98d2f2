//! The accurate phase of `exact`: exp, log, sin, cos and pow with at least 180 correct bits.
//!
//! It works with whole numbers only, in fixed point with 256 fraction bits, from Taylor series. It is slow
//! (some microseconds) and is asked about once in thousands of calls. The arithmetic is `const`, because the
//! compiler runs it too: it computes the tables of the quick phase, so they are neither typed in nor made
//! when the program starts.
//!
//! exp and pow are off by less than 2^-215 of the result. log, sin and cos are off by less than 2^-240 where
//! they are small, and are never smaller than 2^-60. The hardest arguments known need about 62 bits past the
//! 53rd, so there is no third, still more precise attempt.

const LIMBS: usize = 5;

/// A number >= 0. The first limb is its integer part, the others are its fraction, from the top downwards.
///
/// A "unit" in the error bounds below is the last bit, 2^-256. Products and quotients are cut off: one unit
/// too small at most.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
pub struct Fixed([u64; LIMBS]);

impl Fixed {
    pub const ZERO: Fixed = Fixed::integer(0);
    pub const ONE: Fixed = Fixed::integer(1);

    const fn integer(value: u64) -> Fixed {
        let mut limbs = [0; LIMBS];
        limbs[0] = value;
        Fixed(limbs)
    }

    /// Exact for 0 <= x < 2^63, if x is a normal number or 0 and has no bits below the last limb.
    fn from_double(x: f64) -> Fixed {
        let mut limbs = [0; LIMBS];
        if x > 0.0 {
            let (mantissa, exponent) = parts(x);
            let place = (exponent - 52 + 256) as usize; // of the mantissa's last bit, 0 being the last limb's
            let shifted = u128::from(mantissa) << (place % 64);
            let limb = LIMBS - 1 - place / 64;
            limbs[limb] = shifted as u64;
            if limb > 0 {
                limbs[limb - 1] = (shifted >> 64) as u64;
            }
        }
        Fixed(limbs)
    }

    const fn is_zero(self) -> bool {
        let mut i = 0;
        while i < LIMBS && self.0[i] == 0 {
            i += 1;
        }
        i == LIMBS
    }

    /// `self * 2^bits`, cut off to an integer. It must fit, and `bits` is 1 to 127.
    pub const fn scaled(self, bits: u32) -> u128 {
        let fraction = (self.0[1] as u128) << 64 | self.0[2] as u128;
        (self.0[0] as u128) << bits | fraction >> (128 - bits)
    }

    /// Wraps around, as does `minus`: an alternating sum may pass through negative numbers.
    pub const fn plus(mut self, other: Fixed) -> Fixed {
        let mut carry = 0;
        let mut i = LIMBS;
        while i > 0 {
            i -= 1;
            carry += self.0[i] as u128 + other.0[i] as u128;
            self.0[i] = carry as u64;
            carry >>= 64;
        }
        self
    }

    pub const fn minus(mut self, other: Fixed) -> Fixed {
        let mut borrow = false;
        let mut i = LIMBS;
        while i > 0 {
            i -= 1;
            let (difference, under) = self.0[i].overflowing_sub(other.0[i]);
            let (difference, under_again) = difference.overflowing_sub(borrow as u64);
            self.0[i] = difference;
            borrow = under || under_again;
        }
        self
    }

    pub const fn times(self, other: Fixed) -> Fixed {
        let mut product = [0u64; 2 * LIMBS];
        let mut i = LIMBS;
        while i > 0 {
            i -= 1;
            let mut carry = 0;
            let mut j = LIMBS;
            while j > 0 {
                j -= 1;
                carry += self.0[i] as u128 * other.0[j] as u128 + product[i + j + 1] as u128;
                product[i + j + 1] = carry as u64;
                carry >>= 64;
            }
            product[i] = carry as u64;
        }
        let mut limbs = [0; LIMBS];
        let mut i = 0;
        while i < LIMBS {
            limbs[i] = product[i + 1];
            i += 1;
        }
        Fixed(limbs)
    }

    pub const fn times_integer(mut self, factor: u64) -> Fixed {
        let mut carry = 0;
        let mut i = LIMBS;
        while i > 0 {
            i -= 1;
            carry += self.0[i] as u128 * factor as u128;
            self.0[i] = carry as u64;
            carry >>= 64;
        }
        self
    }

    pub const fn divided_by(mut self, divisor: u64) -> Fixed {
        let mut remainder = 0;
        let mut i = 0;
        while i < LIMBS {
            let dividend = remainder << 64 | self.0[i] as u128;
            self.0[i] = (dividend / divisor as u128) as u64;
            remainder = dividend % divisor as u128;
            i += 1;
        }
        self
    }

    /// The double nearest to `self * 2^exponent`.
    fn nearest(self, exponent: i32) -> f64 {
        let first = self.0.iter().position(|&limb| limb != 0).unwrap_or(LIMBS - 1);
        let mut limbs = self.0[first..].iter().copied();
        let mut next = || u128::from(limbs.next().unwrap_or(0));
        let leading = next() << 64 | next();
        let sticky = limbs.any(|limb| limb != 0); // below these, it only matters whether there is something
        nearest(leading | u128::from(sticky), exponent - 64 * (first as i32 + 1))
    }
}

/// The double nearest to `mantissa * 2^exponent`, ties to even. Subnormal results are rounded once, at their
/// own precision.
#[inline]
pub fn nearest(mantissa: u128, exponent: i32) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let zeros = mantissa.leading_zeros();
    let mantissa = mantissa << zeros;
    let height = exponent + 127 - zeros as i32; // the result lies in 2^height to 2^(height + 1)
    if height > 1023 {
        return f64::INFINITY;
    }
    let (dropped, above) = match -1022 - height {
        ..=0 => (75, (height + 1022) as u64),
        depth @ 1..=52 => (75 + depth as u32, 0),
        53 => return if mantissa > 1 << 127 { f64::from_bits(1) } else { 0.0 },
        _ => return 0.0,
    };
    let kept = (mantissa >> dropped) as u64;
    let rest = mantissa << (128 - dropped);
    let up = rest > 1 << 127 || (rest == 1 << 127 && kept % 2 == 1);
    // The leading bit of a normal number adds the last 1 to the exponent. So does a carry, up to infinity.
    f64::from_bits((above << 52) + kept + u64::from(up))
}

/// -size or size.
#[inline]
pub fn signed(size: f64, negative: bool) -> f64 {
    if negative {
        -size
    } else {
        size
    }
}

/// A positive finite x as an integer of 53 bits and the exponent of the first of them: x is
/// `mantissa * 2^(exponent - 52)`.
#[inline]
pub fn parts(x: f64) -> (u64, i32) {
    let lifted = if x.is_subnormal() { 54 } else { 0 };
    let bits = if lifted > 0 { x * (1u64 << 54) as f64 } else { x }.to_bits();
    (bits & ((1 << 52) - 1) | 1 << 52, (bits >> 52) as i32 - 1023 - lifted)
}

// ---------------------------------------------------------------- constants

/// ln 2 = 4 atanh(1/7) + 2 atanh(1/17), since atanh(1/n) is half the logarithm of (n+1)/(n-1).
pub const LN2: Fixed = four_and_two(7, 17, false);

/// Half of pi = 4 atan(1/3) + 2 atan(1/7) (Hutton).
pub const HALF_PI: Fixed = four_and_two(3, 7, true);

/// 4 f(1/p) + 2 f(1/q), f being atan (whose series alternates) or atanh. Error: below 2^10 units.
const fn four_and_two(p: u64, q: u64, alternating: bool) -> Fixed {
    inverse_tangent(p, alternating).times_integer(4).plus(inverse_tangent(q, alternating).times_integer(2))
}

/// atanh(1/q) = 1/q + 1/(3 q^3) + 1/(5 q^5) + ..., or atan(1/q) if every other sign is minus.
/// Error: below 2 units a term, and there are at most 82 terms: 256 bits at 2 log2(q) > 3.1 bits a term.
pub const fn inverse_tangent(q: u64, alternating: bool) -> Fixed {
    let mut power = Fixed::ONE.divided_by(q);
    let mut sum = power;
    let mut k = 3;
    while !power.is_zero() {
        power = power.divided_by(q * q);
        let term = power.divided_by(k);
        sum = if alternating && k % 4 == 3 { sum.minus(term) } else { sum.plus(term) };
        k += 2;
    }
    sum
}

// ---------------------------------------------------------------- series

/// e^r for 0 <= r < 1.4. Error: below 2 units a term, and 2^7 terms are more than enough: 2^8 units.
pub const fn exp_series(r: Fixed) -> Fixed {
    let mut sum = Fixed::ONE;
    let mut term = Fixed::ONE;
    let mut k = 1;
    while !term.is_zero() {
        term = term.times(r).divided_by(k);
        sum = sum.plus(term);
        k += 1;
    }
    sum
}

/// sin r for 0 <= r < 1.6. Error: as `exp_series`, and so has the cosine.
pub const fn sin_series(r: Fixed) -> Fixed {
    alternating_series(r, r.times(r), 2)
}

pub const fn cos_series(r: Fixed) -> Fixed {
    alternating_series(Fixed::ONE, r.times(r), 1)
}

/// The sum of terms with alternating signs, each the one before times `factor / (k (k+1))`, k growing by 2.
const fn alternating_series(first: Fixed, factor: Fixed, mut k: u64) -> Fixed {
    let mut sum = first;
    let mut term = first;
    let mut minus = true;
    while !term.is_zero() {
        term = term.times(factor).divided_by(k * (k + 1));
        sum = if minus { sum.minus(term) } else { sum.plus(term) };
        minus = !minus;
        k += 2;
    }
    sum
}

/// log(1 + d) = d - d^2/2 + d^3/3 - ... With the d below 2^-36 that come here there are 8 terms.
fn log_series(d: Fixed) -> Fixed {
    let (mut sum, mut power) = (Fixed::ZERO, d);
    for k in 1.. {
        let term = power.divided_by(k);
        if term.is_zero() {
            break;
        }
        sum = if k % 2 == 0 { sum.minus(term) } else { sum.plus(term) };
        power = power.times(d);
    }
    sum
}

// ---------------------------------------------------------------- functions

/// A number of either sign.
#[derive(Clone, Copy)]
struct Signed {
    negative: bool,
    size: Fixed,
}

/// e^t as (f, k): it is f * 2^k and 1 <= f < 4.1. For |t| < 2^20. Error: k times that of LN2, below 2^32
/// units.
fn exp_anywhere(t: Signed) -> (Fixed, i32) {
    // The divisor is rounded up, so this is the integer part of t / ln2 or, close above an integer, one less.
    let count = (t.size.scaled(100) / (LN2.scaled(100) + 1)) as u64;
    let r = t.size.minus(LN2.times_integer(count));
    if t.negative {
        (exp_series(LN2.times_integer(2).minus(r)), -(count as i32) - 2)
    } else {
        (exp_series(r), count as i32)
    }
}

/// log x for a positive finite x other than 1, from a `guess` that is right to 50 bits. With a `low` slightly
/// below the truth, log x = low + log(x e^-low), and the last logarithm is that of a number slightly above 1.
/// Error: below 2^24 units, and below 2^12 for x between 1/2 and 2.
fn log_from(x: f64, guess: f64) -> Signed {
    let low = guess - guess.abs() * 2f64.powi(-46);
    let (mantissa, exponent) = parts(x);
    let size = Fixed::from_double(low.abs());
    let (power, k) = exp_anywhere(Signed { negative: low > 0.0, size });
    // mantissa * power * 2^(exponent + k) is about 1, so the exponents add up to 0 or less
    let product = Fixed::from_double(mantissa as f64 / (1u64 << 52) as f64).times(power);
    let correction = log_series(product.divided_by(1 << -(exponent + k)).minus(Fixed::ONE));
    if low < 0.0 {
        Signed { negative: true, size: size.minus(correction) }
    } else {
        Signed { negative: false, size: size.plus(correction) }
    }
}

/// For 2^-54 <= |x| < 746.
#[cold]
pub fn exp(x: f64) -> f64 {
    let (power, k) = exp_anywhere(Signed { negative: x < 0.0, size: Fixed::from_double(x.abs()) });
    power.nearest(k)
}

/// For a positive finite x other than 1 and a guess that is right to 50 bits.
#[cold]
pub fn log(x: f64, guess: f64) -> f64 {
    let log = log_from(x, guess);
    signed(log.size.nearest(0), log.negative)
}

/// sin(x + quarters * pi/2), for 2^-27 <= |x| <= 8: the cosine is the sine a quarter of a turn later.
#[cold]
pub fn sine(x: f64, quarters: u32) -> f64 {
    // sin(-x + q pi/2) = -sin(x - q pi/2), and -q quarters are 3q
    let mut quadrant = if x < 0.0 { 3 * quarters } else { quarters };
    let mut r = Fixed::from_double(x.abs());
    while r >= HALF_PI {
        r = r.minus(HALF_PI);
        quadrant += 1;
    }
    let size = if quadrant % 2 == 0 { sin_series(r) } else { cos_series(r) };
    signed(size.nearest(0), (quadrant % 4 >= 2) != (x < 0.0))
}

/// x^(twice/2) for a positive finite x other than 1, with a guess at log x that is right to 50 bits.
#[cold]
pub fn pow(x: f64, twice: i32, log_guess: f64) -> f64 {
    if let Some(result) = short_power(x, twice) {
        return result;
    }
    let log = log_from(x, log_guess);
    let size = log.size.times_integer(twice.unsigned_abs().into()).divided_by(2);
    let (power, k) = exp_anywhere(Signed { negative: log.negative != (twice < 0), size });
    power.nearest(k)
}

/// The powers that are doubles, or exactly in the middle between two: no precision ever tells these from the
/// middle. They are odd^n * 2^k with an odd^n of at most 54 bits. A longer one is also right, if it comes.
fn short_power(x: f64, twice: i32) -> Option<f64> {
    let (mantissa, exponent) = parts(x);
    let zeros = mantissa.trailing_zeros();
    let (mut odd, mut exponent, mut n) = (mantissa >> zeros, exponent - 52 + zeros as i32, twice / 2);
    if twice % 2 != 0 {
        // only powers of squares are rational
        let root = odd.isqrt();
        if root * root != odd || exponent % 2 != 0 {
            return None;
        }
        (odd, exponent, n) = (root, exponent / 2, twice);
    }
    let power = match u32::try_from(n) {
        _ if odd == 1 => 1,
        Ok(n) => u128::from(odd).checked_pow(n)?,
        Err(_) => return None, // 1/3, 1/9, ... have no last bit
    };
    Some(nearest(power, exponent * n))
}
