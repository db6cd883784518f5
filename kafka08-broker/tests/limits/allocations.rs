//! How much memory one request can make the broker allocate.

use allocation_counter::AllocationInfo;
use kafka08_broker::{BrokerConfig, ConnectionId};
use kafka08_proto::{
    api::MetadataRequest,
    message::{Codec, Deflater, MessageSet},
};

use crate::rig::{Raw, Rig};

const MIB: u64 = 1 << 20;
/// The largest request that the default configuration lets in.
const MAX_FRAME: usize = 8 << 20;

/// What a broker with a topic "t" allocates for a request from the moment at which the bytes arrive, with the bytes in the
/// client's buffer.
fn cost_of(request: &Raw, prepare: impl FnOnce(&mut Rig, ConnectionId)) -> AllocationInfo {
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 1));
    let honest = rig.connect();
    prepare(&mut rig, honest);
    let client = rig.connect_raw();
    let frame = request.frame();
    let cost = allocation_counter::measure(|| rig.write(client, &frame));
    // Whatever it was, others are served.
    rig.call(honest, &MetadataRequest::all());
    cost
}

/// Checks what a request costs. The client's copy of the request and of its answer, which the rig makes, count as well.
fn check(what: &str, request: &Raw, limit: u64) {
    let cost = cost_of(request, |_, _| {});
    println!("{what}: {} bytes, at most {}, in {} allocations", request.len(), cost.bytes_max, cost.count_total);
    assert!(cost.bytes_max <= limit, "{what}: {} bytes, the limit is {limit}", cost.bytes_max);
}

/// As many pieces as fit into a request of a size, with their count in front.
fn filled(head: Raw, size: usize, piece: &[u8]) -> Raw {
    let count = (size - head.len() - 4) / piece.len();
    head.i32(i32::try_from(count).expect("it fits")).bytes(&piece.repeat(count))
}

/// Requests of about this size that ask for as much as they can.
fn greedy(size: usize) -> Vec<(&'static str, Raw)> {
    let fetch = Raw::new(1, 0).i32(-1).i32(0).i32(0);
    let one_partition = [&0i32.to_be_bytes()[..], &0i64.to_be_bytes(), &i32::MAX.to_be_bytes()].concat();
    let many = (0..4096i32).flat_map(|n| [&n.to_be_bytes()[..], &[0; 12]].concat()).collect::<Vec<_>>();
    vec![
        ("Metadata of empty names", filled(Raw::new(3, 0), size, &[0, 0])),
        ("Metadata of null names", filled(Raw::new(3, 0), size, &[0xff, 0xff])),
        ("Fetch of one partition", filled(fetch.clone().i32(1).text("t"), size, &one_partition)),
        ("Fetch of 4,096 partitions", fetch.clone().i32(1).text("t").i32(4096).bytes(&many)),
        ("Fetch of topics without partitions", filled(fetch, size, &[0, 1, b't', 0, 0, 0, 0])),
        ("Produce of topics without partitions", filled(Raw::new(0, 0).i16(1).i32(0), size, &[0, 1, b't', 0, 0, 0, 0])),
        ("Produce of empty sets", filled(Raw::new(0, 0).i16(1).i32(0).i32(1).text("t"), size, &[0; 8])),
        ("OffsetFetch of one partition", filled(Raw::new(9, 0).text("g").i32(1).text("t"), size, &[0; 4])),
        ("JoinGroup of empty names", filled(Raw::new(11, 0).text("g").i32(1000).text("c").text("s"), size, &[0, 0])),
        ("StopReplica of empty names", filled(Raw::new(5, 0).i32(1).i32(1).bytes(&[1]), size, &[0; 6])),
        ("LeaderAndIsr of empty names", filled(Raw::new(4, 0).i32(1).i32(1), size, &[0; 30])),
        ("UpdateMetadata of empty names", filled(Raw::new(6, 0).i32(1).i32(1), size, &[0; 30])),
    ]
}

#[test]
fn a_request_of_1_kb_makes_the_broker_allocate_a_few_kilobytes() {
    for (what, request) in greedy(1000) {
        let limit = if request.len() > 1000 { 3 * MIB } else { 128 << 10 };
        check(what, &request, limit);
    }
}

#[test]
fn a_request_of_8_mib_makes_the_broker_allocate_a_few_times_its_size() {
    for (what, request) in greedy(MAX_FRAME) {
        // The bodies of controllers are decoded as a whole.
        let is_of_controller =
            ["StopReplica", "LeaderAndIsr", "UpdateMetadata"].iter().any(|name| what.starts_with(name));
        check(what, &request, if is_of_controller { 80 * MIB } else { 40 * MIB });
    }
}

#[test]
fn counts_of_the_highest_value_allocate_nothing() {
    for key in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12] {
        for version in [0, 1] {
            // At some place of each request this is a count.
            for zeros in 0..24 {
                let request = Raw::new(key, version).bytes(&vec![0; zeros]).i32(i32::MAX).i32(i32::MAX);
                check(&format!("key {key}, version {version}, count at {zeros}"), &request, 128 << 10);
            }
        }
    }
}

fn bomb(inflated: usize) -> MessageSet {
    let mut builder = MessageSet::builder();
    for _ in 0..inflated / (1 << 20) {
        builder.push(None, Some(&vec![0; (1 << 20) - 26])).expect("there is room");
    }
    builder.build_compressed(Codec::Gzip, &mut Deflater::new()).expect("it can be compressed")
}

#[test]
fn a_set_that_inflates_far_takes_a_few_times_the_limit_of_16_mib() {
    for (inflated, limit) in [(8 << 20, 40 * MIB), (128 << 20, 40 * MIB), (1 << 30, 40 * MIB)] {
        let set = bomb(inflated);
        let request = Raw::new(0, 0).i16(1).i32(0).i32(1).text("t").i32(1).i32(0).blob(set.bytes());
        check(&format!("Produce of a set that inflates to {inflated}"), &request, limit);
    }
}

#[test]
fn a_fetch_of_what_is_in_the_log_shares_its_memory() {
    let fetch = Raw::new(1, 0).i32(-1).i32(0).i32(0).i32(1).text("t").i32(1).i32(0).i64(0).i32(i32::MAX);
    let mut rig = Rig::new(BrokerConfig::default().with_topic("t", 1));
    let honest = rig.connect();
    for _ in 0..40 {
        rig.produce(honest, "t", 0, MessageSet::of_value(&[0; 800_000]));
    }
    let client = rig.connect_raw();
    rig.set_reads(client, false);
    let frame = fetch.frame();
    let cost = allocation_counter::measure(|| rig.write(client, &frame));
    println!("a fetch of 32 MB that is not read: at most {} bytes", cost.bytes_max);
    assert!(cost.bytes_max < MIB, "{}", cost.bytes_max);
}
