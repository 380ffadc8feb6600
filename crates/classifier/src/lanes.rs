//! Sums over many numbers with the widest instructions that the processor has. Their order
//! is always the same, and so is the result on every machine.

/// Runs what is inlined into it with those instructions.
pub fn in_lanes<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// The product of two vectors.
pub(crate) fn dot(left: &[f32], right: &[f32]) -> f32 {
    in_lanes(
        #[inline(always)]
        || product(left, right),
    )
}

/// The same, to be inlined into [`in_lanes`].
#[inline(always)]
pub fn product(left: &[f32], right: &[f32]) -> f32 {
    const LANES: usize = 64;
    let mut sums = [0.0_f32; LANES];
    let (left_chunks, left_rest) = left.as_chunks::<LANES>();
    let (right_chunks, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left_chunks.iter().zip(right_chunks) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    // By halves: one after the other would take longer than the products.
    let mut sums = sums.as_mut_slice();
    while sums.len() > 1 {
        let (half, other) = sums.split_at_mut(sums.len() / 2);
        for (sum, other) in half.iter_mut().zip(other) {
            *sum += *other;
        }
        sums = half;
    }
    sums.first().copied().unwrap_or_default() + rest
}

/// The product of two vectors of whole numbers, to be inlined into [`in_lanes`].
#[inline(always)]
pub(crate) fn whole_product(left: &[i16], right: &[i16]) -> i32 {
    let products = left.iter().zip(right).map(|(left, right)| i32::from(*left) * i32::from(*right));
    products.fold(0, i32::wrapping_add)
}

/// Adds numbers so many times.
#[inline(always)]
pub(crate) fn add(sums: &mut [f32], times: f32, numbers: &[f32]) {
    for (sum, number) in sums.iter_mut().zip(numbers) {
        *sum += times * number;
    }
}
