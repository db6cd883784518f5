//! What frames and small requests cost, beside copying the same bytes: all cases take turns in one process.
//!
//! ```sh
//! cargo run --release -p kafka08-proto --example ratios_frames            # everything
//! cargo run --release -p kafka08-proto --example ratios_frames -- frames  # or: requests
//! ```
//!
//! Allocations are counted exactly. The counting allocator is always there and makes each one a little slower. What an
//! allocation of a large frame costs depends on whether the system's allocator gives such memory back each time, which this
//! program leaves as it is in a fresh process.

use std::{
    collections::VecDeque,
    env,
    error::Error,
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

use allocation_counter::measure;
use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientConfig, ClientConnection, ClientEvent, Connection as _,
    api::{ListOffsetsRequest, ProduceRequest, Request, membership::HeartbeatRequest},
    connection::Ticket,
    frame::FrameDecoder,
    ids::{Acks, ConnectionId, Generation, Millis, OffsetTime},
    message::MessageSet,
};
use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

/// Rounds that count; all cases run once in each.
const ROUNDS: usize = 61;
/// How long a case runs in each round.
const SLICE: Duration = Duration::from_millis(8);

const LARGE: usize = 1 << 20;
const PIECE: usize = 32 << 10;
const SMALL: usize = 100;
/// Requests that a turn of a driver sends, and answers that it receives.
const BATCH: usize = 64;
const MANY: usize = 32_768;

/// Names of the cases with few and with many requests in flight.
const EXCHANGES: [[&str; 2]; 3] = [
    ["ListOffsets, 64 in flight", "ListOffsets, 32,768 in flight"],
    ["Produce, 64 in flight", "Produce, 32,768 in flight"],
    ["Heartbeat, 64 in flight", "Heartbeat, 32,768 in flight"],
];

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Something to measure.
struct Case {
    name: &'static str,
    /// What one call of `run` does so many of.
    things: usize,
    run: Box<dyn FnMut()>,
    /// Allocations that one thing takes; counted before the rounds.
    allocations: f64,
    /// Calls that fill a slice of time.
    calls: u32,
    /// Nanoseconds a thing, one figure a round.
    times: Vec<f64>,
}

/// What a case should take.
enum Goal {
    /// At most so many times as long as another case.
    Times(f64),
    /// At most so many nanoseconds.
    Nanoseconds(f64),
    /// At most so many allocations.
    Allocations(f64),
    /// No goal is set.
    None,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ratios_frames: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let wanted = env::args().nth(1);
    let wanted = |name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
    if !wanted("frames") && !wanted("requests") {
        return Err("usage: ratios_frames [frames | requests]".into());
    }
    pin()?;
    let mut cases = Vec::new();
    if wanted("frames") {
        cases.extend(frame_cases());
    }
    if wanted("requests") {
        cases.extend(request_cases()?);
    }
    take_turns(&mut cases);
    println!(
        "CPU times are of one frame or request, of the fastest round and the median. The ratio is that of the fastest rounds; the median is of all rounds.\n"
    );
    println!("| case | CPU ns | median | allocations | beside | ratio | median ratio | goal | met |");
    println!("|---|---|---|---|---|---|---|---|---|");
    if wanted("frames") {
        print(&cases, "1 MiB frame in 32 KiB pieces", Some("copy of 1 MiB"), &Goal::Times(1.6))?;
        print(&cases, "100 B frame", Some("copy of 100 B"), &Goal::Nanoseconds(20.0))?;
        print(&cases, "100 B frame", Some("copy of 100 B to memory of its own"), &Goal::None)?;
    }
    if wanted("requests") {
        for [few, many] in EXCHANGES {
            print(&cases, few, None, &Goal::Allocations(4.0))?;
            print(&cases, many, Some(few), &Goal::Times(1.1))?;
        }
    }
    println!("\nA client that keeps one frame of 100 B out of many keeps {} bytes.", held_by_a_small_frame());
    Ok(())
}

