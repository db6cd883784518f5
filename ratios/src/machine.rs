//! The machine and its accumulator in a loop, without a handle.

use std::time::Instant;

use kafka08_client::{
    accumulator::{Accumulator, AppendError},
    config::{ClusterConfig, ProducerConfig},
    machine::{Machine as _, Output},
    producer::{Outcome, Producer, ProducerEvent},
    record::RecordRef,
};
use kafka08_proto::ids::{Acks, PartitionId};

use crate::{
    measure::{Meter, Result, Sample},
    outcomes::WINDOW,
    peer::TOPIC,
    sockets::Sockets,
};

/// Records in front of the measurement, so that the leader is known and connected.
const FIRST: usize = 1000;

struct Loop {
    accumulator: Accumulator<()>,
    producer: Producer<()>,
    sockets: Sockets,
}

pub(crate) fn records(address: &str, records: usize, value: &[u8]) -> Result<Sample> {
    let cluster = ClusterConfig::default().with_bootstrap(vec![address.parse()?]);
    let config = ProducerConfig::default().with_acks(Acks::LEADER).with_cluster(cluster);
    let (accumulator, producer) = (Accumulator::new(&config), Producer::new(&config));
    let mut both = Loop { accumulator, producer, sockets: Sockets::new()? };
    both.send(FIRST, value)?;
    let meter = Meter::start();
    both.send(records, value)?;
    Ok(meter.stop(records))
}

impl Loop {
    fn send(&mut self, records: usize, value: &[u8]) -> Result<()> {
        let (mut appended, mut ended) = (0, 0);
        while ended < records {
            appended += self.append((records - appended).min(WINDOW - (appended - ended)), value)?;
            let now = Instant::now();
            let mut has_news = false;
            self.producer.exchange(&mut self.accumulator, now);
            while let Some(output) = self.producer.poll_output(now) {
                match output {
                    Output::Connect { link, to, within } => self.sockets.connect(link, &to, now + within),
                    Output::Drop(link) => self.sockets.drop_link(link),
                    Output::Write(link) => self.sockets.note_ready(link),
                    Output::Event(event) => {
                        has_news = true;
                        ended += count(event)?;
                    }
                }
            }
            // More can be appended after an event, and nothing else would announce that.
            let until = if has_news { Some(now) } else { self.producer.poll_timeout() };
            self.sockets.turn(&mut self.producer, until)?;
        }
        Ok(())
    }

    /// Appends so many records, or none while the topic is not known.
    fn append(&mut self, records: usize, value: &[u8]) -> Result<usize> {
        for n in 0..records {
            let record = RecordRef::new(TOPIC, value).with_partition(PartitionId(0));
            match self.accumulator.append(Instant::now, record) {
                Ok(appended) => {
                    std::hint::black_box((appended.batch, appended.index));
                }
                Err(AppendError::UnknownTopic { .. } | AppendError::Full { .. }) => return Ok(n),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(records)
    }
}

/// Looks at the outcome of each record of an event, and returns how many there are.
fn count(event: ProducerEvent<()>) -> Result<usize> {
    match event {
        ProducerEvent::Ended { records, outcome: Outcome::Delivered { base, .. }, .. } => {
            let base = base.ok_or("the broker has not said the offset")?.0;
            let mut ended = 0;
            for index in records {
                std::hint::black_box(base + i64::from(index));
                ended += 1;
            }
            Ok(ended)
        }
        ProducerEvent::Ended { outcome: Outcome::Failed { error, .. }, .. } => Err(error.into()),
        _ => Ok(0),
    }
}
