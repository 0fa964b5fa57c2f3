//! Products of small matrices that are in a core's cache already.
//!
//! A general product first packs its operands and looks for the best blocks, which costs more than the product itself
//! where a matrix has a few dozen rows.

/// Rows of the result that are computed together: each number of `b` is loaded once for all of them.
const ROWS: usize = 4;
/// Columns computed together, in the middle and at the right edge. Widths are multiples of the second.
const WIDE: usize = 16;
pub(super) const NARROW: usize = 8;

/// The width rounded up to what [`product`] takes.
pub(super) fn padded(width: usize) -> usize {
    width.next_multiple_of(NARROW)
}

/// Left operand: a matrix as it stands, or turned over.
#[derive(Clone, Copy)]
pub(super) enum Left<'a> {
    /// Row by row, of this width.
    Rows(&'a [f32], usize),
    /// Column by column: the transpose of a matrix of this width.
    Columns(&'a [f32], usize),
}

/// `out += a·b`: `out` `[rows, width]`, `a` `[rows, depth]`, `b` `[depth, width]`, the last two with `width` a multiple of
/// [`NARROW`].
#[inline(always)]
pub(super) fn add_product(out: &mut [f32], a: Left, b: &[f32], depth: usize, width: usize) {
    add_first_columns(out, a, b, depth, width, width);
}

/// [`add_product`] of the first `limit` columns alone, a multiple of [`NARROW`]; the others stay as they are.
#[inline(always)]
pub(super) fn add_first_columns(out: &mut [f32], a: Left, b: &[f32], depth: usize, width: usize, limit: usize) {
    for (block, out) in out.chunks_mut(ROWS * width).enumerate() {
        let row = block * ROWS;
        if out.len() == ROWS * width {
            rows::<ROWS>(out, a, row, b, depth, [width, limit]);
        } else {
            for (index, out) in out.chunks_exact_mut(width).enumerate() {
                rows::<1>(out, a, row + index, b, depth, [width, limit]);
            }
        }
    }
}

#[inline(always)]
fn rows<const R: usize>(out: &mut [f32], a: Left, row: usize, b: &[f32], depth: usize, widths: [usize; 2]) {
    match a {
        Left::Rows(a, stride) => {
            let a: [&[f32]; R] = std::array::from_fn(|index| &a[(row + index) * stride..][..depth]);
            columns::<R>(out, |k| std::array::from_fn(|index| a[index][k]), b, depth, widths);
        }
        Left::Columns(a, stride) => columns::<R>(
            out,
            |k| {
                let start = k * stride + row;
                let a = &a[start..start + R];
                std::array::from_fn(|index| a[index])
            },
            b,
            depth,
            widths,
        ),
    }
}

#[inline(always)]
fn columns<const R: usize>(
    out: &mut [f32],
    a: impl Fn(usize) -> [f32; R],
    b: &[f32],
    depth: usize,
    [width, limit]: [usize; 2],
) {
    let mut column = 0;
    while column + WIDE <= limit {
        tile::<R, WIDE>(out, &a, b, column, depth, width);
        column += WIDE;
    }
    if column < limit {
        tile::<R, NARROW>(out, &a, b, column, depth, width);
    }
}

#[inline(always)]
fn tile<const R: usize, const W: usize>(
    out: &mut [f32],
    a: &impl Fn(usize) -> [f32; R],
    b: &[f32],
    column: usize,
    depth: usize,
    width: usize,
) {
    let mut sums = [[0.0; W]; R];
    for (k, b) in b.chunks_exact(width).take(depth).enumerate() {
        let (Some(b), a) = (b[column..].first_chunk::<W>(), a(k)) else { return };
        for row in 0..R {
            for lane in 0..W {
                sums[row][lane] += a[row] * b[lane];
            }
        }
    }
    for (out, sums) in out.chunks_exact_mut(width).zip(sums) {
        for (out, sum) in out[column..column + W].iter_mut().zip(sums) {
            *out += sum;
        }
    }
}
