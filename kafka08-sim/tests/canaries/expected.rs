//! Which invariant each mistake breaks.

use kafka08_proto::canary::Canary;
use kafka08_sim::{
    check::Invariant::{self, C1, C2, C3, D1, L1, L2, R1, R2, R3, R4, R5, S1, S2, S3, S4, S5, S6, S7},
    plan::{FaultKind, Plan},
};

/// All invariants that a mistake can break.
pub(crate) const INVARIANTS: [Invariant; 18] = [C1, C2, C3, S1, S2, S3, S4, S5, S6, S7, R1, R2, R3, R4, R5, L1, L2, D1];

/// A mistake, and what it breaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    pub(crate) canary: Canary,
    /// More than one if they are equally right.
    pub(crate) by: &'static [Invariant],
    pub(crate) why: &'static str,
}

impl Expected {
    /// The plan for a mistake: it is looked for where its code is used.
    pub(crate) fn plan(&self, mut plan: Plan) -> Plan {
        // A consumer beside the producer takes long, and shows nothing of the producer that the producer alone does not.
        plan.settings.scenario = plan.settings.scenario.min(2);
        for (name, value) in self.settings() {
            *plan.settings.named_mut(name).expect("a setting of plans") = *value;
        }
        // After a changed byte, nothing of these is checked.
        if self.by.iter().all(|invariant| matches!(invariant, S1 | S2 | S4 | S5 | S6 | S7 | C1 | C3)) {
            plan.faults.retain(|fault| fault.kind != FaultKind::Corrupt);
        }
        plan
    }

    /// The settings without which the code with the mistake is not used, or its effect is not looked at.
    pub(crate) fn settings(&self) -> &'static [(&'static str, u64)] {
        const CONNECTIONS: (&str, u64) = ("scenario", 0);
        const PRODUCER: (&str, u64) = ("scenario", 2);
        const CONSUMER: (&str, u64) = ("scenario", 3);
        const ACKS_OF_ALL: (&str, u64) = ("acks", 0);
        const ACKS_OF_NONE: (&str, u64) = ("acks", 2);
        match self.canary {
            // Without back-off such a client does nothing but connect, for many minutes.
            Canary::ForgetsLeftovers | Canary::ConnectsAtOnce => &[("no_backoff", 0)],
            // Only this workload counts attempts so exactly.
            Canary::TornMayBeApplied => &[CONNECTIONS],
            // A network on which a request is written at once, unless it is slow.
            Canary::ReusesBufferAtExpiry => {
                &[PRODUCER, ("send_buffer", 512), ("bandwidth", 0), ("latency", 1_000), ("request_timeout", 100_000)]
            }
            // A client with the default timeouts has 30 s, which end before a batch expires. The next one looks its leader up.
            Canary::LooksUpOnce => &[
                PRODUCER,
                ("retries", 0),
                ("brokers", 3),
                ("replication", 3),
                ("metadata_delay", 300_000),
                ("delivery_timeout", 120_000_000),
                ("request_timeout", 30_000_000),
                ("connect_timeout", 10_000_000),
                ("replica_wait", 10_000_000),
                // It would be refused a thousand times a second.
                ("no_backoff", 0),
            ],
            // Less than a burst of records takes.
            Canary::KeepsRoom => &[PRODUCER, ("buffer_bytes", 2_000)],
            Canary::NotLeaderIsNotApplied => &[ACKS_OF_ALL],
            Canary::CloseIsWritten => &[ACKS_OF_NONE],
            Canary::AsksOnlyTheLeader => &[PRODUCER, ACKS_OF_ALL],
            Canary::DeliversOnSend
            | Canary::LeaksAtTimeout
            | Canary::ReordersOnRetry
            | Canary::WipesOnEmptyMetadata
            | Canary::ShiftsOffsets
            | Canary::TellsTwice
            | Canary::ClosesLate
            | Canary::ExpiresAtJumps
            | Canary::MixesPartitions => &[PRODUCER],
            Canary::LeavesOneOut
            | Canary::PassesWhenTaken
            | Canary::KeepsEpoch
            | Canary::FailsTwice
            | Canary::EndsLate
            | Canary::ListsTwice
            | Canary::StoresTheLast => &[CONSUMER],
            _ => &[],
        }
    }
}

/// What each mistake breaks.
pub(crate) fn all() -> impl Iterator<Item = Expected> {
    Canary::ALL.iter().map(|canary| {
        let (by, why) = expected(*canary);
        Expected { canary: *canary, by, why }
    })
}

fn expected(canary: Canary) -> (&'static [Invariant], &'static str) {
    match canary {
        Canary::ForgetsLeftovers => {
            (&[L1, R5], "no answer arrives whole, so nothing ends, or what follows is taken for a frame that is none")
        }
        Canary::SkipsIdCheck => (&[R5], "a connection goes on after an answer that is none"),
        Canary::TornMayBeApplied => (&[S4], "an attempt is told as maybe applied that never left"),
        Canary::UnansweredIsNotApplied => (&[S4], "a record is in the log that was told as not applied, or twice"),
        Canary::DeliversOnSend => (&[S4], "a record was told as delivered and is in no log"),
        Canary::LeaksAtTimeout => (&[R1], "a request is left when everything has ended"),
        Canary::ReusesBufferAtExpiry => (&[R4], "a frame begins within another"),
        Canary::NotLeaderIsNotApplied => (&[S4], "as UnansweredIsNotApplied, by an error code"),
        Canary::ReordersOnRetry => (&[S5], "records overtake those that are sent again"),
        Canary::CloseIsWritten => (&[S4], "a record was told as written and never left"),
        Canary::WipesOnEmptyMetadata => (&[L1, S3], "a record never ends; S3 counts it, and L1 waits for it first"),
        Canary::AsksOnlyTheLeader => (&[S1], "an election removes what was told as acknowledged by all"),
        Canary::ShiftsOffsets => (&[S2], "another record has the offset that was told"),
        Canary::TellsTwice => (&[S3], "a record ends twice"),
        Canary::MixesPartitions => (&[S6], "a record is in the log of another partition"),
        Canary::EmptyKeyIsNull => (&[S7], "the key of a record has changed"),
        Canary::ExceedsLimit => (&[R2], "a connection has more requests in flight than allowed"),
        Canary::ConnectsAtOnce => (&[R3], "there are too many attempts in a second"),
        Canary::RepeatsIds => (&[R4], "an id is in flight twice"),
        Canary::NeverTriesAgain => (&[L1], "a broker that was lost once is never connected to again"),
        Canary::ClosesLate => (&[L1], "a client that was closed is not over at its deadline"),
        Canary::LooksUpOnce => (
            &[L1],
            "a record waits for a broker that has led its partition, as whoever was asked did not know better yet",
        ),
        Canary::ExpiresAtJumps => (&[L2], "a record is told as expired that has hardly waited"),
        Canary::KeepsRoom => (&[L1], "the next client has no room, and a record never ends"),
        Canary::DrawsAtRandom => (&[D1], "a second run of the same plan differs"),
        Canary::LeavesOneOut => (&[C1], "a message between two sets is not read"),
        Canary::PassesWhenTaken => (&[C3], "what may be committed has not passed"),
        Canary::KeepsEpoch => (&[C1, L1], "what is read is not what was sought, or its position is never known"),
        Canary::FailsTwice => (&[C2], "a failure is told twice"),
        Canary::EndsLate => (&[C1], "a message behind the end is read"),
        Canary::ListsTwice => (&[C2], "a partition is told as found twice"),
        Canary::StoresTheLast => (&[C3], "a new client goes on in front of what was told as stored"),
    }
}
