/* Produces records with librdkafka, and prints the records, the elapsed time and the CPU time of this process in nanoseconds.
 *
 *   producer HOST:PORT TOPIC RECORDS BYTES WINDOW outcomes|sets
 *
 * "outcomes" asks for a delivery report of each record and counts them. "sets" asks for none. WINDOW is the number of records
 * that may be unreported; 0 leaves librdkafka's default. */

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* How many records are produced between two polls for reports. */
#define POLL_EVERY 100

static long delivered, failed;
static long long offsets;

static void on_report(rd_kafka_t *client, const rd_kafka_message_t *message, void *opaque) {
    (void)client;
    (void)opaque;
    if (message->err) {
        failed++;
    } else {
        delivered++;
        offsets += message->offset;
    }
}

static void on_error(rd_kafka_t *client, int error, const char *reason, void *opaque) {
    (void)client;
    (void)opaque;
    fprintf(stderr, "librdkafka: %s: %s\n", rd_kafka_err2name(error), reason);
}

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[512];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "librdkafka: %s\n", error);
        exit(1);
    }
}

static long long wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static long long cpu_ns(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000LL +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000LL;
}

static void produce(rd_kafka_t *client, rd_kafka_topic_t *topic, long records, char *value, size_t bytes, int reports) {
    int flags = RD_KAFKA_MSG_F_COPY | (reports ? 0 : RD_KAFKA_MSG_F_BLOCK);
    for (long n = 0; n < records; n++) {
        while (rd_kafka_produce(topic, 0, flags, value, bytes, NULL, 0, NULL) != 0) {
            if (rd_kafka_last_error() != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
                fprintf(stderr, "librdkafka: %s\n", rd_kafka_err2str(rd_kafka_last_error()));
                exit(1);
            }
            rd_kafka_poll(client, 1000);
        }
        if (reports && n % POLL_EVERY == 0)
            rd_kafka_poll(client, 0);
    }
    if (rd_kafka_flush(client, 60000) != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fprintf(stderr, "librdkafka: not everything was delivered\n");
        exit(1);
    }
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: producer HOST:PORT TOPIC RECORDS BYTES WINDOW outcomes|sets\n");
        return 2;
    }
    long records = atol(argv[3]);
    size_t bytes = (size_t)atol(argv[4]);
    int reports = strcmp(argv[6], "outcomes") == 0;
    char *value = malloc(bytes);
    memset(value, 'v', bytes);

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "api.version.request", "false");
    set(conf, "broker.version.fallback", "0.8.2.2");
    set(conf, "acks", "1");
    set(conf, "linger.ms", "5");
    if (atol(argv[5]) > 0)
        set(conf, "queue.buffering.max.messages", argv[5]);
    if (reports)
        rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    rd_kafka_conf_set_error_cb(conf, on_error);
    char error[512];
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (client == NULL) {
        fprintf(stderr, "librdkafka: %s\n", error);
        return 1;
    }
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, argv[2], NULL);

    /* Connects, and finds the leader. */
    produce(client, topic, 1000, value, bytes, reports);
    delivered = 0;

    long long wall = wall_ns(), cpu = cpu_ns();
    produce(client, topic, records, value, bytes, reports);
    wall = wall_ns() - wall;
    cpu = cpu_ns() - cpu;
    if (failed > 0 || (reports && delivered != records)) {
        fprintf(stderr, "librdkafka: %ld of %ld records were delivered\n", delivered, records);
        return 1;
    }
    printf("%ld %lld %lld\n", records, wall, cpu);
    rd_kafka_topic_destroy(topic);
    rd_kafka_destroy(client);
    free(value);
    return 0;
}
