//! Correctly rounded exp, log, sin, cos and pow (SPEC.md, sections 2 and 15), in fixed point with 192 places. Results
//! are less than 2^17 units of the last place off, or 2^-175. No true value is known to come so near to a middle of two
//! doubles, not even among the least logarithms and sines, unless it is one, as only a power can be.
use std::array::from_fn;
use std::f64::consts::{FRAC_2_PI, LN_2};
use std::ops::{Add, Mul};
use std::sync::LazyLock;

/// The functions that IEEE 754 does not fix: exact ones or the language's own.
#[rustfmt::skip]
pub struct Math {
    pub exp: fn(f64) -> f64, pub log: fn(f64) -> f64, pub sin: fn(f64) -> f64, pub cos: fn(f64) -> f64,
    pub pow: fn(f64, f64) -> f64,
}
pub static EXACT: Math = Math { exp, log, sin, cos, pow };
pub static NATIVE: Math = Math { exp: f64::exp, log: f64::ln, sin: f64::sin, cos: f64::cos, pow: f64::powf };
impl Default for &Math {
    fn default() -> Self { &EXACT }
}

/// Two's complement, the top word first, which stands before the point. Products are cut off at the last place.
#[derive(Clone, Copy)]
struct Fixed([u64; 4]);
const LN2: Fixed = Fixed([0, 0xb17217f7d1cf79ab, 0xc9e3b39803f2f6af, 0x40f343267298b62d]);
const HALF_PI: Fixed = Fixed([1, 0x921fb54442d18469, 0x898cc51701b839a2, 0x52049c1114cf98e8]);
static INVERSE_FACTORIALS: LazyLock<Vec<Fixed>> = LazyLock::new(|| {
    let next = |&(k, term): &(f64, Fixed)| Some((k + 1.0, term * reciprocal(k)));
    std::iter::successors(Some((1.0, Fixed::from(1.0))), next).map(|(_, term)| term).take(48).collect()
});
static ROOTS: LazyLock<[Fixed; 256]> = // 2^(j/256)
    LazyLock::new(|| from_fn(|j| series(LN2 * Fixed::from(j as f64 / 256.0), INVERSE_FACTORIALS.iter())));
impl Fixed {
    fn from(x: f64) -> Fixed {
        let word = |i: i32| (x.abs() * 2_f64.powi(64 * i)) % 2_f64.powi(64);
        Fixed(from_fn(|i| word(i as i32) as u64)).signed(x < 0.0)
    }
    fn is_negative(self) -> bool { self.0[0] >> 63 == 1 }
    fn signed(self, minus: bool) -> Fixed {
        if minus { Fixed(self.0.map(|word| !word)) + Fixed([0, 0, 0, 1]) } else { self }
    }
}
impl Add for Fixed {
    type Output = Fixed;
    fn add(self, other: Fixed) -> Fixed {
        let (mut sum, mut carry) = ([0; 4], 0);
        for i in (0..4).rev() {
            carry += u128::from(self.0[i]) + u128::from(other.0[i]);
            (sum[i], carry) = (carry as u64, carry >> 64);
        }
        Fixed(sum)
    }
}
impl Mul for Fixed {
    type Output = Fixed;
    fn mul(self, other: Fixed) -> Fixed {
        let [a, b] = [self, other].map(|factor| factor.signed(factor.is_negative()).0);
        let mut product = [0; 8];
        for i in (0..4).rev() {
            let mut carry = 0;
            for j in (0..4).rev() {
                carry += u128::from(a[i]) * u128::from(b[j]) + u128::from(product[i + j + 1]);
                (product[i + j + 1], carry) = (carry as u64, carry >> 64);
            }
            product[i] = carry as u64;
        }
        Fixed(from_fn(|i| product[i + 1])).signed(self.is_negative() != other.is_negative())
    }
}