fn frame_cases() -> [Case; 5] {
    let large = framed(&vec![7; LARGE]);
    let source = large.clone();
    let mut target = vec![0; large.len()];
    let smalls = framed(&[7; SMALL]).repeat(PIECE / (4 + SMALL));
    let count = smalls.len() / (4 + SMALL);
    let (mut decoder, mut small_decoder) = (FrameDecoder::new(64 << 20), FrameDecoder::new(64 << 20));
    let (small_source, smalls_source) = (smalls.clone(), smalls.clone());
    let mut small_target = [0; SMALL];
    [
        Case::new("copy of 1 MiB", 1, move || {
            for (to, from) in target.chunks_mut(PIECE).zip(source.chunks(PIECE)) {
                to.copy_from_slice(black_box(from));
                black_box(to);
            }
        }),
        Case::new("1 MiB frame in 32 KiB pieces", 1, move || {
            let frames: usize = large.chunks(PIECE).map(|piece| feed(&mut decoder, piece)).sum();
            assert_eq!(frames, 1);
        }),
        Case::new("copy of 100 B", count, move || {
            for frame in small_source.chunks_exact(4 + SMALL) {
                if let Some(bytes) = black_box(frame).last_chunk::<SMALL>() {
                    small_target.copy_from_slice(bytes);
                }
                black_box(&mut small_target);
            }
        }),
        Case::new("copy of 100 B to memory of its own", count, move || {
            for frame in smalls_source.chunks_exact(4 + SMALL) {
                if let Some(bytes) = black_box(frame).last_chunk::<SMALL>() {
                    black_box(Bytes::copy_from_slice(bytes));
                }
            }
        }),
        Case::new("100 B frame", count, move || {
            assert_eq!(feed(&mut small_decoder, &smalls), count);
        }),
    ]
}

/// Gives a decoder bytes as a driver does, and takes the frames. Returns how many there were.
fn feed(decoder: &mut FrameDecoder, mut bytes: &[u8]) -> usize {
    let mut frames = 0;
    while !bytes.is_empty() {
        let space = decoder.space();
        let (now, later) = bytes.split_at(bytes.len().min(space.len()));
        space.split_at_mut(now.len()).0.copy_from_slice(now);
        decoder.filled(now.len());
        bytes = later;
        while let Some(frame) = decoder.next_frame().expect("frames are sound") {
            black_box(&frame);
            frames += 1;
        }
    }
    frames
}

/// What stays allocated when a client keeps one small frame of many, and everything else is gone.
fn held_by_a_small_frame() -> i64 {
    let bytes = framed(&[7; SMALL]).repeat(100);
    let mut kept = None;
    let counted = measure(|| {
        let mut decoder = FrameDecoder::new(64 << 20);
        decoder.extend(&bytes);
        kept = decoder.next_frame().expect("frames are sound");
        while decoder.next_frame().expect("frames are sound").is_some() {}
    });
    counted.bytes_current
}

/// Each request is encoded, leaves, is answered, and its answer is decoded, 64 at a time; of the cases with many in flight
/// the others wait meanwhile.
fn request_cases() -> Result<Vec<Case>> {
    let list_offsets = ListOffsetsRequest::new().with("page-views-eu", 0, OffsetTime::LATEST);
    let produce =
        ProduceRequest::new(Acks::LEADER, Millis(10_000)).with("page-views-eu", 0, MessageSet::of_value(&[7; SMALL]));
    let heartbeat = HeartbeatRequest { group: "group".into(), generation: Generation(1), consumer: "consumer".into() };
    // One topic "page-views-eu" with one partition 0 and error code 0.
    let partition = [&[0, 0, 0, 1, 0, 13][..], b"page-views-eu", &[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]].concat();
    let listed = [&partition[..], &1i32.to_be_bytes(), &1000i64.to_be_bytes()].concat();
    let produced = [&partition[..], &1000i64.to_be_bytes()].concat();
    let beaten = [0, 0];
    let [list_offsets_names, produce_names, heartbeat_names] = EXCHANGES;
    let mut cases = exchanges(list_offsets_names, &list_offsets, &listed)?;
    cases.extend(exchanges(produce_names, &produce, &produced)?);
    cases.extend(exchanges(heartbeat_names, &heartbeat, &beaten)?);
    Ok(cases)
}

