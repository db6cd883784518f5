use std::collections::BTreeSet;

use kafka08_proto::{
    ids::NodeId,
    message::{Inflater, MessageProblem, MessageSet, MessageSetBuilder, Origin},
};
use proptest::prelude::*;

use super::*;

const NODE: NodeId = NodeId(1);

fn part(n: i32) -> TopicPartition {
    TopicPartition::new("t", n)
}

fn config() -> ConsumerConfig {
    ConsumerConfig::default()
}

/// An assignment with partitions 0 to `partitions` - 1.
fn assigned(config: &ConsumerConfig, partitions: i32) -> Assignment {
    let mut with = Assignment::new(config);
    for n in 0..partitions {
        assert_eq!(with.assign(part(n), StartAt::Earliest, EndAt::Never), Ok(Wake::Yes));
    }
    with
}

fn messages(from: i64, count: i64) -> MessageSet {
    let mut builder = MessageSetBuilder::fetched_from(Offset(from));
    for n in from..from + count {
        builder.push(None, Some(n.to_string().as_bytes())).expect("small");
    }
    builder.build()
}

fn place(with: &Assignment, n: i32) -> (PartitionIndex, Epoch) {
    let at = with.by_name[&part(n)];
    (at, with.assigned(at).expect("it is assigned").epoch)
}

fn deliver(with: &mut Assignment, n: i32, frame: FrameId, set: MessageSet, from: i64, behind: i64) {
    let (at, epoch) = place(with, n);
    let (until, high_watermark) = (Offset(i64::MAX), Offset(1 << 40));
    with.deliver(
        at,
        epoch,
        Delivery { set, frame, from: Offset(from), behind: Offset(behind), until, high_watermark, is_doubtful: false },
    );
}

/// A response with one set for each of these partitions.
fn response(with: &mut Assignment, partitions: &[i32], from: i64, count: i64) {
    let frame = with.begin_frame(NODE, 1000);
    for n in partitions {
        deliver(with, *n, frame, messages(from, count), from, from + count);
    }
    with.end_frame(frame);
}

fn offsets(messages: &mut Messages) -> Vec<Result<i64, MessageProblem>> {
    let (mut all, mut inflater) = (Vec::new(), Inflater::new());
    while let Some(found) = messages.next_message(&mut inflater) {
        all.push(found.map(|message| message.offset.0).map_err(|error| error.problem));
    }
    all
}

#[test]
fn a_response_counts_in_full_until_its_last_set_is_taken_or_dropped() {
    let mut with = assigned(&config(), 3);
    response(&mut with, &[0, 1, 2], 0, 2);
    response(&mut with, &[0], 2, 2);
    // Nobody wanted anything of this one.
    response(&mut with, &[], 0, 0);
    assert_eq!(
        (with.undelivered(), with.undelivered_of(NODE).bytes, with.undelivered_of(NodeId(2)).bytes),
        (2000, 2000, 0)
    );
    for left in [2000, 2000] {
        let _ = with.take().expect("a set");
        assert_eq!(with.undelivered(), left);
    }
    assert_eq!(with.unassign(&part(2)), Wake::Yes);
    assert_eq!(with.undelivered(), 1000, "its set was the last one of the first response");
    let _ = with.seek(&part(0), StartAt::Latest);
    assert_eq!(with.undelivered(), 0);
    assert!(with.take().is_none());
}

#[test]
fn partitions_take_turns() {
    let mut with = assigned(&config(), 3);
    for n in 0..3 {
        response(&mut with, &[0, 1, 2], 2 * n, 2);
    }
    let mut turns = Vec::new();
    while let Some((fetched, _)) = with.take() {
        turns.push((fetched.partition().partition.0, fetched.from().0));
    }
    assert_eq!(turns, [(0, 0), (1, 0), (2, 0), (0, 2), (1, 2), (2, 2), (0, 4), (1, 4), (2, 4)]);
}

#[test]
fn only_a_machine_that_waits_for_room_is_woken_and_once() {
    let mut with = assigned(&config(), 1);
    response(&mut with, &[0], 0, 2);
    response(&mut with, &[0], 2, 2);
    response(&mut with, &[0], 4, 2);
    let take = |with: &mut Assignment| with.take().map(|(_, wake)| wake);
    assert_eq!(take(&mut with), Some(Wake::No));
    with.set_starved();
    assert_eq!([take(&mut with), take(&mut with), take(&mut with)], [Some(Wake::Yes), Some(Wake::No), None]);
}

