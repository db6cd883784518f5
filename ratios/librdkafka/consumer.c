/* Reads a log from its beginning with librdkafka, and prints the messages, the elapsed time and the CPU time of this process in
 * nanoseconds.
 *
 *   consumer HOST:PORT TOPIC MESSAGES poll|batch
 *
 * "poll" takes messages one by one by rd_kafka_consumer_poll, of a partition that is assigned by hand. "batch" takes up to 1,000 at
 * once from the queue of the simple consumer. Checksums are not verified, which is the default. */

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define BATCH 1000
#define TIMEOUT_MS 10000

static long long offsets, bytes;

static void set(rd_kafka_conf_t *conf, const char *name, const char *value) {
    char error[512];
    if (rd_kafka_conf_set(conf, name, value, error, sizeof error) != RD_KAFKA_CONF_OK) {
        fprintf(stderr, "librdkafka: %s\n", error);
        exit(1);
    }
}

static void fail(const char *what) {
    fprintf(stderr, "librdkafka: %s\n", what);
    exit(1);
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

static void take(const rd_kafka_message_t *message) {
    if (message->err)
        fail(rd_kafka_err2str(message->err));
    offsets += message->offset;
    bytes += (long long)message->len + ((const char *)message->payload)[0];
}

static void poll_all(rd_kafka_t *client, const char *topic, long messages) {
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic, 0)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_poll_set_consumer(client);
    if (rd_kafka_assign(client, list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("the partition was not assigned");
    rd_kafka_topic_partition_list_destroy(list);
    for (long read = 0; read < messages; read++) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(client, TIMEOUT_MS);
        if (message == NULL)
            fail("nothing comes");
        take(message);
        rd_kafka_message_destroy(message);
    }
}

static void batch_all(rd_kafka_t *client, const char *name, long messages) {
    static rd_kafka_message_t *batch[BATCH];
    rd_kafka_topic_t *topic = rd_kafka_topic_new(client, name, NULL);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    if (rd_kafka_consume_start_queue(topic, 0, RD_KAFKA_OFFSET_BEGINNING, queue) != 0)
        fail("the partition was not started");
    for (long read = 0; read < messages;) {
        ssize_t taken = rd_kafka_consume_batch_queue(queue, TIMEOUT_MS, batch, BATCH);
        if (taken <= 0)
            fail("nothing comes");
        for (ssize_t n = 0; n < taken; n++) {
            take(batch[n]);
            rd_kafka_message_destroy(batch[n]);
        }
        read += taken;
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: consumer HOST:PORT TOPIC MESSAGES poll|batch\n");
        return 2;
    }
    long messages = atol(argv[3]);
    int polls = strcmp(argv[4], "poll") == 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", argv[1]);
    set(conf, "api.version.request", "false");
    set(conf, "broker.version.fallback", "0.8.2.1");
    set(conf, "check.crcs", "false");
    set(conf, "enable.auto.commit", "false");
    set(conf, "enable.auto.offset.store", "false");
    /* Without a name of a group nothing can be assigned. No group is joined, and nothing is committed. */
    if (polls)
        set(conf, "group.id", "unused");
    char error[512];
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_CONSUMER, conf, error, sizeof error);
    if (client == NULL)
        fail(error);
    /* Connects. */
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(client, 1, NULL, &metadata, TIMEOUT_MS) != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail("no broker answers");
    rd_kafka_metadata_destroy(metadata);

    long long wall = wall_ns(), cpu = cpu_ns();
    if (polls)
        poll_all(client, argv[2], messages);
    else
        batch_all(client, argv[2], messages);
    wall = wall_ns() - wall;
    cpu = cpu_ns() - cpu;
    if (offsets != (long long)messages * (messages - 1) / 2)
        fail("not every message was read once");
    printf("%ld %lld %lld\n", messages, wall, cpu);
    fflush(stdout);
    /* The process ends here. What librdkafka would still do is not measured. */
    _Exit(0);
}
