//! Correctly rounded exp, log, sin, cos and pow: each result is the double nearest to the true value, ties to
//! even.
//!
//! SPEC.md, section 15, says why two phases are enough. This is the quick one. It encloses the true value
//! between two integers of 128 bits. If both ends round to the same double, that is the answer; if not,
//! `accurate` decides.
//!
//! The leading terms are integers, in fixed point; "Q117" is a number in units of 2^-117. Only the tails of
//! the series, which are small, are doubles: an error of 2^-53 of something below 2^-18 is an error below
//! 2^-71 of the result. The bounds below call 2^-53, the greatest relative error of one rounded operation, u.

mod pow;
#[cfg(test)]
mod tests;

use crate::accurate::{
    self, cos_series, exp_series, inverse_tangent, nearest, parts, signed, sin_series, Fixed, HALF_PI, LN2,
};

pub use pow::pow;

/// The greatest |x| for `sin` and `cos`, and the greatest |y| that a request may ask `pow` for.
pub const MOST_ANGLE: f64 = 8.0;
pub const MOST_EXPONENT: f64 = 4096.0;

/// All numbers from `middle - error` to `middle + error`, times 2^exponent, or their negatives. The error is
/// less than 2^-53 of the middle.
struct Enclosure {
    negative: bool,
    middle: u128,
    error: u128,
    exponent: i32,
}

impl Enclosure {
    /// The double that all these numbers round to, if it is one.
    #[inline]
    fn decide(&self) -> Option<f64> {
        let zeros = ((self.middle >> 64) as u64).leading_zeros();
        let height = self.exponent + 127 - zeros as i32; // the result is 1 to 2 times 2^height
        if zeros == 64 || !(-1022..1023).contains(&height) {
            return self.decide_by_ends();
        }
        let mantissa = self.middle << (zeros % 64);
        let kept = (mantissa >> 75) as u64;
        let rest = (mantissa >> 11) as u64; // the 64 bits after those
        let error = (self.error << (zeros % 64) >> 11) as u64 + 1;
        let size = f64::from_bits((((height + 1022) as u64) << 52) + kept + (rest >> 63));
        // it is the same at both ends if the middle between two doubles does not lie between them
        (rest.abs_diff(1 << 63) > error).then_some(signed(size, self.negative))
    }

    /// The same where results are subnormal or may overflow.
    #[cold]
    fn decide_by_ends(&self) -> Option<f64> {
        let low = nearest(self.middle.saturating_sub(self.error), self.exponent);
        let high = nearest(self.middle + self.error, self.exponent);
        (low == high).then_some(signed(low, self.negative))
    }

    /// Some double inside, or next to it.
    fn guess(&self) -> f64 {
        signed(nearest(self.middle, self.exponent), self.negative)
    }
}

/// x * 2^bits, cut off to an integer. It must fit.
#[inline]
fn fixed(x: f64, bits: i32) -> i128 {
    let pattern = x.to_bits();
    let mantissa = i128::from(pattern & ((1 << 52) - 1) | 1 << 52);
    let shift = (pattern >> 52 & 0x7ff) as i32 - 1075 + bits;
    let size = if shift >= 0 { mantissa << shift } else { mantissa >> shift.unsigned_abs().min(127) };
    if x < 0.0 {
        -size
    } else {
        size
    }
}

/// x * 2^-bits, rounded once.
#[inline]
fn double(x: i64, bits: i32) -> f64 {
    x as f64 * f64::from_bits(((1023 - bits) as u64) << 52)
}

/// An integer next to x, for |x| < 2^20. It is the nearest but for roundings.
#[inline]
fn near(x: f64) -> i64 {
    const SHIFT: f64 = 1048576.0; // so that cutting off always rounds down
    (x + (SHIFT + 0.5)) as i64 - SHIFT as i64
}

/// The upper half of a product of 256 bits: at most 3 units too small.
#[inline]
fn high_product(a: u128, b: u128) -> u128 {
    let low = |x: u128| x & u128::from(u64::MAX);
    (a >> 64) * (b >> 64) + (((a >> 64) * low(b)) >> 64) + ((low(a) * (b >> 64)) >> 64)
}

#[inline]
fn signed_high_product(a: i128, b: i128) -> i128 {
    let size = high_product(a.unsigned_abs(), b.unsigned_abs()) as i128;
    if (a < 0) != (b < 0) {
        -size
    } else {
        size
    }
}

// ---------------------------------------------------------------- exp

const EXP_STEPS: usize = 128;
const EXP_STEP: Fixed = LN2.divided_by(EXP_STEPS as u64);
/// The step in two parts: a multiple of 2^-42, so that a multiple of it is exact, and the rest.
const EXP_STEP_HIGH: f64 = EXP_STEP.scaled(42) as f64 / (1u64 << 42) as f64;
const EXP_STEP_LOW: f64 = (EXP_STEP.scaled(106) as u64) as f64 / (1u128 << 106) as f64;

