import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * Arguments: a broker and a topic, and perhaps a partition (default: 0), a number (1), and a codec ("none"). Writes a transaction that is
 * committed, one that is aborted, and a last committed one, with so many records each. Prints partition, offset and value of each.
 */
public class Transactions {
    public static void main(String[] args) throws Exception {
        int partition = args.length > 2 ? Integer.parseInt(args[2]) : 0;
        int count = args.length > 3 ? Integer.parseInt(args[3]) : 1;
        Properties settings = new Properties();
        settings.put("bootstrap.servers", args[0]);
        settings.put("transactional.id", "t");
        settings.put("compression.type", args.length > 4 ? args[4] : "none");
        settings.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        settings.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(settings)) {
            producer.initTransactions();
            for (String what : new String[] {"committed", "aborted", "last"}) {
                producer.beginTransaction();
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int n = 0; n < count; n++) {
                    sent.add(producer.send(new ProducerRecord<>(args[1], partition, null, value(what, n))));
                }
                producer.flush();
                for (int n = 0; n < count; n++) {
                    System.out.println(partition + " " + sent.get(n).get().offset() + " " + value(what, n));
                }
                if (what.equals("aborted")) {
                    producer.abortTransaction();
                } else {
                    producer.commitTransaction();
                }
            }
        }
    }

    private static String value(String what, int number) {
        return number == 0 ? what : what + " " + number;
    }
}
