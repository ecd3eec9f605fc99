//! Sorting what waits anew, where slots changed or messages go elsewhere. Who waits for whom stays.

use super::{Drawer, Waiting};
use crate::adapter::Slot;

impl<T> Drawer<T> {
    /// Gives every waiting message another slot. Those without one are taken out and returned in their order,
    /// as if they had been drawn: what comes after them for their recipient waits until they are settled.
    pub fn sort_anew(&mut self, mut slot: impl FnMut(&Waiting<T>) -> Option<Slot>) -> Vec<Waiting<T>> {
        let groups = std::mem::take(&mut self.groups);
        self.turns.clear();
        self.drawable.clear();
        let shares = groups.into_values().flat_map(|group| group.shares);
        let mut drawable: Vec<Waiting<T>> = shares.flat_map(|share| share.queue).collect();
        drawable.sort_unstable_by_key(|waiting| waiting.order);
        let mut taken = Vec::new();
        for mut waiting in drawable {
            match slot(&waiting) {
                Some(slot) => {
                    waiting.slot = slot;
                    self.enqueue(waiting, false);
                }
                None => taken.push(waiting),
            }
        }
        for chain in self.chains.values_mut() {
            for mut waiting in std::mem::take(&mut chain.behind) {
                match slot(&waiting) {
                    Some(slot) => {
                        waiting.slot = slot;
                        chain.behind.push_back(waiting);
                    }
                    None => {
                        chain.ahead += 1;
                        taken.push(waiting);
                    }
                }
            }
        }
        self.waiting = self.waiting.saturating_sub(taken.len());
        taken.sort_unstable_by_key(|waiting| waiting.order);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::CallLimits;
    use crate::options::Priority;
    use crate::shared::Digest;

    const ALL: CallLimits = CallLimits { messages: 100, bytes: 100 };

    fn slot(class: &'static str) -> Slot {
        Slot { class, key: Digest(0), bytes: 1, max: 100, repeats: true }
    }

    fn waiting(ticket: u32, recipient: u64) -> Waiting<u32> {
        Waiting {
            ticket,
            slot: slot("old"),
            recipient,
            app: 0,
            flow: 0,
            ordered: true,
            priority: Priority::Normal,
            order: 0,
        }
    }

    fn tickets(drawn: Option<Vec<Waiting<u32>>>) -> Vec<u32> {
        drawn.unwrap_or_default().iter().map(|waiting| waiting.ticket).collect()
    }

    #[test]
    fn what_is_sorted_anew_keeps_its_order_and_whom_it_waits_for() {
        let mut drawer = Drawer::default();
        [(1, 10), (2, 10), (3, 20)].into_iter().for_each(|(ticket, to)| drawer.push(waiting(ticket, to)));
        let drawn = drawer.draw("old", CallLimits { messages: 1, bytes: 100 });
        assert_eq!(tickets(drawn), [1]);
        assert!(drawer.sort_anew(|_| Some(slot("new"))).is_empty());
        assert_eq!((drawer.drawable("old"), drawer.drawable("new"), drawer.len()), (0, 1, 2));
        assert_eq!(tickets(drawer.draw("new", ALL)), [3]);
        drawer.settled(0, 10, true);
        assert_eq!(tickets(drawer.draw("new", ALL)), [2]);
    }

    #[test]
    fn what_is_taken_out_goes_before_what_comes_after_it() {
        let mut drawer = Drawer::default();
        [(1, 10), (2, 10), (3, 10)].into_iter().for_each(|(ticket, to)| drawer.push(waiting(ticket, to)));
        let taken = drawer.sort_anew(|waiting| (waiting.ticket == 3).then(|| slot("new")));
        assert_eq!(taken.iter().map(|waiting| waiting.ticket).collect::<Vec<_>>(), [1, 2]);
        assert_eq!((drawer.len(), tickets(drawer.draw("new", ALL)).len()), (1, 0));
        drawer.settled(0, 10, true);
        assert!(drawer.draw("new", ALL).is_none(), "one of those before it is still under way");
        drawer.settled(0, 10, true);
        assert_eq!(tickets(drawer.draw("new", ALL)), [3]);
    }
}
