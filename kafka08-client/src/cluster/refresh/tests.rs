//! Topics that brokers refuse, and all others (T6).

use super::*;

#[expect(clippy::disallowed_methods, reason = "virtual time begins at any instant")]
fn start() -> Instant {
    Instant::now()
}

/// A refresh whose requests are answered at once. As a broker does, the answer refuses all names of a request in which one is
/// refused.
struct World {
    refresh: Refresh,
    seed: Seed,
    now: Instant,
    requests: usize,
    settled: BTreeSet<Text>,
}

impl World {
    fn new() -> Self {
        let backoff = Backoff { first: Duration::from_millis(100), most: Duration::from_secs(1) };
        let refresh = Refresh::new(Duration::from_millis(100), backoff);
        Self { refresh, seed: Seed::new(7), now: start(), requests: 0, settled: BTreeSet::new() }
    }

    fn want(&mut self, names: impl IntoIterator<Item = String>) {
        for name in names {
            self.refresh.want(self.now, &Text::from(name));
        }
    }

    /// Sends the next request, at its time. Names that begin with "bad" are refused.
    fn ask(&mut self) {
        self.now = self.now.max(self.refresh.next_at().expect("something is due"));
        let Some(Topics::Named(names)) = self.refresh.request(self.now, |_| false) else { panic!("names are due") };
        self.refresh.note_asked(self.now);
        self.requests += 1;
        let is_refused = names.iter().any(|name| name.starts_with("bad"));
        if is_refused && names.len() > 1 {
            self.refresh.note_spoilt(&names);
        }
        for name in &names {
            if is_refused {
                self.refresh.note_unsettled(self.now, name, &mut self.seed);
            } else {
                self.refresh.note_settled(name, None);
                self.settled.insert(name.clone());
            }
        }
    }
}

#[test]
fn a_refused_name_holds_up_a_thousand_others_for_some_requests_only() {
    let mut world = World::new();
    world.want((0..999).map(|n| format!("good{n}")).chain(["bad".to_owned()]));
    while world.settled.len() < 999 {
        world.ask();
        assert!(world.requests < 100, "{} names after {} requests", world.settled.len(), world.requests);
    }
}

#[test]
fn names_that_are_refused_again_and_again_do_not_keep_others_from_being_asked_for() {
    let mut world = World::new();
    world.want((0..30).map(|n| format!("bad{n}")).chain(["good".to_owned()]));
    for _ in 0..200 {
        world.ask();
    }
    for _ in 0..3 {
        world.settled.clear();
        let good = Text::from("good");
        world.refresh.note_stale(world.now, &good);
        let from = world.requests;
        while world.settled.is_empty() {
            world.ask();
            assert!(world.requests - from < 60, "the leader of a topic is not looked up");
        }
    }
}
