import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import kafka.javaapi.producer.Producer;
import kafka.producer.KeyedMessage;
import kafka.producer.ProducerConfig;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * Sends keys with a producer of Kafka 0.8.2, and its own choice of the partition. Arguments: a producer, the broker as host:port, a topic.
 * Each line of the standard input is a key in hexadecimal digits. The value is the line's number.
 */
public class Keys {
    public static void main(String[] arguments) throws Exception {
        List<byte[]> keys = new ArrayList<>();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            keys.add(bytes(line));
        }
        switch (arguments[0]) {
            case "java": java(arguments[1], arguments[2], keys); break;
            case "scala-string": scalaString(arguments[1], arguments[2], keys); break;
            case "scala-bytes": scalaBytes(arguments[1], arguments[2], keys); break;
            default: throw new IllegalArgumentException(arguments[0]);
        }
    }

    private static byte[] bytes(String digits) {
        byte[] bytes = new byte[digits.length() / 2];
        for (int i = 0; i < bytes.length; i++) {
            bytes[i] = (byte) Integer.parseInt(digits.substring(2 * i, 2 * i + 2), 16);
        }
        return bytes;
    }

    private static byte[] value(int number) {
        return Integer.toString(number).getBytes(StandardCharsets.US_ASCII);
    }

    private static void java(String broker, String topic, List<byte[]> keys) throws Exception {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", broker);
        properties.put("acks", "1");
        properties.put("key.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        properties.put("value.serializer", "org.apache.kafka.common.serialization.ByteArraySerializer");
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(properties)) {
            for (byte[] key : keys) {
                sent.add(producer.send(new ProducerRecord<>(topic, key, value(sent.size()))));
            }
            for (Future<RecordMetadata> future : sent) {
                future.get();
            }
        }
    }

    /** The DefaultPartitioner, with keys that are strings. */
    private static void scalaString(String broker, String topic, List<byte[]> keys) {
        Properties properties = scala(broker);
        properties.put("key.serializer.class", "kafka.serializer.StringEncoder");
        Producer<String, byte[]> producer = new Producer<>(new ProducerConfig(properties));
        List<KeyedMessage<String, byte[]>> messages = new ArrayList<>();
        for (byte[] key : keys) {
            messages.add(new KeyedMessage<>(topic, new String(key, StandardCharsets.UTF_8), value(messages.size())));
        }
        producer.send(messages);
        producer.close();
    }

    private static void scalaBytes(String broker, String topic, List<byte[]> keys) {
        Properties properties = scala(broker);
        properties.put("key.serializer.class", "kafka.serializer.DefaultEncoder");
        properties.put("partitioner.class", "kafka.producer.ByteArrayPartitioner");
        Producer<byte[], byte[]> producer = new Producer<>(new ProducerConfig(properties));
        List<KeyedMessage<byte[], byte[]>> messages = new ArrayList<>();
        for (byte[] key : keys) {
            messages.add(new KeyedMessage<>(topic, key, value(messages.size())));
        }
        producer.send(messages);
        producer.close();
    }

    private static Properties scala(String broker) {
        Properties properties = new Properties();
        properties.put("metadata.broker.list", broker);
        properties.put("request.required.acks", "1");
        properties.put("serializer.class", "kafka.serializer.DefaultEncoder");
        return properties;
    }
}
