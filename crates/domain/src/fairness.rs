//! Turns: nobody waits for another's flood.

/// Takes up to `limit` things, one from each queue in turn, in the order of the queues and of what waits in them.
pub fn turns<T>(queues: Vec<Vec<T>>, limit: usize) -> Vec<T> {
    let mut queues: Vec<_> = queues.into_iter().map(Vec::into_iter).collect();
    let mut taken = Vec::new();
    while taken.len() < limit && !queues.is_empty() {
        queues.retain_mut(|queue| {
            if taken.len() == limit {
                return true;
            }
            queue.next().map(|thing| taken.push(thing)).is_some()
        });
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::turns;
    use proptest::prelude::*;

    #[test]
    fn a_flood_gets_no_more_than_its_turns() {
        let queues = vec![vec!["a1", "a2", "a3", "a4"], vec!["b1"], vec!["c1", "c2"]];
        assert_eq!(turns(queues.clone(), 4), ["a1", "b1", "c1", "a2"]);
        assert_eq!(turns(queues, 99), ["a1", "b1", "c1", "a2", "c2", "a3", "a4"]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_while_there_is_room(lengths in proptest::collection::vec(0_usize..20, 0..9), limit in 0_usize..60) {
            let queues: Vec<Vec<usize>> = lengths.iter().map(|length| (0..*length).collect()).collect();
            let total: usize = lengths.iter().sum();
            prop_assert_eq!(turns(queues, limit).len(), total.min(limit));
        }
    }
}
