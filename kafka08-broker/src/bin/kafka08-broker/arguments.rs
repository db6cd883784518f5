//! The arguments of the command line, and what they set.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::{
    ArgAction, Parser,
    builder::{PossibleValuesParser, TypedValueParser as _},
    value_parser,
};
use kafka08_broker::{BrokerConfig, Rule};
use kafka08_proto::{HostPort, profile::Profile};

use crate::watching::Verbosity;

/// An Apache Kafka 0.8 broker for tests and demos. Ctrl-C or SIGTERM ends it.
#[derive(Clone, Debug, Parser)]
#[command(version)]
pub(crate) struct Arguments {
    /// Port of the first broker; the others have the next ones. 0: free ports
    #[arg(long, value_name = "PORT", default_value_t = 9092)]
    port: u16,

    /// Address to listen at. There is no authentication
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    listen: IpAddr,

    /// Address of the first broker as clients are told it; the others have the next ports
    #[arg(long, value_name = "HOST:PORT")]
    advertised: Option<HostPort>,

    /// Number of brokers
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u16).range(1..))]
    brokers: u16,

    /// Topic that exists at the start. Can be repeated
    #[arg(long = "topic", value_name = "NAME[:PARTITIONS]", value_parser = topic)]
    topics: Vec<(String, Option<u16>)>,

    /// Release that the brokers behave as
    #[arg(long, value_name = "RELEASE", default_value = "0.8.2", value_parser = release())]
    profile: Profile,

    /// Number of partitions of a topic for which nothing else says it
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = value_parser!(u16).range(1..))]
    partitions: u16,

    /// Do not create the topics that clients ask for
    #[arg(long)]
    no_auto_create: bool,

    /// Number of replicas of a new topic, if there are as many brokers
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(1..))]
    replication: u16,

    /// Seed of all choices that the brokers make
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,

    /// What goes wrong, such as "produce nth=3: answer code=6". Can be repeated
    #[arg(long = "fault", value_name = "RULE")]
    rules: Vec<Rule>,

    /// Directory that keeps messages, topics and offsets. Default: memory only
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,

    /// Print each connection and each request
    #[arg(short, long, action = ArgAction::SetTrue)]
    verbose: bool,
}

impl Arguments {
    /// How much is printed.
    pub(crate) fn verbosity(&self) -> Verbosity {
        if self.verbose { Verbosity::Everything } else { Verbosity::StartAndStop }
    }

    /// What goes wrong.
    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.rules.clone()
    }

    /// The settings of the brokers.
    pub(crate) fn into_config(self) -> BrokerConfig {
        let mut config = BrokerConfig::default()
            .with_listen(SocketAddr::new(self.listen, self.port))
            .with_brokers(self.brokers)
            .with_profile(self.profile)
            .with_partitions(self.partitions)
            .with_replication(self.replication)
            .with_seed(self.seed);
        if let Some(advertised) = self.advertised {
            config = config.with_advertised(advertised);
        }
        if self.no_auto_create {
            config = config.without_auto_create();
        }
        if let Some(path) = self.data_dir {
            config = config.with_data_dir(path);
        }
        // Only now is `--partitions` known, wherever it stood.
        for (name, partitions) in self.topics {
            config = config.with_topic(name, partitions.unwrap_or(self.partitions));
        }
        config
    }
}

/// Reads a topic. Whether the name is allowed is for the broker to say, which has the rule.
fn topic(text: &str) -> Result<(String, Option<u16>), String> {
    // No name contains a colon, so the text has at most one.
    let Some((name, partitions)) = text.rsplit_once(':') else { return Ok((text.to_owned(), None)) };
    match partitions.parse() {
        Ok(number) if number > 0 => Ok((name.to_owned(), Some(number))),
        _ => Err(format!("the number of partitions is {partitions:?}: write a number from 1 to 65535, as in {name}:1")),
    }
}

/// Reads a release.
fn release() -> impl clap::builder::TypedValueParser<Value = Profile> {
    PossibleValuesParser::new(["0.8.0", "0.8.1", "0.8.2"]).map(|name| match name.as_str() {
        "0.8.0" => Profile::V0_8_0,
        "0.8.1" => Profile::V0_8_1,
        // The parser has let through no other name.
        _ => Profile::V0_8_2,
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from([&["kafka08-broker"], arguments].concat())
    }

    #[test]
    fn the_arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn without_arguments_a_setting_is_the_one_of_the_library_except_for_the_port() {
        let config = parse(&[]).expect("no argument is needed").into_config();
        let default = BrokerConfig::default();
        assert_eq!(config.listen(), SocketAddr::from(([127, 0, 0, 1], 9092)));
        assert_eq!((config.brokers(), config.partitions()), (default.brokers(), default.partitions()));
        assert_eq!((config.replication(), config.seed()), (default.replication(), default.seed()));
        assert_eq!((config.profile(), config.auto_create()), (default.profile(), default.auto_create()));
        assert_eq!((config.advertised(), config.data_dir(), config.topics()), (None, None, &[][..]));
    }

    #[test]
    fn each_argument_sets_what_it_names() {
        let text = "--port 0 --listen ::1 --advertised b:1 --brokers 3 --topic t:7 --topic u --profile 0.8.1 --partitions 4 \
                    --no-auto-create --replication 2 --seed 5 --data-dir d --verbose";
        let arguments = parse(&text.split_whitespace().collect::<Vec<_>>()).expect("they are sound");
        assert_eq!(arguments.verbosity(), Verbosity::Everything);
        let config = arguments.into_config();
        assert_eq!(config.listen().to_string(), "[::1]:0");
        assert_eq!(config.advertised(), Some(&HostPort::new("b", 1)));
        assert_eq!((config.brokers(), config.partitions(), config.replication(), config.seed()), (3, 4, 2, 5));
        // A topic without a number has as many partitions as --partitions says, wherever that stands.
        assert_eq!(config.topics(), [("t".to_owned(), 7), ("u".to_owned(), 4)]);
        assert_eq!((config.profile(), config.auto_create()), (Profile::V0_8_1, false));
        assert_eq!(config.data_dir(), Some(std::path::Path::new("d")));
    }

    #[test]
    fn what_cannot_be_read_is_named_with_what_is_possible() {
        for (arguments, says) in [
            (["--profile", "0.9"], "[possible values: 0.8.0, 0.8.1, 0.8.2]"),
            (["--topic", "t:0"], "the number of partitions is \"0\": write a number from 1 to 65535, as in t:1"),
            (["--topic", "t:x"], "the number of partitions is \"x\""),
            (["--brokers", "0"], "0 is not in 1..=65535"),
            (["--fault", "produce: explode"], "explode"),
            (["--advertised", "b"], "\"b\""),
        ] {
            let error = parse(&arguments).expect_err(says).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
}
