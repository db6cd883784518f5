//! Measures lanes in turn, round by round, and prints ratios of the same run.
//!
//! Every run of a lane is a process of its own, which is this program with a lane as its arguments: memory that one lane has
//! given back would make the allocator treat the next lane differently.

use std::{
    env,
    error::Error,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
    time::{ClockId, clock_gettime},
};

use crate::peer::{self, Kind, Peer};

/// Rounds that count. A first round is run and thrown away. `RATIOS_ROUNDS` in the environment changes the number.
const ROUNDS: usize = 9;

/// The argument in front of a title and a lane's name, for the process that runs it.
const LANE: &str = "lane";

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// What one run of a lane did, and what it took.
#[derive(Debug)]
pub(crate) struct Sample {
    things: u64,
    wall: Duration,
    cpu: Duration,
}

/// A running measurement.
pub(crate) struct Meter {
    wall: Instant,
    cpu: Duration,
}

/// By which clock a rate is taken.
#[derive(Clone, Copy)]
pub(crate) enum Per {
    /// User and system time of this process. The peer is a process of its own and does not count.
    CpuSecond,
    /// Elapsed time.
    WallSecond,
}

/// A comparison to print: the rate of one lane divided by that of another.
pub(crate) struct Ratio {
    pub(crate) of: &'static str,
    pub(crate) to: &'static str,
    pub(crate) per: Per,
    /// The least median ratio that is wanted; `None` where no goal is set.
    pub(crate) goal: Option<f64>,
}

type Run<'a> = Box<dyn FnOnce(&str) -> Result<Sample> + 'a>;

/// A case's name on the command line, and what runs it.
pub(crate) type Case = (&'static str, fn() -> Result<()>);

/// Something to measure. It is given the address of a peer of its own.
struct Lane<'a> {
    name: &'static str,
    peer: (Kind, usize),
    run: Run<'a>,
}

/// Lanes that are compared with each other.
pub(crate) struct Race<'a> {
    title: &'static str,
    /// What is counted, in the plural.
    things: &'static str,
    lanes: Vec<Lane<'a>>,
}