/// 2^(j/128) in Q127.
static EXP: [u128; EXP_STEPS] = {
    let factor = exp_series(EXP_STEP);
    let mut power = Fixed::ONE;
    let mut table = [0; EXP_STEPS];
    let mut j = 0;
    while j < EXP_STEPS {
        table[j] = power.scaled(127);
        power = power.times(factor);
        j += 1;
    }
    table
};

/// e^x = 2^(k/128) e^r, where k is next to 128 x/ln2 and |r| < 2^-8.5. For 2^-54 <= |x| < 746.
///
/// r = d - w with an exact d. e^r = 1 + d + tail, tail = r^2/2 + r^3/6 + ... - w. Error, relative to the
/// result: 5 u r^2/2 < 2^-68.7 from the tail, 2^-70 from cutting it and d off to Q71, 2^-70.5 from cutting
/// off the table's entry before it is multiplied: below 2^-68.
#[inline]
fn quick_exp(x: f64) -> Enclosure {
    let k = near(x * 184.6649652337873); // 128 / ln2
    let d = x - k as f64 * EXP_STEP_HIGH;
    let w = k as f64 * EXP_STEP_LOW;
    let r = d - w;
    let square = r * r;
    let beyond = (1.0 / 6.0 + r * (1.0 / 24.0))
        + square * ((1.0 / 120.0 + r * (1.0 / 720.0)) + square * (1.0 / 5040.0));
    let tail = (0.5 * square + r * square * beyond) - w;
    let growth = q71(d) + q71(tail);

    let entry = EXP[k as usize % EXP_STEPS];
    let middle = (entry >> 1) as i128 + ((i128::from((entry >> 65) as i64) * i128::from(growth)) >> 7);
    Enclosure { negative: false, middle: middle as u128, error: 1 << 59, exponent: (k >> 7) as i32 - 126 }
}

/// x * 2^71, cut off to an integer.
#[inline]
fn q71(x: f64) -> i64 {
    (x * (1u128 << 71) as f64) as i64
}

pub fn exp(x: f64) -> f64 {
    if x.abs() < f64::EPSILON / 4.0 {
        1.0
    } else if x.abs() < 746.0 {
        quick_exp(x).decide().unwrap_or_else(|| accurate::exp(x))
    } else if x.is_nan() {
        x
    } else if x > 0.0 {
        f64::INFINITY // beyond log(2^1024) < 710
    } else {
        0.0 // below log(2^-1075) > -746
    }
}

// ---------------------------------------------------------------- log

#[derive(Clone, Copy)]
struct LogEntry {
    inverse: u64, // 512 / z, rounded
    log: i128,    // log(512 / inverse) in Q116
}

const LOG_STEPS: usize = 128;
const LN2_Q116: i128 = LN2.scaled(116) as i128;

/// For z from 1 + j/128 to 1 + (j+1)/128. So that logarithms of numbers near 1 come out as small numbers, the
/// first entry has the inverse 1 and the last has 1/2.
static LOG: [LogEntry; LOG_STEPS] = {
    let mut table = [LogEntry { inverse: 512, log: 0 }; LOG_STEPS];
    let mut inverse = 512;
    let mut log = Fixed::ZERO;
    let mut j = 1;
    while j < LOG_STEPS as u64 {
        let middle = 257 + 2 * j; // in units of 1/256
        let wanted = if j == LOG_STEPS as u64 - 1 { 256 } else { (512 * 256 + middle / 2) / middle };
        while inverse > wanted {
            // log(n / (n-1)) = 2 atanh(1 / (2n-1))
            log = log.plus(inverse_tangent(2 * inverse - 1, false).times_integer(2));
            inverse -= 1;
        }
        table[j as usize] = LogEntry { inverse, log: log.scaled(116) as i128 };
        j += 1;
    }
    assert!(table[LOG_STEPS - 1].log == LN2_Q116);
    table
};

/// log x = e ln2 + log(512/inverse) + log(1 + r) for x = z 2^e, where 1 + r = z inverse/512 and |r| <= 2^-7.
/// r is exact.
///
/// log(1 + r) = r - r^2/2 + tail, tail = r^3/3 - r^4/4 + ... Error: 6 u |r|^3/3 <= 2^-73, and that of the
/// first two terms, which is small. If they are 0 the result is about r, and the error 2 u r^2 <= 2^-66 of
/// it, and two units of Q123.
fn quick_log(x: f64) -> Enclosure {
    let (mantissa, exponent) = parts(x);
    let entry = &LOG[(mantissa >> 45) as usize % LOG_STEPS];
    let r = (mantissa * entry.inverse) as i64 - (1 << 61);
    let r_double = double(r, 61);
    let square = r_double * r_double;
    let eighth = (1.0 / 7.0 - r_double * (1.0 / 8.0)) + square * (1.0 / 9.0 - r_double * (1.0 / 10.0));
    let beyond = (1.0 / 3.0 - r_double * (1.0 / 4.0))
        + square * ((1.0 / 5.0 - r_double * (1.0 / 6.0)) + square * eighth);
    let tail = r_double * square * beyond;

    let r = i128::from(r);
    let series = (r << 62) - r * r + fixed(tail, 123); // r^2/2 in Q123 is r^2 in Q122
    let offset = i128::from(exponent) * LN2_Q116 + entry.log;
    if offset == 0 {
        let middle = series.unsigned_abs();
        Enclosure { negative: series < 0, middle, error: (middle >> 65) + 4, exponent: -123 }
    } else {
        let sum = offset + (series >> 7);
        Enclosure { negative: sum < 0, middle: sum.unsigned_abs(), error: 1 << 44, exponent: -116 }
    }
}

