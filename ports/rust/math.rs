//! Where exp, log, sin, cos and pow come from: `exact` or the language's own library.

use crate::exact;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Math {
    Exact,
    Native,
}

impl Math {
    pub const ALL: [(&'static str, Math); 2] = [("exact", Math::Exact), ("native", Math::Native)];

    #[inline]
    pub fn exp(self, x: f64) -> f64 {
        match self {
            Math::Exact => exact::exp(x),
            Math::Native => x.exp(),
        }
    }

    #[inline]
    pub fn log(self, x: f64) -> f64 {
        match self {
            Math::Exact => exact::log(x),
            Math::Native => x.ln(),
        }
    }

    #[inline]
    pub fn sin(self, x: f64) -> f64 {
        match self {
            Math::Exact => exact::sin(x),
            Math::Native => x.sin(),
        }
    }

    #[inline]
    pub fn cos(self, x: f64) -> f64 {
        match self {
            Math::Exact => exact::cos(x),
            Math::Native => x.cos(),
        }
    }

    #[inline]
    pub fn pow(self, x: f64, y: f64) -> f64 {
        match self {
            Math::Exact => exact::pow(x, y),
            Math::Native => x.powf(y),
        }
    }
}
