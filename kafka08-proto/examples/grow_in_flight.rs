//! Does one thing with as many requests in flight as the argument says: `.ci/linear` counts the instructions of each case as
//! the number doubles. What a driver asks after each step is asked here too.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use bytes::{Buf as _, Bytes};
use kafka08_proto::{
    ClientConfig, ClientConnection, Connection as _,
    connection::{Prepared, Reply},
    ids::{Api, ApiKey, ConnectionId, CorrelationId},
};

const USAGE: &str = "usage: grow_in_flight answer|silent|forget|forget-ended|cancel|time-out|busy-front SIZE";

struct Rig {
    connection: ClientConnection,
    now: Instant,
    ids: Vec<CorrelationId>,
    ended: usize,
}

#[expect(clippy::disallowed_methods, reason = "an example has to begin somewhere")]
fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let case = arguments.next().ok_or(USAGE)?;
    let size: usize = arguments.next().ok_or(USAGE)?.parse()?;
    let config = ClientConfig::default().with_max_in_flight(2 * size).with_max_staged(usize::MAX);
    let connection = ClientConnection::new(config, ConnectionId(0));
    let mut rig = Rig { connection, now: Instant::now(), ids: Vec::with_capacity(size), ended: 0 };
    match case.as_str() {
        "answer" => {
            rig.send(size, Reply::Expected)?;
            rig.write_all();
            rig.answer_all();
        }
        "silent" => {
            rig.send(size, Reply::None)?;
            rig.write_all();
        }
        "forget" => {
            rig.send(size, Reply::Expected)?;
            rig.write_all();
            rig.each_backwards(|connection, id| connection.forget(id));
            rig.answer_all();
        }
        "forget-ended" => {
            rig.send(size, Reply::Expected)?;
            rig.connection.close();
            rig.each_backwards(|connection, id| connection.forget(id));
        }
        "cancel" => {
            rig.send(size, Reply::Expected)?;
            // A torn frame in front.
            rig.connection.buffers().1.advance(1);
            rig.each_backwards(|connection, id| {
                connection.cancel(id);
            });
        }
        "time-out" => {
            rig.send(size, Reply::Expected)?;
            rig.write_all();
            rig.now += Duration::from_secs(3600);
            rig.connection.handle_timeout(rig.now);
            rig.look();
        }
        "busy-front" => {
            // One that is not answered for long, and many without an answer behind it.
            rig.send(1, Reply::Expected)?;
            for _ in 0..size {
                rig.send(1, Reply::None)?;
                rig.write_all();
            }
        }
        _ => return Err(USAGE.into()),
    }
    println!("{case} {size}: {} ended", rig.ended);
    Ok(())
}

impl Rig {
    fn send(&mut self, requests: usize, reply: Reply) -> Result<(), Box<dyn Error>> {
        let request = Prepared::raw(Api::v0(ApiKey::PRODUCE), Bytes::from_static(&[0; 40]), reply);
        for i in 0..requests {
            // The later ones end earlier, and the other way round, in turn.
            let timeout = Duration::from_millis(10_000 + if i % 2 == 0 { i as u64 } else { 100_000 - i as u64 });
            let request = request.clone().with_timeout(timeout);
            self.ids.push(self.connection.send(self.now, &request)?);
            self.look();
        }
        Ok(())
    }

    fn look(&mut self) {
        while self.connection.poll_event().is_some() {
            self.ended += 1;
        }
        std::hint::black_box((
            self.connection.poll_timeout(),
            self.connection.wants_read(),
            self.connection.wants_write(),
            self.connection.can_send(),
        ));
    }

    /// Writes in pieces, as a socket takes them.
    fn write_all(&mut self) {
        while self.connection.wants_write() {
            let (_, queue) = self.connection.buffers();
            let n = queue.remaining().min(1000);
            queue.advance(n);
            self.look();
        }
    }

    fn answer_all(&mut self) {
        for id in std::mem::take(&mut self.ids) {
            let frame = [&8_u32.to_be_bytes()[..], &id.0.to_be_bytes(), &[0; 4]].concat();
            self.connection.handle_bytes(self.now, &frame);
            self.look();
        }
    }

    fn each_backwards(&mut self, act: impl Fn(&mut ClientConnection, CorrelationId)) {
        for id in self.ids.clone().into_iter().rev() {
            act(&mut self.connection, id);
            std::hint::black_box((self.connection.poll_timeout(), self.connection.can_send()));
        }
    }
}
