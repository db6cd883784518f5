//! What one client produces, the others consume.

use crate::{
    java, kafka_python, kcat,
    target::{CODECS, Target},
};

/// Each producer appends 50 messages.
const OF_ONE: usize = 50;

#[test]
fn each_client_reads_what_the_others_have_compressed() {
    let target = Target::with_one_partition();
    for (codec, _) in CODECS {
        target.create(codec);
        let lines = |client: &str| -> Vec<String> {
            (0..OF_ONE).map(|n| format!("a line of text of {client}, number {n}")).collect()
        };
        kcat::produce_lines(&target, codec, codec, &lines("kcat"));
        kafka_python::produce_lines(&target, codec, codec, &lines("python"));
        java::produce_lines(&target, codec, codec, &lines("java"));
        let expected = [lines("kcat"), lines("python"), lines("java")].concat();
        assert_eq!(kcat::consume_lines(&target, codec), expected, "kcat, {codec}");
        assert_eq!(kafka_python::consume_lines(&target, codec), expected, "kafka-python, {codec}");
        assert_eq!(java::consume_lines(&target, codec), expected, "Java, {codec}");
    }
}
