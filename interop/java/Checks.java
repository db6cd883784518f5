import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import kafka.api.ConsumerMetadataRequest;
import kafka.api.FetchRequestBuilder;
import kafka.api.PartitionOffsetRequestInfo;
import kafka.cluster.Broker;
import kafka.common.OffsetAndMetadata;
import kafka.common.OffsetMetadataAndError;
import kafka.common.TopicAndPartition;
import kafka.javaapi.ConsumerMetadataResponse;
import kafka.javaapi.FetchResponse;
import kafka.javaapi.OffsetCommitRequest;
import kafka.javaapi.OffsetFetchRequest;
import kafka.javaapi.OffsetRequest;
import kafka.javaapi.PartitionMetadata;
import kafka.javaapi.TopicMetadata;
import kafka.javaapi.TopicMetadataRequest;
import kafka.javaapi.consumer.SimpleConsumer;
import kafka.javaapi.producer.Producer;
import kafka.message.MessageAndOffset;
import kafka.network.BlockingChannel;
import kafka.producer.KeyedMessage;
import kafka.producer.Partitioner;
import kafka.producer.ProducerConfig;
import kafka.utils.VerifiableProperties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/** The clients of Kafka 0.8.2. Arguments: a command, the broker's host and port, and what the command takes. Prints what it gets. */
public class Checks {
    private static final int MILLIS = 10_000;
    private static final int BUFFER = 1 << 20;
    private static final String CLIENT = "checks";
    /** ConsumerCoordinatorNotAvailable. */
    private static final short NO_COORDINATOR = 15;

    private final String host;
    private final int port;
    private final List<String> arguments;

    private Checks(String[] arguments) {
        this.host = arguments[1];
        this.port = Integer.parseInt(arguments[2]);
        this.arguments = Arrays.asList(arguments).subList(3, arguments.length);
    }

    public static void main(String[] arguments) throws Exception {
        Checks checks = new Checks(arguments);
        switch (arguments[0]) {
            case "fetch": checks.fetch(); break;
            case "metadata": checks.metadata(); break;
            case "list-offsets": checks.listOffsets(); break;
            case "commit-to-zookeeper": checks.commit(0, new Broker(0, checks.host, checks.port)); break;
            case "commit-to-kafka": checks.commit(1, checks.coordinator()); break;
            case "old-producer": checks.oldProducer(); break;
            case "new-producer": checks.newProducer(); break;
            case "too-large": checks.tooLarge(); break;
            default: throw new IllegalArgumentException(arguments[0]);
        }
    }

    private SimpleConsumer consumer(Broker broker) {
        return new SimpleConsumer(broker.host(), broker.port(), MILLIS, BUFFER, CLIENT);
    }

    private SimpleConsumer consumer() {
        return consumer(new Broker(0, host, port));
    }

    /** Takes topic:partition:offset:bytes, as often as wanted. Prints the code, the high watermark, and each message from the offset on. */
    private void fetch() {
        FetchRequestBuilder builder = new FetchRequestBuilder().clientId(CLIENT);
        for (String argument : arguments) {
            String[] parts = argument.split(":");
            builder.addFetch(parts[0], Integer.parseInt(parts[1]), Long.parseLong(parts[2]), Integer.parseInt(parts[3]));
        }
        SimpleConsumer consumer = consumer();
        FetchResponse response = consumer.fetch(builder.build());
        for (String argument : arguments) {
            String[] parts = argument.split(":");
            int partition = Integer.parseInt(parts[1]);
            short code = response.errorCode(parts[0], partition);
            System.out.println(parts[0] + " " + partition + " code " + code + " end " + response.highWatermark(parts[0], partition));
            if (code != 0) {
                continue;
            }
            for (MessageAndOffset found : response.messageSet(parts[0], partition)) {
                // A compressed set comes whole, also from an offset inside of it.
                if (found.offset() >= Long.parseLong(parts[2])) {
                    System.out.println(found.offset() + " " + text(found.message().key()) + " " + text(found.message().payload()));
                }
            }
        }
        consumer.close();
    }

    private static String text(ByteBuffer buffer) {
        return buffer == null ? "null" : StandardCharsets.UTF_8.decode(buffer.duplicate()).toString();
    }

    /** Takes topics. */
    private void metadata() {
        SimpleConsumer consumer = consumer();
        for (TopicMetadata topic : consumer.send(new TopicMetadataRequest(arguments)).topicsMetadata()) {
            System.out.println(topic.topic() + " code " + topic.errorCode());
            for (PartitionMetadata partition : topic.partitionsMetadata()) {
                System.out.println(partition.partitionId() + " code " + partition.errorCode() + " leader "
                    + partition.leader().connectionString() + " replicas " + partition.replicas().size() + " isr " + partition.isr().size());
            }
        }
        consumer.close();
    }

    /** Takes a topic, a partition, and times. */
    private void listOffsets() {
        SimpleConsumer consumer = consumer();
        String topic = arguments.get(0);
        int partition = Integer.parseInt(arguments.get(1));
        for (String time : arguments.subList(2, arguments.size())) {
            PartitionOffsetRequestInfo info = new PartitionOffsetRequestInfo(Long.parseLong(time), 10);
            var response = consumer.getOffsetsBefore(new OffsetRequest(
                Collections.singletonMap(new TopicAndPartition(topic, partition), info), kafka.api.OffsetRequest.CurrentVersion(), CLIENT));
            short code = response.errorCode(topic, partition);
            System.out.println(time + " code " + code + " " + Arrays.toString(response.offsets(topic, partition)));
        }
        consumer.close();
    }

