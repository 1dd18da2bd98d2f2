//! Claims about the two phases that no golden trace can check, since it only sees the results.
//! `rustc --test --edition 2021 -O -o tests main.rs && ./tests`

use super::pow::quick_pow;
use super::*;

/// Numbers in 0 to 1 from a xorshift generator (Marsaglia, 2003).
struct Uniform(u64);

impl Iterator for Uniform {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Some((self.0 >> 11) as f64 / 9007199254740992.0)
    }
}

/// Wherever the quick phase decides, the accurate phase finds the same. And the quick phase nearly always
/// decides.
fn compare(name: &str, calls: impl Iterator<Item = (Enclosure, f64)>) {
    const COUNT: usize = 20_000;
    let mut undecided = 0;
    for (quick, accurate) in calls.take(COUNT) {
        match quick.decide() {
            Some(result) => {
                assert_eq!(result.to_bits(), accurate.to_bits(), "{name}: {result:e}, {accurate:e}")
            }
            None => undecided += 1,
        }
    }
    assert!(undecided < COUNT / 100, "{name}: {undecided} of {COUNT} are undecided");
}

#[test]
fn the_phases_agree_on_exp() {
    compare("exp", Uniform(1).map(|u| 1400.0 * u - 700.0).map(|x| (quick_exp(x), accurate::exp(x))));
}

#[test]
fn the_phases_agree_on_log() {
    let log = |x: f64| (quick_log(x), accurate::log(x, quick_log(x).guess()));
    compare("log", Uniform(2).map(|u| log(4.0 * u)));
    compare("log near 1", Uniform(3).map(|u| log(1.0 + 0.01 * (u - 0.5))));
}

#[test]
fn the_phases_agree_on_sin_and_cos() {
    for quarters in 0..2 {
        let sine = |x: f64| (quick_sine(x, quarters), accurate::sine(x, quarters));
        compare("sin or cos", Uniform(4).map(|u| sine(16.0 * u - 8.0)));
    }
}

#[test]
fn the_phases_agree_on_pow() {
    for twice in [-8192, -1000, -333, -4, -3, -1, 1, 3, 5, 6, 37, 1000, 8191] {
        let spread = 1000.0 / f64::from(twice).abs().max(2.0); // so that the results are ordinary numbers
        let pow = |x: f64| (quick_pow(x, twice), accurate::pow(x, twice, quick_log(x).guess()));
        compare("pow", Uniform(5).map(|u| pow(exp(spread * (u - 0.5)))));
    }
}

#[test]
fn powers_in_the_middle_between_two_doubles_are_rounded_to_even() {
    // odd numbers of 54 bits
    assert_eq!(pow(3.0, 34.0), 3u64.pow(34) as f64);
    assert_eq!(pow(208065.0 * 208065.0, 1.5), 208065u64.pow(3) as f64);
    assert_eq!(pow(2.0, -1075.0), 0.0); // half of the least double
    assert_eq!(pow(2.0, -1074.0), f64::from_bits(1));
}
