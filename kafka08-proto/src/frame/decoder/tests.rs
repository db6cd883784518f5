use super::*;
use crate::frame::LooksLike;

fn framed(payload: &[u8]) -> Vec<u8> {
    [&u32::try_from(payload.len()).expect("short").to_be_bytes()[..], payload].concat()
}

#[test]
fn lengths_below_four_and_above_the_limit_end_the_stream_for_good() {
    for len in (-5..=8).chain([i32::MIN, i32::MIN + 1, -65536, 9, 65536, i32::MAX]) {
        let mut decoder = FrameDecoder::new(8);
        decoder.extend(&len.to_be_bytes());
        let expected = match len {
            4..=8 => Ok(None),
            9.. => Err(FrameError::TooLarge { len, max: 8, looks_like: None }),
            _ => Err(FrameError::TooSmall { len, looks_like: None }),
        };
        assert_eq!(decoder.next_frame(), expected, "{len}");
        decoder.extend(&framed(b"good"));
        assert_eq!(decoder.next_frame().is_err(), expected.is_err(), "{len}");
    }
}

#[test]
fn an_absurd_length_that_looks_like_another_protocol_is_named() {
    for (bytes, expected) in [
        (&b"\x15\x03\x03\x00\x02\x02\x28"[..], LooksLike::Tls),
        (b"\x16\x03\x01\x00", LooksLike::Tls),
        (b"HTTP/1.1 400", LooksLike::Http),
        (b"<html>", LooksLike::Http),
        (b"GET / HTTP/1.1", LooksLike::Http),
        (b"SSH-2.0", LooksLike::Ssh),
    ] {
        let mut decoder = FrameDecoder::new(64 << 20);
        decoder.extend(bytes);
        match decoder.next_frame() {
            Err(FrameError::TooLarge { looks_like, .. }) => assert_eq!(looks_like, Some(expected)),
            other => panic!("{other:?}"),
        }
    }
}

/// Reads a frame of this many bytes in pieces, as from a socket.
fn read_frame(decoder: &mut FrameDecoder, len: usize) -> Bytes {
    let framed = framed(&vec![7; len]);
    let mut rest = &framed[..];
    while !rest.is_empty() {
        let n = decoder.space().len().min(rest.len());
        decoder.space()[..n].copy_from_slice(&rest[..n]);
        decoder.filled(n);
        rest = &rest[n..];
    }
    decoder.next_frame().expect("sound").expect("whole")
}

#[test]
fn small_frames_that_are_here_together_share_one_copy_of_at_most_4_kib() {
    let mut decoder = FrameDecoder::new(1 << 20);
    let frames: Vec<_> = (0..1000_u32).map(|i| framed(format!("frame {i}").as_bytes())).collect();
    decoder.extend(&frames.concat());
    let buffer = decoder.buffer.as_ptr_range();
    let mut runs = Vec::new();
    for i in 0..1000 {
        let frame = decoder.next_frame().expect("sound").expect("whole");
        assert_eq!(frame, format!("frame {i}").as_bytes());
        assert!(!buffer.contains(&frame.as_ptr()), "it would keep the read buffer alive");
        runs.push(frame.as_ptr().addr());
    }
    assert_eq!(decoder.next_frame(), Ok(None));
    let copies = 1 + runs.windows(2).filter(|pair| pair[1].wrapping_sub(pair[0]) > 20).count();
    let bytes: usize = frames.iter().map(Vec::len).sum();
    assert!((bytes / RUN..=bytes / RUN + 2).contains(&copies), "{copies} copies of {bytes} bytes");
}

#[test]
fn a_large_frame_is_handed_out_in_the_memory_it_was_read_into() {
    let mut decoder = FrameDecoder::new(8 << 20);
    let large = framed(&vec![7; 1 << 20]);
    decoder.extend(&large[..1 << 19]);
    decoder.extend(&large[1 << 19..]);
    let buffer = decoder.buffer.as_ptr_range();
    let frame = decoder.next_frame().expect("sound").expect("whole");
    assert!(buffer.contains(&frame.as_ptr()));
    assert_eq!(frame, large[4..]);
}

#[test]
fn the_memory_of_a_large_frame_is_used_again_once_nobody_holds_it() {
    let mut decoder = FrameDecoder::new(8 << 20);
    let first = read_frame(&mut decoder, 1 << 20).as_ptr();
    // A little larger, and still within what the first one's memory was rounded up to.
    let second = read_frame(&mut decoder, (1 << 20) + 100);
    assert_eq!(second.as_ptr(), first);
    let third = read_frame(&mut decoder, 1 << 20);
    assert_ne!(third.as_ptr(), first, "the second one is still held");
    drop(second);
    assert_eq!(read_frame(&mut decoder, 1 << 20).as_ptr(), first, "one is held while the next one arrives");
    assert_eq!(third.len(), 1 << 20);
}

