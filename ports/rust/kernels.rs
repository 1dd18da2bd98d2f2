//! Products of matrices and vectors, fast and in the prescribed order.
//!
//! Each number here is a sum whose order of additions is fixed, so a single sum cannot be made faster. But
//! many sums can be made side by side, one in each lane of the processor's vectors. The loops below have
//! lanes that do not depend on each other, in arrays of a length that the compiler knows; it does the rest.

const LANES: usize = 16;

/// A matrix in strips of `LANES` rows, each strip column by column, the last one filled up with zeros.
pub struct Strips {
    columns: usize,
    numbers: Vec<f64>,
}

impl Strips {
    pub fn new(rows: usize, columns: usize) -> Strips {
        Strips { columns, numbers: vec![0.0; rows.div_ceil(LANES) * LANES * columns] }
    }

    /// Take over a matrix of this shape, given row by row.
    pub fn load(&mut self, matrix: &[f64]) {
        let strips = self.numbers.chunks_exact_mut(LANES * self.columns);
        for (strip, rows) in strips.zip(matrix.chunks(LANES * self.columns)) {
            for (lane, row) in rows.chunks_exact(self.columns).enumerate() {
                for (column, &number) in strip.chunks_exact_mut(LANES).zip(row) {
                    column[lane] = number;
                }
            }
        }
    }

    /// result[i] = ((0 + row_i[0] x[0]) + row_i[1] x[1]) + ...
    pub fn times(&self, x: &[f64], result: &mut [f64]) {
        let strips = self.numbers.chunks_exact(LANES * self.columns);
        for (strip, result) in strips.zip(result.chunks_mut(LANES)) {
            let mut sums = [0.0; LANES];
            for (column, x) in strip.chunks_exact(LANES).zip(x) {
                for (sum, number) in sums.iter_mut().zip(column) {
                    *sum += number * x;
                }
            }
            result.copy_from_slice(&sums[..result.len()]);
        }
    }
}

/// ((0 + a[0] b[0]) + a[1] b[1]) + ...
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |sum, (a, b)| sum + a * b)
}

/// The same from the last product to the first.
pub fn dot_from_the_end(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).rev().fold(0.0, |sum, (a, b)| sum + a * b)
}

/// ((0 + a[0]) + a[1]) + ...
pub fn sum(a: &[f64]) -> f64 {
    a.iter().fold(0.0, |sum, a| sum + a)
}

/// a[i] += factor * b[i].
pub fn add_multiple(a: &mut [f64], factor: f64, b: &[f64]) {
    for (a, b) in a.iter_mut().zip(b) {
        *a += factor * b;
    }
}

/// Back through the product of a matrix with x, whose results have these gradients. From the last row to the
/// first, `x[j] * gradients[i]` is added to `matrix_gradients[i][j]`, and `matrix[i][j] * gradients[i]` to
/// `x_gradients[j]`.
pub fn rows_backward(
    matrix: &[f64],
    x: &[f64],
    gradients: &[f64],
    matrix_gradients: &mut [f64],
    x_gradients: &mut [f64],
) {
    const WIDTH: usize = 8;
    let columns = x.len();
    let whole = columns - columns % WIDTH;
    for first in (0..whole).step_by(WIDTH) {
        columns_backward::<WIDTH>(first, matrix, x, gradients, matrix_gradients, x_gradients);
    }
    for first in whole..columns {
        columns_backward::<1>(first, matrix, x, gradients, matrix_gradients, x_gradients);
    }
}

/// The same for N columns, whose gradients stay in registers.
fn columns_backward<const N: usize>(
    first: usize,
    matrix: &[f64],
    x: &[f64],
    gradients: &[f64],
    matrix_gradients: &mut [f64],
    x_gradients: &mut [f64],
) {
    let columns = x.len();
    let own = first..first + N;
    let mut sums = [0.0; N];
    sums.copy_from_slice(&x_gradients[own.clone()]);
    let mut xs = [0.0; N];
    xs.copy_from_slice(&x[own.clone()]);
    let rows = matrix.chunks_exact(columns).zip(matrix_gradients.chunks_exact_mut(columns));
    for ((row, row_gradients), &g) in rows.zip(gradients).rev() {
        let (row, row_gradients) = (&row[own.clone()], &mut row_gradients[own.clone()]);
        for j in 0..N {
            row_gradients[j] += xs[j] * g;
            sums[j] += row[j] * g;
        }
    }
    x_gradients[own].copy_from_slice(&sums);
}
