//! What can go wrong, and when.

/// When a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trigger {
    /// At this time, in microseconds from the start.
    Time(u64),
    /// When the client's sockets have taken bytes for the nth time. A fault of a connection hits the one that took them.
    Write(u64),
    /// When a broker's sockets have taken bytes for the nth time.
    Answer(u64),
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal),+ $(,)?) => {
        /// What goes wrong. Each kind reads the three arguments of a [`Fault`] in its own way; times are in microseconds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum FaultKind {
            $($(#[doc = $doc])+ $name,)+
        }

        impl FaultKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The name of the kind in plans.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The kind of this name.
            #[must_use]
            pub fn of_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }
    };
}

kinds! {
    /// A connection is reset. a: which. b, c: how many thousandths of the bytes on their way to the broker and to the client
    /// still arrive.
    Reset = "reset",
    /// A broker's side of a connection ends. a: which. b: how many thousandths of the bytes on their way to the client still
    /// arrive. c: if all of them do, for how long nothing arrives, as when a packet is lost and sent again.
    Fin = "fin",
    /// A connection moves nothing for a time. a: which. b: how long. c: 1 towards the broker, 2 towards the client, 3 both.
    Stall = "stall",
    /// One bit of the bytes of a connection is flipped. a: which connection. b: 0 towards the broker, 1 towards the client.
    /// c: which bit.
    Corrupt = "corrupt",
    /// Nothing reaches or leaves a broker. a: broker. b: how long. c: directions, as in `Stall`.
    BlackHole = "black-hole",
    /// A broker's address refuses connections. a: broker. b: how long.
    Refuse = "refuse",
    /// Connecting to a broker takes longer. a: broker. b: how long the fault lasts. c: how long connecting takes.
    SlowConnect = "slow-connect",
    /// Another service answers at a broker's address. a: broker. b: how long. c: which service.
    WrongService = "wrong-service",
    /// Another broker answers at a broker's address. a: broker. b: how long. c: the other one.
    Swap = "swap",
    /// A broker's connections are slow. a: broker. b: how long. c: bytes in a millisecond.
    Slow = "slow",
    /// A broker's process is killed. a: broker. b: after what time it starts again.
    Kill = "kill",
    /// A broker's machine crashes, and loses what was not flushed. a: broker. b: after what time it starts again.
    Crash = "crash",
    /// A broker stops in good order. a: broker. b: after what time it starts again.
    Stop = "stop",
    /// A broker is paused. a: broker. b: how long.
    Pause = "pause",
    /// Another replica leads a partition. a: partition. b: which replica.
    MoveLeader = "move-leader",
    /// A broker's metadata does not change. a: broker. b: how long. c: 0 if no leader moves; else, counted from 1, the partition
    /// that another replica leads from then on.
    Freeze = "freeze",
    /// A follower fetches nothing. a: partition. b: how long. c: which replica; all if it is 4 or more.
    HoldBack = "hold-back",
    /// The followers of a partition fetch nothing, and after a quarter of the time their leader is killed. a: partition. b: after
    /// what time all is well again.
    LoseTail = "lose-tail",
    /// Brokers answer produces with an error code. a: which code. b: how many times.
    Code = "code",
    /// The client's process is paused. b: how long.
    ClientPause = "client-pause",
    /// The client's clock jumps forward. b: how far.
    ClockForward = "clock-forward",
    /// The client's clock jumps backward. b: how far.
    ClockBack = "clock-back",
    /// Connections stall one after the other, and go on in another order. a: names which, and both orders. b: how long it
    /// takes from the first stall to the last that ends.
    Swizzle = "swizzle",
    /// A broker leaves for ever, and other replicas lead its partitions. a: broker. b: 0 in good order, 1 killed. A partition
    /// that would have no leader for ever brings it back when all faults end.
    Decommission = "decommission",
    /// The client is dropped in the middle of everything, as when its process ends, and another one with the same settings takes
    /// over.
    Recreate = "recreate",
    /// The user closes the client. b: how long that may take.
    Close = "close",
    /// The client is answered in a way that no broker answers. a: which connection. b: how, see
    /// [`HostileAnswer`](crate::net::HostileAnswer).
    Hostile = "hostile",
}

/// One fault of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it happens.
    pub when: Trigger,
    /// What happens.
    pub kind: FaultKind,
    /// The first argument.
    pub a: u64,
    /// The second argument.
    pub b: u64,
    /// The third argument.
    pub c: u64,
}
