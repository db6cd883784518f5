use kafka08_proto::message::{MessageSetBuilder, Origin};

use super::*;

fn set(bytes: Vec<u8>) -> MessageSet {
    MessageSet::new(bytes.into(), Origin::Fetched)
}

fn message(offset: i64) -> Vec<u8> {
    let mut builder = MessageSetBuilder::fetched_from(Offset(offset));
    builder.push(None, Some(b"value")).expect("small");
    builder.build().bytes().to_vec()
}

fn judged(entries: &[Vec<u8>], is_second: bool) -> Found {
    judge(&set(entries.concat()), Offset(10), Offset(20), is_second)
}

fn whole(entries: usize, behind: i64) -> Found {
    let first = message(0).len();
    Found::Set { len: entries * first, behind: Offset(behind), first, later: 0, is_doubtful: false }
}

#[test]
fn sound_entries_are_delivered_and_what_is_cut_off_behind_them_is_fetched_again() {
    assert_eq!(judged(&[message(10), message(15)], false), whole(2, 16));
    assert_eq!(judged(&[message(10), message(11)[..20].to_vec()], false), whole(1, 11));
    // It may have been appended behind the reading of the high watermark.
    assert_eq!(judged(&[message(10), message(20)], false), whole(1, 11));
    let zeros = [&[0; 40][..]].concat();
    assert_eq!(judged(&[message(10), zeros], false), whole(1, 11));
}

#[test]
fn a_set_whose_headers_lie_is_believed_the_second_time_so_that_its_reader_tells_why() {
    let lies = [vec![message(12), message(11)], vec![message(9)], vec![message(20)], vec![vec![0; 40]]];
    let behind = [13, 11, 11, 11];
    for (entries, behind) in lies.iter().zip(behind) {
        assert_eq!(judged(entries, false), Found::Doubtful);
        let Found::Set { len, behind: found, is_doubtful, .. } = judged(entries, true) else { panic!("{entries:?}") };
        assert_eq!((len, found, is_doubtful), (entries.concat().len(), Offset(behind), true));
    }
    // What ascends again behind the lie is not left out.
    let entries = [message(10), message(10), message(11), message(19)];
    let Found::Set { behind, .. } = judged(&entries, true) else { panic!("a set") };
    assert_eq!(behind, Offset(20));
}

#[test]
fn without_a_whole_entry_the_size_the_end_and_the_filler_of_later_brokers_are_told_apart() {
    let len = message(10).len();
    assert_eq!(judged(&[message(10)[..20].to_vec()], false), Found::TooSmall { needed: Some(len) });
    assert_eq!(judged(&[message(10)[..11].to_vec()], false), Found::TooSmall { needed: None });
    assert_eq!(judged(&[], false), Found::Hidden, "the log goes on to 20");
    assert_eq!(judge(&set(vec![]), Offset(20), Offset(20), false), Found::End);
    assert_eq!(judge(&set(vec![]), Offset(21), Offset(20), false), Found::End, "a watermark that is behind");
    let filler = [&[0xff; 8][..], &131_072u32.to_be_bytes(), &[0; 100]].concat();
    assert_eq!(judged(&[filler], false), Found::Filler);
}
