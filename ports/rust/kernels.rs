//! Products of matrices and vectors, fast and in the prescribed order.
//!
//! Each number here is a sum whose order of additions is fixed, so a single sum cannot be made faster. But many sums can
//! be made side by side, one in each lane of the processor's vectors. The loops below have lanes that do not depend on
//! each other, in arrays of a length that the compiler knows; it does the rest.

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

/// What the rows of a matrix, all multiplied with x, pass on: result i has the gradient gradients[i]. From the last row to the first
/// matrix_gradients[i][j] += x[j] * gradients[i] and x_gradients[j] += matrix[i][j] * gradients[i].
pub fn rows_backward(
    matrix: &[f64],
    x: &[f64],
    gradients: &[f64],
    matrix_gradients: &mut [f64],
    x_gradients: &mut [f64],
) {
    let columns = x.len();
    let rows = matrix.chunks_exact(columns).zip(matrix_gradients.chunks_exact_mut(columns));
    for ((row, row_gradients), &g) in rows.zip(gradients).rev() {
        for (((row_gradient, x_gradient), w), x) in row_gradients.iter_mut().zip(x_gradients.iter_mut()).zip(row).zip(x) {
            *row_gradient += x * g;
            *x_gradient += w * g;
        }
    }
}
