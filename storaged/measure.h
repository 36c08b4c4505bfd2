#pragma once

/* How fast a disk reads, and what that tells of its kind. Only reads; bounded to about 100 ms. */

#include "storaged/disk.h"

/* Random reads a second from which a disk that calls itself rotational is taken for an SSD. */
#define MEASURE_SSD_IOPS 1000

struct measure {
    int64_t read_iops;        /* random 4 KiB reads over the whole disk, 8 at a time; 0: not measured */
    int64_t best_iops;        /* the same, of the fastest 8: what the disk can do when nothing is in its way */
    int64_t read_bytes_per_s; /* 1 MiB reads in a row, 2 at a time */
};

/* Measures the disk behind `fd`, which must be opened with O_DIRECT. 0, or negative errno, logged. Blocks: for the
 * thread pool. */
int measure_disk(int fd, int64_t size_bytes, struct measure *ret_measure);

/* The rule: a disk that calls itself non-rotational is an SSD. One that calls itself rotational is an SSD all the same
 * if the fastest batch of its random reads came at MEASURE_SSD_IOPS or more, since virtio, RAID controllers and USB
 * bridges say "rotational" for want of knowledge, and nothing with a moving head gets beyond some 300. The flag isn't
 * corrected the other way: nothing rotating denies it, and a busy machine may stall any measurement. What a hypervisor
 * caches, or a sparse image that has no data behind it, reads fast and counts as SSD: from here it is one. A limit: a
 * shingled disk that answers for blocks never written without moving its head looks like an SSD while it is empty. */
enum disk_media measure_media(bool rotational, int64_t best_iops);