pub fn log(x: f64) -> f64 {
    if x == 1.0 {
        0.0
    } else if x > 0.0 && x < f64::INFINITY {
        let quick = quick_log(x);
        quick.decide().unwrap_or_else(|| accurate::log(x, quick.guess()))
    } else if x == 0.0 {
        f64::NEG_INFINITY
    } else if x < 0.0 {
        f64::NAN
    } else {
        x
    }
}

// ---------------------------------------------------------------- sin and cos

const CIRCLE_STEPS: usize = 512;
const QUARTER: usize = CIRCLE_STEPS / 4;
const CIRCLE_STEP: i128 = HALF_PI.divided_by(QUARTER as u64).scaled(123) as i128;

/// sin(j pi/256) in Q126.
static SINE: [i128; CIRCLE_STEPS] = {
    let angle = HALF_PI.divided_by(QUARTER as u64);
    let twice_cosine = cos_series(angle).times_integer(2);
    let (mut before, mut sine) = (Fixed::ZERO, sin_series(angle));
    let mut table = [0; CIRCLE_STEPS];
    let mut j = 1;
    while j < QUARTER {
        let value = sine.scaled(126) as i128;
        table[j] = value;
        table[2 * QUARTER - j] = value;
        table[2 * QUARTER + j] = -value;
        table[4 * QUARTER - j] = -value;
        let next = twice_cosine.times(sine).minus(before); // sin(a + b) + sin(a - b) = 2 cos b sin a
        before = sine;
        sine = next;
        j += 1;
    }
    table[QUARTER] = 1 << 126;
    table[3 * QUARTER] = -(1 << 126);
    table
};

/// sin(x + quarters pi/2) for 2^-27 <= |x| <= 8. x = k pi/256 + r, |r| < 2^-7.3. With the sine s and the
/// cosine c of k pi/256 (shifted by the quarters) the result is s + c sin r + s (cos r - 1).
///
/// Error: sin r - r has 5 u |r|^3/6 < 2^-75, cos r - 1 has 2^-77. The result is at least s/2, and s is 0 or
/// at least 2^-6.4: so this is below 2^-67 of the result. Where s is 0 the result is about r, and the error 5
/// u r^2/6 of it. r itself is off by k 2^-123 at most.
fn quick_sine(x: f64, quarters: u32) -> Enclosure {
    let k = near(x * 81.48733086305042); // 256 / pi
    let r = fixed(x, 123) - i128::from(k) * CIRCLE_STEP;
    let r_q70 = (r >> 53) as i64;
    let r_double = double(r_q70, 70);
    let square = r_double * r_double;
    let sine_tail = r_double * square * (square * (1.0 / 120.0 - square * (1.0 / 5040.0)) - 1.0 / 6.0);
    let cosine_tail =
        square * square * ((1.0 / 24.0 - square * (1.0 / 720.0)) + square * square * (1.0 / 40320.0));
    let sine_of_r = r + fixed(sine_tail, 123);
    let cosine_less_1 = fixed(cosine_tail, 123) - ((i128::from(r_q70) * i128::from(r_q70)) >> 18);

    let sine_of = |step: i64| SINE[step as usize % CIRCLE_STEPS];
    let at = k + i64::from(quarters) * QUARTER as i64;
    let (s, c) = (sine_of(at), sine_of(at + QUARTER as i64));
    let sum = (s >> 5) + signed_high_product(c, sine_of_r) + signed_high_product(s, cosine_less_1); // in Q121
    let middle = sum.unsigned_abs();
    Enclosure { negative: sum < 0, middle, error: (middle >> 67) + 512, exponent: -121 }
}

/// For |x| <= `MOST_ANGLE`; NaN for others.
pub fn sin(x: f64) -> f64 {
    if x.abs() <= 2f64.powi(-26) {
        x // x^3/6 is less than a quarter of an ulp
    } else if x.abs() <= MOST_ANGLE {
        quick_sine(x, 0).decide().unwrap_or_else(|| accurate::sine(x, 0))
    } else {
        f64::NAN
    }
}

/// For |x| <= `MOST_ANGLE`; NaN for others.
pub fn cos(x: f64) -> f64 {
    if x.abs() <= 2f64.powi(-27) {
        1.0 // x^2/2 is less than a quarter of an ulp
    } else if x.abs() <= MOST_ANGLE {
        quick_sine(x, 1).decide().unwrap_or_else(|| accurate::sine(x, 1))
    } else {
        f64::NAN
    }
}