#[test]
fn a_small_frame_that_is_kept_does_not_keep_the_memory_of_a_much_larger_one() {
    let mut decoder = FrameDecoder::new(8 << 20);
    let large = read_frame(&mut decoder, 4 << 20).as_ptr_range();
    let small = read_frame(&mut decoder, 100 << 10);
    assert!(!large.contains(&small.as_ptr()));
}

#[test]
fn memory_that_is_kept_is_given_back_on_demand_and_nothing_is_lost() {
    let mut decoder = FrameDecoder::new(8 << 20);
    read_frame(&mut decoder, 1 << 20);
    decoder.extend(&framed(b"half")[..6]);
    assert!(decoder.can_release());
    decoder.release();
    decoder.extend(&framed(b"half")[6..]);
    assert_eq!(decoder.next_frame(), Ok(Some(Bytes::from_static(b"half"))));
    decoder.release();
    assert!(!decoder.can_release());
    assert_eq!(decoder.buffer.capacity() + decoder.parked.capacity(), 0);
    assert_eq!(decoder.space().len(), READ_AFTER_REST);
    assert!(!decoder.can_release(), "waiting for the next byte takes no memory worth giving back");
}

#[test]
fn frames_come_out_in_order_however_many_are_fed_before_one_is_taken() {
    let sizes = [10, 40_000, 10, 70_000, 200_000, 32_764, 32_765, 33_000, 4, 1 << 20];
    let frames: Vec<_> =
        sizes.iter().map(|&size| framed(&vec![u8::try_from(size % 251).expect("small"); size])).collect();
    for taken_first in 0..3 {
        let mut decoder = FrameDecoder::new(8 << 20);
        decoder.extend(&frames[..3].concat());
        let mut out: Vec<Bytes> =
            (0..taken_first).map(|_| decoder.next_frame().expect("sound").expect("whole")).collect();
        decoder.extend(&frames[3..].concat());
        while let Some(frame) = decoder.next_frame().expect("sound") {
            out.push(frame);
        }
        assert_eq!(out.len(), frames.len());
        assert!(out.iter().zip(&frames).all(|(out, frame)| out == &frame[4..]));
        assert_eq!(decoder.pending(), 0);
    }
}

#[test]
fn the_buffer_of_small_frames_is_used_again() {
    let mut decoder = FrameDecoder::new(1 << 20);
    // The first full read makes the buffer grow to its size.
    decoder.extend(&framed(&[1; 1000]));
    assert!(decoder.next_frame().expect("sound").is_some());
    let buffer = decoder.buffer.as_ptr();
    for _ in 0..10_000 {
        let frame = framed(b"another frame, long enough to fill the buffer several times over");
        decoder.extend(&frame[..66]);
        decoder.extend(&frame[66..]);
        assert!(decoder.next_frame().expect("sound").is_some());
    }
    assert_eq!(decoder.buffer.as_ptr(), buffer);
}

#[test]
fn as_much_as_this_peer_has_filled_before_is_reserved_at_once_and_no_more() {
    let mut decoder = FrameDecoder::new(64 << 20);
    let held = read_frame(&mut decoder, 1 << 20);
    decoder.extend(&(1_u32 << 20).to_be_bytes());
    decoder.extend(&[1; READ]);
    assert!(decoder.space().len() >= (1 << 20) - READ - 4);
    drop(held);

    let mut decoder = FrameDecoder::new(64 << 20);
    read_frame(&mut decoder, 1 << 20);
    decoder.extend(&(64_u32 << 20).to_be_bytes());
    decoder.extend(&[1; READ]);
    assert!(decoder.space().len() <= (1 << 20) + READ, "{}", decoder.space().len());
}

#[test]
fn memory_stays_within_twice_what_was_received_and_64_kib() {
    let mut decoder = FrameDecoder::new(8 << 20);
    let frame = framed(&vec![1; 8 << 20]);
    let mut received = 0;
    for piece in frame.chunks(10_007) {
        decoder.extend(piece);
        received += piece.len();
        assert!(decoder.buffer.capacity() <= 2 * received + (64 << 10), "{} of {received}", decoder.buffer.capacity());
    }
    assert_eq!(decoder.next_frame().expect("sound").map(|frame| frame.len()), Some(8 << 20));
}

#[test]
fn the_beginning_of_a_frame_at_the_end_of_the_read_buffer_is_moved_to_its_start() {
    let mut decoder = FrameDecoder::new(1 << 20);
    // The first full read makes the buffer grow to its size.
    read_frame(&mut decoder, 1000);
    let frame = framed(&vec![1; 10_000]);
    let buffer = decoder.space().as_ptr();
    for _ in 0..4 {
        let mut rest = &frame.repeat(4)[..];
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(decoder.space().len()));
            decoder.extend(now);
            while decoder.next_frame().expect("sound").is_some() {}
            rest = later;
        }
        assert_eq!((decoder.pending(), decoder.buffer.as_ptr()), (0, buffer));
    }
}

