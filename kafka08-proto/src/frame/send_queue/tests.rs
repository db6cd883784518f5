use super::*;

/// Stages a frame: small parts are copied, upper-case parts spliced.
fn push(queue: &mut SendQueue, parts: &[&'static [u8]]) -> Span {
    let start = queue.end();
    for part in parts {
        if part[0].is_ascii_uppercase() {
            queue.splice(Bytes::from_static(part));
        } else {
            queue.put(part);
        }
    }
    Span { start, end: queue.end() }
}

fn drain(queue: &mut SendQueue) -> Vec<u8> {
    queue.copy_to_bytes(queue.remaining()).to_vec()
}

#[test]
fn small_frames_leave_as_one_chunk_and_large_values_as_they_are() {
    let mut queue = SendQueue::default();
    let value = Bytes::from_static(b"VALUE");
    push(&mut queue, &[b"ab"]);
    push(&mut queue, &[b"cd"]);
    assert_eq!(queue.chunk(), b"abcd");
    queue.splice(value.clone());
    push(&mut queue, &[b"ef"]);
    let mut slices = [IoSlice::new(&[]); 8];
    let count = queue.chunks_vectored(&mut slices);
    assert_eq!(slices[..count].iter().map(|slice| &slice[..]).collect::<Vec<_>>(), [&b"abcd"[..], b"VALUE", b"ef"]);
    assert_eq!(slices[1].as_ptr(), value.as_ptr());
    assert_eq!(drain(&mut queue), b"abcdVALUEef");
}

#[test]
fn a_frame_of_which_nothing_was_taken_can_be_withdrawn_wherever_it_lies() {
    const FRAMES: [&[&[u8]]; 5] = [&[b"abc"], &[b"de", b"FG", b"hi"], &[b"JKL"], &[b"mn"], &[b"pq", b"RS", b"tu"]];
    let whole = |skip: Option<usize>| -> Vec<u8> {
        let kept = FRAMES.iter().enumerate().filter(|(i, _)| Some(*i) != skip);
        kept.flat_map(|(_, parts)| parts.concat()).collect()
    };
    for withdrawn in 0..FRAMES.len() {
        for taken in 0..whole(None).len() {
            let mut queue = SendQueue::default();
            let spans: Vec<_> = FRAMES.iter().map(|parts| push(&mut queue, parts)).collect();
            queue.advance(taken);
            let frame = spans[withdrawn];
            if queue.taken(frame) != Taken::Nothing {
                assert!(taken as u64 > frame.start);
                continue;
            }
            queue.withdraw(frame);
            push(&mut queue, &[b"op"]);
            let expected = [&whole(Some(withdrawn))[..], b"op"].concat();
            assert_eq!(queue.remaining(), expected.len() - taken);
            assert_eq!(drain(&mut queue), expected[taken..], "{withdrawn} after {taken}");
            assert!(spans.iter().all(|&span| queue.taken(span) == Taken::All));
        }
    }
}

#[test]
fn what_is_staged_behind_a_withdrawn_frame_has_its_own_position() {
    let mut queue = SendQueue::default();
    let kept = push(&mut queue, &[b"abc"]);
    let withdrawn = push(&mut queue, &[b"de"]);
    queue.withdraw(withdrawn);
    let behind = push(&mut queue, &[b"fgh"]);
    queue.advance(3);
    assert_eq!((queue.taken(kept), queue.taken(behind)), (Taken::All, Taken::Nothing));
    queue.withdraw(behind);
    assert_eq!(queue.remaining(), 0);
    let last = push(&mut queue, &[b"ij"]);
    queue.advance(1);
    assert_eq!(queue.taken(last), Taken::Some);
    assert_eq!(drain(&mut queue), b"j");
}

#[test]
fn an_advance_may_end_anywhere() {
    for step in 1..=10 {
        let mut queue = SendQueue::default();
        let spans: Vec<_> = (0..4).map(|_| push(&mut queue, &[b"abc", b"D", b"ef"])).collect();
        let mut taken = 0;
        while queue.remaining() > 0 {
            let now = step.min(queue.remaining());
            queue.advance(now);
            taken += now;
            for (i, &span) in spans.iter().enumerate() {
                let expected = match taken.saturating_sub(6 * i) {
                    0 => Taken::Nothing,
                    1..=5 => Taken::Some,
                    _ => Taken::All,
                };
                assert_eq!(queue.taken(span), expected);
            }
        }
    }
}

#[test]
fn what_was_offered_counts_as_touched_although_it_was_not_taken() {
    for n in 0..=12 {
        let mut queue = SendQueue::default();
        let spans = [push(&mut queue, &[b"abc"]), push(&mut queue, &[b"DEF"]), push(&mut queue, &[b"ghi"])];
        // Withdrawn frames leave a gap in the positions, which offered bytes do not count.
        let gap = push(&mut queue, &[b"xyz"]);
        let last = push(&mut queue, &[b"jkl"]);
        queue.withdraw(gap);
        queue.note_offered(n);
        for (i, span) in spans.into_iter().chain([last]).enumerate() {
            let expected = match n.saturating_sub(3 * i) {
                0 => Taken::Nothing,
                1 | 2 => Taken::Some,
                _ => Taken::Offered,
            };
            assert_eq!(queue.taken(span), expected, "{n} {i}");
        }
        queue.advance(3);
        assert_eq!(queue.taken(spans[0]), Taken::All);
    }
}

#[test]
fn bytes_of_one_chunk_are_taken_without_copying_them() {
    let mut queue = SendQueue::default();
    let value = Bytes::from_static(b"VALUE");
    let small = push(&mut queue, &[b"abcd"]);
    let block = queue.chunk().as_ptr();
    let taken = queue.copy_to_bytes(3);
    assert_eq!((&taken[..], taken.as_ptr()), (&b"abc"[..], block));
    assert_eq!(queue.taken(small), Taken::Some);
    queue.splice(value.clone());
    let behind = push(&mut queue, &[b"ef"]);
    assert_eq!(queue.copy_to_bytes(1), "d");
    assert_eq!(queue.taken(small), Taken::All);
    let taken = queue.copy_to_bytes(queue.chunk().len());
    assert_eq!((&taken[..], taken.as_ptr()), (&b"VALUE"[..], value.as_ptr()));
    assert_eq!(queue.taken(behind), Taken::Nothing);
    queue.withdraw(behind);
    assert_eq!(queue.copy_to_bytes(0), "");
}

#[test]
fn what_is_staged_while_taken_bytes_are_held_does_not_change_them() {
    let mut queue = SendQueue::default();
    push(&mut queue, &[b"abc"]);
    let held = queue.copy_to_bytes(3);
    push(&mut queue, &[b"defg"]);
    let behind = queue.copy_to_bytes(4);
    assert_eq!((held, behind), (Bytes::from_static(b"abc"), Bytes::from_static(b"defg")));
    assert_eq!(queue.remaining(), 0);
}

#[test]
fn any_number_of_bytes_can_be_taken() {
    for n in 0..=18 {
        let mut queue = SendQueue::default();
        for _ in 0..3 {
            push(&mut queue, &[b"abc", b"D", b"ef"]);
        }
        let taken = queue.copy_to_bytes(n);
        assert_eq!([taken, queue.copy_to_bytes(18 - n)].concat(), b"abcDefabcDefabcDef", "{n}");
    }
}

#[test]
#[should_panic(expected = "past the end")]
fn taking_more_than_is_staged_is_a_mistake_of_the_caller() {
    let mut queue = SendQueue::default();
    push(&mut queue, &[b"abc", b"D"]);
    queue.copy_to_bytes(5);
}

#[test]
fn the_memory_of_taken_bytes_is_used_again_once_they_are_dropped() {
    let mut queue = SendQueue::default();
    push(&mut queue, &[b"abc"]);
    let block = queue.chunk().as_ptr();
    for _ in 0..100_000 {
        drop(queue.copy_to_bytes(queue.remaining()));
        push(&mut queue, &[b"abc"]);
        push(&mut queue, &[b"abc"]);
    }
    let near = queue.chunk().as_ptr().addr().abs_diff(block.addr());
    assert!(near <= 2 * BLOCK, "{near}");
}

#[test]
fn memory_is_given_back_when_nothing_is_staged() {
    for part in [&b"small"[..], b"LARGE"] {
        let mut queue = SendQueue::default();
        assert!(!queue.can_release());
        push(&mut queue, &[part]);
        assert!(!queue.can_release());
        queue.release();
        assert_eq!(queue.remaining(), 5, "what is staged stays");
        queue.advance(5);
        assert!(queue.can_release());
        let end = queue.end();
        queue.release();
        assert!(!queue.can_release());
        assert_eq!((queue.end(), queue.has_taken(end)), (end, true));
    }
}

#[test]
fn the_block_of_small_frames_is_used_again() {
    let mut queue = SendQueue::default();
    push(&mut queue, &[b"abc"]);
    let block = queue.chunk().as_ptr();
    for _ in 0..100_000 {
        queue.advance(queue.remaining());
        push(&mut queue, &[b"abc"]);
        push(&mut queue, &[b"abc"]);
    }
    let near = queue.chunk().as_ptr().addr().abs_diff(block.addr());
    assert!(near <= 2 * BLOCK, "{near}");
}