#[test]
fn a_set_of_an_earlier_epoch_and_what_was_passed_of_it_have_no_effect() {
    let mut with = assigned(&config(), 1);
    let (at, old) = place(&with, 0);
    response(&mut with, &[0], 0, 5);
    let mut before = with.take().expect("a set").0.open();
    assert_eq!(offsets(&mut before).len(), 5);
    let _ = with.seek(&part(0), StartAt::Offset(Offset(3)));
    assert_eq!(with.handle_passed(before.passed()), Wake::No);
    assert_eq!((with.committable().count(), with.position(&part(0))), (0, None));
    let frame = with.begin_frame(NODE, 10);
    let (until, high_watermark) = (Offset(i64::MAX), Offset(100));
    let set = messages(5, 1);
    with.deliver(
        at,
        old,
        Delivery { set, frame, from: Offset(5), behind: Offset(6), until, high_watermark, is_doubtful: false },
    );
    with.handle_started(at, old, Offset(5));
    with.handle_end(at, old);
    with.end_frame(frame);
    assert!(with.take().is_none() && with.position(&part(0)).is_none() && !with.is_finished());
    assert_eq!(with.undelivered(), 0);
}

#[test]
fn a_place_that_is_used_again_takes_nothing_of_the_partition_before() {
    let mut with = assigned(&config(), 1);
    response(&mut with, &[0], 0, 2);
    let mut held = with.take().expect("a set").0.open();
    assert_eq!((with.unassign(&part(0)), with.unassign(&part(0))), (Wake::Yes, Wake::No));
    assert_eq!(with.assign(part(1), StartAt::Earliest, EndAt::Never), Ok(Wake::Yes));
    assert_eq!(offsets(&mut held).len(), 2);
    assert_eq!(with.handle_passed(held.passed()), Wake::No);
    assert_eq!(with.committable().count(), 0);
    assert!(with.assign(TopicPartition::new("a b", 0), StartAt::Latest, EndAt::Never).is_err());
    assert_eq!(with.partitions().count(), 1);
}

#[test]
fn reading_ends_in_front_of_the_end_and_passes_a_gap_behind_the_last_message() {
    let mut with = assigned(&config(), 1);
    let (at, epoch) = place(&with, 0);
    let frame = with.begin_frame(NODE, 10);
    let delivery = |until| Delivery {
        set: messages(10, 5),
        frame,
        from: Offset(10),
        behind: Offset(20),
        until: Offset(until),
        high_watermark: Offset(100),
        is_doubtful: false,
    };
    with.deliver(at, epoch, delivery(i64::MAX));
    with.deliver(at, epoch, delivery(13));
    let mut all = with.take().expect("a set").0.open();
    assert_eq!(offsets(&mut all).len(), 5);
    assert_eq!(all.passed().offset(), Offset(20), "compaction has left a gap");
    let mut cut = with.take().expect("a set").0.open();
    assert_eq!(offsets(&mut cut), [Ok(10), Ok(11), Ok(12)]);
    assert_eq!(cut.passed().offset(), Offset(13));
}

#[test]
fn what_is_damaged_behind_the_end_is_no_error() {
    for policy in [CorruptPolicy::Stop, CorruptPolicy::Skip] {
        let mut with = assigned(&config().with_corrupt(policy), 1);
        let (at, epoch) = place(&with, 0);
        let frame = with.begin_frame(NODE, 10);
        // A gap, so that the end is behind the last message in front of it.
        let (sound, damaged) = (messages(10, 2), messages(15, 1));
        let mut bytes = [&sound.bytes()[..], damaged.bytes()].concat();
        *bytes.last_mut().expect("a value") ^= 1;
        let set = MessageSet::new(bytes.into(), sound.origin());
        let (from, behind, until, high_watermark) = (Offset(10), Offset(16), Offset(14), Offset(100));
        with.deliver(at, epoch, Delivery { set, frame, from, behind, until, high_watermark, is_doubtful: false });
        let mut all = with.take().expect("a set").0.open();
        assert_eq!(offsets(&mut all), [Ok(10), Ok(11)], "{policy:?}");
        let _ = with.handle_passed(all.passed());
        assert_eq!(with.committable().map(|(_, offset)| offset).collect::<Vec<_>>(), [until]);
        assert_eq!((with.halted_at(&part(0)), with.corrupt_entries()), (None, 0));
    }
}

