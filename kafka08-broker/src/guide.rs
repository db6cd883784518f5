//! A guide to testing a client with this broker. Every example of it runs as a test.
//!
//! 1. [`first_test`]: a test in ten lines, and the lines that all examples share.
//! 2. [`observing`]: the history, waiting, snapshots, and resetting between tests.
//! 3. [`rules`]: how to select the requests that fail.
//! 4. Worked tests for each effect of a rule: [`codes`], [`connections`], [`frames`], [`acks_0`] and [`lies`].
//! 5. [`cluster`]: brokers that die, leaders that move, replicas that lag, messages that are lost.
//! 6. [`limits`]: what the broker refuses, and how to raise the limits.
//! 7. [`virtual_time`]: a cluster and a client without sockets, clock or threads.
//!
//! Clients in other languages are tested with the program `kafka08-broker`. The file `docs/other-languages.md` of the repository
//! shows how to start it from Python, C and other languages, and which settings a client needs.

macro_rules! pages {
    ($($name:ident),+) => {
        $(
            pub mod $name {
                #![doc = include_str!(concat!("../docs/guide/", stringify!($name), ".md"))]
            }
        )+
    };
}

pages!(first_test, observing, rules, codes, connections, frames, acks_0, lies, cluster, limits, virtual_time);
