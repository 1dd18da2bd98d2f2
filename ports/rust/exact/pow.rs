//! The quick phase of pow: no logarithm, but the powers of x, 1/x, the root of x or 1 over it, with 128 bits.

use std::num::FpCategory;

use super::{double, fixed, high_product, quick_log, Enclosure};
use crate::accurate::{self, parts, signed};

/// mantissa * 2^exponent, the mantissa's top bit set.
#[derive(Clone, Copy)]
struct Wide {
    mantissa: u128,
    exponent: i32,
}

impl Wide {
    #[inline]
    fn new(mantissa: u128, exponent: i32) -> Wide {
        let zeros = mantissa.leading_zeros();
        Wide { mantissa: mantissa << zeros, exponent: exponent - zeros as i32 }
    }

    /// (hi + lo) * 2^exponent, for 1/2 <= hi < 2 and a small lo.
    #[inline]
    fn pair(hi: f64, lo: f64, exponent: i32) -> Wide {
        Wide::new((fixed(hi, 126) + fixed(lo, 126)) as u128, exponent - 126)
    }

    /// `self` to the n, n >= 1, from the top bit of n downwards: square, and multiply where the bit is set.
    fn power(self, n: u32) -> Wide {
        (0..n.ilog2()).rev().fold(self, |power, bit| {
            let square = power * power;
            if n >> bit & 1 == 1 {
                square * self
            } else {
                square
            }
        })
    }
}

impl std::ops::Mul for Wide {
    type Output = Wide;

    #[inline]
    fn mul(self, other: Wide) -> Wide {
        Wide::new(high_product(self.mantissa, other.mantissa), self.exponent + other.exponent + 128)
    }
}

/// 1/z for z = mantissa 2^-52 between 1 and 2. As in the next two, the second part is Newton's correction of
/// the rounded first one, from the exact remainder. Relative error of all three: below 2^-102.
fn reciprocal(mantissa: u64) -> (f64, f64) {
    let inverse = 1.0 / double(mantissa as i64, 52);
    let remainder = (1 << 105) - i128::from(mantissa) * fixed(inverse, 53);
    (inverse, inverse * double(remainder as i64, 105))
}

/// The root of z = mantissa 2^-52 between 1 and 4.
fn root(mantissa: u64) -> (f64, f64) {
    let root = double(mantissa as i64, 52).sqrt();
    let rounded = fixed(root, 52);
    let remainder = (i128::from(mantissa) << 52) - rounded * rounded;
    (root, double(remainder as i64, 104) / (2.0 * root))
}

/// 1 over the root of z = mantissa 2^-52 between 1 and 4.
fn inverse_root(mantissa: u64) -> (f64, f64) {
    let inverse = 1.0 / double(mantissa as i64, 52).sqrt();
    let rounded = fixed(inverse, 53) as u128;
    let remainder = (1 << 125) - high_product(u128::from(mantissa) << 74, (rounded * rounded) << 21) as i128;
    (inverse, 0.5 * inverse * double((remainder >> 20) as i64, 105))
}

/// x^(twice/2) for a positive finite x and twice not 0: a power of x, 1/x, the root of x or 1 over it.
///
/// Error: the base's relative 2^-102 at most, and 3 units of 2^-127 for each product, both n times: less than
/// n 2^-101.
pub(super) fn quick_pow(x: f64, twice: i32) -> Enclosure {
    let (mantissa, exponent) = parts(x);
    let odd = exponent.rem_euclid(2);
    let (even_mantissa, half) = (mantissa << odd, (exponent - odd) / 2);
    let whole = twice % 2 == 0;
    let n = if whole { twice.unsigned_abs() / 2 } else { twice.unsigned_abs() };
    let base = match (whole, twice > 0) {
        (true, true) => Wide::new(mantissa.into(), exponent - 52),
        (true, false) => {
            let (hi, lo) = reciprocal(mantissa);
            Wide::pair(hi, lo, -exponent)
        }
        (false, true) => {
            let (hi, lo) = root(even_mantissa);
            Wide::pair(hi, lo, half)
        }
        (false, false) => {
            let (hi, lo) = inverse_root(even_mantissa);
            Wide::pair(hi, lo, -half)
        }
    };
    let power = base.power(n);
    // one bit less, so that there is room above the mantissa
    Enclosure {
        negative: false,
        middle: power.mantissa >> 1,
        error: u128::from(n) << 27,
        exponent: power.exponent + 1,
    }
}

fn positive_pow(x: f64, twice: i32) -> f64 {
    quick_pow(x, twice).decide().unwrap_or_else(|| accurate::pow(x, twice, quick_log(x).guess()))
}

/// For an integer or half-integer y with |y| <= `MOST_EXPONENT` + 1.
pub fn pow(x: f64, y: f64) -> f64 {
    if y == 2.0 {
        x * x
    } else if y == -1.0 {
        1.0 / x
    } else if y == 1.0 {
        x
    } else if y == 0.0 || x == 1.0 {
        1.0
    } else if !(x > 0.0 && x < f64::INFINITY) {
        unusual_pow(x, y)
    } else if y == 0.5 {
        x.sqrt()
    } else {
        positive_pow(x, (2.0 * y) as i32)
    }
}

/// x^y where x is negative, zero, infinite or NaN, and y is not 0.
#[cold]
fn unusual_pow(x: f64, y: f64) -> f64 {
    let whole = y % 1.0 == 0.0;
    let size = match x.classify() {
        FpCategory::Nan => return x,
        FpCategory::Zero if y > 0.0 => 0.0,
        FpCategory::Zero => f64::INFINITY,
        FpCategory::Infinite if y > 0.0 => f64::INFINITY,
        FpCategory::Infinite => 0.0,
        FpCategory::Normal | FpCategory::Subnormal if whole => pow(-x, y),
        FpCategory::Normal | FpCategory::Subnormal => return f64::NAN,
    };
    let odd = whole && y % 2.0 != 0.0;
    signed(size, odd && x.is_sign_negative())
}
