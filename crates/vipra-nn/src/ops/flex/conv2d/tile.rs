//! Products of a matrix with one whose rows are runs of the same memory, each at an offset of its own.

use pulp::{Simd, WithSimd};

/// Rows of the left operand that are computed together.
pub(super) const ROWS: usize = 4;
/// Numbers in the widest vector. Runs are as long as a multiple of it.
pub(super) const MOST_LANES: usize = 16;
/// Places of a correlation that stay in the first cache with four rows of it.
const BLOCK: usize = 1024;

/// Does the work with the widest vectors that this processor has.
pub(super) fn dispatch<W: WithSimd>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(simd) = pulp::x86::V4::try_new() {
            return Simd::vectorize(simd, work);
        }
        if let Some(simd) = pulp::x86::V3::try_new() {
            return Simd::vectorize(simd, work);
        }
    }
    pulp::Arch::new().dispatch(work)
}

/// `out[row][place] = Σ left[k][row]·right[offsets[k] + place]` for [`ROWS`] rows.
pub(super) struct Multiply<'a> {
    /// `[ROWS, places rounded up to MOST_LANES]`; every number of it is written.
    pub out: &'a mut [f32],
    /// `[depth, ROWS]`
    pub left: &'a [f32],
    /// As long after each offset as a row of `out`.
    pub right: &'a [f32],
    /// `[depth]`
    pub offsets: &'a [usize],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let vectors = self.out.len() / ROWS / S::F32_LANES;
        let mut vector = 0;
        while vector < vectors {
            vector += match vectors - vector {
                // The sums have to stay in registers.
                2.. if S::REGISTER_COUNT < 32 => multiply::<S, 2>(simd, &mut self, vector),
                1 => multiply::<S, 1>(simd, &mut self, vector),
                2 => multiply::<S, 2>(simd, &mut self, vector),
                // One vector alone would wait for its sums.
                3 | 5 => multiply::<S, 3>(simd, &mut self, vector),
                _ => multiply::<S, 4>(simd, &mut self, vector),
            };
        }
    }
}

/// `V` vectors of each row, whose number is returned.
#[inline(always)]
fn multiply<S: Simd, const V: usize>(simd: S, work: &mut Multiply, vector: usize) -> usize {
    let place = vector * S::F32_LANES;
    let mut sums = [[simd.splat_f32s(0.0); V]; ROWS];
    for (left, offset) in pulp::as_arrays::<ROWS, f32>(work.left).0.iter().zip(work.offsets) {
        let right = S::as_simd_f32s(&work.right[offset + place..][..V * S::F32_LANES]).0;
        for row in 0..ROWS {
            let left = simd.splat_f32s(left[row]);
            for lane in 0..V {
                sums[row][lane] = simd.mul_add_f32s(left, right[lane], sums[row][lane]);
            }
        }
    }
    for (out, sums) in work.out.chunks_exact_mut(work.out.len() / ROWS).zip(sums) {
        let out = S::as_mut_simd_f32s(&mut out[place..][..V * S::F32_LANES]).0;
        out.copy_from_slice(&sums);
    }
    V
}

/// `sums[k][row] += Σ left[row][place]·right[offsets[k] + place]` for [`ROWS`] rows.
pub(super) struct Correlate<'a> {
    /// `[depth, ROWS]`
    pub sums: &'a mut [f32],
    /// `[ROWS, a multiple of MOST_LANES]`
    pub left: &'a [f32],
    /// As long after each offset as a row of `left`.
    pub right: &'a [f32],
    /// `[depth]`
    pub offsets: &'a [usize],
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let (length, depth) = (self.left.len() / ROWS, self.offsets.len());
        // Equally long blocks: the end of each costs the same, however short it is.
        let block = length.div_ceil(length.div_ceil(BLOCK).max(1)).next_multiple_of(MOST_LANES);
        for first in (0..length).step_by(block.max(1)) {
            let places = [first, length.min(first + block)];
            let mut at = 0;
            while at < depth {
                at += match depth - at {
                    4.. if S::REGISTER_COUNT >= 32 => correlate::<S, 4>(simd, &mut self, at, places),
                    2.. => correlate::<S, 2>(simd, &mut self, at, places),
                    _ => correlate::<S, 1>(simd, &mut self, at, places),
                };
            }
        }
    }
}

/// `D` offsets, whose number is returned.
#[inline(always)]
fn correlate<S: Simd, const D: usize>(simd: S, work: &mut Correlate, at: usize, [first, end]: [usize; 2]) -> usize {
    let length = work.left.len() / ROWS;
    let vectors = (end - first) / S::F32_LANES;
    let mut left: [&[S::f32s]; ROWS] = [&[]; ROWS];
    for (row, left) in left.iter_mut().enumerate() {
        *left = &S::as_simd_f32s(&work.left[row * length + first..row * length + end]).0[..vectors];
    }
    let mut right: [&[S::f32s]; D] = [&[]; D];
    for (right, offset) in right.iter_mut().zip(&work.offsets[at..]) {
        *right = &S::as_simd_f32s(&work.right[offset + first..offset + end]).0[..vectors];
    }
    let mut sums = [[simd.splat_f32s(0.0); ROWS]; D];
    for vector in 0..vectors {
        for depth in 0..D {
            let right = right[depth][vector];
            for row in 0..ROWS {
                sums[depth][row] = simd.mul_add_f32s(left[row][vector], right, sums[depth][row]);
            }
        }
    }
    for (out, sums) in work.sums[at * ROWS..].chunks_exact_mut(ROWS).zip(sums) {
        for row in 0..ROWS {
            out[row] += simd.reduce_sum_f32s(sums[row]);
        }
    }
    D
}
