//! A request that the TLS layer has taken and its socket has not, and what is told about it.

use std::{
    fmt,
    time::{Duration, Instant},
};

use kafka08_proto::{
    Fate,
    adapter::CallError,
    api::ProduceRequest,
    ids::{Acks, CorrelationId, Millis},
    message::MessageSet,
};

use crate::{
    LONG, SHORT,
    layers::Joined,
    link::{Link, Told},
    peer::Report,
    valve::Valve,
};

/// What is sent, and how much the socket takes of it at first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    /// Bytes that the socket takes of the held request before it would block.
    pub(crate) taken: usize,
    /// The size of its value.
    pub(crate) held: usize,
    /// The size of the values behind it.
    pub(crate) behind: usize,
}

/// A request, and what the client told about it.
#[derive(Debug)]
pub(crate) struct Sent {
    /// `None` if it was not accepted.
    frame: Option<Frame>,
    pub(crate) told: Verdict,
}

/// A frame without its length. Its bytes are not printed.
struct Frame(Vec<u8>);

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Answered,
    /// With acks = 0: a later request was answered.
    Confirmed,
    /// With acks = 0: unconfirmed at the connection's end.
    Unconfirmed,
    Failed(Fate),
    /// The claim was dropped.
    Nothing,
}

impl<T> From<&Result<T, CallError>> for Verdict {
    fn from(result: &Result<T, CallError>) -> Self {
        match result {
            Ok(_) => Self::Answered,
            Err(error) => Self::Failed(error.fate()),
        }
    }
}

pub(crate) fn request(value: &[u8]) -> ProduceRequest {
    ProduceRequest::new(Acks::LEADER, Millis(0)).with("t", 0, MessageSet::of_value(value))
}

/// The frame that a request becomes, written by hand.
fn frame(id: CorrelationId, acks: Acks, value: &[u8]) -> Frame {
    let set = MessageSet::of_value(value);
    let mut frame = b"\0\0\0\0".to_vec(); // Produce, version 0
    frame.extend(id.0.to_be_bytes());
    frame.extend(b"\0\x07kafka08"); // client id
    frame.extend(acks.0.to_be_bytes());
    frame.extend(b"\0\0\0\0"); // timeout 0 ms
    frame.extend(b"\0\0\0\x01\0\x01t\0\0\0\x01\0\0\0\0"); // one topic "t", one partition 0
    frame.extend(u32::try_from(set.len()).expect("small").to_be_bytes());
    frame.extend(&set.bytes()[..]);
    Frame(frame)
}

/// Sends a request that is answered, so that the handshake's last records are out of the way.
async fn warm_up<L: Link>(link: &mut L) -> Sent {
    let value = [b'1'; 30];
    let claim = link.send_with_timeout(&request(&value), LONG).await.expect("the connection lives");
    let sent = Sent { frame: Some(frame(L::id(&claim), Acks::LEADER, &value)), told: Verdict::Answered };
    link.wait(claim).await.expect("the peer answers");
    sent
}

/// Sends one request that is answered, one that the stream holds, and two behind it. The held one has the time `limit`, and
/// `meanwhile` is what befalls it. Returns all four, after comparing what was told with what came.
pub(crate) async fn hold<L: Link>(
    joined: Joined<L>,
    case: Case,
    limit: Duration,
    meanwhile: impl AsyncFn(&mut L, &Valve, L::Claim) -> Verdict,
) -> Vec<Sent> {
    let Joined { mut link, valve, peer } = joined;
    let mut sent = vec![warm_up(&mut link).await];

    valve.allow(case.taken);
    let value = vec![b'2'; case.held];
    let claim = link.send_with_timeout(&request(&value), limit).await.expect("the connection lives");
    let its_frame = frame(L::id(&claim), Acks::LEADER, &value);
    let told = meanwhile(&mut link, &valve, claim).await;
    sent.push(Sent { frame: Some(its_frame), told });

    let mut behind = Vec::new();
    for fill in [b'3', b'4'] {
        let value = vec![fill; case.behind];
        let result = link.send_with_timeout(&request(&value), LONG).await;
        let its_frame = result.as_ref().ok().map(|claim| frame(L::id(claim), Acks::LEADER, &value));
        behind.push((Sent { frame: its_frame, told: Verdict::from(&result) }, result.ok()));
    }
    for (sent, claim) in &mut behind {
        // While the socket takes nothing yet.
        if let Some(turning) = claim.take() {
            match link.turn(turning).await {
                Ok(turned) => *claim = Some(turned),
                Err(ended) => sent.told = Verdict::from(&ended),
            }
        }
    }
    valve.open();
    for (mut request, claim) in behind {
        if let Some(claim) = claim {
            request.told = Verdict::from(&link.wait(claim).await);
        }
        sent.push(request);
    }
    link.end().await;
    compare(&sent, &peer.report(), case);
    sent
}