fn exchanges<R>([few, many]: [&'static str; 2], request: &R, answer: &[u8]) -> Result<Vec<Case>>
where
    R: Request + Clone + 'static,
{
    Ok(vec![
        Case::new(few, BATCH, exchange(BATCH, request.clone(), answer)?),
        Case::new(many, BATCH, exchange(MANY, request.clone(), answer)?),
    ])
}

/// A call sends 64 requests, has them written, and takes the answers to the 64 oldest; `in_flight` counts these 64 too.
fn exchange<R: Request + 'static>(in_flight: usize, request: R, answer: &[u8]) -> Result<impl FnMut() + use<R>> {
    let now = now();
    let mut connection = connection(in_flight);
    let mut tickets = VecDeque::new();
    for _ in BATCH..in_flight {
        tickets.push_back(connection.request(now, &request)?);
        write(&mut connection);
    }
    let frame = framed(&[&[0; 4], answer].concat());
    let mut answers = frame.repeat(BATCH);
    Ok(move || {
        for _ in 0..BATCH {
            tickets.push_back(connection.request(now, &request).expect("there is room"));
        }
        write(&mut connection);
        for (place, ticket) in answers.chunks_exact_mut(frame.len()).zip(&tickets) {
            if let Some(id) = place.get_mut(4..8) {
                id.copy_from_slice(&ticket.id().0.to_be_bytes());
            }
        }
        connection.handle_bytes(now, &answers);
        take_answers(&mut connection, &mut tickets);
        black_box(connection.poll_timeout());
    })
}

fn connection(in_flight: usize) -> ClientConnection {
    ClientConnection::new(ClientConfig::default().with_max_in_flight(in_flight), ConnectionId(0))
}

/// Lets everything that is staged leave.
fn write(connection: &mut ClientConnection) {
    let (_, queue) = connection.buffers();
    queue.advance(queue.remaining());
    assert!(connection.poll_event().is_none(), "nothing has come yet");
}

fn take_answers<R: Request>(connection: &mut ClientConnection, tickets: &mut VecDeque<Ticket<R>>) {
    let mut answers = 0;
    while let Some(event) = connection.poll_event() {
        let ClientEvent::Response(frame) = event else { panic!("{event:?}") };
        let ticket = tickets.pop_front().expect("an answer to something");
        black_box(ticket.redeem(frame).expect("a sound answer"));
        answers += 1;
    }
    assert_eq!(answers, BATCH);
}

/// The payload behind its length.
fn framed(payload: &[u8]) -> Vec<u8> {
    let len = i32::try_from(payload.len()).expect("a short payload");
    [&len.to_be_bytes(), payload].concat()
}

impl Case {
    fn new(name: &'static str, things: usize, run: impl FnMut() + 'static) -> Self {
        Self { name, things, run: Box::new(run), allocations: 0.0, calls: 1, times: Vec::new() }
    }

    /// Nanoseconds that one thing takes, over all calls of a slice.
    fn time(&mut self) -> f64 {
        let start = cpu_time();
        (0..self.calls).for_each(|_| (self.run)());
        let took = cpu_time().saturating_sub(start);
        took.as_secs_f64() * 1e9 / f64::from(self.calls) / self.things as f64
    }

    /// Finds how many calls fill a slice, and counts what one of them allocates once everything has grown.
    fn calibrate(&mut self) {
        let mut left = 16;
        loop {
            let call = self.time() * self.things as f64;
            let slice = call * f64::from(self.calls);
            if slice * 1.2 >= SLICE.as_nanos() as f64 || left == 0 {
                break;
            }
            self.calls = self.calls.saturating_mul(2);
            left -= 1;
        }
        const CALLS: u32 = 100;
        let counted = measure(|| (0..CALLS).for_each(|_| (self.run)()));
        self.allocations = counted.count_total as f64 / f64::from(CALLS) / self.things as f64;
    }
}

fn take_turns(cases: &mut [Case]) {
    cases.iter_mut().for_each(Case::calibrate);
    for _ in 0..ROUNDS {
        for case in &mut *cases {
            let time = case.time();
            case.times.push(time);
        }
    }
}

/// Prints a row: what a case takes, and how many times as long as the one beside it.
fn print(cases: &[Case], name: &str, beside: Option<&str>, goal: &Goal) -> Result<()> {
    let find = |name| cases.iter().find(|case| case.name == name).ok_or("a row names a case that does not exist");
    let case = find(name)?;
    let (mut reference, mut ratio) = ("| |".to_owned(), f64::NAN);
    if let Some(beside) = beside {
        let other = find(beside)?;
        let in_rounds: Vec<f64> = case.times.iter().zip(&other.times).map(|(ours, theirs)| ours / theirs).collect();
        ratio = least(&case.times) / least(&other.times);
        reference = format!("{beside}: {:.1} | {ratio:.2} | {:.2}", least(&other.times), median(&in_rounds));
    }
    let met = |met| if met { "yes" } else { "**no**" };
    let goal = match *goal {
        Goal::Times(most) => format!("≤ {most} × | {}", met(ratio <= most)),
        Goal::Nanoseconds(most) => format!("≤ {most} ns | {}", met(least(&case.times) <= most)),
        Goal::Allocations(most) => format!("≤ {most} allocations | {}", met(case.allocations <= most)),
        Goal::None => "|".to_owned(),
    };
    println!(
        "| {name} | {:.1} | {:.1} | {:.2} | {reference} | {goal} |",
        least(&case.times),
        median(&case.times),
        case.allocations,
    );
    Ok(())
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The time that this thread has run: what other processes take of the processor does not count.
fn cpu_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}

#[expect(clippy::disallowed_methods, reason = "an Instant cannot be made from nothing")]
fn now() -> Instant {
    Instant::now()
}

/// Keeps this thread on the first processor that it may use.
fn pin() -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let cpu = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).ok_or("no processor to run on")?;
    let mut one = CpuSet::new();
    one.set(cpu);
    Ok(sched_setaffinity(None, &one)?)
}
