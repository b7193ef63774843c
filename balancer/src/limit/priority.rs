//! Who waits, and in which order: a bounded queue in which the highest class goes first and within a class whoever
//! came first. When it is full, a newcomer takes the place of the newest of the lowest class, if that is lower than its own.
//!
//! Tickets make leaving cheap: thousands may give up at the same time.

use std::collections::BTreeMap;

use serde::Deserialize;

/// How much it matters that a request is answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Waits for all others.
    Low,
    /// What is not said otherwise.
    #[default]
    Normal,
    /// Goes before those.
    High,
    /// Who already has something to lose: goes before all, and is let past the adaptive limit.
    Critical,
}

const CLASSES: usize = Priority::Critical as usize + 1;

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket {
    class: Priority,
    number: u64,
}

/// What became of a newcomer.
#[derive(Debug, PartialEq, Eq)]
pub enum Pushed<T> {
    /// It waits; who had to leave for it, when somebody had to.
    Waits(Ticket, Option<T>),
    /// There is no room for it.
    Full(T),
}

/// The queue.
#[derive(Debug)]
pub struct Queue<T> {
    /// By class; in each, by the order of coming.
    classes: [BTreeMap<u64, T>; CLASSES],
    length_max: usize,
    next: u64,
}

impl<T> Queue<T> {
    /// For so many.
    pub fn new(length_max: usize) -> Self {
        Self { classes: Default::default(), length_max, next: 0 }
    }

    /// Another bound, for newcomers; who waits already stays.
    pub fn resize(&mut self, length_max: usize) {
        self.length_max = length_max;
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.classes.iter().map(BTreeMap::len).sum()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.classes.iter().all(BTreeMap::is_empty)
    }

    /// A newcomer.
    pub fn push(&mut self, class: Priority, waiter: T) -> Pushed<T> {
        let displaced = if self.len() < self.length_max {
            None
        } else {
            let lower = &mut self.classes[..class as usize];
            match lower.iter_mut().find_map(BTreeMap::pop_last) {
                Some((_, displaced)) => Some(displaced),
                None => return Pushed::Full(waiter),
            }
        };
        let ticket = Ticket { class, number: self.next };
        self.next += 1;
        self.classes[class as usize].insert(ticket.number, waiter);
        Pushed::Waits(ticket, displaced)
    }

    /// The highest class in which somebody waits.
    pub fn first_class(&self) -> Option<Priority> {
        use Priority::{Critical, High, Low, Normal};
        [Critical, High, Normal, Low].into_iter().find(|class| !self.classes[*class as usize].is_empty())
    }

    /// Who goes next.
    pub fn pop(&mut self) -> Option<T> {
        let class = self.first_class()?;
        self.classes[class as usize].pop_first().map(|(_, waiter)| waiter)
    }

    /// Somebody who does not want to wait any more; none when it was no longer waiting.
    pub fn remove(&mut self, ticket: Ticket) -> Option<T> {
        self.classes[ticket.class as usize].remove(&ticket.number)
    }
}

#[cfg(test)]
mod tests {
    use Priority::{Critical, High, Low, Normal};

    use super::*;

    fn waits(queue: &mut Queue<u32>, class: Priority, waiter: u32) -> (Ticket, Option<u32>) {
        match queue.push(class, waiter) {
            Pushed::Waits(ticket, displaced) => (ticket, displaced),
            Pushed::Full(waiter) => panic!("{waiter} found no room"),
        }
    }

    fn order(mut queue: Queue<u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.pop()).collect()
    }

    #[test]
    fn the_highest_class_goes_first_and_in_a_class_the_oldest() {
        let mut queue = Queue::new(8);
        for (class, waiter) in
            [(Normal, 1), (Low, 2), (Critical, 3), (High, 4), (Normal, 5), (Critical, 6), (High, 7)]
        {
            assert_eq!(waits(&mut queue, class, waiter).1, None);
        }
        assert_eq!(order(queue), [3, 6, 4, 7, 1, 5, 2]);
    }

    #[test]
    fn a_full_queue_lets_go_the_newest_of_the_lowest_class_for_a_higher_one() {
        let mut queue = Queue::new(3);
        for (class, waiter) in [(Low, 1), (Low, 2), (Normal, 3)] {
            waits(&mut queue, class, waiter);
        }
        assert_eq!(queue.push(Low, 4), Pushed::Full(4));
        assert_eq!(waits(&mut queue, High, 5).1, Some(2));
        assert_eq!(waits(&mut queue, Normal, 6).1, Some(1));
        assert_eq!(queue.push(Normal, 7), Pushed::Full(7));
        assert_eq!(waits(&mut queue, Critical, 8).1, Some(6));
        assert_eq!(order(queue), [8, 5, 3]);
    }

    #[test]
    fn who_leaves_frees_its_place() {
        let mut queue = Queue::new(2);
        let (first, _) = waits(&mut queue, Normal, 1);
        waits(&mut queue, Normal, 2);
        assert_eq!(queue.remove(first), Some(1));
        assert_eq!(queue.remove(first), None);
        waits(&mut queue, Normal, 3);
        assert_eq!(queue.len(), 2);
        assert_eq!(order(queue), [2, 3]);
    }

    #[test]
    fn no_room_at_all_is_no_queue() {
        assert_eq!(Queue::new(0).push(Critical, 1), Pushed::Full(1));
    }
}
