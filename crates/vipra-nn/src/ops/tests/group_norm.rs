use super::{compare, random};
use crate::ops::group_norm::{group_norm_silu, group_norm_silu_unfused};

#[test]
fn group_norm_equals_its_chain() {
    for (shape, groups) in [([1, 1, 1, 2], 1), ([2, 6, 3, 5], 3), ([3, 8, 16, 16], 8), ([2, 64, 9, 4], 4)] {
        let (x, weight, bias) = (random(shape), random([shape[1]]), random([shape[1]]));
        compare!(
            "group norm",
            [x, weight, bias],
            group_norm_silu(x.clone(), weight.clone(), bias.clone(), groups, 1e-6),
            group_norm_silu_unfused(x.clone(), weight.clone(), bias.clone(), groups, 1e-6)
        );
    }
}
