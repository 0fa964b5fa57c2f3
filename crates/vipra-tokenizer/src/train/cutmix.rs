//! Frames mixed from two (as in CutMix, Yun et al., 2019), which teach the encoder that a token describes its own part of a
//! frame.
//!
//! Group norms and attention see the whole frame, and an encoder that is only trained to rebuild it spreads information over
//! all tokens: a moving arm then changes the tokens of a table that nobody touched, which is hard to predict and hard to learn
//! from few demonstrations. In a mixed frame, each part must get the vectors that it gets in its original frame.

use burn::tensor::{Device, Tensor, TensorData};
use rand::{Rng, RngExt};

/// For each frame of a batch, a rectangle of tokens that is pasted from the next frame (for the last, from the first).
#[derive(Debug, Clone)]
pub(super) struct CutMix {
    rectangles: Vec<Rectangle>,
    /// Rows and columns of tokens in a frame.
    grid: [usize; 2],
}

/// Half-open ranges of rows and columns of tokens.
#[derive(Debug, Clone, Copy)]
struct Rectangle {
    from: [usize; 2],
    to: [usize; 2],
}

impl Rectangle {
    /// A random rectangle with sides of a quarter to three quarters of the grid's.
    fn draw(grid: [usize; 2], random: &mut impl Rng) -> Self {
        let mut span = |tokens: usize| {
            let longest = (tokens * 3).div_ceil(4).min(tokens.saturating_sub(1)).max(1);
            let length = random.random_range(tokens.div_ceil(4).min(longest)..=longest);
            let from = random.random_range(0..=tokens - length);
            (from, from + length)
        };
        let (rows, columns) = (span(grid[0]), span(grid[1]));
        Self { from: [rows.0, columns.0], to: [rows.1, columns.1] }
    }

    fn contains(&self, row: usize, column: usize) -> bool {
        (self.from[0]..self.to[0]).contains(&row) && (self.from[1]..self.to[1]).contains(&column)
    }

    /// Whether some neighbours of a token lie across the edge, so that its surroundings differ from those in its original
    /// frame.
    fn is_edge(&self, row: usize, column: usize, grid: [usize; 2]) -> bool {
        let around = |at: usize, end: usize| at.saturating_sub(1)..(at + 2).min(end);
        let own = self.contains(row, column);
        around(row, grid[0]).any(|row| around(column, grid[1]).any(|column| self.contains(row, column) != own))
    }
}

impl CutMix {
    /// Draws rectangles for a batch of frames.
    pub(super) fn draw(frames: usize, grid: [usize; 2], random: &mut impl Rng) -> Self {
        Self { rectangles: (0..frames).map(|_| Rectangle::draw(grid, random)).collect(), grid }
    }

    /// The frames, followed by as many mixed ones.
    ///
    /// # Shapes
    /// `[frames, 3, height, width]` → `[2·frames, 3, height, width]`
    pub(super) fn extend(&self, frames: Tensor<4>) -> Tensor<4> {
        let [count, _, height, width] = frames.dims();
        let [rows, columns] = self.grid;
        let pixel = |index: usize| {
            let (frame, row, column) = (index / (height * width), index / width % height, index % width);
            if self.rectangles[frame].contains(row * rows / height, column * columns / width) { 1.0 } else { 0.0 }
        };
        let mask: Vec<f32> = (0..count * height * width).map(pixel).collect();
        let mask = Tensor::<4>::from_data(TensorData::new(mask, [count, 1, height, width]), &frames.device());
        let mixed = frames.clone() + (rolled(frames.clone()) - frames.clone()) * mask;
        Tensor::cat(vec![frames, mixed], 0)
    }

    /// Mean squared distance between the vectors of mixed frames and those of the same parts in their original frames. It is
    /// divided by the variance of all vectors, so that small vectors do not make a small loss. Tokens along the edges do not
    /// count.
    ///
    /// # Shapes
    /// `[2·frames·tokens, code_dim]` → `[1]`
    pub(super) fn locality_loss(&self, vectors: &Tensor<2>) -> Tensor<1> {
        let [_, dim] = vectors.dims();
        let (frames, tokens) = (self.rectangles.len(), self.grid[0] * self.grid[1]);
        let device = vectors.device().without_autodiff();
        let (inside, counts) = self.masks(&device);
        let variance = (vectors.clone() - vectors.clone().mean_dim(0)).square().mean().detach();
        let vectors = vectors.clone().reshape([2 * frames, tokens, dim]);
        let (own, mixed) = (vectors.clone().narrow(0, 0, frames), vectors.narrow(0, frames, frames));
        let wanted = own.clone() + (rolled(own.clone()) - own) * inside;
        let weight = counts.clone().sum().clamp_min(1.0) * dim as f32;
        ((mixed - wanted).square() * counts).sum() / weight / variance.clamp_min(1e-8)
    }