    /** Asks for the coordinator of the group, which is the first argument, until there is one. */
    private Broker coordinator() throws InterruptedException {
        BlockingChannel channel = new BlockingChannel(
            host, port, BlockingChannel.UseDefaultBufferSize(), BlockingChannel.UseDefaultBufferSize(), MILLIS);
        channel.connect();
        long end = System.currentTimeMillis() + MILLIS;
        ConsumerMetadataResponse response;
        do {
            channel.send(new ConsumerMetadataRequest(arguments.get(0), ConsumerMetadataRequest.CurrentVersion(), 7, CLIENT));
            response = ConsumerMetadataResponse.readFrom(channel.receive().buffer());
            Thread.sleep(50);
        } while (response.errorCode() == NO_COORDINATOR && System.currentTimeMillis() < end);
        channel.disconnect();
        System.out.println("coordinator code " + response.errorCode());
        Broker coordinator = response.coordinator();
        System.out.println("coordinator " + coordinator.connectionString());
        return coordinator;
    }

    /** Takes a group and a topic with two partitions, of which nothing is committed. */
    private void commit(int version, Broker broker) throws InterruptedException {
        SimpleConsumer consumer = consumer(broker);
        String group = arguments.get(0);
        TopicAndPartition first = new TopicAndPartition(arguments.get(1), 0);
        TopicAndPartition second = new TopicAndPartition(arguments.get(1), 1);
        TopicAndPartition unknown = new TopicAndPartition("unknown", 0);
        for (long offset : new long[] {-1, 42, 43}) {
            if (offset >= 0) {
                OffsetAndMetadata committed = new OffsetAndMetadata(offset, "note " + offset, System.currentTimeMillis());
                var response = consumer.commitOffsets(
                    new OffsetCommitRequest(group, Collections.singletonMap(first, committed), 8, CLIENT, (short) version));
                System.out.println("commit " + offset + " code " + response.errorCode(first));
            }
            Map<TopicAndPartition, OffsetMetadataAndError> found = fetchOffsets(consumer, version, group, first, second, unknown);
            for (TopicAndPartition partition : List.of(first, second, unknown)) {
                OffsetMetadataAndError of = found.get(partition);
                System.out.println(
                    partition.topic() + " " + partition.partition() + " code " + of.error() + " offset " + of.offset() + " '" + of.metadata() + "'");
            }
        }
        consumer.close();
    }

    private Map<TopicAndPartition, OffsetMetadataAndError> fetchOffsets(
            SimpleConsumer consumer, int version, String group, TopicAndPartition... partitions) throws InterruptedException {
        long end = System.currentTimeMillis() + MILLIS;
        OffsetFetchRequest request = new OffsetFetchRequest(group, Arrays.asList(partitions), (short) version, 9, CLIENT);
        while (true) {
            Map<TopicAndPartition, OffsetMetadataAndError> found = consumer.fetchOffsets(request).offsets();
            // OffsetsLoadInProgress, or NotCoordinatorForConsumer: a new coordinator reads its log first.
            boolean loading = found.values().stream().anyMatch(of -> of.error() == 14 || of.error() == 16);
            if (!loading || System.currentTimeMillis() > end) {
                return found;
            }
            Thread.sleep(50);
        }
    }

    /** Puts a key into the partition that is its length, modulo. The producer makes one by its name. */
    public static class ByLength implements Partitioner {
        public ByLength(VerifiableProperties settings) {}

        @Override
        public int partition(Object key, int partitions) {
            return key.toString().length() % partitions;
        }
    }

    /** Takes a topic and keys. The value of a key is "of " and the key. */
    private void oldProducer() {
        Properties settings = new Properties();
        settings.put("metadata.broker.list", host + ":" + port);
        settings.put("serializer.class", "kafka.serializer.StringEncoder");
        settings.put("request.required.acks", "1");
        settings.put("partitioner.class", ByLength.class.getName());
        Producer<String, String> producer = new Producer<>(new ProducerConfig(settings));
        for (String key : arguments.subList(1, arguments.size())) {
            producer.send(new KeyedMessage<>(arguments.get(0), key, "of " + key));
        }
        producer.close();
    }

    private KafkaProducer<String, String> newProducer(String acks) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", host + ":" + port);
        settings.put("acks", acks);
        settings.put("max.request.size", "3000000");
        settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        return new KafkaProducer<>(settings);
    }

    /** Takes a topic with two partitions. Prints the partition and the offset of each record. */
    private void newProducer() throws Exception {
        for (String acks : new String[] {"1", "all", "0"}) {
            KafkaProducer<String, String> producer = newProducer(acks);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            for (String key : new String[] {"a", "b", "c", null}) {
                sent.add(producer.send(new ProducerRecord<>(arguments.get(0), 1, key, "with acks " + acks)));
            }
            for (Future<RecordMetadata> one : sent) {
                RecordMetadata metadata = one.get(MILLIS, TimeUnit.MILLISECONDS);
                System.out.println(acks + ": " + metadata.topic() + " " + metadata.partition() + " " + metadata.offset());
            }
            producer.close();
        }
    }

    /** Takes a topic. */
    private void tooLarge() throws Exception {
        KafkaProducer<String, String> producer = newProducer("1");
        try {
            producer.send(new ProducerRecord<>(arguments.get(0), 0, null, "x".repeat(1_500_000))).get(MILLIS, TimeUnit.MILLISECONDS);
            System.out.println("appended");
        } catch (ExecutionException error) {
            System.out.println(error.getCause().getClass().getSimpleName());
        }
        producer.close();
    }
}
