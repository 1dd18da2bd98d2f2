//! Training: Adam (Kingma and Ba, 2015) with a learning rate that falls to zero. SPEC.md, section 8.

use crate::backward::Gradients;
use crate::math::Math;
use crate::model::{Document, Model};

#[derive(Clone, Copy)]
pub enum Schedule {
    Linear,
    Cosine,
}

impl Schedule {
    pub const ALL: [(&'static str, Schedule); 2] =
        [("linear", Schedule::Linear), ("cosine", Schedule::Cosine)];
}

#[derive(Clone, Copy)]
pub struct Optimizer {
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    pub schedule: Schedule,
    pub steps: usize,
}

/// What is updated, and by what: lists of one length.
pub struct AdamLists<'a> {
    pub parameters: &'a mut [f64],
    pub gradients: &'a [f64],
    pub m: &'a mut [f64],
    pub v: &'a mut [f64],
}

impl Optimizer {
    /// The learning rate of a step, counted from 0.
    pub fn rate(&self, math: Math, step: usize) -> f64 {
        let (s, n) = (step as f64, self.steps as f64);
        match self.schedule {
            Schedule::Linear => self.learning_rate * (1.0 - s / n),
            Schedule::Cosine => (self.learning_rate * 0.5) * (1.0 + math.cos((std::f64::consts::PI * s) / n)),
        }
    }

    /// What m and v are divided by, because they started at zero.
    pub fn corrections(&self, math: Math, step: usize) -> (f64, f64) {
        let count = step as f64 + 1.0;
        (1.0 - math.pow(self.beta1, count), 1.0 - math.pow(self.beta2, count))
    }

    pub fn update(&self, math: Math, step: usize, lists: AdamLists) {
        match math {
            Math::Exact => self.update_with(math, step, lists, |x| x * x, exact_root),
            Math::Native => self.update_with(math, step, lists, |x| x.powf(2.0), |x| x.powf(0.5)),
        }
    }

    #[inline]
    fn update_with(
        &self,
        math: Math,
        step: usize,
        lists: AdamLists,
        square: impl Fn(f64) -> f64,
        root: impl Fn(f64) -> f64,
    ) {
        let rate = self.rate(math, step);
        let (correction1, correction2) = self.corrections(math, step);
        let Optimizer { beta1, beta2, epsilon, .. } = *self;
        let AdamLists { parameters, gradients, m, v } = lists;
        for (((p, g), m), v) in parameters.iter_mut().zip(gradients).zip(m).zip(v) {
            *m = beta1 * *m + (1.0 - beta1) * g;
            *v = beta2 * *v + (1.0 - beta2) * square(*g);
            *p -= (rate * (*m / correction1)) / (root(*v / correction2) + epsilon);
        }
    }
}

/// pow(x, 0.5): the square root but for -0.0 and -infinity. Without a branch, so that it can be done for
/// several x at once.
fn exact_root(x: f64) -> f64 {
    let root = (x + 0.0).sqrt();
    if x == f64::NEG_INFINITY {
        f64::INFINITY
    } else {
        root
    }
}

/// A training run in the middle.
pub struct Training {
    pub model: Model,
    pub optimizer: Optimizer,
    pub step: usize,
    pub m: Vec<f64>,
    pub v: Vec<f64>,
    gradients: Gradients,
    document: Document,
}

impl Training {
    pub fn new(model: Model, optimizer: Optimizer) -> Training {
        let count = model.parameters().len();
        Training {
            model,
            optimizer,
            step: 0,
            m: vec![0.0; count],
            v: vec![0.0; count],
            gradients: Gradients::default(),
            document: Document::default(),
        }
    }

    /// Those of the last step.
    pub fn gradients(&self) -> &[f64] {
        &self.gradients.parameters
    }

    /// One step on one document; its loss before the update.
    pub fn advance(&mut self, tokens: &[usize]) -> f64 {
        let Training { model, optimizer, step, m, v, gradients, document } = self;
        model.document_loss(tokens, document);
        model.backward(document, gradients);
        let math = model.math;
        model.change_parameters(|parameters| {
            optimizer.update(math, *step, AdamLists { parameters, gradients: &gradients.parameters, m, v });
        });
        *step += 1;
        document.loss
    }
}