#[test]
fn a_damaged_message_ends_a_reader_that_stops_and_is_one_error_for_one_that_skips() {
    let mut bytes = messages(10, 5).bytes().to_vec();
    let entry = bytes.len() / 5;
    bytes[3 * entry - 1] ^= 1;
    for (policy, told, passed) in [(CorruptPolicy::Stop, 3, 12), (CorruptPolicy::Skip, 5, 15)] {
        let mut with = assigned(&config().with_corrupt(policy), 1);
        let frame = with.begin_frame(NODE, 1000);
        deliver(&mut with, 0, frame, MessageSet::new(bytes.clone().into(), Origin::Fetched), 10, 15);
        deliver(&mut with, 0, frame, messages(15, 2), 15, 17);
        let mut reader = with.take().expect("a set").0.open();
        let all = offsets(&mut reader);
        assert!(matches!(all[2], Err(MessageProblem::Crc { .. })), "{all:?}");
        assert_eq!((all.len(), reader.passed().offset()), (told, Offset(passed)));
        let wake = with.handle_passed(reader.passed());
        // A second report of the same end changes nothing.
        assert_eq!(with.handle_passed(reader.passed()), Wake::No);
        let committable: Vec<_> = with.committable().map(|(_, offset)| offset.0).collect();
        assert_eq!(committable, [passed], "{policy:?}");
        assert_eq!(with.corrupt_entries(), 1);
        match policy {
            CorruptPolicy::Stop => {
                assert_eq!(wake, Wake::Yes);
                assert!(with.take().is_none(), "what has come behind it is dropped");
                assert!(with.poll_halted().is_some() && with.poll_halted().is_none());
                let (error, behind) = with.halted_at(&part(0)).expect("it is halted");
                assert_eq!((error.offset, behind, with.is_finished()), (Offset(12), Offset(13), true));
            }
            CorruptPolicy::Skip => assert!(wake == Wake::No && with.take().is_some()),
        }
    }
}

#[test]
fn an_offset_that_lies_in_front_of_an_end_is_told_and_not_committed() {
    // Which of five entries lies, what it says, and the offset to go on from behind what is told.
    let lies = [
        // Above the high watermark; the last one in front of the end; behind the end.
        (0, 1 << 40, 11),
        (0, 14, 11),
        (0, 40, 11),
        (2, 14, 13),
        (2, 40, 13),
        // Before those in front of it.
        (2, 3, 13),
    ];
    for (n, lie, behind) in lies {
        let mut bytes = messages(10, 5).bytes().to_vec();
        let entry = bytes.len() / 5;
        bytes[n * entry..][..8].copy_from_slice(&i64::to_be_bytes(lie));
        let set = MessageSet::new(bytes.into(), Origin::Fetched);
        let mut with = assigned(&config(), 1);
        let (at, epoch) = place(&with, 0);
        let frame = with.begin_frame(NODE, 10);
        let (from, until, high_watermark) = (Offset(10), Offset(15), Offset(1000));
        let delivery = Delivery { set, frame, from, behind: until, until, high_watermark, is_doubtful: true };
        with.deliver(at, epoch, delivery);
        let mut reader = with.take().expect("a set").0.open();
        let all = offsets(&mut reader);
        assert!(all.last().is_some_and(Result::is_err), "{n} says {lie}: {all:?}");
        assert_eq!(with.handle_passed(reader.passed()), Wake::Yes);
        assert_eq!(with.committable().count(), 0, "{n} says {lie}");
        let (_, told) = with.halted_at(&part(0)).expect("it is halted");
        assert_eq!(told, Offset(behind), "{n} says {lie}: {all:?}");
    }
    // Without a lie, such a set ends as any other.
    let mut with = assigned(&config(), 1);
    let (at, epoch) = place(&with, 0);
    let frame = with.begin_frame(NODE, 10);
    let (from, until, high_watermark) = (Offset(10), Offset(13), Offset(1000));
    let delivery =
        Delivery { set: messages(10, 5), frame, from, behind: until, until, high_watermark, is_doubtful: true };
    with.deliver(at, epoch, delivery);
    let mut reader = with.take().expect("a set").0.open();
    assert_eq!(offsets(&mut reader), [Ok(10), Ok(11), Ok(12)]);
    let _ = with.handle_passed(reader.passed());
    assert_eq!(with.committable().map(|(_, offset)| offset).collect::<Vec<_>>(), [until]);
}

#[test]
fn a_start_is_not_confirmed_while_sets_in_front_of_it_wait() {
    let mut with = assigned(&config(), 1);
    let (at, epoch) = place(&with, 0);
    with.handle_started(at, epoch, Offset(5));
    response(&mut with, &[0], 5, 5);
    // The log has become shorter, and reading goes on at its end.
    with.handle_started(at, epoch, Offset(7));
    with.note_high_watermark(at, epoch, Offset(7));
    assert_eq!(with.committable().count(), 0, "5 and 6 were not taken");
}

#[test]
fn a_set_that_nobody_finishes_holds_the_commits_and_no_memory_of_those_behind_it() {
    let mut with = assigned(&config(), 1);
    for n in 0..1000 {
        response(&mut with, &[0], n, 1);
    }
    let held = with.take().expect("a set").0.open();
    while let Some((fetched, _)) = with.take() {
        let mut reader = fetched.open();
        offsets(&mut reader);
        let _ = with.handle_passed(reader.passed());
    }
    let (at, _) = place(&with, 0);
    assert_eq!(with.part(at).expect("it is assigned").out.len(), 1, "the run of those behind it");
    assert_eq!(with.committable().count(), 0);
    let _ = with.handle_passed(held.pass());
    assert_eq!(with.committable().map(|(_, offset)| offset.0).collect::<Vec<_>>(), [1000]);
}