/// Newton's method: each round doubles the right bits.
fn reciprocal(x: f64) -> Fixed {
    (0..2).fold(Fixed::from(1.0 / x), |r, _| r + r * (Fixed::from(1.0) + r * Fixed::from(-x)))
}
/// The first term + the second * s + the third * s^2 ...
fn series<'a>(s: Fixed, terms: impl DoubleEndedIterator<Item = &'a Fixed>) -> Fixed {
    terms.rev().fold(Fixed([0; 4]), |sum, &term| sum * s + term)
}
/// The double nearest to `value * 2^exponent`, rounded once, even if it is subnormal.
fn nearest((value, exponent): (Fixed, i32)) -> f64 {
    let [first, second, third, last] = (value.signed(value.is_negative()) + Fixed([0, 0, 0, 1 << 17])).0;
    let words = [first, second, third, last >> 18 << 18, 0];
    let Some(top) = words.iter().position(|&word| word != 0) else { return 0.0 };
    let zeros = words[top].leading_zeros();
    let leading = (u128::from(words[top]) << 64 | u128::from(words[top + 1])) << zeros;
    let height = exponent + 63 - 64 * top as i32 - zeros as i32; // the size is from 2^height to 2^(height + 1)
    let cut = 1 + (-1022 - height).clamp(0, 60) as u32; // more of a subnormal number
    let lost = leading.trailing_zeros() < cut || words[top + 1..].iter().skip(1).any(|&word| word != 0);
    let bits = leading >> cut | u128::from(lost);
    let rounded = (bits + (1 << 73) - 1 + (bits >> 74 & 1)) >> 74;
    // the first bit of a normal number adds one to the exponent, and so does a carry
    let pattern = (((height.clamp(-1022, 1024) + 1022) as u64) << 52) + rounded as u64;
    f64::from_bits(pattern.min(f64::INFINITY.to_bits())).copysign(value.0[0] as i64 as f64)
}
/// e^a = 2^(k/256) e^r, as a number and a power of two.
fn power(a: Fixed) -> (Fixed, i32) {
    let k = (nearest((a, 0)) * (256.0 / LN_2)).floor();
    let (r, k) = (a + LN2 * Fixed::from(-k / 256.0), k as i32);
    (ROOTS[k as usize % 256] * series(r, INVERSE_FACTORIALS[..18].iter()), k >> 8)
}
/// For 0 < x < infinity: y + log(x e^-y) with the library's logarithm y, so that d = x e^-y - 1 is less than 2^-40.
fn logarithm(x: f64) -> Fixed {
    let y = x.ln();
    let (power, scale) = power(Fixed::from(-y));
    let d = Fixed::from(x * 2_f64.powi(scale / 2) * 2_f64.powi(scale - scale / 2)) * power + Fixed::from(-1.0);
    Fixed::from(y) + d * series(d, [1.0, -1.0 / 2.0, 1.0 / 3.0, -1.0 / 4.0].map(Fixed::from).iter())
}
/// sin(x + quarters pi/2) for |x| <= 8.
fn sine(x: f64, quarters: i32) -> f64 {
    let k = (x * FRAC_2_PI).round();
    let r = Fixed::from(x) + HALF_PI * Fixed::from(-k);
    let quadrant = k as i32 + quarters;
    let is_sine = quadrant & 1 == 0;
    let value = series(r * r.signed(true), INVERSE_FACTORIALS[usize::from(is_sine)..].iter().step_by(2));
    nearest(((if is_sine { r * value } else { value }).signed(quadrant & 2 == 2), 0))
}
fn exp(x: f64) -> f64 { if x.is_nan() { x } else { nearest(power(Fixed::from(x.clamp(-800.0, 800.0)))) } }
fn log(x: f64) -> f64 { if x > 0.0 && x < f64::INFINITY { nearest((logarithm(x), 0)) } else { x.ln() } }
/// For |x| <= 8. That of a small x is x: x^3/6 is less than half an ulp.
fn sin(x: f64) -> f64 { if x.abs() > 1e-8 { sine(x, 0) } else { x } }
fn cos(x: f64) -> f64 { if x.is_nan() { x } else { sine(x, 1) } }
/// For an integer or half-integer y with |y| <= 4097. What has one rounding anyway is done at once.
fn pow(x: f64, y: f64) -> f64 {
    match y {
        -1.0 => 1.0 / x,
        0.5 => root(x),
        1.0 => x,
        2.0 => x * x,
        _ if x == 0.0 || y == 0.0 || !x.is_finite() => x.powf(y), // IEEE 754 fixes these
        _ if x > 0.0 => nearest(power(logarithm(x) * Fixed::from(y))),
        _ if y % 1.0 != 0.0 => f64::NAN,
        _ => pow(-x, y).copysign(if y % 2.0 == 0.0 { 1.0 } else { -1.0 }),
    }
}
/// pow(x, 0.5): the square root but for -0.0 and -infinity.
pub fn root(x: f64) -> f64 { if x == f64::NEG_INFINITY { f64::INFINITY } else { (x + 0.0).sqrt() } }
