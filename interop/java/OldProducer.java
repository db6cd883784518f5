import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import kafka.javaapi.producer.Producer;
import kafka.producer.KeyedMessage;
import kafka.producer.ProducerConfig;

/**
 * The Scala producer of any release of 0.8. Arguments: a broker, and jobs: "topic:codec:count". Sends the messages of a job in lists of
 * 100, whose keys decide the partition: key "key-N" and value "N xxx", with N from 0 to the count.
 */
public class OldProducer {
    private static final int LIST = 100;

    public static void main(String[] arguments) {
        for (int at = 1; at < arguments.length; at++) {
            String[] job = arguments[at].split(":");
            Properties settings = new Properties();
            settings.put("metadata.broker.list", arguments[0]);
            settings.put("request.required.acks", "1");
            settings.put("serializer.class", "kafka.serializer.StringEncoder");
            settings.put("compression.codec", job[1]);
            // A message that is sent twice would be there twice.
            settings.put("message.send.max.retries", "0");
            settings.put("request.timeout.ms", "30000");
            Producer<String, String> producer = new Producer<>(new ProducerConfig(settings));
            int count = Integer.parseInt(job[2]);
            for (int first = 0; first < count; first += LIST) {
                List<KeyedMessage<String, String>> messages = new ArrayList<>();
                for (int n = first; n < Math.min(first + LIST, count); n++) {
                    messages.add(new KeyedMessage<>(job[0], "key-" + n, n + " " + "x".repeat(n % 97)));
                }
                producer.send(messages);
            }
            producer.close();
        }
    }
}
