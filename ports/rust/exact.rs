//! Correctly rounded exp, log, sin, cos and pow (SPEC.md, sections 2 and 15), in fixed point of any width. Two words
//! decide nearly every call. Where their error leaves two doubles possible, four words do: what these cannot tell from
//! a middle between two doubles lies there. (No other value is known to come nearer to one than 2^-120 of itself.)

use std::array::from_fn;
use std::f64::consts::{FRAC_2_PI, LN_2};
use std::ops::{Add, Mul, Sub};
use std::sync::LazyLock;

/// A number from -2048 to 2048 in two's complement, the top word first. 12 bits stand before the point.
#[derive(Clone, Copy)]
struct Fixed<const N: usize>([u64; N]);

impl<const N: usize> Fixed<N> {
    const ZERO: Self = Fixed([0; N]);

    fn is_negative(self) -> bool {
        self.0[0] >> 63 == 1
    }

    #[inline]
    fn signed(self, negative: bool) -> Self {
        if negative { Self::ZERO - self } else { self }
    }

    #[inline]
    fn plus(mut self, other: impl Fn(usize) -> u64, carry: bool) -> Self {
        let mut carry = u128::from(carry);
        for i in (0..N).rev() {
            carry += u128::from(self.0[i]) + u128::from(other(i));
            self.0[i] = carry as u64;
            carry >>= 64;
        }
        self
    }

    /// For a number that is not negative.
    fn divided_by(mut self, divisor: u64) -> Self {
        let mut rest = 0;
        for word in &mut self.0 {
            let dividend = rest << 64 | u128::from(*word);
            *word = (dividend / u128::from(divisor)) as u64;
            rest = dividend % u128::from(divisor);
        }
        self
    }

    /// The double nearest to `self * 2^exponent`. A subnormal result is rounded once, at its own last place.
    fn nearest(self, exponent: i32) -> f64 {
        let size = self.signed(self.is_negative()).0;
        let Some(first) = size.iter().position(|&word| word != 0) else { return 0.0 };
        let word = |i| u128::from(size.get(i).copied().unwrap_or(0));
        let leading = word(first) << 64 | word(first + 1);
        let zeros = leading.leading_zeros();
        let height = exponent + 11 - 64 * first as i32 - zeros as i32; // size is from 2^height to 2^(height + 1)
        let missing = (-1022 - height).clamp(0, 60) as u32; // bits of a subnormal number
        let lost = (leading << zeros).trailing_zeros() < missing || size.iter().skip(first + 2).any(|&word| word != 0);
        let bits = leading << zeros >> missing | u128::from(lost);
        let (kept, rest) = ((bits >> 75) as u64, bits << 53);
        let up = rest > 1 << 127 || (rest == 1 << 127 && kept % 2 == 1);
        // a normal number's first bit adds the last 1 to the exponent, and so does a carry
        let pattern = (((height.min(1023) + 1022).max(0) as u64) << 52) + kept + u64::from(up);
        let result = if height > 1023 { f64::INFINITY } else { f64::from_bits(pattern) };
        result.copysign(if self.is_negative() { -1.0 } else { 1.0 })
    }
}

impl<const N: usize> From<f64> for Fixed<N> {
    /// For |x| < 2048. Bits below the last place are cut off.
    fn from(x: f64) -> Self {
        let place = (x.to_bits() >> 52 & 0x7ff) as i32 - 1075 + 64 * N as i32 - 12;
        let mantissa = u128::from(x.to_bits() & ((1 << 52) - 1) | 1 << 52) >> (-place).clamp(0, 64);
        let (shifted, word) = (mantissa << (place.max(0) % 64), N - 1 - place.max(0) as usize / 64);
        let mut words = [0; N];
        words[word] = shifted as u64;
        words[word.saturating_sub(1)] |= (shifted >> 64) as u64;
        Fixed(words).signed(x < 0.0)
    }
}

#[rustfmt::skip]
impl<const N: usize> Add for Fixed<N> {
    type Output = Self;
    #[inline] fn add(self, other: Self) -> Self { self.plus(|i| other.0[i], false) }
}

#[rustfmt::skip]
impl<const N: usize> Sub for Fixed<N> {
    type Output = Self;
    #[inline] fn sub(self, other: Self) -> Self { self.plus(|i| !other.0[i], true) }
}

