"""kafka-python against a broker of 0.8.

Arguments: the broker, a release such as 0.8.2, a topic with two partitions and no messages, and the name of a check. The exit
code is 0 if the check holds.
"""

import sys
import time

from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError

SECONDS = 10


class Broker:
    """Where the broker is, and which release the clients take it for."""

    def __init__(self, address, release, topic):
        self.settings = {
            "bootstrap_servers": address,
            "api_version": tuple(int(part) for part in release.split(".")),
        }
        self.topic = topic
        self.partitions = [TopicPartition(topic, 0), TopicPartition(topic, 1)]

    def producer(self, **settings):
        settings.setdefault("acks", 1)
        return KafkaProducer(enable_idempotence=False, max_block_ms=SECONDS * 1000, **self.settings, **settings)

    def consumer(self, *partitions, **settings):
        settings.setdefault("auto_offset_reset", "earliest")
        consumer = KafkaConsumer(enable_auto_commit=False, **self.settings, **settings)
        consumer.assign(partitions)
        return consumer

    def produce(self, values, **settings):
        """Sends values to partition 0 and waits until all are acknowledged. Returns their offsets."""
        with_producer = self.producer(**settings)
        sent = [with_producer.send(self.topic, value, partition=0) for value in values]
        with_producer.flush(SECONDS)
        offsets = [future.get(SECONDS).offset for future in sent]
        with_producer.close()
        return offsets


def poll(consumer, count):
    """Takes `count` records, and not one more that is there."""
    records = []
    end = time.monotonic() + SECONDS
    while len(records) < count and time.monotonic() < end:
        for found in consumer.poll(timeout_ms=500).values():
            records.extend(found)
    for found in consumer.poll(timeout_ms=100).values():
        records.extend(found)
    return records


def read(broker, count, partition=0, **settings):
    """Offset, key and value of all records of a partition."""
    consumer = broker.consumer(broker.partitions[partition], **settings)
    records = [(record.offset, record.key, record.value) for record in poll(consumer, count)]
    consumer.close()
    return records


def equal(found, expected):
    if found != expected:
        raise AssertionError(f"found {found!r}, expected {expected!r}")


def raises(error, function):
    try:
        found = function()
    except error:
        return
    raise AssertionError(f"found {found!r}, expected {error.__name__}")


def acknowledgements(broker):
    equal(broker.produce([b"a", b"b"], acks=1), [0, 1])
    equal(broker.produce([b"c"], acks="all"), [2])
    # Without a response, there is no offset: the client counts from 0.
    broker.produce([b"d"], acks=0)
    equal(read(broker, 4), [(0, None, b"a"), (1, None, b"b"), (2, None, b"c"), (3, None, b"d")])


def compression(broker, codec):
    values = [b"a line of text, number %d" % number for number in range(200)]
    # One set: it is sent when it is full or after the time.
    equal(broker.produce(values, compression_type=codec, linger_ms=200), list(range(200)))
    equal(read(broker, 200), [(number, None, value) for number, value in enumerate(values)])


def gzip(broker):
    compression(broker, "gzip")


def snappy(broker):
    compression(broker, "snappy")


def lz4(broker):
    compression(broker, "lz4")


def keys(broker):
    producer = broker.producer()
    expected = {partition: [] for partition in broker.partitions}
    for number in range(20):
        key, value = b"key-%d" % number, b"%d" % number
        sent = producer.send(broker.topic, value, key=key).get(SECONDS)
        of_partition = expected[TopicPartition(sent.topic, sent.partition)]
        equal(sent.offset, len(of_partition))
        of_partition.append((sent.offset, key, value))
    producer.close()
    for number, partition in enumerate(broker.partitions):
        equal(len(expected[partition]) > 0, True)
        equal(read(broker, len(expected[partition]), number), expected[partition])


def nulls(broker):
    producer = broker.producer()
    for key, value in [(b"k", None), (b"k", b""), (None, b"v"), (b"", b"w")]:
        producer.send(broker.topic, value, key=key, partition=1).get(SECONDS)
    producer.close()
    equal(read(broker, 4, 1), [(0, b"k", None), (1, b"k", b""), (2, None, b"v"), (3, b"", b"w")])


