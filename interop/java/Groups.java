import java.nio.charset.StandardCharsets;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import kafka.consumer.Consumer;
import kafka.consumer.ConsumerConfig;
import kafka.consumer.ConsumerIterator;
import kafka.consumer.ConsumerTimeoutException;
import kafka.consumer.KafkaStream;
import kafka.javaapi.consumer.ConsumerConnector;
import kafka.message.MessageAndMetadata;

/**
 * The high-level consumer of Kafka 0.8.2, as the only member of a group. Arguments: ZooKeeper, the group, where its offsets are
 * ("zookeeper", "kafka", or "both"), a topic, a number of messages, and "stop" or "end".
 *
 * Reads so many messages, prints partition, offset and value of each, and commits. With "end" it says so if there are no more.
 */
public class Groups {
    /** How long to wait for one message. */
    private static final int MILLIS = 1000;
    private static final int ATTEMPTS = 25;

    public static void main(String[] arguments) {
        String store = arguments[2];
        Properties settings = new Properties();
        settings.put("zookeeper.connect", arguments[0]);
        settings.put("group.id", arguments[1]);
        settings.put("offsets.storage", store.equals("zookeeper") ? "zookeeper" : "kafka");
        settings.put("dual.commit.enabled", Boolean.toString(store.equals("both")));
        settings.put("auto.commit.enable", "false");
        // Whoever finds nothing committed reads everything.
        settings.put("auto.offset.reset", "smallest");
        // A few messages of each partition in turn.
        settings.put("fetch.message.max.bytes", "1500");
        settings.put("consumer.timeout.ms", Integer.toString(MILLIS));
        ConsumerConnector consumer = Consumer.createJavaConsumerConnector(new ConsumerConfig(settings));
        List<KafkaStream<byte[], byte[]>> streams =
            consumer.createMessageStreams(Collections.singletonMap(arguments[3], 1)).get(arguments[3]);
        ConsumerIterator<byte[], byte[]> messages = streams.get(0).iterator();
        int wanted = Integer.parseInt(arguments[4]);
        for (int found = 0; found < wanted; found++) {
            // Partitions are given to a new member late.
            for (int attempt = 1; !hasNext(messages); attempt++) {
                if (attempt == ATTEMPTS) {
                    throw new IllegalStateException("only " + found + " messages");
                }
            }
            MessageAndMetadata<byte[], byte[]> message = messages.next();
            System.out.println(
                message.partition() + " " + message.offset() + " " + new String(message.message(), StandardCharsets.UTF_8));
        }
        if (arguments[5].equals("end")) {
            System.out.println(hasNext(messages) ? "more" : "end");
        }
        consumer.commitOffsets();
        consumer.shutdown();
    }

    private static boolean hasNext(ConsumerIterator<byte[], byte[]> messages) {
        try {
            return messages.hasNext();
        } catch (ConsumerTimeoutException error) {
            return false;
        }
    }
}