impl<const N: usize> Mul for Fixed<N> {
    type Output = Self;
    /// Cut off at the last place, towards zero.
    #[inline]
    fn mul(self, other: Self) -> Self {
        let (a, b) = (self.signed(self.is_negative()).0, other.signed(other.is_negative()).0);
        let (mut high, mut low) = ([0; N], [0; N]);
        for i in (0..N).rev() {
            let mut carry = 0;
            for j in (0..N).rev() {
                let word = if i + j + 1 < N { &mut high[i + j + 1] } else { &mut low[i + j + 1 - N] };
                let sum = u128::from(a[i]) * u128::from(b[j]) + u128::from(*word) + carry;
                *word = sum as u64;
                carry = sum >> 64;
            }
            high[i] = carry as u64;
        }
        for i in 0..N {
            high[i] = high[i] << 12 | high.get(i + 1).unwrap_or(&low[0]) >> 52;
        }
        Fixed(high).signed(self.is_negative() != other.is_negative())
    }
}

/// A value times 2^exponent that is off by less than 2^20 units of the value's last place.
#[derive(Clone, Copy)]
struct Near<const N: usize>(Fixed<N>, i32);

impl Near<2> {
    /// The double that all possible values round to; if there are two, that of the better approximation.
    fn decide(self, better: impl FnOnce() -> Near<4>) -> f64 {
        let Near(value, exponent) = self;
        let error = Fixed([0, 1 << 20]);
        let [low, high] = [value - error, value + error].map(|end| end.nearest(exponent));
        if low == high { low } else { better().settle() }
    }
}

impl Near<4> {
    /// Rounds away the places that may be wrong, so that a middle between two doubles is seen to be one.
    fn settle(self) -> f64 {
        let [first, second, third, last] = (self.0 + Fixed([0, 0, 0, 1 << 23])).0;
        Fixed([first, second, third, last >> 24 << 24]).nearest(self.1)
    }
}

impl<const N: usize> Near<N> {
    /// The product of positive numbers up to 1, again with a value from 1/2 to 1.
    fn times(self, other: Self) -> Self {
        let mut product = Near(self.0 * other.0, self.1 + other.1);
        while product.0.0[0] < 1 << 51 {
            product = Near(product.0 + product.0, product.1 - 1);
        }
        product
    }
}

/// What the series need, at one width.
struct Tables<const N: usize> {
    ln2: Fixed<N>,
    half_pi: Fixed<N>,
    reciprocals: [Fixed<N>; 7],        // of 1 to 7
    inverse_factorials: Vec<Fixed<N>>, // of 0 and more
    roots: Vec<Fixed<N>>,              // 2^(j/64)
}

static QUICK: LazyLock<Tables<2>> = LazyLock::new(Tables::new);
static SURE: LazyLock<Tables<4>> = LazyLock::new(Tables::new);

impl<const N: usize> Tables<N> {
    fn new() -> Self {
        let one = Fixed::from(1.0);
        let ln2 = [0x000b17217f7d1cf7, 0x9abc9e3b39803f2f, 0x6af40f343267298b, 0x62d8a0d175b8baaf];
        let half_pi = [0x001921fb54442d18, 0x469898cc51701b83, 0x9a252049c1114cf9, 0x8e804177d4c76273];
        let mut tables = Tables {
            ln2: Fixed(from_fn(|i| ln2[i])),
            half_pi: Fixed(from_fn(|i| half_pi[i])),
            reciprocals: from_fn(|i| one.divided_by(i as u64 + 1)),
            inverse_factorials: vec![one],
            roots: vec![one],
        };
        for k in 1..15 * N {
            tables.inverse_factorials.push(tables.inverse_factorials[k - 1].divided_by(k as u64));
        }
        let root = tables.exp_series(tables.ln2.divided_by(64));
        for j in 1..64 {
            tables.roots.push(tables.roots[j - 1] * root);
        }
        tables
    }

    /// e^r for |r| < 2^-6.5.
    fn exp_series(&self, r: Fixed<N>) -> Fixed<N> {
        self.inverse_factorials[..6 * N].iter().rev().fold(Fixed::ZERO, |sum, &term| sum * r + term)
    }

    /// 1/first! - s/(first + 2)! + s^2/(first + 4)! ... for a square s < 0.7.
    fn alternating_series(&self, first: usize, s: Fixed<N>) -> Fixed<N> {
        self.inverse_factorials[first..].iter().step_by(2).rev().fold(Fixed::ZERO, |sum, &term| term - sum * s)
    }

    /// For |x| < 800: e^x = 2^(k/64) e^r.
    fn exp(&self, x: f64) -> Near<N> {
        let k = (x * (64.0 / LN_2) + 0.5_f64.copysign(x)) as i32;
        let r = Fixed::from(x) - Fixed::from(f64::from(k) / 64.0) * self.ln2;
        Near(self.roots[k as usize % 64] * self.exp_series(r), k >> 6)
    }

