/* A program of the tests alone, for units of theirs (testbed.py): one that behaves badly in a chosen way, or does to
 * PID 1 what no service of a node would. It never gets into the product's image.
 *
 *     probe ok | fail                 ends with code 0, 1
 *     probe sleep                     sleeps until SIGTERM
 *     probe ready                     is ready (ready: fd), then sleeps
 *     probe deaf                      ignores every signal that can be ignored
 *     probe escape                    leaves a deaf process behind in a session of its own, then sleeps
 *     probe exists PATH               ends with code 0 if PATH is there
 *     probe say TEXT…                 prints it
 *     probe flood                     prints lines as fast as it can, for ever
 *     probe after SECONDS PROGRAM…    executes PROGRAM then
 *     probe late SECONDS PROGRAM…     the same, deaf to SIGTERM meanwhile and thereafter
 *     probe eat MEBIBYTES             touches so much memory, then says so and sleeps; 0: until it is killed
 *     probe storm COUNT               makes so many orphans, as fast as it can
 *     probe clients SOCKET COUNT      connects so often and stays silent
 *     probe freeze                    stops PID 1 (ptrace)
 *     probe fault                     makes PID 1 jump to address 0x5a5a (ptrace)
 *     probe rewrite PATH              writes to it and syncs, for ever; makes it first */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static int complain(const char *what)
{
    printf("probe: %s: %s\n", what, strerror(errno));
    return 1;
}

static int sleep_on(void)
{
    while (pause() < 0)
        continue;
    return 0;
}

static int be_ready(void)
{
    const char *fd = getenv("ZINIT_READY_FD");

    if (!fd || write(atoi(fd), "\n", 1) != 1)
        return complain("tell that it is ready");
    return sleep_on();
}

static int be_deaf(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
    printf("probe: deaf\n");
    return sleep_on();
}

static int escape(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0)
            return be_deaf();
        _exit(0);
    }
    return sleep_on();
}

static int eat(size_t mebibytes)
{
    for (size_t i = 0; mebibytes == 0 || i < mebibytes; i++) {
        char *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (piece == MAP_FAILED)
            return complain("mmap");
        memset(piece, 1, 1 << 20);
        if (i % 64 == 63)
            printf("probe: ate %zu MiB\n", i + 1);
    }
    printf("probe: full\n");
    return sleep_on();
}

static int storm(long count)
{
    long failed = 0;

    for (long i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (int grandchild = 0; grandchild < 8; grandchild++)
                if (fork() == 0)
                    _exit(0);
            _exit(0);
        }
        failed += child < 0;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
    }
    printf("probe: storm of %ld is over, %ld forks failed\n", count * 8, failed);
    return sleep_on();
}

static int crowd(const char *path, long count)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct rlimit limit = { (rlim_t)count + 64, (rlim_t)count + 64 };
    long open_ones = 0;

    setrlimit(RLIMIT_NOFILE, &limit);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    for (long i = 0; i < count; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (fd < 0)
            break;
        open_ones += connect(fd, (struct sockaddr *)&address, sizeof address) == 0;
    }
    printf("probe: %ld clients\n", open_ones);
    return sleep_on();
}

static int flood(void)
{
    while (puts("flood") >= 0)
        continue;
    return complain("write");
}

static int seize(void)
{
    if (ptrace(PTRACE_SEIZE, 1, NULL, NULL) < 0 || ptrace(PTRACE_INTERRUPT, 1, NULL, NULL) < 0)
        return complain("trace PID 1");
    if (waitpid(1, NULL, __WALL) < 0)
        return complain("wait for PID 1 to stop");
    return 0;
}

static int freeze(void)
{
    if (seize())
        return 1;
    /* Not by way of zinit, which can't read it. */
    int console = open("/dev/console", O_WRONLY | O_NOCTTY);
    if (console < 0 || write(console, "probe: PID 1 is stopped\n", 24) < 0)
        return complain("write to the console");
    return sleep_on();
}

static int fault(void)
{
    struct user_regs_struct registers;

    if (seize())
        return 1;
    if (ptrace(PTRACE_GETREGS, 1, NULL, &registers) < 0)
        return complain("read registers");
    registers.rip = 0x5a5a;
    registers.orig_rax = (unsigned long long)-1; /* no system call is to be begun again */
    if (ptrace(PTRACE_SETREGS, 1, NULL, &registers) < 0 || ptrace(PTRACE_DETACH, 1, NULL, NULL) < 0)
        return complain("set registers");
    return sleep_on();
}

static int rewrite(const char *path)
{
    static char block[65536];
    int fd = open(path, O_WRONLY | O_CREAT, 0600);

    if (fd < 0)
        return complain(path);
    for (unsigned long i = 0; pwrite(fd, block, sizeof block, 0) == sizeof block && fsync(fd) == 0; i++) {
        memset(block, (int)i, sizeof block);
        if (i == 0)
            printf("probe: writes\n");
    }
    return complain("write");
}

int main(int count, char **words)
{
    const char *what = count > 1 ? words[1] : "", *first = count > 2 ? words[2] : "",
               *second = count > 3 ? words[3] : "";

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!strcmp(what, "ok") || !strcmp(what, "fail"))
        return *what == 'f';
    if (!strcmp(what, "sleep"))
        return sleep_on();
    if (!strcmp(what, "ready"))
        return be_ready();
    if (!strcmp(what, "deaf"))
        return be_deaf();
    if (!strcmp(what, "escape"))
        return escape();
    if (!strcmp(what, "exists"))
        return access(first, F_OK) < 0;
    if (!strcmp(what, "say")) {
        for (int i = 2; i < count; i++)
            printf("%s%c", words[i], i + 1 < count ? ' ' : '\n');
        return 0;
    }
    if (!strcmp(what, "flood"))
        return flood();
    if ((!strcmp(what, "after") || !strcmp(what, "late")) && count > 3) {
        if (*what == 'l')
            signal(SIGTERM, SIG_IGN);
        usleep((useconds_t)(atof(first) * 1e6));
        execvp(words[3], words + 3);
        return complain(words[3]);
    }
    if (!strcmp(what, "eat"))
        return eat((size_t)atol(first));
    if (!strcmp(what, "storm"))
        return storm(atol(first));
    if (!strcmp(what, "clients"))
        return crowd(first, atol(second));
    if (!strcmp(what, "freeze"))
        return freeze();
    if (!strcmp(what, "fault"))
        return fault();
    if (!strcmp(what, "rewrite"))
        return rewrite(first);
    printf("probe: it doesn't know \"%s\"\n", what);
    return 2;
}