#[test]
fn memory_that_was_not_needed_for_the_frame_expected_next_is_there_for_a_later_one() {
    let mut decoder = FrameDecoder::new(8 << 20);
    let memory = read_frame(&mut decoder, 1 << 20).as_ptr();
    for _ in 0..3 {
        read_frame(&mut decoder, 100);
    }
    // Not for one that would keep ten times what it needs.
    assert_ne!(read_frame(&mut decoder, 100_000).as_ptr(), memory);
    read_frame(&mut decoder, 100);
    assert_eq!(read_frame(&mut decoder, 1 << 20).as_ptr(), memory);
}

/// Reads a frame as a fast socket gives it: each read is full. Returns the frame and how many reads it took.
fn read_at_once(decoder: &mut FrameDecoder, framed: &[u8]) -> (Bytes, usize) {
    let (mut reads, mut rest) = (0, framed);
    while !rest.is_empty() {
        let space = decoder.space();
        let (now, later) = rest.split_at(rest.len().min(space.len()));
        space[..now.len()].copy_from_slice(now);
        decoder.filled(now.len());
        (reads, rest) = (reads + 1, later);
    }
    (decoder.next_frame().expect("sound").expect("whole"), reads)
}

#[test]
fn each_of_a_row_of_large_frames_is_read_at_once_into_memory_that_is_free() {
    let mut decoder = FrameDecoder::new(8 << 20);
    let large = framed(&vec![7; 1 << 20]);
    let first = read_at_once(&mut decoder, &large).0;
    let mut held = read_at_once(&mut decoder, &large).0;
    let memory = [first.as_ptr(), held.as_ptr()];
    drop(first);
    for _ in 0..4 {
        let (next, reads) = read_at_once(&mut decoder, &large);
        assert_eq!((reads, next.len()), (1, 1 << 20));
        // A driver asks for space when it writes, too, perhaps while both are held.
        decoder.space();
        held = next;
    }
    drop(held);
    assert_eq!(decoder.space().len(), large.len(), "nothing is read beyond the frame");
    // Small frames are not read there for long, and the memory is still kept for the next large one.
    let small = framed(b"small");
    for _ in 0..2 {
        let frame = read_at_once(&mut decoder, &small).0;
        assert_eq!(frame, small[4..]);
        assert!(!memory.iter().any(|large| (large.addr()..large.addr() + (1 << 20)).contains(&frame.as_ptr().addr())));
    }
    assert!(decoder.space().len() <= READ);
    let (again, reads) = read_at_once(&mut decoder, &large);
    assert!(reads > 1 && memory.contains(&again.as_ptr()));
}

#[test]
fn a_large_frame_that_is_shorter_than_the_last_leaves_the_bytes_behind_it_in_place() {
    for (shorter, behind) in [(1 << 19, 70_000), (1 << 19, 100), (900_000, 33_000), (40_000, 100), (1 << 20, 1 << 20)] {
        let mut decoder = FrameDecoder::new(8 << 20);
        let memory = read_frame(&mut decoder, 1 << 20).as_ptr();
        let frames = [vec![1; shorter], vec![2; behind], vec![3; 10]];
        decoder.extend(&frames.iter().flat_map(|frame| framed(frame)).collect::<Vec<_>>());
        for (n, frame) in frames.into_iter().enumerate() {
            let found = decoder.next_frame().expect("sound").expect("whole");
            assert_eq!(found, frame, "{shorter} {behind}");
            // Half as long as the memory at least: otherwise it is copied, so as not to keep so much.
            assert!(n > 0 || (found.as_ptr() == memory) == (shorter > 1 << 19), "{shorter}");
        }
        assert_eq!(decoder.pending(), 0);
    }
}

#[test]
fn what_follows_a_large_frame_is_read_where_it_fits() {
    // A large frame of 800,000 bytes where one of 1 MiB was expected, and the first bytes of the next one.
    let beginning = |next: &[u8]| {
        let mut decoder = FrameDecoder::new(8 << 20);
        drop(read_frame(&mut decoder, 1 << 20));
        decoder.extend(&framed(&vec![1; 800_000])[..10]);
        assert_eq!(decoder.space().len(), 800_004 - 10, "nothing is read beyond the frame once its length is known");
        let mut decoder = FrameDecoder::new(8 << 20);
        drop(read_frame(&mut decoder, 1 << 20));
        decoder.extend(&[&framed(&vec![1; 800_000]), next].concat());
        assert_eq!(decoder.next_frame().expect("sound").map(|frame| frame.len()), Some(800_000));
        assert_eq!(decoder.pending(), next.len());
        decoder
    };
    let large = framed(&vec![2; 900_000]);
    assert_eq!(beginning(&large[..100]).space().len(), large.len() - 100, "it has memory of its own");
    let small = framed(b"a small frame");
    let room = beginning(&small[..6]).space().len();
    assert!(room > small.len() && room <= READ, "{room}");
    assert!((READ_AFTER_REST - 3..=READ).contains(&beginning(&large[..3]).space().len()));
}

