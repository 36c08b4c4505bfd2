/* Drives a fuzz target without libFuzzer, so that gcc with ASan and UBSan is enough:
 *
 *     fuzz_json [-n MUTATIONS] [-s SEED] FILE|FOLDER…
 *
 * Runs each file as it is, then MUTATIONS (10000) inputs made from them: bits flipped, bytes replaced, cut, doubled,
 * spliced with another file; or values of JSON replaced. The same seed makes the same inputs; the one that runs is kept
 * in memory of its exact size, and its number is printed when the target dies, so that `-s SEED -n NUMBER` brings it
 * back. */

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_BYTES_MAX (1 << 17)
#define FILES_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* sanitizer/common_interface_defs.h; absent in a build without a sanitizer. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

struct input {
    uint8_t *bytes;
    size_t size;
};

static struct input files[FILES_MAX];
static size_t files_count;
static uint64_t seed = 1;
static volatile unsigned long current;

/* xorshift64*, Vigna 2016: repeatable, and good enough to pick bytes with. */
static uint64_t random_number(uint64_t below)
{
    static uint64_t state;

    if (!state)
        state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % below;
}

static void add_file(const char *path)
{
    FILE *stream = fopen(path, "rb");
    struct input *input = &files[files_count];

    if (!stream || files_count == FILES_MAX) {
        fprintf(stderr, "%s: can't be read\n", path);
        exit(2);
    }
    input->bytes = malloc(INPUT_BYTES_MAX);
    input->size = fread(input->bytes, 1, INPUT_BYTES_MAX, stream);
    files_count++;
    fclose(stream);
}

static void add_path(const char *path)
{
    DIR *folder = opendir(path);
    char inner[4096];

    if (!folder) {
        add_file(path);
        return;
    }
    for (struct dirent *entry = readdir(folder); entry; entry = readdir(folder)) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        add_file(inner);
    }
    closedir(folder);
}

/* In memory of the exact size, so that the sanitizer sees a byte too many. */
static void run(const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static void flip_or_replace(uint8_t *bytes, size_t size)
{
    static const char telling[] = "\"\\{}[],:0-9eE+.\n \x80\xc0\xed\xff";
    size_t at = random_number(size);

    switch (random_number(3)) {
    case 0:
        bytes[at] ^= (uint8_t)(1 << random_number(8));
        break;
    case 1:
        bytes[at] = (uint8_t)random_number(256);
        break;
    default:
        bytes[at] = (uint8_t)telling[random_number(sizeof telling)];
    }
}

/* Takes a stretch out, or puts a stretch of another file in. */
static size_t resize(uint8_t *bytes, size_t size)
{
    size_t at = random_number(size), left = size - at, length = 1 + random_number(left < 64 ? left : 64);
    const struct input *other = &files[random_number(files_count)];

    if (random_number(2) || !other->size) {
        memmove(bytes + at, bytes + at + length, left - length);
        return size - length;
    }
    length = 1 + random_number(other->size < 64 ? other->size : 64);
    if (size + length > INPUT_BYTES_MAX)
        return size;
    memmove(bytes + at + length, bytes + at, left);
    memcpy(bytes + at, other->bytes + random_number(other->size - length + 1), length);
    return size + length;
}

/* Puts another value behind some colon, up to where a simple one ends: what is JSON mostly stays it, and so gets past
 * its grammar to the rules behind. */
static size_t replace_value(uint8_t *bytes, size_t size)
{
    static const char *const values[] = {
        "0",           "1",        "-1", "0.5", "1e2",  "9007199254740991", "9007199254740992", "null",  "true",
        "\"\"",        "[]",       "{}", "[0]", "[{}]", "1699999999",       "1800000001",       "\"a\"", "\"AAAA\"",
        "\"\\u00e9\"", "{\"a\":1}"
    };
    const char *value = values[random_number(sizeof values / sizeof *values)];
    size_t at = random_number(size), length = strlen(value);
    const uint8_t *colon = memchr(bytes + at, ':', size - at);
    size_t from = colon ? (size_t)(colon + 1 - bytes) : size, to = from;

    while (to < size && !memchr(",}]", bytes[to], 3))
        to++;
    if (from == size || size - (to - from) + length > INPUT_BYTES_MAX)
        return size;
    memmove(bytes + from + length, bytes + to, size - to);
    memcpy(bytes + from, value, length);
    return size - (to - from) + length;
}

static size_t mutate(uint8_t *bytes)
{
    bool by_values = random_number(2);
    const struct input *from = &files[random_number(files_count)];
    size_t size = from->size;

    memcpy(bytes, from->bytes, size);
    for (uint64_t left = 1 + random_number(8); left > 0 && size > 0; left--) {
        if (by_values)
            size = replace_value(bytes, size);
        else if (random_number(3))
            flip_or_replace(bytes, size);
        else
            size = resize(bytes, size);
    }
    return size;
}

static void on_death(void)
{
    char text[96];
    int size =
        snprintf(text, sizeof text, "fuzz: died at mutation %lu of seed %llu\n", current, (unsigned long long)seed);

    if (write(STDERR_FILENO, text, (size_t)size) < 0)
        _exit(1);
}

static void on_abort(int number)
{
    on_death();
    signal(number, SIG_DFL);
    raise(number);
}

int main(int argc, char **argv)
{
    static uint8_t bytes[INPUT_BYTES_MAX];
    unsigned long mutations = 10000;

    for (int option = getopt(argc, argv, "n:s:"); option != -1; option = getopt(argc, argv, "n:s:")) {
        if (option == 'n')
            mutations = strtoul(optarg, NULL, 10);
        else if (option == 's')
            seed = strtoull(optarg, NULL, 10);
        else
            return 2;
    }
    signal(SIGABRT, on_abort);
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(on_death);
    for (int i = optind; i < argc; i++)
        add_path(argv[i]);
    for (size_t i = 0; i < files_count; i++)
        run(files[i].bytes, files[i].size);
    for (current = 1; files_count && current <= mutations; current++) {
        size_t size = mutate(bytes);
        run(bytes, size);
    }
    printf("%zu files, %lu mutations of seed %llu: fine\n", files_count, mutations, (unsigned long long)seed);
    for (size_t i = 0; i < files_count; i++)
        free(files[i].bytes);
    return 0;
}