def seeking(broker):
    broker.produce([b"%d" % number for number in range(10)])
    partition = broker.partitions[0]
    consumer = broker.consumer(partition)
    offsets = lambda count: [record.offset for record in poll(consumer, count)]
    equal(offsets(10), list(range(10)))
    equal(consumer.position(partition), 10)
    consumer.seek(partition, 7)
    equal(offsets(3), [7, 8, 9])
    consumer.seek_to_beginning(partition)
    equal(consumer.position(partition), 0)
    equal(offsets(10), list(range(10)))
    consumer.seek_to_end(partition)
    equal(consumer.position(partition), 10)
    broker.produce([b"later"])
    equal([(record.offset, record.value) for record in poll(consumer, 1)], [(10, b"later")])
    consumer.close()


def small_fetches(broker):
    values = [bytes([number]) * 1000 for number in range(50)]
    broker.produce(values)
    # Three messages do not fit, so that each response ends inside of one.
    found = read(broker, 50, max_partition_fetch_bytes=2500)
    equal([value for _, _, value in found], values)


def ends(broker):
    first, second = broker.partitions
    consumer = broker.consumer(first, second)
    equal(consumer.beginning_offsets([first, second]), {first: 0, second: 0})
    equal(consumer.end_offsets([first, second]), {first: 0, second: 0})
    broker.produce([b"a", b"b", b"c"])
    equal(consumer.beginning_offsets([first, second]), {first: 0, second: 0})
    equal(consumer.end_offsets([first, second]), {first: 3, second: 0})
    consumer.close()


def out_of_range(broker):
    broker.produce([b"a", b"b"])
    partition = broker.partitions[0]
    strict = broker.consumer(partition, auto_offset_reset="none")
    strict.seek(partition, 100)
    raises(OffsetOutOfRangeError, lambda: poll(strict, 1))
    strict.close()
    lenient = broker.consumer(partition)
    lenient.seek(partition, 100)
    equal([record.value for record in poll(lenient, 2)], [b"a", b"b"])
    lenient.close()


def too_large(broker):
    large = lambda: broker.produce([b"x" * 1_500_000], max_request_size=3_000_000)
    raises(MessageSizeTooLargeError, large)
    equal(broker.produce([b"small"]), [0])
    equal(read(broker, 1), [(0, None, b"small")])


def topics(broker):
    consumer = broker.consumer(*broker.partitions)
    equal(consumer.partitions_for_topic(broker.topic), {0, 1})
    equal(broker.topic in consumer.topics(), True)
    consumer.close()


def creation(broker):
    """The topic does not exist yet."""
    equal(broker.produce([b"a"]), [0])
    equal(read(broker, 1), [(0, None, b"a")])


def commits(broker):
    broker.produce([b"%d" % number for number in range(5)])
    first, second = broker.partitions
    group = "group-of-" + broker.topic
    consumer = broker.consumer(first, second, group_id=group)
    limit = {"timeout_ms": SECONDS * 1000}
    equal(consumer.committed(first, **limit), None)
    poll(consumer, 5)
    consumer.commit({first: OffsetAndMetadata(3, "a note", -1)}, **limit)
    # ZooKeeper keeps the offset alone.
    note = "a note" if broker.settings["api_version"] >= (0, 8, 2) else ""
    equal(consumer.committed(first, metadata=True, **limit)[:2], (3, note))
    equal(consumer.committed(second, **limit), None)
    consumer.commit(**limit)
    equal((consumer.committed(first, **limit), consumer.committed(second, **limit)), (5, 0))
    consumer.commit({first: OffsetAndMetadata(4, "", -1)}, **limit)
    consumer.close()
    # Another consumer of the group begins where the first has committed, one of another group at the beginning.
    for other, expected in [(group, [4]), (group + "-other", [0, 1, 2, 3, 4])]:
        consumer = broker.consumer(first, group_id=other)
        equal([record.offset for record in poll(consumer, len(expected))], expected)
        consumer.close()


def produce_lines(broker, codec):
    """Not a check: sends the lines of the standard input."""
    values = sys.stdin.buffer.read().split(b"\n")
    broker.produce(values, compression_type=None if codec == "none" else codec, linger_ms=200)


def consume_lines(broker):
    """Not a check: prints the values of partition 0."""
    partition = broker.partitions[0]
    consumer = broker.consumer(partition)
    for record in poll(consumer, consumer.end_offsets([partition])[partition]):
        print(record.value.decode())
    consumer.close()


if __name__ == "__main__":
    address, release, topic, check, *more = sys.argv[1:]
    globals()[check](Broker(address, release, topic), *more)
