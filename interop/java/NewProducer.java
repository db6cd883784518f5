import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * The Java producer of 0.8.2 and of any later release. Arguments: a broker, and jobs: "topic:partition:codec:count", one after the other.
 * Key "key-N" and value "N xxx", with N from 0 to the count. Partition "-": the keys decide. Prints topic, partition, offset and N of each.
 */
public class NewProducer {
    public static void main(String[] arguments) throws Exception {
        for (int at = 1; at < arguments.length; at++) {
            String[] job = arguments[at].split(":");
            Properties settings = new Properties();
            settings.put("bootstrap.servers", arguments[0]);
            settings.put("acks", "1");
            settings.put("retries", "0");
            settings.put("compression.type", job[2]);
            // So that there are several sets, and several records in each.
            settings.put("linger.ms", "20");
            settings.put("batch.size", "4000");
            settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
            settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
            Integer partition = job[1].equals("-") ? null : Integer.valueOf(job[1]);
            List<Future<RecordMetadata>> sent = new ArrayList<>();
            try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
                for (int n = 0; n < Integer.parseInt(job[3]); n++) {
                    sent.add(producer.send(new ProducerRecord<>(job[0], partition, "key-" + n, n + " " + "x".repeat(n % 97))));
                }
            }
            for (int n = 0; n < sent.size(); n++) {
                RecordMetadata metadata = sent.get(n).get();
                System.out.println(metadata.topic() + " " + metadata.partition() + " " + metadata.offset() + " " + n);
            }
        }
    }
}