    /// Which tokens are pasted, and which count: 1 or 0, `[frames, tokens, 1]` each.
    fn masks(&self, device: &Device) -> (Tensor<3>, Tensor<3>) {
        let [rows, columns] = self.grid;
        let places = || (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        let of_all = |is_so: &dyn Fn(&Rectangle, usize, usize) -> bool| {
            let values = self.rectangles.iter().flat_map(|rectangle| {
                places().map(move |(row, column)| if is_so(rectangle, row, column) { 1.0 } else { 0.0 })
            });
            let shape = [self.rectangles.len(), rows * columns, 1];
            Tensor::<3>::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), device)
        };
        let inside = of_all(&|rectangle, row, column| rectangle.contains(row, column));
        (inside, of_all(&|rectangle, row, column| !rectangle.is_edge(row, column, self.grid)))
    }
}

/// In the place of each row the next one, and of the last the first.
fn rolled<const D: usize>(rows: Tensor<D>) -> Tensor<D> {
    let count = rows.dims()[0];
    if count < 2 {
        return rows;
    }
    Tensor::cat(vec![rows.clone().narrow(0, 1, count - 1), rows.narrow(0, 0, 1)], 0)
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn number(tensor: Tensor<1>) -> f32 {
        tensor.into_scalar::<f32>()
    }

    /// An encoder whose tokens are the means of their own 2×2 pixels.
    fn local(frames: &Tensor<4>) -> Tensor<2> {
        let [count, channels, height, width] = frames.dims();
        let parts = frames.clone().reshape([count * channels * height / 2, 2, width / 2, 2]).mean_dim(3).mean_dim(1);
        let parts = parts.reshape([count, channels, height * width / 4]).swap_dims(1, 2);
        parts.reshape([count * height * width / 4, channels])
    }

    #[test]
    fn parts_keep_the_vectors_of_an_encoder_that_looks_at_them_alone() {
        let device = Device::flex();
        let cutmix = CutMix::draw(5, [6, 4], &mut ChaCha8Rng::seed_from_u64(4));
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let levels: Vec<f32> = (0..5 * 3 * 12 * 8).map(|_| random.random()).collect();
        let frames = Tensor::<4>::from_data(TensorData::new(levels, [5, 3, 12, 8]), &device);
        let extended = cutmix.extend(frames.clone());
        assert_eq!(extended.dims(), [10, 3, 12, 8]);
        assert!(extended.clone().narrow(0, 0, 5).equal(frames.clone()).all().into_scalar::<bool>());
        let vectors = local(&extended);
        assert!(number(cutmix.locality_loss(&vectors)) < 1e-9);
        // Information about the whole frame differs in a mixed one.
        let whole = extended.mean_dim(3).mean_dim(2).mean_dim(1).reshape([10, 1, 1]).repeat_dim(1, 24);
        let leaking = vectors + whole.reshape([240, 1]) * 3.0;
        let loss = number(cutmix.locality_loss(&leaking));
        assert!(loss > 0.01, "{loss}");
        let scaled = number(cutmix.locality_loss(&(leaking * 7.0 + 3.0)));
        assert!((scaled / loss - 1.0).abs() < 1e-3, "{scaled} {loss}");
    }

    #[test]
    fn rectangles_leave_some_of_both_frames() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        for grid in [[8, 8], [2, 3], [16, 5]] {
            for _ in 0..200 {
                let rectangle = Rectangle::draw(grid, &mut random);
                let inside = (0..grid[0] * grid[1]).filter(|at| rectangle.contains(at / grid[1], at % grid[1])).count();
                assert!((1..grid[0] * grid[1]).contains(&inside), "{rectangle:?} of {grid:?}");
            }
        }
    }

    #[test]
    fn along_the_edge_nothing_counts() {
        let rectangle = Rectangle { from: [1, 1], to: [4, 4] };
        let edges: Vec<bool> = (0..6).map(|column| rectangle.is_edge(2, column, [6, 6])).collect();
        assert_eq!(edges, [true, true, false, true, true, false]);
    }
}
