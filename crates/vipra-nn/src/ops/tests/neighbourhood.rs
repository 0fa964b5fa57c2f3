use super::{compare, random};
use crate::ops::TimePadding;
use crate::ops::neighbourhood::{add_neighbours, add_neighbours_unfused};

#[test]
fn neighbours_equal_their_chain() {
    for ([batch, time, rows, columns], extra, dim) in
        [([1, 1, 1, 1], 0, 1), ([2, 3, 2, 5], 1, 7), ([1, 8, 8, 8], 1, 128), ([2, 2, 3, 4], 0, 40)]
    {
        for padding in [TimePadding::CENTERED, TimePadding::CAUSAL] {
            let x = random([batch, time, rows * columns + extra, dim]);
            let (weight, bias) = (random([dim, 1, 3, 3, 3]), random([dim]));
            compare!(
                format!("{batch}×{time} of {rows}×{columns} and {extra}, {dim} channels, {padding:?}"),
                [x, weight, bias],
                add_neighbours(x.clone(), weight.clone(), bias.clone(), [rows, columns], padding),
                add_neighbours_unfused(x.clone(), weight.clone(), bias.clone(), [rows, columns], padding)
            );
        }
    }
}
