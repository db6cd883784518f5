//! Callers that wait for things of which each goes to one of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    task::{Context, Waker},
};

use crate::{sharing::News, waker::keep_waker};

/// Callers, in the order in which they began to wait. As many of them are awake as there are things, so one that is awake and
/// leaves lets another one try: call [`Queue::settle`] after every change.
#[derive(Debug, Default)]
pub(super) struct Queue {
    next: u64,
    wakers: BTreeMap<u64, Option<Waker>>,
    asleep: BTreeSet<u64>,
    /// Those who stand beside the queue.
    beside: BTreeMap<u64, Waker>,
}

impl Queue {
    /// A caller has found nothing, and waits.
    pub(super) fn wait(&mut self, number: &mut Option<u64>, cx: &Context<'_>, news: &mut News) {
        let number = self.number(number);
        news.discard(keep_waker(self.wakers.entry(number).or_default(), cx));
        self.asleep.insert(number);
    }

    /// As [`Queue::wait`], for one who may never try again, as a stream that is kept and not polled. It is woken for each thing, and
    /// takes nobody's turn.
    pub(super) fn wait_beside(&mut self, number: &mut Option<u64>, cx: &Context<'_>, news: &mut News) {
        let number = self.number(number);
        news.discard(self.beside.insert(number, cx.waker().clone()));
    }

    /// The number of a caller, which may be new.
    fn number(&mut self, number: &mut Option<u64>) -> u64 {
        *number.get_or_insert_with(|| {
            self.next += 1;
            self.next
        })
    }

    /// A caller has found something, or is dropped.
    pub(super) fn leave(&mut self, number: &mut Option<u64>, news: &mut News) {
        if let Some(number) = number.take() {
            self.asleep.remove(&number);
            news.discard(self.wakers.remove(&number).flatten());
            news.discard(self.beside.remove(&number));
        }
    }

    /// The number of callers that wait.
    pub(super) fn len(&self) -> usize {
        self.wakers.len() + self.beside.len()
    }

    /// Wakes callers until as many are awake as there are things to take. Returns whether one is left asleep.
    pub(super) fn settle(&mut self, things: usize, news: &mut News) -> bool {
        if things > 0 {
            self.wake_beside(news);
        }
        while self.wakers.len() - self.asleep.len() < things {
            let Some(number) = self.asleep.pop_first() else { break };
            self.wake(number, news);
        }
        !self.asleep.is_empty() || !self.beside.is_empty()
    }

    /// Wakes everybody: there is nothing to wait for.
    pub(super) fn wake_all(&mut self, news: &mut News) {
        self.wake_beside(news);
        for number in mem::take(&mut self.asleep) {
            self.wake(number, news);
        }
    }

    fn wake_beside(&mut self, news: &mut News) {
        for waker in mem::take(&mut self.beside).into_values() {
            news.wake(Some(waker));
        }
    }

    fn wake(&mut self, number: u64, news: &mut News) {
        // The entry stays until the caller leaves, because it counts as awake.
        news.wake(self.wakers.get_mut(&number).and_then(Option::take));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use super::*;
    use crate::fleet::Caller;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Runs `work`, and tells its news.
    fn tell<T>(work: impl FnOnce(&mut News) -> T) -> T {
        let mut news = News::default();
        let result = work(&mut news);
        news.tell(&Caller::default());
        result
    }

    /// A queue with so many callers that wait, and how often each was woken.
    fn waiting(callers: usize) -> (Queue, Vec<Option<u64>>, Vec<Arc<Count>>) {
        let mut queue = Queue::default();
        let counts: Vec<_> = (0..callers).map(|_| Arc::new(Count::default())).collect();
        let mut numbers = vec![None; callers];
        for (number, count) in numbers.iter_mut().zip(&counts) {
            let waker = Waker::from(Arc::clone(count));
            tell(|news| queue.wait(number, &Context::from_waker(&waker), news));
        }
        (queue, numbers, counts)
    }

    fn woken(counts: &[Arc<Count>]) -> Vec<usize> {
        counts.iter().map(|count| count.0.load(Ordering::SeqCst)).collect()
    }

    #[test]
    fn as_many_are_woken_as_there_are_things_in_order() {
        let (mut queue, _numbers, counts) = waiting(3);
        assert!(tell(|news| queue.settle(2, news)));
        assert_eq!(woken(&counts), [1, 1, 0]);
        // Two are awake and have not come yet, so nobody else is woken for the same two things.
        assert!(tell(|news| queue.settle(2, news)));
        assert_eq!(woken(&counts), [1, 1, 0]);
    }

    #[test]
    fn one_that_was_woken_and_leaves_lets_the_next_one_try() {
        let (mut queue, mut numbers, counts) = waiting(2);
        tell(|news| queue.settle(1, news));
        tell(|news| queue.leave(&mut numbers[0], news));
        assert!(!tell(|news| queue.settle(1, news)));
        assert_eq!(woken(&counts), [1, 1]);
    }

    #[test]
    fn one_beside_is_woken_for_each_thing_and_takes_no_turn() {
        let (mut queue, _numbers, counts) = waiting(1);
        let (stream, mut number) = (Arc::new(Count::default()), None);
        let waker = Waker::from(Arc::clone(&stream));
        tell(|news| queue.wait_beside(&mut number, &Context::from_waker(&waker), news));
        // It does not try again.
        assert!(!tell(|news| queue.settle(1, news)));
        assert_eq!((woken(&counts), woken(&[Arc::clone(&stream)])), (vec![1], vec![1]));
        tell(|news| queue.wait_beside(&mut number, &Context::from_waker(&waker), news));
        assert!(tell(|news| queue.settle(0, news)), "it waits for the end, too");
        tell(|news| queue.wake_all(news));
        assert_eq!(woken(&[Arc::clone(&stream)]), [2]);
    }

    #[test]
    fn one_that_was_woken_for_nothing_waits_again() {
        let (mut queue, mut numbers, counts) = waiting(1);
        tell(|news| queue.settle(1, news));
        let waker = Waker::from(Arc::clone(&counts[0]));
        tell(|news| queue.wait(&mut numbers[0], &Context::from_waker(&waker), news));
        tell(|news| queue.settle(0, news));
        assert_eq!(woken(&counts), [1]);
        tell(|news| queue.settle(1, news));
        assert_eq!(woken(&counts), [2]);
    }
}
