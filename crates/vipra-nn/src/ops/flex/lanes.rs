//! Functions of numbers and of rows that the compiler can turn into vector instructions.
//!
//! Everything here is inlined into functions declared by [`vectorized`](super::vectorize). Sums are taken in
//! [`LANES`] strands, because a single strand has to wait for each addition. No fused multiply-add: where a processor
//! lacks it, it becomes a call, and results would differ.

/// Strands of a sum: two of the widest vectors in use.
const LANES: usize = 16;

/// `f(a)` summed over a row.
#[inline(always)]
pub(super) fn sum_of(a: &[f32], f: impl Fn(f32) -> f32) -> f32 {
    let (chunks, rest) = a.as_chunks::<LANES>();
    let mut strands = [0.0; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            strands[lane] += f(chunk[lane]);
        }
    }
    gather(strands) + rest.iter().map(|a| f(*a)).sum::<f32>()
}

/// `f(a, b)` summed over two rows of one length.
#[inline(always)]
pub(super) fn sum_of_two(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f32 {
    let (chunks, rest) = a.as_chunks::<LANES>();
    let (other_chunks, other_rest) = b.as_chunks::<LANES>();
    let mut strands = [0.0; LANES];
    for (a, b) in chunks.iter().zip(other_chunks) {
        for lane in 0..LANES {
            strands[lane] += f(a[lane], b[lane]);
        }
    }
    gather(strands) + rest.iter().zip(other_rest).map(|(a, b)| f(*a, *b)).sum::<f32>()
}

/// Sum of the strands, by halves.
#[inline(always)]
fn gather(mut strands: [f32; LANES]) -> f32 {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            strands[lane] += strands[lane + width];
        }
        width /= 2;
    }
    strands[0]
}

/// Mean of a row and one over its standard deviation; `epsilon` is added to the biased variance.
#[inline(always)]
pub(super) fn mean_and_inverse_std(row: &[f32], epsilon: f32) -> (f32, f32) {
    let share = 1.0 / row.len() as f32;
    let mean = sum_of(row, |x| x) * share;
    let variance = sum_of(row, |x| (x - mean) * (x - mean)) * share;
    (mean, 1.0 / (variance + epsilon).sqrt())
}

/// Largest number of a row; −∞ for an empty one.
#[inline(always)]
pub(super) fn largest(a: &[f32]) -> f32 {
    let (chunks, rest) = a.as_chunks::<LANES>();
    let mut strands = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for lane in 0..LANES {
            strands[lane] = if chunk[lane] > strands[lane] { chunk[lane] } else { strands[lane] };
        }
    }
    strands.iter().chain(rest).fold(f32::NEG_INFINITY, |largest, a| if *a > largest { *a } else { largest })
}

/// Exponential; relative error below 2e-7, exactly 0 below −87 and for −∞.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// 1.5·2²³: added to a small number, it leaves the number's nearest integer in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LOWEST: f32 = -87.0;
    const HIGHEST: f32 = 88.0;
    // ln 2 in two parts, of which the first has few digits, so that its multiples are exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let bounded = if x > HIGHEST { HIGHEST } else { x };
    let bounded = if bounded < LOWEST { LOWEST } else { bounded };
    // e^x = 2^n · e^r with |r| ≤ ln 2 / 2, and a polynomial for the second (the coefficients of Cephes).
    let shifted = bounded * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = bounded - n * LN2_HIGH - n * LN2_LOW;
    let mut polynomial = 1.987_569_1e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        polynomial = polynomial * r + coefficient;
    }
    let mantissa = polynomial * r * r + r + 1.0;
    let power = f32::from_bits((shifted.to_bits().wrapping_add(127)) << 23);
    if x < LOWEST { 0.0 } else { mantissa * power }
}

/// Distribution function of the normal distribution, and its density times √(2π).
#[inline(always)]
pub(super) fn normal(x: f32) -> (f32, f32) {
    /// Steepness of the substitution below; this one fits best.
    const STEEPNESS: f32 = 0.35;
    /// Fit of `erfc(z)·exp(z²)/t` with `t = 1/(1 + 0.35·z)`, highest power first; relative error 7e-9 for z up to 10.
    const FIT: [f32; 10] = [
        0.038_401_354,
        -0.158_929_91,
        0.181_465_04,
        -0.027_710_745,
        0.087_022_99,
        0.146_039_92,
        0.151_186_97,
        0.187_902_24,
        0.197_138_37,
        0.197_483_78,
    ];
    let bell = exp(-0.5 * x * x);
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + STEEPNESS * z);
    let mut fit = FIT[0];
    for coefficient in &FIT[1..] {
        fit = fit * t + coefficient;
    }
    let tail = 0.5 * bell * t * fit;
    (if x > 0.0 { 1.0 - tail } else { tail }, bell)
}