    /// For 0 < x < infinity: log x = y + log(x e^-y) with the library's logarithm y, so that x e^-y is nearly 1.
    fn log(&self, x: f64) -> Near<N> {
        let ((mantissa, exponent), y) = (parts(x), x.ln());
        let Near(power, scale) = self.exp(-y);
        let d = Fixed::from(mantissa * 2_f64.powi(exponent + scale)) * power - Fixed::from(1.0);
        let series = self.reciprocals.iter().rev().fold(Fixed::ZERO, |sum, &term| term - d * sum);
        Near(Fixed::from(y) + d * series, 0)
    }

    /// sin(x + quarters pi/2) for |x| <= 8.
    fn sine(&self, x: f64, quarters: i32) -> Near<N> {
        let k = (x * FRAC_2_PI + 0.5_f64.copysign(x)) as i32;
        let r = Fixed::from(x) - Fixed::from(f64::from(k)) * self.half_pi;
        let quadrant = k + quarters;
        let is_cosine = quadrant & 1 == 1;
        let series = self.alternating_series(usize::from(!is_cosine), r * r);
        let value = if is_cosine { series } else { r * series };
        Near(value.signed(quadrant & 2 == 2), 0)
    }

    /// x^(twice/2) for 0 < x < infinity: a whole power of x, of its root, or of 1 over its root.
    fn pow(&self, x: f64, twice: i32) -> Near<N> {
        let (mantissa, exponent) = parts(x);
        let (w, half) = (mantissa * f64::from(1 + (exponent & 1)), exponent >> 1); // x = w 4^half
        let mut inverse_root = Fixed::from(1.0 / w.sqrt());
        // Newton: each round doubles the right bits
        for _ in 0..N {
            let rest = Fixed::from(1.0) - Fixed::from(w) * inverse_root * inverse_root;
            inverse_root = inverse_root + inverse_root * rest * Fixed::from(0.5);
        }
        let quarter = Fixed::from(w / 4.0);
        let (base, n) = match twice {
            ..0 => (Near(inverse_root, -half), -twice),
            _ if twice % 2 == 0 => (Near(quarter, 2 * half + 2), twice / 2),
            _ => (Near(quarter * inverse_root, half + 2), twice),
        };
        let bits = (0..32 - n.leading_zeros()).rev(); // from the top: square, and multiply where it is set
        bits.fold(Near(Fixed::from(1.0), 0), |power, bit| {
            let square = power.times(power);
            if n >> bit & 1 == 1 { square.times(base) } else { square }
        })
    }
}

/// A positive x as a number from 1 to 2 and an exponent.
fn parts(x: f64) -> (f64, i32) {
    let lifted = if x.is_subnormal() { 54 } else { 0 };
    let bits = (x * 2_f64.powi(lifted)).to_bits();
    (f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52), (bits >> 52) as i32 - 1023 - lifted)
}

pub fn exp(x: f64) -> f64 {
    let x = x.clamp(-800.0, 800.0);
    if x.is_nan() { x } else { QUICK.exp(x).decide(|| SURE.exp(x)) }
}

pub fn log(x: f64) -> f64 {
    if x > 0.0 && x < f64::INFINITY { QUICK.log(x).decide(|| SURE.log(x)) } else { x.ln() }
}

/// For |x| <= 8. That of a small x is x: x^3/6 is less than half an ulp.
pub fn sin(x: f64) -> f64 {
    if x.abs() < 1e-8 { x } else { sine(x, 0) }
}

pub fn cos(x: f64) -> f64 {
    sine(x, 1)
}

fn sine(x: f64, quarters: i32) -> f64 {
    if x.abs() <= 8.0 { QUICK.sine(x, quarters).decide(|| SURE.sine(x, quarters)) } else { f64::NAN }
}

/// For an integer or half-integer y with |y| <= 4097. What has one rounding anyway is done at once.
pub fn pow(x: f64, y: f64) -> f64 {
    match y {
        -1.0 => 1.0 / x,
        0.5 => root(x),
        1.0 => x,
        2.0 => x * x,
        _ if x == 0.0 || y == 0.0 || !x.is_finite() => x.powf(y), // IEEE 754 fixes these
        _ if x > 0.0 => QUICK.pow(x, (2.0 * y) as i32).decide(|| SURE.pow(x, (2.0 * y) as i32)),
        _ if y % 2.0 == 0.0 => pow(-x, y),
        _ if y % 1.0 == 0.0 => -pow(-x, y),
        _ => f64::NAN,
    }
}

/// pow(x, 0.5): the square root but for -0.0 and -infinity.
pub fn root(x: f64) -> f64 {
    if x == f64::NEG_INFINITY { f64::INFINITY } else { (x + 0.0).sqrt() }
}