#[test]
fn sets_of_which_nothing_is_said_hold_no_memory_and_those_that_are_begun_little() {
    let mut with = assigned(&config(), 1);
    let mut inflater = Inflater::new();
    let mut last = None;
    for n in 0..5000 {
        response(&mut with, &[0], 3 * n, 3);
        let (fetched, _) = with.take().expect("a set");
        // The first two thousand are dropped as they are. Of the others, one message passes.
        if n >= 2000 {
            let mut reader = fetched.open();
            let _ = [reader.next_message(&mut inflater).is_some(), reader.next_message(&mut inflater).is_some()];
            let _ = with.handle_passed(reader.passed());
            last = Some(reader);
        }
        let (at, _) = place(&with, 0);
        assert!(with.part(at).expect("it is assigned").out.len() <= if n < 2000 { 0 } else { 1024 });
    }
    assert_eq!(with.committable().count(), 0);
    // What was forgotten of a set is said again at its end.
    let _ = with.handle_passed(last.expect("some").pass());
    assert_eq!(with.committable().count(), 0);
}

#[test]
fn a_reset_to_an_earlier_offset_cuts_what_sets_from_before_it_may_commit_whenever_they_end() {
    let mut with = assigned(&config(), 1);
    let (at, epoch) = place(&with, 0);
    let mut readers = Vec::new();
    for from in [0, 5, 10] {
        response(&mut with, &[0], from, 5);
        readers.push(with.take().expect("a set").0.open());
    }
    with.handle_started(at, epoch, Offset(7));
    response(&mut with, &[0], 7, 2);
    readers.push(with.take().expect("a set").0.open());
    let mut committable = Vec::new();
    // The last one first.
    for reader in readers.into_iter().rev() {
        let _ = with.handle_passed(reader.pass());
        committable.push(with.committable().map(|(_, offset)| offset.0).next());
    }
    assert_eq!(committable, [None, None, None, Some(9)]);
    response(&mut with, &[0], 9, 2);
    let unfinished = with.take().expect("a set").0.open();
    with.handle_started(at, epoch, Offset(2));
    assert_eq!(with.committable().next().map(|(_, offset)| offset.0), Some(2));
    let _ = with.handle_passed(unfinished.pass());
    assert_eq!(with.committable().next().map(|(_, offset)| offset.0), Some(2));
}

proptest! {
    #[test]
    fn what_may_be_committed_is_the_first_message_that_has_not_passed(
        sizes in prop::collection::vec(1i64..5, 1..12),
        steps in prop::collection::vec((any::<prop::sample::Index>(), 1usize..4), 0..60),
    ) {
        let mut with = assigned(&config(), 1);
        let mut from = 0;
        let mut readers = Vec::new();
        for size in &sizes {
            response(&mut with, &[0], from, *size);
            readers.push(with.take().expect("a set").0.open());
            from += size;
        }
        let mut inflater = Inflater::new();
        // The messages behind which another was asked for.
        let mut passed = BTreeSet::new();
        let mut last = vec![None; readers.len()];
        for (which, asks) in steps {
            let which = which.index(readers.len());
            for _ in 0..asks {
                passed.extend(last[which].take());
                let found = readers[which].next_message(&mut inflater);
                last[which] = found.map(|found| found.expect("it is sound").offset.0);
            }
            let _ = with.handle_passed(readers[which].passed());
            let first = (0..from).find(|offset| !passed.contains(offset)).unwrap_or(from);
            let committable = with.committable().map(|(_, offset)| offset.0).next();
            prop_assert_eq!(committable.unwrap_or(0), first);
        }
    }
}

#[test]
fn whoever_seeks_and_assigns_without_taking_leaves_nothing_behind() {
    let mut with = assigned(&config(), 2);
    for n in 0..100 {
        response(&mut with, &[0, 1], n, 2);
        match n % 3 {
            0 => assert_eq!(with.seek(&part(0), StartAt::Earliest), Wake::Yes),
            1 => assert_eq!(with.assign(part(0), StartAt::Earliest, EndAt::Never), Ok(Wake::Yes)),
            _ => {
                assert_eq!(with.unassign(&part(0)), Wake::Yes);
                assert_eq!(with.assign(part(0), StartAt::Earliest, EndAt::Never), Ok(Wake::Yes));
            }
        }
        assert!(with.ready.len() <= 2, "{:?}", with.ready);
    }
    response(&mut with, &[0], 7, 2);
    let (first, _) = with.take().expect("a set");
    let (second, _) = with.take().expect("a set");
    assert_ne!(first.partition(), second.partition(), "in turn");
}