/// Sends one request that is answered, one with acks = 0 that the stream holds until its deadline has passed, and one behind
/// it; then compares what was told with what came.
pub(crate) async fn hold_silent<L: Link>(joined: Joined<L>, case: Case) {
    let Joined { mut link, valve, peer } = joined;
    let mut sent = vec![warm_up(&mut link).await];

    valve.allow(case.taken);
    let value = vec![b'2'; case.held];
    let silent = ProduceRequest::new(Acks::NONE, Millis(0)).with("t", 0, MessageSet::of_value(&value));
    let id = link.send_and_forget(&silent).await.expect("the connection lives");
    let its_frame = Some(frame(id, Acks::NONE, &value));

    let value = vec![b'3'; case.behind];
    let behind = link.send_with_timeout(&request(&value), LONG).await;
    let frame_behind = behind.as_ref().ok().map(|claim| frame(L::id(claim), Acks::LEADER, &value));
    let mut told_behind = Verdict::from(&behind);
    let mut claim = behind.ok();
    let started = Instant::now();
    while let Some(turning) = claim.take_if(|_| valve.refused() == 0 || started.elapsed() < SHORT * 2) {
        assert!(started.elapsed() < LONG, "nothing was written");
        match link.turn(turning).await {
            Ok(turned) => claim = Some(turned),
            Err(ended) => told_behind = Verdict::from(&ended),
        }
    }
    valve.open();
    if let Some(claim) = claim {
        told_behind = Verdict::from(&link.wait(claim).await);
    }
    let told = silent_verdict(&link.end().await, id, told_behind);
    sent.push(Sent { frame: its_frame, told: told.unwrap_or(Verdict::Nothing) });
    sent.push(Sent { frame: frame_behind, told: told_behind });
    compare(&sent, &peer.report(), case);
    assert!(told.is_some(), "{case:?}: nothing was told about the request with acks = 0: {sent:?}");
}

/// What a connection has told about a request with acks = 0.
fn silent_verdict(told: &Told, id: CorrelationId, behind: Verdict) -> Option<Verdict> {
    let failed = told.failed.iter().find(|(failed, _)| *failed == id).map(|(_, fate)| Verdict::Failed(*fate));
    let unconfirmed = told.unconfirmed.contains(&id).then_some(Verdict::Unconfirmed);
    failed.or(unconfirmed).or_else(|| (behind == Verdict::Answered).then_some(Verdict::Confirmed))
}

/// What came is whole frames in order, and nothing came of which it was told that it did not.
fn compare(sent: &[Sent], report: &Report, case: Case) {
    assert_eq!(report.fault, None, "{case:?}: {sent:?}");
    let mut came = report.frames.iter();
    let mut next = came.next();
    for (index, request) in sent.iter().enumerate() {
        let has_come = request.frame.as_ref().is_some_and(|frame| Some(&frame.0) == next);
        if has_come {
            next = came.next();
        }
        let is_true = match request.told {
            Verdict::Answered | Verdict::Confirmed => has_come,
            Verdict::Failed(Fate::NotApplied) => !has_come,
            Verdict::Failed(Fate::MaybeApplied) | Verdict::Unconfirmed | Verdict::Nothing => true,
        };
        assert!(is_true, "{case:?}: request {index} has come: {has_come}; what was told: {sent:?}");
    }
    assert_eq!(next.map(Vec::len), None, "{case:?}: a frame came that was not sent, or out of turn; sent: {sent:?}");
    // Behind the last whole frame there may be the beginning of one, where a connection ended.
    let rest = report.rest.get(4..).unwrap_or_default();
    let is_beginning = sent.iter().filter_map(|sent| sent.frame.as_ref()).any(|frame| frame.0.starts_with(rest));
    assert!(is_beginning, "{case:?}: the last {} bytes are no beginning of a frame; sent: {sent:?}", report.rest.len());
}

/// Waits until the layer has been given the request, and its socket would block.
pub(crate) async fn until_held<L: Link>(link: &mut L, valve: &Valve, mut claim: L::Claim) -> L::Claim {
    let started = Instant::now();
    while valve.refused() == 0 {
        assert!(started.elapsed() < LONG, "nothing was written");
        claim = link.turn(claim).await.unwrap_or_else(|ended| panic!("before it was held: {ended:?}"));
    }
    claim
}

pub(crate) async fn deadline_passes<L: Link>(link: &mut L, valve: &Valve, claim: L::Claim) -> Verdict {
    let claim = until_held(link, valve, claim).await;
    let result = link.wait(claim).await;
    assert!(result.is_err(), "nothing can be answered while the socket takes nothing");
    Verdict::from(&result)
}

pub(crate) async fn claim_is_dropped<L: Link>(link: &mut L, valve: &Valve, claim: L::Claim) -> Verdict {
    drop(until_held(link, valve, claim).await);
    // A task of its own needs a moment to learn of it.
    tokio::time::sleep(Duration::from_millis(20)).await;
    Verdict::Nothing
}

pub(crate) async fn claim_is_dropped_and_deadline_passes<L: Link>(
    link: &mut L,
    valve: &Valve,
    claim: L::Claim,
) -> Verdict {
    drop(until_held(link, valve, claim).await);
    tokio::time::sleep(SHORT + Duration::from_millis(20)).await;
    Verdict::Nothing
}