/// The samples of all lanes, by name.
type Samples = Vec<(&'static str, Vec<Sample>)>;

impl Meter {
    pub(crate) fn start() -> Self {
        Self { wall: Instant::now(), cpu: cpu_time() }
    }

    pub(crate) fn stop(self, things: usize) -> Sample {
        let cpu = cpu_time().saturating_sub(self.cpu);
        Sample { things: things as u64, wall: self.wall.elapsed(), cpu }
    }
}

impl Sample {
    /// Reads the line that the process of a lane prints: things, and elapsed and CPU time in nanoseconds.
    pub(crate) fn read(line: &str) -> Result<Self> {
        let numbers: Vec<u64> = line.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
        match numbers.as_slice() {
            &[things, wall, cpu] => {
                Ok(Self { things, wall: Duration::from_nanos(wall), cpu: Duration::from_nanos(cpu) })
            }
            _ => Err("the lane has failed".into()),
        }
    }

    fn rate(&self, per: Per) -> f64 {
        let took = match per {
            Per::CpuSecond => self.cpu,
            Per::WallSecond => self.wall,
        };
        self.things as f64 / took.as_secs_f64().max(1e-9)
    }
}

impl<'a> Race<'a> {
    pub(crate) fn new(title: &'static str, things: &'static str) -> Self {
        Self { title, things, lanes: Vec::new() }
    }

    /// With one more lane, whose peer has values of `value` bytes. `run` measures what counts and nothing else.
    pub(crate) fn lane(
        mut self,
        name: &'static str,
        peer: Kind,
        value: usize,
        run: impl FnOnce(&str) -> Result<Sample> + 'a,
    ) -> Self {
        self.lanes.push(Lane { name, peer: (peer, value), run: Box::new(run) });
        self
    }

    /// Runs every lane once a round, each in a process of its own, and prints the ratios as rows of a table. In such a
    /// process it runs the lane that is meant, and prints its sample.
    pub(crate) fn run(self, ratios: &[Ratio]) -> Result<()> {
        let arguments: Vec<String> = env::args().skip(1).collect();
        if let [_, title, name] = arguments.as_slice() {
            let lane = self.lanes.into_iter().find(|lane| self.title == title && lane.name == name);
            return lane.map_or(Ok(()), Lane::run_and_print);
        }
        let mut samples: Samples = self.lanes.iter().map(|lane| (lane.name, Vec::new())).collect();
        let rounds = env::var("RATIOS_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
        for round in 0..=rounds {
            for (name, samples) in &mut samples {
                let sample = self.sample(name).map_err(|error| format!("{}: {name}: {error}", self.title))?;
                if round > 0 {
                    samples.push(sample);
                }
            }
        }
        ratios.iter().try_for_each(|ratio| self.print(&samples, ratio))
    }

    /// Runs a lane in a process of its own.
    fn sample(&self, lane: &str) -> Result<Sample> {
        let arguments = [LANE, self.title, lane];
        let output = Command::new(env::current_exe()?).args(arguments).stderr(Stdio::inherit()).output()?;
        Sample::read(&String::from_utf8(output.stdout)?)
    }

    fn print(&self, samples: &Samples, ratio: &Ratio) -> Result<()> {
        let ours = rates(samples, ratio.of, ratio.per)?;
        let reference = rates(samples, ratio.to, ratio.per)?;
        let in_rounds: Vec<f64> = ours.iter().zip(&reference).map(|(ours, reference)| ours / reference).collect();
        let median_ratio = median(&in_rounds);
        let goal = match ratio.goal {
            None => "| |".to_owned(),
            Some(goal) => format!("| {goal:.2} | {} |", if median_ratio >= goal { "yes" } else { "**no**" }),
        };
        let clock = match ratio.per {
            Per::CpuSecond => "CPU s",
            Per::WallSecond => "s",
        };
        println!(
            "| {} | {} ÷ {} | {}/{clock} | {} | {} | {:.2} | **{median_ratio:.2}** | {:.2} | {:.2} {goal}",
            self.title,
            ratio.of,
            ratio.to,
            self.things,
            amount(median(&ours)),
            amount(median(&reference)),
            most(&reference) / least(&reference),
            least(&in_rounds),
            most(&ours) / most(&reference),
        );
        Ok(())
    }
}

impl Lane<'_> {
    fn run_and_print(self) -> Result<()> {
        let peer = Peer::start(self.peer.0, self.peer.1)?;
        // Afterwards, because the peer would inherit this processor and could not choose another.
        pin(Core::OfClient)?;
        let Sample { things, wall, cpu } = (self.run)(peer.address())?;
        println!("{things} {} {}", wall.as_nanos(), cpu.as_nanos());
        Ok(())
    }
}

fn rates(samples: &Samples, lane: &str, per: Per) -> Result<Vec<f64>> {
    let (_, samples) =
        samples.iter().find(|(name, _)| *name == lane).ok_or("a ratio names a lane that does not exist")?;
    Ok(samples.iter().map(|sample| sample.rate(per)).collect())
}

/// Runs the cases that the command line names, or acts as the process of one lane or as a peer.
pub(crate) fn main(cases: &[Case]) -> Result<()> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next();
    if name.as_deref() == Some(peer::ARGUMENT) {
        return peer::serve(arguments);
    }
    let is_lane = name.as_deref() == Some(LANE);
    let wanted = |case: &str| is_lane || name.as_deref().is_none_or(|name| name == case);
    let mut wanted = cases.iter().filter(|(case, _)| wanted(case)).peekable();
    wanted.peek().ok_or_else(|| {
        format!("no such case; there are: {}", cases.iter().map(|(case, _)| *case).collect::<Vec<_>>().join(", "))
    })?;
    if !is_lane {
        print_head();
    }
    wanted.try_for_each(|(_, run)| run())
}

/// Prints the head of the table that [`Race::run`] prints rows of.
fn print_head() {
    println!(
        "Ratios are rates of ours divided by rates of the reference, larger is better. Lanes take turns, one run each a \
         round; the median ratio is of the rounds. \"Spread\" is the reference's fastest run divided by its slowest.\n"
    );
    println!(
        "| case | ours ÷ reference | unit | ours | reference | spread | ratio | least | of the best | goal | met |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|");
}

/// Keeps this thread, and those it starts, on the first processor that it may use, or on the last.
pub(crate) fn pin(to: Core) -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
    let cpu = match to {
        Core::OfClient => cpus.next(),
        Core::OfPeer => cpus.next_back(),
    };
    let mut one = CpuSet::new();
    one.set(cpu.ok_or("no processor to run on")?);
    Ok(sched_setaffinity(None, &one)?)
}

/// A processor of one's own for each side, where there are two.
#[derive(Clone, Copy)]
pub(crate) enum Core {
    OfClient,
    OfPeer,
}

/// User and system time that this process has used. The same as getrusage tells, in nanoseconds.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

fn amount(rate: f64) -> String {
    match rate {
        rate if rate >= 1e6 => format!("{:.2} M", rate / 1e6),
        rate if rate >= 1e3 => format!("{:.1} k", rate / 1e3),
        rate => format!("{rate:.1}"),
    }
}
