//! A few of many, for people to look at.

use std::hash::Hash;

use indexmap::IndexMap;

/// At most `count` positions of `tasks`, in their order: evenly spread, and each task as often as the others. Where tasks take
/// turns, as they do in many recordings, equal strides could meet one of them alone.
pub fn sample_evenly_by_task<T: Hash + Eq>(tasks: impl IntoIterator<Item = T>, count: usize) -> Vec<usize> {
    let mut positions: IndexMap<T, Vec<usize>> = IndexMap::new();
    for (at, task) in tasks.into_iter().enumerate() {
        positions.entry(task).or_default().push(at);
    }
    let groups = positions.len();
    let shares = shares(positions.values().map(Vec::len).collect(), count);
    let chosen = positions.values().zip(shares).enumerate().flat_map(|(group, (positions, share))| {
        // Of several tasks, each begins further on than the one before.
        let (all, begin) = (positions.len(), group * positions.len() / groups);
        (0..share).map(move |at| positions[(at * all + begin) / share])
    });
    let mut chosen: Vec<usize> = chosen.collect();
    chosen.sort_unstable();
    chosen
}

/// How many of `count` each group gets: one in each round, as long as it has some; in a round that is not for all, groups that
/// are evenly spread.
fn shares(sizes: Vec<usize>, count: usize) -> Vec<usize> {
    let mut shares = vec![0; sizes.len()];
    let mut left = count.min(sizes.iter().sum());
    while left > 0 {
        let open: Vec<usize> = (0..sizes.len()).filter(|group| shares[*group] < sizes[*group]).collect();
        let round = left.min(open.len());
        (0..round).for_each(|nth| shares[open[nth * open.len() / round]] += 1);
        left -= round;
    }
    shares
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_task_is_spread_evenly() {
        assert_eq!(sample_evenly_by_task([0; 6], 3), [0, 2, 4]);
        assert_eq!(sample_evenly_by_task([0; 2], 5), [0, 1]);
        assert!(sample_evenly_by_task([0; 0], 3).is_empty() && sample_evenly_by_task([0; 3], 0).is_empty());
    }

    #[test]
    fn tasks_that_take_turns_are_all_there() {
        let chosen = sample_evenly_by_task((0..20).map(|at| at % 4), 5);
        assert_eq!(chosen, [0, 5, 8, 10, 15]);
        assert_eq!(sample_evenly_by_task(0..12, 4), [0, 3, 6, 9], "more tasks than can be there");
    }

    proptest! {
        #[test]
        fn nothing_comes_twice_and_no_task_is_left_out(tasks in prop::collection::vec(0_u8..5, 0..40), count in 0_usize..12) {
            let chosen = sample_evenly_by_task(&tasks, count);
            prop_assert_eq!(chosen.len(), count.min(tasks.len()));
            prop_assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
            let distinct = |of: Vec<u8>| of.into_iter().collect::<std::collections::HashSet<_>>().len();
            let found = distinct(chosen.iter().map(|at| tasks[*at]).collect());
            prop_assert_eq!(found, distinct(tasks.clone()).min(count));
        }
    }
}
