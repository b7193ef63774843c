//! Lookups of one kind that come together are one question, and there is one question at a time: a crowd costs as many as fit one
//! after the other, on one connection, and not one each.
//!
//! Whoever comes while a question is under way is asked for by the next one. So an answer is never older than the one who gets it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard};

use service::postgres::Error;
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

/// Keys of one question; more are in the next.
const KEYS_MAX: usize = 64;

/// What there is of a key, or why nobody knows.
pub type Found<V> = Result<Option<V>, Error>;

/// Those who wait: no more than there are requests under way, and sockets.
#[derive(Debug)]
pub struct Lookups<K, V> {
    turn: tokio::sync::Mutex<()>,
    waiting: Mutex<Vec<Waiting<K, V>>>,
}

#[derive(Debug)]
struct Waiting<K, V> {
    key: K,
    answer: oneshot::Sender<Found<V>>,
}

impl<K, V> Default for Lookups<K, V> {
    fn default() -> Self {
        Self { turn: tokio::sync::Mutex::default(), waiting: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Lookups<K, V> {
    /// Looks a key up. `question` asks for several, and returns those that there are; when it fails, all that it asked for fail.
    /// Whoever asks is waited for by others: this is to be awaited to its end, or dropped.
    pub async fn find<Q>(&self, key: &K, question: impl Fn(Vec<K>) -> Q) -> Found<V>
    where
        Q: Future<Output = Result<HashMap<K, V>, Error>>,
    {
        let mut answered = self.wait(key);
        let _turn = tokio::select! {
            biased;
            // Who was asked for leaves the queue: those who came meanwhile have to wait for one question, and not for one of each.
            Ok(found) = &mut answered => return found,
            turn = self.turn.lock() => turn,
        };
        loop {
            match answered.try_recv() {
                Ok(found) => return found,
                Err(TryRecvError::Empty) => self.ask(&question).await,
                // Whoever asked for us left before there was an answer.
                Err(TryRecvError::Closed) => answered = self.wait(key),
            }
        }
    }

    fn wait(&self, key: &K) -> oneshot::Receiver<Found<V>> {
        let (answer, answered) = oneshot::channel();
        self.waiting().push(Waiting { key: key.clone(), answer });
        answered
    }

    /// Asks for those who have waited longest.
    async fn ask<Q>(&self, question: &impl Fn(Vec<K>) -> Q)
    where
        Q: Future<Output = Result<HashMap<K, V>, Error>>,
    {
        let asking = self.take();
        let found = question(asking.keys().cloned().collect()).await;
        for (key, answers) in asking {
            let found = found.as_ref().map(|found| found.get(&key).cloned()).map_err(Clone::clone);
            for answer in answers {
                // Nobody waits for it when the client is gone.
                drop(answer.send(found.clone()));
            }
        }
    }

    fn take(&self) -> HashMap<K, Vec<oneshot::Sender<Found<V>>>> {
        let mut taken: HashMap<K, Vec<_>> = HashMap::new();
        let mut waiting = self.waiting();
        for Waiting { key, answer } in std::mem::take(&mut *waiting) {
            if answer.is_closed() {
                continue;
            }
            if taken.len() < KEYS_MAX || taken.contains_key(&key) {
                taken.entry(key).or_default().push(answer);
            } else {
                waiting.push(Waiting { key, answer });
            }
        }
        taken
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Waiting<K, V>>> {
        self.waiting.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt;
    use futures_util::future::{BoxFuture, join_all};
    use tokio::sync::Semaphore;

    use super::*;

    /// A key that nobody can be asked for.
    const FAILING: usize = usize::MAX;

    /// Answers with a key's double, where there is one, one question for each permit.
    struct Doubles {
        lookups: Lookups<usize, usize>,
        permits: Semaphore,
        asked: Mutex<Vec<Vec<usize>>>,
    }

    impl Doubles {
        fn new() -> Arc<Self> {
            Arc::new(Self {
                lookups: Lookups::default(),
                permits: Semaphore::new(0),
                asked: Mutex::default(),
            })
        }

        /// Begun, and not answered yet.
        fn begin(self: &Arc<Self>, key: usize) -> BoxFuture<'static, Found<usize>> {
            let doubles = Arc::clone(self);
            let mut found =
                async move { doubles.lookups.find(&key, |keys| doubles.answer(keys)).await }.boxed();
            assert!((&mut found).now_or_never().is_none());
            found
        }

        async fn answer(&self, mut keys: Vec<usize>) -> Result<HashMap<usize, usize>, Error> {
            keys.sort_unstable();
            self.asked.lock().unwrap().push(keys.clone());
            self.permits.acquire().await.unwrap().forget();
            if keys.contains(&FAILING) {
                return Err(Error::Away("it fails".to_owned()));
            }
            Ok(keys.into_iter().filter(|key| *key > 0).map(|key| (key, 2 * key)).collect())
        }

        fn asked(&self) -> Vec<Vec<usize>> {
            self.asked.lock().unwrap().clone()
        }
    }

    async fn all(begun: Vec<BoxFuture<'static, Found<usize>>>) -> Vec<Option<usize>> {
        join_all(begun).await.into_iter().map(|found| found.expect("it was found, or is not there")).collect()
    }

    #[tokio::test]
    async fn who_comes_while_a_question_is_under_way_is_asked_for_together_by_the_next() {
        let doubles = Doubles::new();
        let begun = [1, 2, 1, 3, 2, 0].map(|key| doubles.begin(key)).into();
        doubles.permits.add_permits(2);
        assert_eq!(all(begun).await, [Some(2), Some(4), Some(2), Some(6), Some(4), None]);
        assert_eq!(doubles.asked(), [vec![1], vec![0, 1, 2, 3]]);
    }

    #[tokio::test]
    async fn many_keys_are_asked_for_in_their_order_and_so_many_at_a_time() {
        let doubles = Doubles::new();
        let begun = (1..2 * KEYS_MAX).map(|key| doubles.begin(key)).collect();
        doubles.permits.add_permits(3);
        assert_eq!(all(begun).await.len(), 2 * KEYS_MAX - 1);
        let last = KEYS_MAX + 1;
        assert_eq!(doubles.asked(), [vec![1], (2..=last).collect(), (last + 1..2 * KEYS_MAX).collect()]);
    }

    #[tokio::test]
    async fn a_failure_is_told_to_all_it_concerns_and_to_nobody_else() {
        let doubles = Doubles::new();
        let begun = [1, FAILING, 2, FAILING].map(|key| doubles.begin(key));
        doubles.permits.add_permits(2);
        let mut found = join_all(begun).await.into_iter();
        assert_eq!(found.next().unwrap().unwrap(), Some(2));
        for failed in found {
            assert!(matches!(failed, Err(Error::Away(why)) if why == "it fails"));
        }
    }

    #[tokio::test]
    async fn who_leaves_takes_nobody_along() {
        let doubles = Doubles::new();
        let [first, mut second, third, fourth] = [1, 2, 3, 4].map(|key| doubles.begin(key));
        drop((first, fourth));
        assert!((&mut second).now_or_never().is_none(), "it asks for itself and the third");
        drop(second);
        doubles.permits.add_permits(1);
        assert_eq!(third.await.unwrap(), Some(6));
        assert_eq!(doubles.asked(), [vec![1], vec![2, 3], vec![3]]);
    }

    /// Or each question would answer one: who is in a crowd that does not end would wait for as many as there are before them.
    #[tokio::test]
    async fn who_is_answered_leaves_at_once_though_others_came_meanwhile() {
        let doubles = Doubles::new();
        let first = doubles.begin(1);
        let mut together = join_all([2, 3, 4].map(|key| doubles.begin(key)));
        doubles.permits.add_permits(1);
        assert_eq!(first.await.unwrap(), Some(2));
        assert!((&mut together).now_or_never().is_none(), "they are asked for");
        let late = doubles.begin(5);
        doubles.permits.add_permits(1);
        assert!(together.now_or_never().is_some(), "one question answers them all");
        doubles.permits.add_permits(1);
        assert_eq!(late.await.unwrap(), Some(10));
        assert_eq!(doubles.asked(), [vec![1], vec![2, 3, 4], vec![5]]);
    }
}
