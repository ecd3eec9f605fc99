//! Sorting what waits anew, where slots changed or messages go elsewhere. Who waits for whom stays.

use super::{Drawer, Waiting};
use crate::adapter::Slot;

impl<T> Drawer<T> {
    /// Gives every waiting message another slot. Places stay, and so does who waits for whom.
    pub fn sort_anew(&mut self, mut slot: impl FnMut(&Waiting<T>) -> Slot) {
        let groups = std::mem::take(&mut self.groups);
        self.turns.clear();
        self.drawable.clear();
        let shares = groups.into_values().flat_map(|group| group.shares);
        let mut drawable: Vec<Waiting<T>> = shares.flat_map(|share| share.queue).collect();
        drawable.sort_unstable_by_key(|waiting| waiting.order);
        for mut waiting in drawable {
            waiting.slot = slot(&waiting);
            self.enqueue(waiting, false);
        }
        for waiting in self.chains.values_mut().flat_map(|chain| &mut chain.behind) {
            waiting.slot = slot(waiting);
        }
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
        drawer.sort_anew(|_| slot("new"));
        assert_eq!((drawer.drawable("old"), drawer.drawable("new"), drawer.len()), (0, 1, 2));
        assert_eq!(tickets(drawer.draw("new", ALL)), [3]);
        drawer.settled(0, 10, true);
        assert_eq!(tickets(drawer.draw("new", ALL)), [2]);
    }

    #[test]
    fn what_goes_elsewhere_follows_each_other_and_what_is_under_way() {
        let mut drawer = Drawer::default();
        let all = [(1, 10), (2, 10), (3, 10), (4, 10), (5, 20), (6, 20)];
        all.into_iter().for_each(|(ticket, to)| drawer.push(waiting(ticket, to)));
        assert_eq!(tickets(drawer.draw("old", CallLimits { messages: 1, bytes: 100 })), [1]);
        drawer.sort_anew(|waiting| slot(if waiting.ticket == 4 { "old" } else { "new" }));
        assert_eq!(tickets(drawer.draw("new", ALL)), [5, 6], "what is under way comes first");
        drawer.settled(0, 10, true);
        assert_eq!(tickets(drawer.draw("new", ALL)), [2, 3]);
        drawer.settled(0, 10, true);
        assert!(drawer.draw("old", ALL).is_none(), "one of those before it is still away");
        drawer.settled(0, 10, true);
        assert_eq!(tickets(drawer.draw("old", ALL)), [4]);
    }
}