#[test]
fn what_is_pending_and_arriving_is_counted_to_the_byte() {
    let (small, large) = (framed(b"small"), framed(&vec![1; 40_000]));
    let mut decoder = FrameDecoder::new(8 << 20);
    decoder.extend(&[&small[..], &small, &small[..7]].concat());
    assert_eq!((decoder.pending(), decoder.arriving()), (25, None), "the first one is complete");
    decoder.next_frame().expect("sound").expect("whole");
    assert_eq!((decoder.pending(), decoder.arriving()), (16, Some((3, 5))));
    decoder.next_frame().expect("sound").expect("whole");
    assert_eq!((decoder.pending(), decoder.arriving()), (7, Some((3, 5))));
    assert_eq!(decoder.next_frame(), Ok(None));
    decoder.extend(&small[7..]);
    assert_eq!(decoder.arriving(), None);
    decoder.next_frame().expect("sound").expect("whole");

    // Two large ones that nobody has asked for, and the head of a third.
    decoder.extend(&[&large[..], &large, &large[..2]].concat());
    assert_eq!((decoder.pending(), decoder.arriving()), (40_000 + 40_000 + 2, None));
    decoder.extend(&large[2..10]);
    assert_eq!((decoder.pending(), decoder.arriving()), (40_000 + 40_000 + 10, Some((6, 40_000))));
}

#[test]
fn a_read_buffer_is_given_back_when_nothing_is_in_it() {
    let mut decoder = FrameDecoder::new(8 << 20);
    decoder.extend(&framed(&[1; 1000]));
    decoder.extend(&framed(b"small")[..6]);
    decoder.next_frame().expect("sound").expect("whole");
    assert!(!decoder.can_release(), "a frame has begun");
    decoder.extend(&framed(b"small")[6..]);
    decoder.next_frame().expect("sound").expect("whole");
    assert!(decoder.can_release());
    decoder.release();
    assert!(!decoder.can_release());
}

#[test]
fn the_smallest_frame_is_too_large_where_not_even_that_is_allowed() {
    let mut decoder = FrameDecoder::new(3);
    decoder.extend(&[0, 0, 0, 4]);
    assert_eq!(decoder.next_frame(), Err(FrameError::TooLarge { len: 4, max: 3, looks_like: None }));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(400))]

    /// Rows of frames of all sizes around those that matter, read in pieces of any size, taken now or later, kept or not.
    #[test]
    fn frames_of_mixed_sizes_come_out_whole_and_memory_stays_bounded(
        sizes in proptest::collection::vec(
            proptest::prop_oneof![4..200_usize, READ - 8..READ + 8, 33_000..40_000_usize, 90_000..100_000_usize], 1..12),
        reads in proptest::collection::vec(
            (proptest::prop_oneof![1..8_usize, 500..40_000_usize, 90_000..300_000_usize], 0..8_u8), 1..60),
    ) {
        let mut decoder = FrameDecoder::new(8 << 20);
        let frames: Vec<_> = (0..).zip(&sizes).map(|(n, &size)| framed(&vec![n; size])).collect();
        let largest = frames.iter().map(Vec::len).max().unwrap_or(0);
        let (stream, mut at, mut cut, mut pending) = (frames.concat(), 0, 0, 0);
        let mut kept = Vec::new();
        let mut reads = reads.into_iter().cycle();
        while cut < frames.len() {
            let (most, choice) = reads.next().expect("it goes round");
            let space = decoder.space();
            let n = space.len().min(most).min(stream.len() - at);
            space[..n].copy_from_slice(&stream[at..at + n]);
            decoder.filled(n);
            at += n;
            pending = pending.max(decoder.pending());
            // Only some callers take what is here before they read on.
            let takes = choice & 1 == 0 || at == stream.len();
            while takes && let Some(frame) = decoder.next_frame().expect("sound") {
                assert_eq!(frame, frames[cut][4..]);
                cut += 1;
                kept.push(frame);
            }
            if choice & 2 == 0 {
                kept.clear();
            }
            if choice == 4 {
                decoder.release();
            }
            let bound = 2 * pending + (64 << 10) + 2 * largest.next_multiple_of(READ);
            assert!(decoder.buffer.capacity() + decoder.parked.capacity() <= bound);
        }
        assert_eq!(decoder.pending(), 0);
    }
}
