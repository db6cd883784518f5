//! Who is woken when.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
};

use super::*;
use crate::fleet::Caller;

/// Counts its wake-ups.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A line, and how often anybody in it was woken.
#[derive(Default)]
struct Rig {
    line: Line,
    woken: Arc<Count>,
}

impl Rig {
    /// Does something, and returns how many it has woken.
    fn wakes(&mut self, what: impl FnOnce(&mut Line, &Context<'_>, &mut News)) -> usize {
        let waker = Waker::from(Arc::clone(&self.woken));
        let before = self.woken.0.load(SeqCst);
        let mut news = News::default();
        what(&mut self.line, &Context::from_waker(&waker), &mut news);
        news.tell(&Caller::default());
        self.woken.0.load(SeqCst) - before
    }

    /// Ends the waits whose time has come.
    fn expire(&mut self, now: Instant) -> usize {
        self.wakes(|line, _, news| line.expire(now, Duration::from_millis(400), || None, news))
    }

    fn join(&mut self, waits_for: &For, times: usize) -> Vec<Number> {
        let mut joined = Vec::new();
        for _ in 0..times {
            let woken = self.wakes(|line, cx, news| joined.push(line.join(waits_for.clone(), None, cx, news)));
            assert_eq!(woken, 0, "who begins to wait wakes nobody");
        }
        joined
    }

    /// Those who may try, in the order in which they began to wait.
    fn with_turn(&self, of: &[Number]) -> Vec<Number> {
        of.iter().copied().filter(|number| self.line.turn(*number) == Turn::Try).collect()
    }
}

/// Partitions are named by accumulators only, so the tests tell them apart by whether records can leave them.
const PINNED: For = For::StuckRoom(Stuck { at: None, pinned: Pinned::Yes });
const FREE: For = For::StuckRoom(Stuck { at: None, pinned: Pinned::No });

#[test]
fn an_event_wakes_one_for_each_partition_and_not_each_who_waits_for_it() {
    let mut rig = Rig::default();
    let pinned = rig.join(&PINNED, 1000);
    let free = rig.join(&FREE, 1000);
    for _ in 0..3 {
        assert_eq!(rig.wakes(|line, _, news| line.give_room(news)), 2);
        assert_eq!((rig.with_turn(&pinned), rig.with_turn(&free)), (vec![pinned[0]], vec![free[0]]));
        // Neither has room, so the others have none either.
        assert_eq!(rig.wakes(|line, cx, news| line.wait_again(pinned[0], PINNED, cx, news)), 0);
        assert_eq!(rig.wakes(|line, cx, news| line.wait_again(free[0], FREE, cx, news)), 0);
    }
}

#[test]
fn who_has_got_room_lets_the_next_of_its_partition_try() {
    let mut rig = Rig::default();
    let pinned = rig.join(&PINNED, 3);
    let free = rig.join(&FREE, 3);
    rig.wakes(|line, _, news| line.give_room(news));
    assert_eq!(rig.wakes(|line, _, news| line.leave(free[0], news)), 1);
    assert_eq!((rig.with_turn(&pinned), rig.with_turn(&free[1..])), (vec![pinned[0]], vec![free[1]]));
    // One without a turn is dropped, which changes nothing for the others.
    assert_eq!(rig.wakes(|line, _, news| line.leave(free[2], news)), 0);
    assert_eq!(rig.wakes(|line, _, news| line.leave(free[1], news)), 0);
    assert!(rig.line.keeps_stuck_room(), "three wait for the other");
    for number in pinned {
        rig.wakes(|line, _, news| line.leave(number, news));
    }
    assert!(!rig.line.keeps_stuck_room(), "nobody waits");
}

#[test]
fn who_waits_for_another_partition_now_lets_the_next_of_the_first_try() {
    let mut rig = Rig::default();
    let free = rig.join(&FREE, 2);
    rig.wakes(|line, _, news| line.give_room(news));
    assert_eq!(rig.wakes(|line, cx, news| line.wait_again(free[0], PINNED, cx, news)), 1);
    assert_eq!(rig.with_turn(&free), [free[1]]);
    assert!(rig.line.is_stuck(free[0]));
    assert_eq!(rig.wakes(|line, _, news| line.give_room(news)), 1, "the other has its turn already");
}

#[test]
fn a_time_that_comes_while_a_caller_has_the_turn_ends_its_wait_if_it_tries_in_vain() {
    let (mut rig, topic, until) = (Rig::default(), For::Topic("t".into()), Instant::now());
    let mut number = Number(0);
    rig.wakes(|line, cx, news| number = line.join(topic.clone(), Some(until), cx, news));
    let code = ErrorCode::LEADER_NOT_AVAILABLE;
    assert_eq!(rig.wakes(|line, _, news| line.note_problem("t", code, None, news)), 1);
    assert_eq!((rig.expire(until), rig.line.turn(number)), (0, Turn::Try));
    // Nothing else calls the task again for its sake.
    rig.wakes(|line, cx, news| line.wait_again(number, topic, cx, news));
    assert_eq!(rig.line.next_deadline(), Some(until));
    assert_eq!(rig.expire(until), 1);
    assert!(matches!(rig.line.turn(number), Turn::Fail(SendError::NoTopic { .. })));
    assert_eq!(rig.line.next_deadline(), None, "it would wake the task again and again");
}
