/* Measures reads with io_uring and O_DIRECT, so that neither the page cache nor a system call per read distorts it.
 *
 * Random reads go in batches of 8, each waited for; the rate is that of the median batch, which a stall of the machine
 * doesn't move. The kind of the disk follows from the fastest batch: no rotating disk does 8 reads all over it in less
 * than some 20 ms, however idle the machine, and an SSD soon has a fast one, however busy. So when none was fast yet,
 * the search goes on a little. */

#include "storaged/measure.h"

#include "lib/cleanup.h"
#include "lib/log.h"

#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define RANDOM_BYTES 4096
#define RANDOM_BATCH 8
#define RANDOM_BATCHES_MAX 64
#define RANDOM_MS 30
#define RANDOM_SLOW_MS 80 /* as long as no batch was fast */
#define SEQUENTIAL_BYTES (INT64_C(1) << 20)
#define SEQUENTIAL_BATCH 2
#define SEQUENTIAL_BATCHES_MAX 16
#define SEQUENTIAL_MS 30

static int64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* xorshift64*: evenly spread offsets are all that is asked of it. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

/* Reads `count` blocks of `size` at the offsets and waits for all. 0, or negative errno of the first that failed. */
static int read_batch(struct io_uring *ring, int fd, uint8_t *buffer, size_t size, const int64_t *offsets, int count)
{
    struct io_uring_cqe *cqe;
    int result = 0, r;

    for (int i = 0; i < count; i++)
        io_uring_prep_read(io_uring_get_sqe(ring), fd, buffer + (size_t)i * size, (unsigned)size, (uint64_t)offsets[i]);
    r = io_uring_submit_and_wait(ring, (unsigned)count);
    if (r < 0)
        return r;
    for (int i = 0; i < count; i++) {
        r = io_uring_wait_cqe(ring, &cqe);
        if (r < 0)
            return r;
        if (cqe->res < 0 && !result)
            result = cqe->res;
        io_uring_cqe_seen(ring, cqe);
    }
    return result;
}

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Reads a second, of a batch that took so long. */
static int64_t rate_of(int64_t batch_ns)
{
    return RANDOM_BATCH * INT64_C(1000000000) / (batch_ns > 0 ? batch_ns : 1);
}

static int measure_random(struct io_uring *ring, int fd, uint8_t *buffer, int64_t size_bytes, struct measure *measure)
{
    int64_t times[RANDOM_BATCHES_MAX], offsets[RANDOM_BATCH], begin = now_ns(), batch_begin, passed;
    uint64_t state = 1, blocks = (uint64_t)(size_bytes / RANDOM_BYTES);
    int count = 0, r;

    if (getrandom(&state, sizeof state, 0) != sizeof state || state == 0)
        state = (uint64_t)begin;
    do {
        for (int i = 0; i < RANDOM_BATCH; i++)
            offsets[i] = (int64_t)(next_random(&state) % blocks) * RANDOM_BYTES;
        batch_begin = now_ns();
        r = read_batch(ring, fd, buffer, RANDOM_BYTES, offsets, RANDOM_BATCH);
        if (r < 0)
            return r;
        times[count++] = now_ns() - batch_begin;
        if (rate_of(times[count - 1]) > measure->best_iops)
            measure->best_iops = rate_of(times[count - 1]);
        passed = (now_ns() - begin) / 1000000;
    } while (count < RANDOM_BATCHES_MAX &&
             passed < (measure->best_iops < MEASURE_SSD_IOPS ? RANDOM_SLOW_MS : RANDOM_MS));
    qsort(times, (size_t)count, sizeof *times, compare_times);
    measure->read_iops = rate_of(times[count / 2]);
    return 0;
}

/* From a quarter of the disk on: the outer edge of a rotating disk is twice as fast as its middle. */
static int measure_sequential(struct io_uring *ring, int fd, uint8_t *buffer, int64_t size_bytes, int64_t *ret_rate)
{
    int64_t at = size_bytes / 4 / SEQUENTIAL_BYTES * SEQUENTIAL_BYTES, begin = now_ns(), passed;
    int64_t offsets[SEQUENTIAL_BATCH];
    int count = 0, r;

    do {
        for (int i = 0; i < SEQUENTIAL_BATCH; i++)
            offsets[i] = at + (int64_t)(count * SEQUENTIAL_BATCH + i) * SEQUENTIAL_BYTES;
        r = read_batch(ring, fd, buffer, SEQUENTIAL_BYTES, offsets, SEQUENTIAL_BATCH);
        if (r < 0)
            return r;
        count++;
        passed = now_ns() - begin;
    } while (count < SEQUENTIAL_BATCHES_MAX && passed < SEQUENTIAL_MS * INT64_C(1000000));
    *ret_rate =
        (int64_t)((double)count * SEQUENTIAL_BATCH * SEQUENTIAL_BYTES * 1e9 / (double)(passed > 0 ? passed : 1));
    return 0;
}

int measure_disk(int fd, int64_t size_bytes, struct measure *ret_measure)
{
    struct measure measure = { 0 };
    cleanup_free uint8_t *buffer = NULL;
    struct io_uring ring;
    int r;

    if (size_bytes < 2 * SEQUENTIAL_BYTES * SEQUENTIAL_BATCH * SEQUENTIAL_BATCHES_MAX)
        return log_fail(-EINVAL, "measure a disk of %lld bytes", (long long)size_bytes);
    buffer = aligned_alloc(4096, (size_t)(SEQUENTIAL_BATCH * SEQUENTIAL_BYTES));
    if (!buffer)
        return -ENOMEM;
    r = io_uring_queue_init(RANDOM_BATCH, &ring, 0);
    if (r < 0)
        return log_fail(r, "set up io_uring");
    r = measure_random(&ring, fd, buffer, size_bytes, &measure);
    if (r == 0)
        r = measure_sequential(&ring, fd, buffer, size_bytes, &measure.read_bytes_per_s);
    io_uring_queue_exit(&ring);
    if (r < 0)
        return log_fail(r, "measure reads");
    *ret_measure = measure;
    return 0;
}

enum disk_media measure_media(bool rotational, int64_t best_iops)
{
    return !rotational || best_iops >= MEASURE_SSD_IOPS ? DISK_SSD : DISK_HDD;
}
